//! Creates `variants`: what is sold: the variants of products.

use crate::columns::{Columns, create_table, drop_table, foreign_key, index, unique};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.id("id"))
            .col(c.id("product_id"))
            .col(c.string("sku", 64))
            .col(c.string("sku_folded", 64))
            .col(c.string("name", 120))
            .col(c.json("options"))
            .col(c.bigint("price_minor"))
            .col(c.string("currency", 10))
            .col(c.int("position"))
            .col(c.flag("is_stocked"))
            .col(c.string("availability", 16))
            .col(c.time_null("archived_at"))
            .col(c.int("version"))
            .col(c.time("created_at"))
            .col(c.time("updated_at"))
            .primary_key(Index::create().col("id"))
            .check((
                Alias::new("ck_variants_price"),
                Expr::col("price_minor").gte(0),
            ))
            .foreign_key(&mut foreign_key(
                "fk_variants_product",
                "product_id",
                "products",
                ForeignKeyAction::Cascade,
            ))
            .take();
        create_table(
            manager,
            "variants",
            table,
            vec![
                unique("uq_variants_sku", &["sku_folded"]),
                index("idx_variants_product", &["product_id", "position"]),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "variants").await
    }
}
