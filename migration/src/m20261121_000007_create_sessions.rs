//! Creates `sessions`: log-ins.

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
            .col(c.time("created_at"))
            .col(c.time("refreshed_at"))
            .col(c.time("expires_at"))
            .col(c.time_null("revoked_at"))
            .primary_key(Index::create().col("id"))
            .foreign_key(&mut foreign_key(
                "fk_sessions_user",
                "user_id",
                "users",
                ForeignKeyAction::Cascade,
            ))
            .take();
        create_table(
            manager,
            "sessions",
            table,
            vec![index("idx_sessions_user", &["user_id", "created_at"])],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "sessions").await
    }
}
