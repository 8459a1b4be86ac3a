//! Creates `consumer_inbox`: which events a group of consumers has handled.

use crate::columns::{Columns, clustered, create_table, drop_table, index};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.string("consumer_group", 50))
            .col(c.id("event_id"))
            .col(c.time("handled_at"))
            .primary_key(Index::create().col("consumer_group").col("event_id"))
            .take();
        let table = clustered(manager, table);
        let old = index("idx_consumer_inbox_old", &["handled_at"]);
        create_table(manager, "consumer_inbox", table, vec![old]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "consumer_inbox").await
    }
}
