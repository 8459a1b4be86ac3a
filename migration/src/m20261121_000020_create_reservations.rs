//! Creates `reservations`: stock that is held for order lines.

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
            .col(c.id("order_id"))
            .col(c.id("order_line_id"))
            .col(c.id("variant_id"))
            .col(c.id("warehouse_id"))
            .col(c.bigint("quantity"))
            .col(c.bigint("returned"))
            .col(c.string("status", 16))
            .col(c.time("expires_at"))
            .col(c.time("created_at"))
            .col(c.time("updated_at"))
            .primary_key(Index::create().col("id"))
            .check((
                Alias::new("ck_reservations_quantity"),
                Expr::col("quantity").gt(0),
            ))
            .check((
                Alias::new("ck_reservations_returned"),
                Expr::col("returned")
                    .gte(0)
                    .and(Expr::col("returned").lte(Expr::col("quantity"))),
            ))
            .foreign_key(&mut foreign_key(
                "fk_reservations_order",
                "order_id",
                "orders",
                ForeignKeyAction::Cascade,
            ))
            .take();
        create_table(
            manager,
            "reservations",
            table,
            vec![
                index("idx_reservations_order", &["order_id"]),
                index("idx_reservations_status_expires", &["status", "expires_at"]),
                index(
                    "idx_reservations_variant",
                    &["variant_id", "warehouse_id", "status"],
                ),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "reservations").await
    }
}
