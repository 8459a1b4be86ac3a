//! Creates `order_sagas`: checkouts: what a crash leaves to be finished.

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
            .col(c.id("payment_id"))
            .col(c.string("step", 16))
            .col(c.string_null("end_status", 24))
            .col(c.string_null("reason", 200))
            .col(c.int("attempts"))
            .col(c.time_null("next_run_at"))
            .col(c.id_null("lease_holder"))
            .col(c.time_null("lease_until"))
            .col(c.time("started_at"))
            .col(c.time("updated_at"))
            .primary_key(Index::create().col("order_id"))
            .foreign_key(&mut foreign_key(
                "fk_order_sagas_order",
                "order_id",
                "orders",
                ForeignKeyAction::Cascade,
            ))
            .take();
        create_table(
            manager,
            "order_sagas",
            table,
            vec![index("idx_order_sagas_due", &["next_run_at", "order_id"])],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "order_sagas").await
    }
}
