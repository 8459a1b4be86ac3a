//! Creates `addresses`: the address books of users.

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
            .col(c.id_null("shipping_of"))
            .col(c.id_null("billing_of"))
            .col(c.string("name", 120))
            .col(c.string_null("company", 120))
            .col(c.string("line1", 200))
            .col(c.string_null("line2", 200))
            .col(c.string("city", 120))
            .col(c.string_null("region", 120))
            .col(c.string_null("postal_code", 20))
            .col(c.string("country_code", 2))
            .col(c.string_null("phone", 16))
            .col(c.int("version"))
            .col(c.time("created_at"))
            .col(c.time("updated_at"))
            .primary_key(Index::create().col("id"))
            .foreign_key(&mut foreign_key(
                "fk_addresses_user",
                "user_id",
                "users",
                ForeignKeyAction::Cascade,
            ))
            .take();
        create_table(
            manager,
            "addresses",
            table,
            vec![
                unique("uq_addresses_shipping", &["shipping_of"]),
                unique("uq_addresses_billing", &["billing_of"]),
                index("idx_addresses_user", &["user_id", "id"]),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "addresses").await
    }
}
