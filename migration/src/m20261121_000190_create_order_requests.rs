//! Creates `order_requests`: where orders came from, apart from them.

use crate::columns::{Columns, create_table, drop_table, foreign_key, index};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.id("order_id"))
            .col(c.string_null("ip", 45))
            .col(c.string_null("user_agent", 255))
            .col(c.string("platform", 32))
            .col(c.string("api_version", 16))
            .col(c.id_null("session_id"))
            .col(c.time("created_at"))
            .primary_key(Index::create().col("order_id"))
            .foreign_key(&mut foreign_key(
                "fk_order_requests_order",
                "order_id",
                "orders",
                ForeignKeyAction::Cascade,
            ))
            .take();
        create_table(
            manager,
            "order_requests",
            table,
            vec![index("idx_order_requests_created", &["created_at"])],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "order_requests").await
    }
}
