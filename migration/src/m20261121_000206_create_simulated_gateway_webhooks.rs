//! Creates `simulated_gateway_webhooks`: what the simulated provider has to tell.

use crate::columns::{Columns, create_table, drop_table, index};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.id("id"))
            .col(c.string("reference", 64))
            .col(c.string("event", 48))
            .col(c.time_null("due_at"))
            .col(c.time("created_at"))
            .primary_key(Index::create().col("id"))
            .take();
        create_table(
            manager,
            "simulated_gateway_webhooks",
            table,
            vec![index("idx_simulated_gateway_webhooks_due", &["due_at"])],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "simulated_gateway_webhooks").await
    }
}
