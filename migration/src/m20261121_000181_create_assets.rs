//! Creates `assets`: what amounts are counted in.

use crate::columns::{Columns, create_table, drop_table};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.string("code", 10))
            .col(c.string("kind", 24))
            .col(c.int("scale"))
            .col(c.string("symbol", 16))
            .primary_key(Index::create().col("code"))
            .check((
                Alias::new("ck_assets_scale"),
                Expr::col("scale").between(0, 8),
            ))
            .take();
        create_table(manager, "assets", table, vec![]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "assets").await
    }
}
