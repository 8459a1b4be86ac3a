//! Creates `order_fulfillments`: parcels of orders.

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
            .col(c.id("order_id"))
            .col(c.string_null("carrier", 64))
            .col(c.string_null("tracking_number", 128))
            .col(c.string_null("tracking_url", 500))
            .col(c.id_null("actor_id"))
            .col(c.time("created_at"))
            .primary_key(Index::create().col("id"))
            .foreign_key(&mut foreign_key(
                "fk_order_fulfillments_order",
                "order_id",
                "orders",
                ForeignKeyAction::Cascade,
            ))
            .take();
        create_table(
            manager,
            "order_fulfillments",
            table,
            vec![index(
                "idx_order_fulfillments_order",
                &["order_id", "created_at", "id"],
            )],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "order_fulfillments").await
    }
}
