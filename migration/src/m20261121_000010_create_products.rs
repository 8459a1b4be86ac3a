//! Creates `products`: products.

use crate::columns::{Columns, create_table, drop_table, index, unique};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.id("id"))
            .col(c.string("slug", 200))
            .col(c.string("name", 200))
            .col(c.string("name_folded", 200))
            .col(c.text("description"))
            .col(c.string("status", 16))
            .col(c.string_null("external_reference", 64))
            .col(c.id("default_variant_id"))
            .col(c.bigint("price_minor"))
            .col(c.bigint("price_min_minor"))
            .col(c.bigint("price_max_minor"))
            .col(c.string("currency", 10))
            .col(c.string("availability", 16))
            .col(c.int("version"))
            .col(c.time("created_at"))
            .col(c.time("updated_at"))
            .primary_key(Index::create().col("id"))
            .check((
                Alias::new("ck_products_price"),
                Expr::col("price_min_minor").gte(0),
            ))
            .take();
        create_table(
            manager,
            "products",
            table,
            vec![
                unique("uq_products_slug", &["slug"]),
                unique("uq_products_external_reference", &["external_reference"]),
                index(
                    "idx_products_status_created",
                    &["status", "created_at", "id"],
                ),
                index("idx_products_status_name", &["status", "name_folded", "id"]),
                index(
                    "idx_products_status_price",
                    &["status", "price_minor", "id"],
                ),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "products").await
    }
}
