//! Creates `journal_entries`: postings that belong together.

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
            .col(c.string("operation_key", 96))
            .col(c.string("kind", 24))
            .col(c.id_null("user_id"))
            .col(c.id_null("order_id"))
            .col(c.id_null("payment_id"))
            .col(c.id_null("refund_id"))
            .col(c.string("description", 200))
            .col(c.time("created_at"))
            .primary_key(Index::create().col("id"))
            .take();
        create_table(
            manager,
            "journal_entries",
            table,
            vec![
                unique("uq_journal_entries_operation_key", &["operation_key"]),
                index("idx_journal_entries_user", &["user_id", "created_at", "id"]),
                index("idx_journal_entries_order", &["order_id"]),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "journal_entries").await
    }
}
