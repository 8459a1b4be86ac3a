//! Creates `idempotency_keys`: what mutations with an idempotency key did.

use crate::columns::{Columns, create_table, drop_table, index};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.string("id", 64))
            .col(c.string("arguments_hash", 64))
            .col(c.id("effect_id"))
            .col(c.text_null("note"))
            .col(c.time("created_at"))
            .primary_key(Index::create().col("id"))
            .take();
        create_table(
            manager,
            "idempotency_keys",
            table,
            vec![index("idx_idempotency_keys_created", &["created_at"])],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "idempotency_keys").await
    }
}
