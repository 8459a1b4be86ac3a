//! Creates `cache_epochs`: which entries of the shared cache may be read.

use crate::columns::{Columns, create_table, drop_table};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.string("name", 64))
            .col(c.id("epoch"))
            .col(c.string("run_id", 64))
            .primary_key(Index::create().col("name"))
            .take();
        create_table(manager, "cache_epochs", table, vec![]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "cache_epochs").await
    }
}
