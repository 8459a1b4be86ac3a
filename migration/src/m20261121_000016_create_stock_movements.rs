//! Creates `stock_movements`: each change of stock on hand.

use crate::columns::{Columns, create_table, drop_table, foreign_key, index};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.id("id"))
            .col(c.id("variant_id"))
            .col(c.id("warehouse_id"))
            .col(c.bigint("delta"))
            .col(c.string("reason", 24))
            .col(c.string_null("reference", 64))
            .col(c.id_null("actor_id"))
            .col(c.id_null("pair_id"))
            .col(c.time("created_at"))
            .primary_key(Index::create().col("id"))
            .foreign_key(&mut foreign_key(
                "fk_stock_movements_variant",
                "variant_id",
                "variants",
                ForeignKeyAction::Cascade,
            ))
            .take();
        create_table(
            manager,
            "stock_movements",
            table,
            vec![
                index(
                    "idx_stock_movements_variant",
                    &["variant_id", "warehouse_id", "created_at"],
                ),
                index(
                    "idx_stock_movements_warehouse",
                    &["warehouse_id", "created_at", "id"],
                ),
                index(
                    "idx_stock_movements_reference",
                    &["reference", "created_at", "id"],
                ),
                index("idx_stock_movements_created", &["created_at", "id"]),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "stock_movements").await
    }
}
