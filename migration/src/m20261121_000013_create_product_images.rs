//! Creates `product_images`: images of products.

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
            .col(c.id("product_id"))
            .col(c.int("position"))
            .col(c.string("url", 2048))
            .col(c.string("alt", 250))
            .primary_key(Index::create().col("id"))
            .foreign_key(&mut foreign_key(
                "fk_product_images_product",
                "product_id",
                "products",
                ForeignKeyAction::Cascade,
            ))
            .take();
        create_table(
            manager,
            "product_images",
            table,
            vec![index(
                "idx_product_images_product",
                &["product_id", "position"],
            )],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "product_images").await
    }
}
