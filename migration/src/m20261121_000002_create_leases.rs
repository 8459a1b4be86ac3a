//! Creates `leases`: who does a piece of background work.

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
            .col(c.id("holder"))
            .col(c.time("expires_at"))
            .primary_key(Index::create().col("name"))
            .take();
        create_table(manager, "leases", table, vec![]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "leases").await
    }
}
