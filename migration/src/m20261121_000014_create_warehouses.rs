//! Creates `warehouses`: places where stock is.

use crate::columns::{Columns, create_table, drop_table, unique};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.id("id"))
            .col(c.string("code", 32))
            .col(c.string("name", 120))
            .col(c.string("status", 16))
            .col(c.int("priority"))
            .col(c.int("version"))
            .col(c.time("created_at"))
            .col(c.time("updated_at"))
            .primary_key(Index::create().col("id"))
            .take();
        create_table(
            manager,
            "warehouses",
            table,
            vec![unique("uq_warehouses_code", &["code"])],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "warehouses").await
    }
}
