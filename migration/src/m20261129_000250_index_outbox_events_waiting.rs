//! Indexes what of `outbox_events` waits, with all that the relay asks before it fetches rows: order, shard and aggregate.

use crate::columns::index;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_index(
                index(
                    "idx_outbox_events_waiting",
                    &["published_at", "parked_at", "id", "shard", "aggregate_id"],
                )
                .table("outbox_events")
                .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_index(
                Index::drop()
                    .name("idx_outbox_events_waiting")
                    .table("outbox_events")
                    .to_owned(),
            )
            .await
    }
}
