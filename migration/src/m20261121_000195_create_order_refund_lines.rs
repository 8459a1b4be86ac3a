//! Creates `order_refund_lines`: units of lines in refunds.

use crate::columns::{Columns, create_table, drop_table, foreign_key, index};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.id("refund_id"))
            .col(c.id("order_line_id"))
            .col(c.bigint("quantity"))
            .col(c.bigint("amount_minor"))
            .primary_key(Index::create().col("refund_id").col("order_line_id"))
            .check((
                Alias::new("ck_order_refund_lines_quantity"),
                Expr::col("quantity").gt(0),
            ))
            .foreign_key(&mut foreign_key(
                "fk_order_refund_lines_refund",
                "refund_id",
                "order_refunds",
                ForeignKeyAction::Cascade,
            ))
            .foreign_key(&mut foreign_key(
                "fk_order_refund_lines_line",
                "order_line_id",
                "order_lines",
                ForeignKeyAction::Cascade,
            ))
            .take();
        create_table(
            manager,
            "order_refund_lines",
            table,
            vec![index("idx_order_refund_lines_line", &["order_line_id"])],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "order_refund_lines").await
    }
}
