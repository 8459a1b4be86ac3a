//! Creates `payment_attempts`: what was asked of payment providers, and what came back.

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
            .col(c.id("payment_id"))
            .col(c.id_null("refund_id"))
            .col(c.string("operation", 24))
            .col(c.string("provider_key", 64))
            .col(c.bigint("amount_minor"))
            .col(c.time("asked_at"))
            .col(c.time_null("answered_at"))
            .col(c.string_null("result", 24))
            .col(c.string_null("detail", 200))
            .col(c.time_null("next_run_at"))
            .primary_key(Index::create().col("id"))
            .foreign_key(&mut foreign_key(
                "fk_payment_attempts_payment",
                "payment_id",
                "payments",
                ForeignKeyAction::Cascade,
            ))
            .take();
        create_table(
            manager,
            "payment_attempts",
            table,
            vec![index("idx_payment_attempts_payment", &["payment_id", "id"])],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "payment_attempts").await
    }
}
