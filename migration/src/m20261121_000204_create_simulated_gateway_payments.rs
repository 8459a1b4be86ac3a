//! Creates `simulated_gateway_payments`: what the simulated provider knows of payments.

use crate::columns::{Columns, create_table, drop_table};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.string("reference", 64))
            .col(c.string("behaviour", 24))
            .col(c.bigint("amount_minor"))
            .col(c.string("currency", 10))
            .col(c.string("state", 24))
            .col(c.time_null("settles_at"))
            .col(c.bigint("captured_minor"))
            .col(c.bigint("refunded_minor"))
            .col(c.time("created_at"))
            .col(c.time("updated_at"))
            .primary_key(Index::create().col("reference"))
            .check((
                Alias::new("ck_simulated_gateway_payments_refunded"),
                Expr::col("refunded_minor")
                    .gte(0)
                    .and(Expr::col("refunded_minor").lte(Expr::col("captured_minor"))),
            ))
            .take();
        create_table(manager, "simulated_gateway_payments", table, vec![]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "simulated_gateway_payments").await
    }
}
