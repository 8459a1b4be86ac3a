//! Creates `transactions`: what happened to users' money, as they see it.

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
            .col(c.id("user_id"))
            .col(c.string("kind", 24))
            .col(c.string("status", 24))
            .col(c.string("asset", 10))
            .col(c.bigint("amount_minor"))
            .col(c.string("description", 200))
            .col(c.id_null("order_id"))
            .col(c.id_null("payment_id"))
            .col(c.id_null("refund_id"))
            .col(c.id_null("trade_order_id"))
            .col(c.id_null("hold_id"))
            .col(c.id_null("entry_id"))
            .col(c.string_null("method", 24))
            .col(c.string_null("masked_token", 64))
            .col(c.string_null("failure", 24))
            .col(c.id_null("actor_id"))
            .col(c.int("tries"))
            .col(c.time_null("next_run_at"))
            .col(c.time("created_at"))
            .col(c.time("updated_at"))
            .col(c.time_null("completed_at"))
            .primary_key(Index::create().col("id"))
            .check((
                Alias::new("ck_transactions_amount"),
                Expr::col("amount_minor").ne(0),
            ))
            // What is completed was posted, and nothing else was.
            .check((
                Alias::new("ck_transactions_entry"),
                Expr::col("status")
                    .eq("COMPLETED")
                    .and(Expr::col("entry_id").is_not_null())
                    .or(Expr::col("status")
                        .ne("COMPLETED")
                        .and(Expr::col("entry_id").is_null())),
            ))
            // No key to the journal: the row is written before its entry, because balances are what others wait for.
            .foreign_key(&mut foreign_key(
                "fk_transactions_user",
                "user_id",
                "users",
                ForeignKeyAction::Restrict,
            ))
            .take();
        create_table(
            manager,
            "transactions",
            table,
            vec![
                index("idx_transactions_user", &["user_id", "created_at", "id"]),
                index("idx_transactions_created", &["created_at", "id"]),
                index("idx_transactions_order", &["order_id"]),
                index("idx_transactions_entry", &["entry_id"]),
                index("idx_transactions_next_run", &["next_run_at"]),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "transactions").await
    }
}
