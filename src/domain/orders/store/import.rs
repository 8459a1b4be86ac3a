//! Queries of imports and exports: many rows at a time.

use crate::db::keys::padded;
use chrono::{DateTime, Utc};
use entity::ids::OrderId;
use entity::orders::{OrderStatus, order, order_history, order_line};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};

/// Orders of one insert: below SQLite's 32,766 bound values for many more columns than the table has now.
const ORDERS: usize = 400;
/// Lines, or rows of history, of one insert.
const ROWS: usize = 1_000;
/// Keys of one `IN`.
const KEYS: usize = 1_000;

/// The orders of a system with these references, in no order.
pub async fn orders_by_references(
    c: &impl ConnectionTrait,
    source: &str,
    references: &[&str],
) -> Result<Vec<order::Model>, DbErr> {
    let mut orders = Vec::new();
    for references in references.chunks(KEYS) {
        let found = order::Entity::find()
            .filter(order::Column::Source.eq(source))
            .filter(order::Column::ExternalReference.is_in(padded(references.iter().copied())))
            .all(c)
            .await?;
        orders.extend(found);
    }
    Ok(orders)
}

/// Lines of orders, in no order.
pub async fn lines_of(
    c: &impl ConnectionTrait,
    orders: &[OrderId],
) -> Result<Vec<order_line::Model>, DbErr> {
    let mut lines = Vec::new();
    for orders in orders.chunks(KEYS) {
        let found = order_line::Entity::find()
            .filter(order_line::Column::OrderId.is_in(padded(orders.iter().copied())))
            .all(c)
            .await?;
        lines.extend(found);
    }
    Ok(lines)
}

/// Writes orders.
pub async fn orders_insert<'a>(
    c: &impl ConnectionTrait,
    rows: impl Iterator<Item = &'a order::Model>,
) -> Result<(), DbErr> {
    let rows: Vec<_> = rows.collect();
    for rows in rows.chunks(ORDERS) {
        let rows = rows.iter().map(|&row| row.clone().into_active_model());
        order::Entity::insert_many(rows)
            .exec_without_returning(c)
            .await?;
    }
    Ok(())
}

/// Writes their lines.
pub async fn lines_insert<'a>(
    c: &impl ConnectionTrait,
    rows: impl Iterator<Item = &'a order_line::Model>,
) -> Result<(), DbErr> {
    let rows: Vec<_> = rows.collect();
    for rows in rows.chunks(ROWS) {
        let rows = rows.iter().map(|&row| row.clone().into_active_model());
        order_line::Entity::insert_many(rows)
            .exec_without_returning(c)
            .await?;
    }
    Ok(())
}

/// Writes their history.
pub async fn history_insert<'a>(
    c: &impl ConnectionTrait,
    rows: impl Iterator<Item = &'a order_history::Model>,
) -> Result<(), DbErr> {
    let rows: Vec<_> = rows.collect();
    for rows in rows.chunks(ROWS) {
        let rows = rows.iter().map(|&row| row.clone().into_active_model());
        order_history::Entity::insert_many(rows)
            .exec_without_returning(c)
            .await?;
    }
    Ok(())
}

/// The orders behind one in some states, oldest first.
pub async fn orders_behind(
    c: &impl ConnectionTrait,
    statuses: &[OrderStatus],
    after: Option<(DateTime<Utc>, OrderId)>,
    limit: u64,
) -> Result<Vec<order::Model>, DbErr> {
    let mut select = order::Entity::find()
        .filter(order::Column::Status.is_in(statuses.iter().copied()))
        .order_by_asc(order::Column::CreatedAt)
        .order_by_asc(order::Column::Id);
    if let Some((at, id)) = after {
        // The first condition lets both engines begin in the index where the last page ended.
        select = select
            .filter(order::Column::CreatedAt.gte(at))
            .filter(order::Column::CreatedAt.gt(at).or(order::Column::Id.gt(id)));
    }
    select.limit(limit).all(c).await
}
