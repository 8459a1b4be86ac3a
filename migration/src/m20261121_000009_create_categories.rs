//! Creates `categories`: the category tree.

use crate::columns::{Columns, create_table, drop_table, foreign_key, index, unique};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.id("id"))
            .col(c.id_null("parent_id"))
            .col(c.string("name", 120))
            .col(c.string("slug", 120))
            .col(c.text("description"))
            .col(c.string("status", 16))
            .col(c.int("position"))
            .col(c.int("version"))
            .col(c.time("created_at"))
            .col(c.time("updated_at"))
            .primary_key(Index::create().col("id"))
            .foreign_key(&mut foreign_key(
                "fk_categories_parent",
                "parent_id",
                "categories",
                ForeignKeyAction::Restrict,
            ))
            .take();
        create_table(
            manager,
            "categories",
            table,
            vec![
                unique("uq_categories_slug", &["slug"]),
                index("idx_categories_parent", &["parent_id", "position"]),
                index("idx_categories_position", &["position", "id"]),
                index("idx_categories_name", &["name", "id"]),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "categories").await
    }
}
