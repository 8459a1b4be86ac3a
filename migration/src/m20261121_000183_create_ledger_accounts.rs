//! Creates `ledger_accounts`: the accounts of the ledger.

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
            .col(c.string("kind", 24))
            .col(c.string("asset", 10))
            .col(c.id_null("user_id"))
            .col(c.time("created_at"))
            .primary_key(Index::create().col("id"))
            .foreign_key(
                ForeignKey::create()
                    .name("fk_ledger_accounts_asset")
                    .from_col("asset")
                    .to("assets", "code")
                    .on_delete(ForeignKeyAction::Restrict),
            )
            .foreign_key(&mut foreign_key(
                "fk_ledger_accounts_user",
                "user_id",
                "users",
                ForeignKeyAction::Restrict,
            ))
            .take();
        create_table(
            manager,
            "ledger_accounts",
            table,
            vec![index("idx_ledger_accounts_user", &["user_id", "asset"])],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "ledger_accounts").await
    }
}
