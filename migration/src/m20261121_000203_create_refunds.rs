//! Creates `refunds`: what went back of payments.

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
            .col(c.id("payment_id"))
            .col(c.id("order_id"))
            .col(c.bigint("amount_minor"))
            .col(c.string("currency", 10))
            .col(c.string_null("reason", 200))
            .col(c.string("state", 24))
            .col(c.string_null("failure", 200))
            .col(c.int("tries"))
            .col(c.time_null("next_run_at"))
            .col(c.int("version"))
            .col(c.time("created_at"))
            .col(c.time("updated_at"))
            .col(c.time_null("refunded_at"))
            .primary_key(Index::create().col("id"))
            .check((
                Alias::new("ck_refunds_amount"),
                Expr::col("amount_minor").gt(0),
            ))
            .foreign_key(&mut foreign_key(
                "fk_refunds_payment",
                "payment_id",
                "payments",
                ForeignKeyAction::Restrict,
            ))
            .foreign_key(&mut foreign_key(
                "fk_refunds_order",
                "order_id",
                "orders",
                ForeignKeyAction::Restrict,
            ))
            .take();
        create_table(
            manager,
            "refunds",
            table,
            vec![
                index("idx_refunds_order", &["order_id", "created_at", "id"]),
                index("idx_refunds_payment", &["payment_id"]),
                index("idx_refunds_next_run", &["next_run_at"]),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "refunds").await
    }
}
