//! Creates `order_lines`: lines of orders; their variants cannot be deleted any more.

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
            .col(c.int("position"))
            .col(c.id("product_id"))
            .col(c.id("variant_id"))
            .col(c.string("sku", 64))
            .col(c.string("name", 200))
            .col(c.bigint("quantity"))
            .col(c.bigint("unit_price_minor"))
            .col(c.bigint("total_minor"))
            .col(c.bigint("fulfilled"))
            .col(c.bigint("refunded"))
            .col(c.bigint("dropped"))
            .col(c.bigint("restocked"))
            .primary_key(Index::create().col("id"))
            .check((
                Alias::new("ck_order_lines_quantity"),
                Expr::col("quantity").gt(0),
            ))
            .check((
                Alias::new("ck_order_lines_sent"),
                Expr::col("fulfilled")
                    .gte(0)
                    .and(Expr::col("dropped").gte(0))
                    .and(
                        Expr::col("fulfilled")
                            .add(Expr::col("dropped"))
                            .lte(Expr::col("quantity")),
                    ),
            ))
            .check((
                Alias::new("ck_order_lines_refunded"),
                Expr::col("refunded")
                    .gte(Expr::col("dropped"))
                    .and(Expr::col("refunded").lte(Expr::col("quantity")))
                    .and(Expr::col("restocked").gte(0))
                    .and(Expr::col("restocked").lte(Expr::col("quantity"))),
            ))
            .foreign_key(&mut foreign_key(
                "fk_order_lines_order",
                "order_id",
                "orders",
                ForeignKeyAction::Cascade,
            ))
            .foreign_key(&mut foreign_key(
                "fk_order_lines_variant",
                "variant_id",
                "variants",
                ForeignKeyAction::Restrict,
            ))
            .take();
        create_table(
            manager,
            "order_lines",
            table,
            vec![
                // What statistics sum stands in the index, so that they do not read the lines themselves.
                index(
                    "idx_order_lines_order",
                    &[
                        "order_id",
                        "position",
                        "product_id",
                        "quantity",
                        "total_minor",
                    ],
                ),
                index("idx_order_lines_product", &["product_id", "order_id"]),
                index("idx_order_lines_variant", &["variant_id"]),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "order_lines").await
    }
}
