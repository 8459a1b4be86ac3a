//! Creates `users`: people who buy or run the shop.

use crate::columns::{Columns, create_table, drop_table, index, unique};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.id("id"))
            .col(c.string("name", 120))
            .col(c.string("email", 254))
            .col(c.string_null("phone", 16))
            .col(c.string("password_hash", 72))
            .col(c.string("role", 16))
            .col(c.string("status", 16))
            .col(c.int("version"))
            .col(c.time("created_at"))
            .col(c.time("updated_at"))
            .primary_key(Index::create().col("id"))
            .take();
        create_table(
            manager,
            "users",
            table,
            vec![
                unique("uq_users_email", &["email"]),
                unique("uq_users_phone", &["phone"]),
                index("idx_users_created", &["created_at", "id"]),
                index("idx_users_name", &["name", "id"]),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "users").await
    }
}
