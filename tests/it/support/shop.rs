//! Things to sell and people who buy, written straight into the tables: what a test is about goes through the API.

use super::TestApp;
use entity::accounts::{Role, UserStatus, user};
use entity::catalog::{Availability, ProductStatus, VariantOptions, product, variant};
use entity::ids::{ProductId, UserId, VariantId, WarehouseId};
use entity::inventory::{WarehouseStatus, stock, warehouse};
use sea_orm::{EntityTrait, IntoActiveModel};
use tradepost::error::Fault;

/// A product with one variant and stock in one warehouse.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sold {
    pub(crate) product: ProductId,
    pub(crate) variant: VariantId,
    pub(crate) warehouse: WarehouseId,
}

impl TestApp {
    /// A user who can be the owner of orders; it has no password.
    pub(crate) async fn user(&self, email: &str, role: Role) -> UserId {
        let now = self.app.clock().now();
        let row = user::Model {
            id: self.app.clock().id(),
            name: email.to_owned(),
            email: email.to_owned(),
            phone: None,
            password_hash: String::new(),
            role,
            status: UserStatus::Active,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let row = &row;
        self.insert(async |tx| {
            user::Entity::insert(row.clone().into_active_model())
                .exec_without_returning(&*tx)
                .await?;
            Ok(())
        })
        .await;
        row.id
    }

    /// An active warehouse.
    pub(crate) async fn warehouse(&self, code: &str, priority: i32) -> WarehouseId {
        let now = self.app.clock().now();
        let row = warehouse::Model {
            id: self.app.clock().id(),
            code: code.to_owned(),
            name: code.to_owned(),
            status: WarehouseStatus::Active,
            priority,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let row = &row;
        self.insert(async |tx| {
            warehouse::Entity::insert(row.clone().into_active_model())
                .exec_without_returning(&*tx)
                .await?;
            Ok(())
        })
        .await;
        row.id
    }

    /// A product for sale with one variant at a price in pence, and units in a warehouse.
    pub(crate) async fn product(
        &self,
        sku: &str,
        price_minor: i64,
        warehouse: WarehouseId,
        units: i64,
    ) -> Sold {
        let now = self.app.clock().now();
        let (product, variant) = (
            self.app.clock().id::<ProductId>(),
            self.app.clock().id::<VariantId>(),
        );
        let availability = if units > 0 {
            Availability::InStock
        } else {
            Availability::OutOfStock
        };
        let product_row = product::Model {
            id: product,
            slug: sku.to_lowercase(),
            name: format!("Product {sku}"),
            name_folded: format!("product {}", sku.to_lowercase()),
            description: String::new(),
            status: ProductStatus::Active,
            external_reference: None,
            default_variant_id: variant,
            price_minor,
            price_min_minor: price_minor,
            price_max_minor: price_minor,
            currency: "GBP".to_owned(),
            availability,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let variant_row = variant::Model {
            id: variant,
            product_id: product,
            sku: sku.to_owned(),
            sku_folded: sku.to_lowercase(),
            name: String::new(),
            options: VariantOptions::default(),
            price_minor,
            currency: "GBP".to_owned(),
            position: 0,
            is_stocked: true,
            availability,
            archived_at: None,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let (product_row, variant_row) = (&product_row, &variant_row);
        let inventory = self.app.inventory();
        self.insert(async |tx| {
            product::Entity::insert(product_row.clone().into_active_model())
                .exec_without_returning(&*tx)
                .await?;
            variant::Entity::insert(variant_row.clone().into_active_model())
                .exec_without_returning(&*tx)
                .await?;
            inventory
                .stock_begin_many_in(&tx, warehouse, &[(variant, units)], "test")
                .await
        })
        .await;
        Sold {
            product,
            variant,
            warehouse,
        }
    }

    /// Units on hand and reserved.
    pub(crate) async fn stock(&self, sold: Sold) -> (i64, i64) {
        let row = self
            .app
            .db()
            .read("test.stock", async |c| {
                Ok::<_, Fault>(
                    stock::Entity::find_by_id((sold.variant, sold.warehouse))
                        .one(&*c)
                        .await?,
                )
            })
            .await
            .unwrap()
            .unwrap();
        (row.on_hand, row.reserved)
    }

    async fn insert<F, Fut>(&self, rows: F)
    where
        F: Fn(tradepost::db::Tx) -> Fut + Send,
        Fut: Future<Output = Result<(), Fault>> + Send,
    {
        self.app.db().write("test.insert", rows).await.unwrap();
    }
}
