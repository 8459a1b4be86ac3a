//! Creates `consumer_positions`: how far each group of consumers has come in the embedded log.

use crate::columns::{Columns, create_table, drop_table};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.string("consumer_group", 50))
            .col(c.string("topic", 190))
            .col(c.bigint("log_position"))
            .col(c.time("updated_at"))
            .primary_key(Index::create().col("consumer_group").col("topic"))
            .take();
        create_table(manager, "consumer_positions", table, vec![]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "consumer_positions").await
    }
}
