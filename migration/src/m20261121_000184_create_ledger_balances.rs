//! Creates `ledger_balances`: the balances of the ledger's accounts, in shards.

use crate::columns::{Columns, create_table, drop_table, foreign_key};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.id("account_id"))
            .col(c.int("shard"))
            .col(c.bigint("amount_minor"))
            .col(c.bigint_null("least_minor"))
            .col(c.time("updated_at"))
            .primary_key(Index::create().col("account_id").col("shard"))
            // Without a least amount the comparison is unknown, and what is unknown passes.
            .check((
                Alias::new("ck_ledger_balances_least"),
                Expr::col("amount_minor").gte(Expr::col("least_minor")),
            ))
            .foreign_key(&mut foreign_key(
                "fk_ledger_balances_account",
                "account_id",
                "ledger_accounts",
                ForeignKeyAction::Restrict,
            ))
            .take();
        create_table(manager, "ledger_balances", table, vec![]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "ledger_balances").await
    }
}
