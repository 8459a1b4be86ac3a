//! Creates `payments`: what customers pay for orders.

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
            .col(c.id("user_id"))
            .col(c.string("provider", 24))
            .col(c.string("method", 24))
            .col(c.string("masked_token", 64))
            .col(c.bigint("amount_minor"))
            .col(c.string("currency", 10))
            .col(c.string("state", 24))
            .col(c.string("goal", 24))
            .col(c.string_null("return_reason", 200))
            .col(c.string_null("decline_reason", 24))
            .col(c.bigint("captured_minor"))
            .col(c.bigint("refund_claimed_minor"))
            .col(c.bigint("refunded_minor"))
            .col(c.int("tries"))
            .col(c.time_null("next_run_at"))
            .col(c.int("version"))
            .col(c.time("created_at"))
            .col(c.time("updated_at"))
            .col(c.time_null("captured_at"))
            .col(c.id_null("transaction_id"))
            .primary_key(Index::create().col("id"))
            .check((
                Alias::new("ck_payments_amount"),
                Expr::col("amount_minor").gt(0),
            ))
            .check((
                Alias::new("ck_payments_captured"),
                Expr::col("captured_minor")
                    .gte(0)
                    .and(Expr::col("captured_minor").lte(Expr::col("amount_minor"))),
            ))
            .check((
                Alias::new("ck_payments_claimed"),
                Expr::col("refund_claimed_minor").lte(Expr::col("captured_minor")),
            ))
            .check((
                Alias::new("ck_payments_refunded"),
                Expr::col("refunded_minor")
                    .gte(0)
                    .and(Expr::col("refunded_minor").lte(Expr::col("refund_claimed_minor"))),
            ))
            .foreign_key(&mut foreign_key(
                "fk_payments_order",
                "order_id",
                "orders",
                ForeignKeyAction::Restrict,
            ))
            .foreign_key(&mut foreign_key(
                "fk_payments_user",
                "user_id",
                "users",
                ForeignKeyAction::Restrict,
            ))
            .take();
        create_table(
            manager,
            "payments",
            table,
            vec![
                index("idx_payments_order", &["order_id", "created_at", "id"]),
                index("idx_payments_next_run", &["next_run_at"]),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "payments").await
    }
}
