//! Every query of reports. The statements are made apart from their reading, so that a test can ask the database how it
//! would run them: over `idx_orders_status_created` and `idx_order_lines_order` alone, which hold all that is summed.

use super::model::{CustomerSales, DaySales, Part, Period, ProductSales, SOLD, Sales};
use crate::db::{Engine, sum_i64};
use entity::ids::{ProductId, UserId};
use entity::orders::{OrderStatus, order, order_line};
use sea_orm::sea_query::{Expr, ExprTrait, Func, Order, Query, SelectStatement, SimpleExpr};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

/// Characters of the day in a moment as both engines write it as text.
const DAY: i32 = 10;

/// The orders of a period that are sales.
fn sold(period: Period) -> SelectStatement {
    let column = |column| Expr::col((order::Entity, column));
    Query::select()
        .from(order::Entity)
        .and_where(column(order::Column::CreatedAt).gte(period.from))
        .and_where(column(order::Column::CreatedAt).lte(period.to))
        .and_where(column(order::Column::Status).is_in(SOLD.map(OrderStatus::as_str)))
        .take()
}

/// The same with their lines.
fn sold_lines(period: Period) -> SelectStatement {
    sold(period)
        .inner_join(
            order_line::Entity,
            Expr::col((order_line::Entity, order_line::Column::OrderId))
                .equals((order::Entity, order::Column::Id)),
        )
        .take()
}

fn count() -> SimpleExpr {
    Func::count(Expr::col((order::Entity, order::Column::Id))).into()
}

fn revenue(engine: Engine) -> SimpleExpr {
    sum_i64(engine, (order::Entity, order::Column::TotalMinor))
}

/// All sales of a period.
#[must_use]
pub fn sales(engine: Engine, period: Period) -> SelectStatement {
    sold(period)
        .expr_as(count(), "orders")
        .expr_as(revenue(engine), "revenue_minor")
        .take()
}

/// Units sold in a period.
#[must_use]
pub fn units(engine: Engine, period: Period) -> SelectStatement {
    let units = sum_i64(engine, (order_line::Entity, order_line::Column::Quantity));
    sold_lines(period).expr_as(units, "units").take()
}

/// Sales by day.
#[must_use]
pub fn days(engine: Engine, period: Period) -> SelectStatement {
    let moment = Expr::col((order::Entity, order::Column::CreatedAt));
    // The same function on both engines; a moment as text begins with its day on both.
    let day = Func::cust("SUBSTR").args([moment, Expr::val(1), Expr::val(DAY)]);
    sold(period)
        .expr_as(day, "day")
        .expr_as(count(), "orders")
        .expr_as(revenue(engine), "revenue_minor")
        .group_by_col("day")
        .order_by("day", Order::Asc)
        .take()
}

/// Sales by product, greatest revenue first.
#[must_use]
pub fn products(engine: Engine, period: Period, part: Part) -> SelectStatement {
    let line = |column| (order_line::Entity, column);
    let orders = Expr::col((order::Entity, order::Column::Id)).count_distinct();
    sold_lines(period)
        .column(line(order_line::Column::ProductId))
        .expr_as(orders, "orders")
        .expr_as(sum_i64(engine, line(order_line::Column::Quantity)), "units")
        .expr_as(
            sum_i64(engine, line(order_line::Column::TotalMinor)),
            "revenue_minor",
        )
        .group_by_col(line(order_line::Column::ProductId))
        .order_by("revenue_minor", Order::Desc)
        .order_by(line(order_line::Column::ProductId), Order::Asc)
        .offset(part.offset)
        .limit(part.limit)
        .take()
}

/// Sales by customer, greatest revenue first.
#[must_use]
pub fn customers(engine: Engine, period: Period, part: Part) -> SelectStatement {
    let mut statement = sold(period)
        .expr_as(count(), "orders")
        .expr_as(revenue(engine), "revenue_minor")
        .order_by("revenue_minor", Order::Desc)
        .offset(part.offset)
        .limit(part.limit)
        .take();
    // Ids of customers are those of their system: two systems may have the same ones.
    for column in [
        order::Column::Source,
        order::Column::CustomerReference,
        order::Column::UserId,
    ] {
        let column = (order::Entity, column);
        statement
            .column(column)
            .group_by_col(column)
            .order_by(column, Order::Asc);
    }
    statement
}

#[derive(FromQueryResult)]
struct SalesRow {
    orders: i64,
    revenue_minor: i64,
}

impl From<SalesRow> for Sales {
    fn from(row: SalesRow) -> Self {
        Self {
            orders: row.orders,
            revenue_minor: row.revenue_minor,
        }
    }
}

/// Reads what [`sales`] states.
pub async fn sales_one(
    c: &impl ConnectionTrait,
    statement: &SelectStatement,
) -> Result<Sales, DbErr> {
    let row = c.query_one(statement).await?;
    let row = row.map(|row| SalesRow::from_query_result(&row, ""));
    Ok(row.transpose()?.map(Sales::from).unwrap_or_default())
}

/// Reads what [`units`] states.
pub async fn units_one(
    c: &impl ConnectionTrait,
    statement: &SelectStatement,
) -> Result<i64, DbErr> {
    let row = c.query_one(statement).await?;
    row.map_or(Ok(0), |row| row.try_get("", "units"))
}

/// Reads what [`days`] states.
pub async fn days_all(
    c: &impl ConnectionTrait,
    statement: &SelectStatement,
) -> Result<Vec<DaySales>, DbErr> {
    let rows = c.query_all(statement).await?;
    rows.iter()
        .map(|row| {
            Ok(DaySales {
                day: row.try_get("", "day")?,
                sales: SalesRow::from_query_result(row, "")?.into(),
            })
        })
        .collect()
}

/// Reads what [`products`] states.
pub async fn products_all(
    c: &impl ConnectionTrait,
    statement: &SelectStatement,
) -> Result<Vec<ProductSales>, DbErr> {
    let rows = c.query_all(statement).await?;
    rows.iter()
        .map(|row| {
            Ok(ProductSales {
                product_id: row.try_get::<ProductId>("", "product_id")?,
                orders: row.try_get("", "orders")?,
                units: row.try_get("", "units")?,
                revenue_minor: row.try_get("", "revenue_minor")?,
            })
        })
        .collect()
}

/// Reads what [`customers`] states.
pub async fn customers_all(
    c: &impl ConnectionTrait,
    statement: &SelectStatement,
) -> Result<Vec<CustomerSales>, DbErr> {
    let rows = c.query_all(statement).await?;
    rows.iter()
        .map(|row| {
            Ok(CustomerSales {
                source: row.try_get("", "source")?,
                customer_reference: row.try_get("", "customer_reference")?,
                user_id: row.try_get::<Option<UserId>>("", "user_id")?,
                sales: SalesRow::from_query_result(row, "")?.into(),
            })
        })
        .collect()
}
