//! Creates `dead_letters`: events of the embedded log that a group of consumers could not handle.

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
            .col(c.string("consumer_group", 50))
            .col(c.string("topic", 190))
            .col(c.bigint("log_position"))
            .col(c.string("record_key", 255))
            .col(c.json("headers"))
            .col(c.json("body"))
            .col(c.time("created_at"))
            .col(c.text("error"))
            .col(c.int("attempts"))
            .col(c.time("failed_at"))
            .take();
        create_table(
            manager,
            "dead_letters",
            table,
            vec![
                unique(
                    "uq_dead_letters_place",
                    &["consumer_group", "topic", "log_position"],
                ),
                index("idx_dead_letters_old", &["failed_at"]),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "dead_letters").await
    }
}
