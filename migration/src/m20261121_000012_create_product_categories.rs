//! Creates `product_categories`: which product stands in which category.

use crate::columns::{Columns, create_table, drop_table, foreign_key, index};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        let table = Table::create()
            .col(c.id("product_id"))
            .col(c.id("category_id"))
            .primary_key(Index::create().col("product_id").col("category_id"))
            .foreign_key(&mut foreign_key(
                "fk_product_categories_product",
                "product_id",
                "products",
                ForeignKeyAction::Cascade,
            ))
            .foreign_key(&mut foreign_key(
                "fk_product_categories_category",
                "category_id",
                "categories",
                ForeignKeyAction::Restrict,
            ))
            .take();
        create_table(
            manager,
            "product_categories",
            table,
            vec![index(
                "idx_product_categories_category",
                &["category_id", "product_id"],
            )],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "product_categories").await
    }
}
