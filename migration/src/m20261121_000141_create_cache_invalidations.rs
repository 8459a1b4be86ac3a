//! Creates `cache_invalidations`: changes that the shared cache has not been told yet.

use crate::columns::{Columns, create_table, drop_table};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.id("id"))
            .col(c.json("tags"))
            .col(c.time("created_at"))
            .primary_key(Index::create().col("id"))
            .take();
        create_table(manager, "cache_invalidations", table, vec![]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "cache_invalidations").await
    }
}
