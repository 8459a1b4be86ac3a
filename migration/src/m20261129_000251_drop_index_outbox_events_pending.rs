//! Drops the index that the one of the file before begins with.

use crate::columns::index;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_index(
                Index::drop()
                    .name("idx_outbox_events_pending")
                    .table("outbox_events")
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_index(
                index(
                    "idx_outbox_events_pending",
                    &["published_at", "parked_at", "id"],
                )
                .table("outbox_events")
                .to_owned(),
            )
            .await
    }
}
