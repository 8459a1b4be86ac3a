//! Queries of reservations.

use crate::db::insert_all;
use chrono::{DateTime, Utc};
use entity::ids::{OrderId, ReservationId};
use entity::inventory::{ReservationStatus, reservation};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};

/// Writes reservations.
pub async fn reservations_insert(
    c: &impl ConnectionTrait,
    rows: Vec<reservation::Model>,
) -> Result<(), DbErr> {
    insert_all(c, rows).await
}

/// Active reservations of an order, in the order in which stock rows are locked.
pub async fn reservations_active(
    c: &impl ConnectionTrait,
    order_id: OrderId,
) -> Result<Vec<reservation::Model>, DbErr> {
    reservation::Entity::find()
        .filter(reservation::COLUMN.order_id.eq(order_id))
        .filter(reservation::COLUMN.status.eq(ReservationStatus::Active))
        .order_by_asc(reservation::COLUMN.variant_id)
        .order_by_asc(reservation::COLUMN.warehouse_id)
        .all(c)
        .await
}

/// Ends the active reservations of an order.
///
/// # Errors
/// Another number than `expected` was active, which the order's lock forbids.
pub async fn reservations_end(
    c: &impl ConnectionTrait,
    order_id: OrderId,
    status: ReservationStatus,
    expected: usize,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let done = reservation::Entity::update_many()
        .col_expr(reservation::Column::Status, Expr::value(status.as_str()))
        .col_expr(reservation::Column::UpdatedAt, Expr::value(now))
        .filter(reservation::COLUMN.order_id.eq(order_id))
        .filter(reservation::COLUMN.status.eq(ReservationStatus::Active))
        .exec(c)
        .await?;
    if usize::try_from(done.rows_affected) == Ok(expected) {
        Ok(())
    } else {
        Err(DbErr::Custom(format!(
            "{} reservations of {order_id} ended instead of {expected}",
            done.rows_affected
        )))
    }
}

/// Moves the end of an order's active reservations.
pub async fn reservations_extend(
    c: &impl ConnectionTrait,
    order_id: OrderId,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    // An order of things that are not kept in stock has none, so any number of rows is right.
    reservation::Entity::update_many()
        .col_expr(reservation::Column::ExpiresAt, Expr::value(until))
        .col_expr(reservation::Column::UpdatedAt, Expr::value(now))
        .filter(reservation::COLUMN.order_id.eq(order_id))
        .filter(reservation::COLUMN.status.eq(ReservationStatus::Active))
        .exec(c)
        .await?;
    Ok(())
}

/// Units of an order that left the stock, in the order in which stock rows are locked.
pub async fn reservations_committed(
    c: &impl ConnectionTrait,
    order_id: OrderId,
) -> Result<Vec<reservation::Model>, DbErr> {
    reservation::Entity::find()
        .filter(reservation::COLUMN.order_id.eq(order_id))
        .filter(reservation::COLUMN.status.eq(ReservationStatus::Committed))
        .order_by_asc(reservation::COLUMN.variant_id)
        .order_by_asc(reservation::COLUMN.warehouse_id)
        .order_by_asc(reservation::COLUMN.id)
        .all(c)
        .await
}

/// Counts units of a reservation that came back.
///
/// # Errors
/// More than went out.
pub async fn reservation_returned(
    c: &impl ConnectionTrait,
    id: ReservationId,
    units: i64,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let out =
        Expr::col(reservation::Column::Quantity).sub(Expr::col(reservation::Column::Returned));
    let done = reservation::Entity::update_many()
        .col_expr(
            reservation::Column::Returned,
            Expr::col(reservation::Column::Returned).add(units),
        )
        .col_expr(reservation::Column::UpdatedAt, Expr::value(now))
        .filter(reservation::COLUMN.id.eq(id))
        .filter(reservation::COLUMN.status.eq(ReservationStatus::Committed))
        .filter(out.gte(units))
        .exec(c)
        .await?;
    if done.rows_affected == 1 {
        Ok(())
    } else {
        Err(DbErr::Custom(format!(
            "{units} units of reservation {id} cannot come back"
        )))
    }
}
