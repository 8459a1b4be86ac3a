//! Creates `stock`: how much of a variant a warehouse has.

use crate::columns::{Columns, create_table, drop_table, foreign_key, index};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.id("variant_id"))
            .col(c.id("warehouse_id"))
            .col(c.bigint("on_hand"))
            .col(c.bigint("reserved"))
            .col(c.time("updated_at"))
            .primary_key(Index::create().col("variant_id").col("warehouse_id"))
            .check((Alias::new("ck_stock_on_hand"), Expr::col("on_hand").gte(0)))
            .check((
                Alias::new("ck_stock_reserved"),
                Expr::col("reserved").gte(0),
            ))
            .check((
                Alias::new("ck_stock_available"),
                Expr::col("reserved").lte(Expr::col("on_hand")),
            ))
            .foreign_key(&mut foreign_key(
                "fk_stock_variant",
                "variant_id",
                "variants",
                ForeignKeyAction::Cascade,
            ))
            .foreign_key(&mut foreign_key(
                "fk_stock_warehouse",
                "warehouse_id",
                "warehouses",
                ForeignKeyAction::Restrict,
            ))
            .take();
        create_table(
            manager,
            "stock",
            table,
            vec![index("idx_stock_warehouse", &["warehouse_id"])],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "stock").await
    }
}
