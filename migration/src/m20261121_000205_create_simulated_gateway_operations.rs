//! Creates `simulated_gateway_operations`: what the simulated provider did, once an idempotency key.

use crate::columns::{Columns, create_table, drop_table, index};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.string("idempotency_key", 64))
            .col(c.string("reference", 64))
            .col(c.string("operation", 24))
            .col(c.bigint("amount_minor"))
            .col(c.time("created_at"))
            .primary_key(Index::create().col("idempotency_key"))
            .take();
        create_table(
            manager,
            "simulated_gateway_operations",
            table,
            vec![index(
                "idx_simulated_gateway_operations_reference",
                &["reference", "operation"],
            )],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "simulated_gateway_operations").await
    }
}
