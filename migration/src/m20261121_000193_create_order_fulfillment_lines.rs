//! Creates `order_fulfillment_lines`: units of lines in parcels.

use crate::columns::{Columns, create_table, drop_table, foreign_key, index};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.id("fulfillment_id"))
            .col(c.id("order_line_id"))
            .col(c.bigint("quantity"))
            .primary_key(Index::create().col("fulfillment_id").col("order_line_id"))
            .check((
                Alias::new("ck_order_fulfillment_lines_quantity"),
                Expr::col("quantity").gt(0),
            ))
            .foreign_key(&mut foreign_key(
                "fk_order_fulfillment_lines_fulfillment",
                "fulfillment_id",
                "order_fulfillments",
                ForeignKeyAction::Cascade,
            ))
            .foreign_key(&mut foreign_key(
                "fk_order_fulfillment_lines_line",
                "order_line_id",
                "order_lines",
                ForeignKeyAction::Cascade,
            ))
            .take();
        create_table(
            manager,
            "order_fulfillment_lines",
            table,
            vec![index(
                "idx_order_fulfillment_lines_line",
                &["order_line_id"],
            )],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "order_fulfillment_lines").await
    }
}
