//! Creates `postings`: the amounts that journal entries add to accounts.

use crate::columns::{Columns, create_table, drop_table, foreign_key, index};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.id("entry_id"))
            .col(c.int("position"))
            .col(c.id("account_id"))
            .col(c.int("shard"))
            .col(c.string("asset", 10))
            .col(c.bigint("amount_minor"))
            .primary_key(Index::create().col("entry_id").col("position"))
            .check((
                Alias::new("ck_postings_amount"),
                Expr::col("amount_minor").ne(0),
            ))
            .foreign_key(&mut foreign_key(
                "fk_postings_entry",
                "entry_id",
                "journal_entries",
                ForeignKeyAction::Restrict,
            ))
            .foreign_key(&mut foreign_key(
                "fk_postings_account",
                "account_id",
                "ledger_accounts",
                ForeignKeyAction::Restrict,
            ))
            .take();
        create_table(
            manager,
            "postings",
            table,
            vec![
                // Holds all that a recomputed balance needs, and lists the entries of an account in order.
                index(
                    "idx_postings_account",
                    &["account_id", "shard", "entry_id", "amount_minor"],
                ),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "postings").await
    }
}
