//! Creates `order_refunds`: refunds as orders see them.

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
            .col(c.bigint("amount_minor"))
            .col(c.int("restock"))
            .col(c.string_null("reason", 200))
            .col(c.string("status", 16))
            .col(c.id_null("actor_id"))
            .col(c.time_null("next_run_at"))
            .col(c.time("created_at"))
            .col(c.time("updated_at"))
            .primary_key(Index::create().col("id"))
            .check((
                Alias::new("ck_order_refunds_amount"),
                Expr::col("amount_minor").gt(0),
            ))
            .foreign_key(&mut foreign_key(
                "fk_order_refunds_order",
                "order_id",
                "orders",
                ForeignKeyAction::Cascade,
            ))
            .take();
        create_table(
            manager,
            "order_refunds",
            table,
            vec![
                index("idx_order_refunds_order", &["order_id", "created_at", "id"]),
                index("idx_order_refunds_due", &["status", "next_run_at"]),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "order_refunds").await
    }
}
