//! Creates `wallet_holds`: amounts of users that are set aside.

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
            .col(c.id("user_id"))
            .col(c.string("asset", 10))
            .col(c.bigint("amount_minor"))
            .col(c.bigint("remaining_minor"))
            .col(c.bigint("captured_minor"))
            .col(c.string("status", 24))
            .col(c.string("reference", 96))
            .col(c.id_null("order_id"))
            .col(c.time_null("expires_at"))
            .col(c.time("created_at"))
            .col(c.time("updated_at"))
            .primary_key(Index::create().col("id"))
            .check((
                Alias::new("ck_wallet_holds_amount"),
                Expr::col("amount_minor").gt(0),
            ))
            .check((
                Alias::new("ck_wallet_holds_remaining"),
                Expr::col("remaining_minor").gte(0),
            ))
            .check((
                Alias::new("ck_wallet_holds_captured"),
                Expr::col("captured_minor").gte(0).and(
                    Expr::col("captured_minor")
                        .lte(Expr::col("amount_minor").sub(Expr::col("remaining_minor"))),
                ),
            ))
            .foreign_key(&mut foreign_key(
                "fk_wallet_holds_user",
                "user_id",
                "users",
                ForeignKeyAction::Restrict,
            ))
            .take();
        create_table(
            manager,
            "wallet_holds",
            table,
            vec![
                unique("uq_wallet_holds_reference", &["reference"]),
                index("idx_wallet_holds_user", &["user_id", "asset", "status"]),
                index("idx_wallet_holds_expires", &["status", "expires_at"]),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "wallet_holds").await
    }
}
