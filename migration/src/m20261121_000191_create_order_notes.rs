//! Creates `order_notes`: what staff wrote about orders.

use crate::columns::{Columns, create_table, drop_table, foreign_key, index};
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
            .col(c.id("author_id"))
            .col(c.text("text"))
            .col(c.time("created_at"))
            .primary_key(Index::create().col("id"))
            .foreign_key(&mut foreign_key(
                "fk_order_notes_order",
                "order_id",
                "orders",
                ForeignKeyAction::Cascade,
            ))
            .foreign_key(&mut foreign_key(
                "fk_order_notes_author",
                "author_id",
                "users",
                ForeignKeyAction::Restrict,
            ))
            .take();
        create_table(
            manager,
            "order_notes",
            table,
            vec![index(
                "idx_order_notes_order",
                &["order_id", "created_at", "id"],
            )],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "order_notes").await
    }
}
