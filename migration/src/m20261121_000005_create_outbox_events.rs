//! Creates `outbox_events`: events that were written in the transaction that caused them.

use crate::columns::{Columns, create_table, drop_table, index, unique};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.serial("id"))
            .col(c.id("event_id"))
            .col(c.int("shard"))
            .col(c.string("aggregate_type", 32))
            .col(c.id("aggregate_id"))
            .col(c.int_null("aggregate_version"))
            .col(c.string("type", 96))
            .col(c.json("payload"))
            .col(c.json("headers"))
            .col(c.time("created_at"))
            .col(c.time_null("published_at"))
            .col(c.int("attempts"))
            .col(c.text_null("last_error"))
            .col(c.time_null("parked_at"))
            .col(c.bigint_null("log_position"))
            .take();
        create_table(
            manager,
            "outbox_events",
            table,
            vec![
                unique("uq_outbox_events_event", &["event_id"]),
                unique(
                    "uq_outbox_events_version",
                    &["aggregate_id", "aggregate_version"],
                ),
                unique("uq_outbox_events_log", &["log_position"]),
                // What waits in the order of ids, what is parked, and what is old enough to go: each a range of it.
                index(
                    "idx_outbox_events_pending",
                    &["published_at", "parked_at", "id"],
                ),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "outbox_events").await
    }
}
