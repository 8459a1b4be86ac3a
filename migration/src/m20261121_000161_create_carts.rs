//! Creates `carts`: what customers and guests mean to buy.

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
            .col(c.id_null("user_id"))
            .col(c.id_null("open_user_id"))
            .col(c.string_null("token_hash", 64))
            .col(c.string("status", 16))
            .col(c.id_null("order_id"))
            .col(c.int("version"))
            .col(c.time("created_at"))
            .col(c.time("updated_at"))
            .primary_key(Index::create().col("id"))
            .check((
                Alias::new("ck_carts_open"),
                Expr::col("status")
                    .eq("OPEN")
                    .or(Expr::col("open_user_id").is_null()),
            ))
            .take();
        create_table(
            manager,
            "carts",
            table,
            vec![
                unique("uq_carts_open_user", &["open_user_id"]),
                unique("uq_carts_token", &["token_hash"]),
                index("idx_carts_user", &["user_id"]),
                index("idx_carts_updated", &["updated_at", "id"]),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "carts").await
    }
}
