//! Creates `product_terms`: the words that products are found by.

use crate::columns::{Columns, clustered, create_table, drop_table, foreign_key, index};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.string("term", 64))
            .col(c.id("product_id"))
            .col(c.id("source_id"))
            .col(c.int("distance"))
            .primary_key(
                Index::create()
                    .col("term")
                    .col("product_id")
                    .col("source_id"),
            )
            .foreign_key(&mut foreign_key(
                "fk_product_terms_product",
                "product_id",
                "products",
                ForeignKeyAction::Cascade,
            ))
            .take();
        create_table(
            manager,
            "product_terms",
            clustered(manager, table),
            // The distance stands in it, so that a search by several words needs nothing but this index.
            vec![index(
                "idx_product_terms_product",
                &["product_id", "term", "distance"],
            )],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "product_terms").await
    }
}
