//! Creates `orders`: orders.

use crate::columns::{Columns, create_table, drop_table, foreign_key, index, unique};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.id("id"))
            .col(c.string("number", 32))
            .col(c.id_null("user_id"))
            .col(c.string("status", 24))
            .col(c.string("payment_status", 24))
            .col(c.string("origin", 16))
            .col(c.string_null("source", 64))
            .col(c.string_null("external_reference", 64))
            .col(c.string_null("customer_reference", 64))
            .col(c.string_null("client_reference", 48))
            .col(c.text_null("note"))
            .col(c.json_null("shipping_address"))
            .col(c.json_null("billing_address"))
            .col(c.string_null("cancel_reason", 200))
            .col(c.bigint("subtotal_minor"))
            .col(c.bigint("total_minor"))
            .col(c.bigint("refunded_minor"))
            .col(c.string("currency", 10))
            .col(c.time_null("reservation_expires_at"))
            .col(c.time_null("reservation_extended_at"))
            .col(c.int("version"))
            .col(c.time("created_at"))
            .col(c.time("updated_at"))
            .col(c.time_null("paid_at"))
            .col(c.time_null("cancelled_at"))
            .col(c.time_null("fulfilled_at"))
            .primary_key(Index::create().col("id"))
            .check((
                Alias::new("ck_orders_total"),
                Expr::col("total_minor").gte(0),
            ))
            .check((
                Alias::new("ck_orders_refunded"),
                Expr::col("refunded_minor")
                    .gte(0)
                    .and(Expr::col("refunded_minor").lte(Expr::col("total_minor"))),
            ))
            .foreign_key(&mut foreign_key(
                "fk_orders_user",
                "user_id",
                "users",
                ForeignKeyAction::Restrict,
            ))
            .take();
        create_table(
            manager,
            "orders",
            table,
            vec![
                unique("uq_orders_number", &["number"]),
                unique(
                    "uq_orders_client_reference",
                    &["user_id", "client_reference"],
                ),
                index("idx_orders_user_created", &["user_id", "created_at", "id"]),
                index(
                    "idx_orders_user_status",
                    &["user_id", "status", "created_at"],
                ),
                // The lists need the first three; the others make statistics of a period a walk through this index alone.
                index(
                    "idx_orders_status_created",
                    &[
                        "status",
                        "created_at",
                        "id",
                        "total_minor",
                        "source",
                        "customer_reference",
                        "user_id",
                    ],
                ),
                index("idx_orders_created", &["created_at", "id"]),
                index("idx_orders_total", &["total_minor", "id"]),
                unique("uq_orders_external", &["external_reference", "source"]),
                index(
                    "idx_orders_customer_reference",
                    &["customer_reference", "created_at", "id"],
                ),
                index(
                    "idx_orders_status_expires",
                    &["status", "reservation_expires_at"],
                ),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "orders").await
    }
}
