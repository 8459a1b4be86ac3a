//! Creates `number_blocks`: where the next block of numbers for people begins.

use crate::columns::{Columns, create_table, drop_table};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.string("series", 32))
            .col(c.bigint("next"))
            .primary_key(Index::create().col("series"))
            .take();
        create_table(manager, "number_blocks", table, vec![]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "number_blocks").await
    }
}
