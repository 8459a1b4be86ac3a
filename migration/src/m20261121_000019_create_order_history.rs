//! Creates `order_history`: what happened to orders: one row a version.

use crate::columns::{Columns, create_table, drop_table, foreign_key, unique};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.id("id"))
            .col(c.id("order_id"))
            .col(c.int("version"))
            .col(c.string_null("from_status", 24))
            .col(c.string("to_status", 24))
            .col(c.id_null("actor_id"))
            .col(c.string_null("reason", 200))
            .col(c.time("created_at"))
            .primary_key(Index::create().col("id"))
            .foreign_key(&mut foreign_key(
                "fk_order_history_order",
                "order_id",
                "orders",
                ForeignKeyAction::Cascade,
            ))
            .take();
        create_table(
            manager,
            "order_history",
            table,
            vec![unique("uq_order_history_version", &["order_id", "version"])],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "order_history").await
    }
}
