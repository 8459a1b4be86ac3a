//! Creates `refresh_tokens`: refresh tokens of sessions.

use crate::columns::{Columns, create_table, drop_table, foreign_key, index, unique};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.id("id"))
            .col(c.id("session_id"))
            .col(c.string("token_hash", 64))
            .col(c.time("created_at"))
            .col(c.time("expires_at"))
            .col(c.time_null("used_at"))
            .primary_key(Index::create().col("id"))
            .foreign_key(&mut foreign_key(
                "fk_refresh_tokens_session",
                "session_id",
                "sessions",
                ForeignKeyAction::Cascade,
            ))
            .take();
        create_table(
            manager,
            "refresh_tokens",
            table,
            vec![
                unique("uq_refresh_tokens_hash", &["token_hash"]),
                index("idx_refresh_tokens_session", &["session_id"]),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "refresh_tokens").await
    }
}
