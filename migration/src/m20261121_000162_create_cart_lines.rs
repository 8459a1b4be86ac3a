//! Creates `cart_lines`: what is in a cart.

use crate::columns::{Columns, create_table, drop_table, foreign_key, unique};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        // No key to `variants`: a line outlives its variant, and then says that it is gone.
        let table = Table::create()
            .col(c.id("id"))
            .col(c.id("cart_id"))
            .col(c.id("variant_id"))
            .col(c.bigint("quantity"))
            .col(c.string("sku", 64))
            .col(c.string("name", 200))
            .col(c.bigint("seen_price_minor"))
            .col(c.string("currency", 10))
            .col(c.time("created_at"))
            .col(c.time("updated_at"))
            .primary_key(Index::create().col("id"))
            .check((
                Alias::new("ck_cart_lines_quantity"),
                Expr::col("quantity").gt(0),
            ))
            .foreign_key(&mut foreign_key(
                "fk_cart_lines_cart",
                "cart_id",
                "carts",
                ForeignKeyAction::Cascade,
            ))
            .take();
        create_table(
            manager,
            "cart_lines",
            table,
            vec![unique("uq_cart_lines_variant", &["cart_id", "variant_id"])],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "cart_lines").await
    }
}
