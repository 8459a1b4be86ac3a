//! Every query of the inventory.

use super::model::{Allocation, Available};
use crate::db::page::Keyset;
use chrono::{DateTime, Utc};
use entity::ids::{OrderId, VariantId, WarehouseId};
use entity::inventory::{
    ReservationStatus, WarehouseStatus, reservation, stock, stock_movement, warehouse,
};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, Select,
};

/// Rows of one multi-row insert: stays well below both engines' limits of bound values.
const INSERT_ROWS: usize = 1_000;

/// Stock of variants in active warehouses, in the order in which warehouses are emptied. Unlocked.
pub async fn stock_available(
    c: &impl ConnectionTrait,
    variants: &[VariantId],
) -> Result<Vec<Available>, DbErr> {
    let warehouses = warehouses_active(c).await?;
    let rows = stock::Entity::find()
        .filter(stock::COLUMN.variant_id.is_in(variants.to_vec()))
        .all(c)
        .await?;
    let mut ranked: Vec<(usize, Available)> = rows
        .into_iter()
        .filter_map(|row| {
            let rank = warehouses
                .iter()
                .position(|warehouse| warehouse.id == row.warehouse_id)?;
            let units = row.on_hand - row.reserved;
            Some((
                rank,
                Available {
                    variant_id: row.variant_id,
                    warehouse_id: row.warehouse_id,
                    units,
                },
            ))
        })
        .collect();
    ranked.sort_by_key(|(rank, row)| (*rank, row.variant_id));
    Ok(ranked.into_iter().map(|(_, row)| row).collect())
}

/// Active warehouses, those that are emptied first in front.
pub async fn warehouses_active(c: &impl ConnectionTrait) -> Result<Vec<warehouse::Model>, DbErr> {
    warehouse::Entity::find()
        .filter(warehouse::COLUMN.status.eq(WarehouseStatus::Active))
        .order_by_asc(warehouse::COLUMN.priority)
        .order_by_asc(warehouse::COLUMN.id)
        .all(c)
        .await
}

/// A warehouse.
pub async fn warehouse_by_id(
    c: &impl ConnectionTrait,
    id: WarehouseId,
) -> Result<Option<warehouse::Model>, DbErr> {
    warehouse::Entity::find_by_id(id).one(c).await
}

/// A warehouse by its code.
pub async fn warehouse_by_code(
    c: &impl ConnectionTrait,
    code: &str,
) -> Result<Option<warehouse::Model>, DbErr> {
    warehouse::Entity::find()
        .filter(warehouse::COLUMN.code.eq(code))
        .one(c)
        .await
}

/// Warehouses by id.
pub async fn warehouses_by_ids(
    c: &impl ConnectionTrait,
    ids: &[WarehouseId],
) -> Result<Vec<warehouse::Model>, DbErr> {
    warehouse::Entity::find()
        .filter(warehouse::COLUMN.id.is_in(ids.to_vec()))
        .all(c)
        .await
}

/// All warehouses, those that are emptied first in front.
pub async fn warehouses_all(c: &impl ConnectionTrait) -> Result<Vec<warehouse::Model>, DbErr> {
    warehouses()
        .order_by_asc(warehouse::COLUMN.priority)
        .order_by_asc(warehouse::COLUMN.id)
        .all(c)
        .await
}

/// Warehouses that are emptied first in front.
pub const WAREHOUSES_BY_PRIORITY: Keyset<warehouse::Entity> = Keyset {
    name: "PRIORITY",
    column: warehouse::Column::Priority,
    id: warehouse::Column::Id,
    descending: false,
};

/// All warehouses, as the start of a list.
#[must_use]
pub fn warehouses() -> Select<warehouse::Entity> {
    warehouse::Entity::find()
}

/// Writes a warehouse.
pub async fn warehouse_insert(
    c: &impl ConnectionTrait,
    row: warehouse::Model,
) -> Result<(), DbErr> {
    warehouse::Entity::insert(row.into_active_model())
        .exec_without_returning(c)
        .await?;
    Ok(())
}

/// Takes units for orders if they are there and at least `left` stay; `false` when they are not.
pub async fn stock_reserve(
    c: &impl ConnectionTrait,
    allocation: &Allocation,
    left: i64,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let free = Expr::col(stock::Column::OnHand).sub(Expr::col(stock::Column::Reserved));
    let done = stock::Entity::update_many()
        .col_expr(
            stock::Column::Reserved,
            Expr::col(stock::Column::Reserved).add(allocation.units),
        )
        .col_expr(stock::Column::UpdatedAt, Expr::value(now))
        .filter(stock::COLUMN.variant_id.eq(allocation.variant_id))
        .filter(stock::COLUMN.warehouse_id.eq(allocation.warehouse_id))
        .filter(free.gte(allocation.units + left))
        .exec(c)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Gives reserved units back; with `out` they also leave the warehouse.
///
/// # Errors
/// The row does not have these units reserved, which would be a broken invariant.
pub async fn stock_unreserve(
    c: &impl ConnectionTrait,
    variant_id: VariantId,
    warehouse_id: WarehouseId,
    units: i64,
    out: bool,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let mut update = stock::Entity::update_many()
        .col_expr(
            stock::Column::Reserved,
            Expr::col(stock::Column::Reserved).sub(units),
        )
        .col_expr(stock::Column::UpdatedAt, Expr::value(now))
        .filter(stock::COLUMN.variant_id.eq(variant_id))
        .filter(stock::COLUMN.warehouse_id.eq(warehouse_id))
        .filter(Expr::col(stock::Column::Reserved).gte(units));
    if out {
        update = update.col_expr(
            stock::Column::OnHand,
            Expr::col(stock::Column::OnHand).sub(units),
        );
    }
    let done = update.exec(c).await?;
    if done.rows_affected == 1 {
        Ok(())
    } else {
        Err(DbErr::Custom(format!(
            "stock of {variant_id} in {warehouse_id} has not {units} reserved"
        )))
    }
}

/// Changes units on hand if as many are there and not reserved, and as many as expected; `false` when not.
pub async fn stock_change(
    c: &impl ConnectionTrait,
    variant_id: VariantId,
    warehouse_id: WarehouseId,
    delta: i64,
    expected: Option<i64>,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let free = Expr::col(stock::Column::OnHand).sub(Expr::col(stock::Column::Reserved));
    let mut update = stock::Entity::update_many()
        .col_expr(
            stock::Column::OnHand,
            Expr::col(stock::Column::OnHand).add(delta),
        )
        .col_expr(stock::Column::UpdatedAt, Expr::value(now))
        .filter(stock::COLUMN.variant_id.eq(variant_id))
        .filter(stock::COLUMN.warehouse_id.eq(warehouse_id))
        .filter(free.gte(-delta));
    if let Some(expected) = expected {
        update = update.filter(stock::COLUMN.on_hand.eq(expected));
    }
    Ok(update.exec(c).await?.rows_affected == 1)
}

/// Writes stock rows.
pub async fn stock_insert(c: &impl ConnectionTrait, rows: Vec<stock::Model>) -> Result<(), DbErr> {
    for chunk in rows.chunks(INSERT_ROWS) {
        let rows = chunk
            .iter()
            .cloned()
            .map(IntoActiveModel::into_active_model);
        stock::Entity::insert_many(rows)
            .exec_without_returning(c)
            .await?;
    }
    Ok(())
}

/// Stock rows of variants, unlocked.
pub async fn stock_of_variants(
    c: &impl ConnectionTrait,
    variants: &[VariantId],
) -> Result<Vec<stock::Model>, DbErr> {
    stock::Entity::find()
        .filter(stock::COLUMN.variant_id.is_in(variants.to_vec()))
        .order_by_asc(stock::COLUMN.variant_id)
        .order_by_asc(stock::COLUMN.warehouse_id)
        .all(c)
        .await
}

/// One stock row.
pub async fn stock_find(
    c: &impl ConnectionTrait,
    variant_id: VariantId,
    warehouse_id: WarehouseId,
) -> Result<Option<stock::Model>, DbErr> {
    stock::Entity::find_by_id((variant_id, warehouse_id))
        .one(c)
        .await
}

/// Stock rows of variants, locked for sharing: on MySQL it waits for changes that are not committed, so that two
/// transactions in two warehouses cannot both miss that together they crossed a threshold. SQLite has one writer.
pub async fn stock_of_variants_shared(
    c: &impl ConnectionTrait,
    variants: &[VariantId],
) -> Result<Vec<stock::Model>, DbErr> {
    stock::Entity::find()
        .filter(stock::COLUMN.variant_id.is_in(variants.to_vec()))
        .lock_shared()
        .all(c)
        .await
}

/// Writes reservations.
pub async fn reservations_insert(
    c: &impl ConnectionTrait,
    rows: &[reservation::Model],
) -> Result<(), DbErr> {
    for chunk in rows.chunks(INSERT_ROWS) {
        let rows = chunk
            .iter()
            .cloned()
            .map(IntoActiveModel::into_active_model);
        reservation::Entity::insert_many(rows)
            .exec_without_returning(c)
            .await?;
    }
    Ok(())
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

/// Writes movements.
pub async fn movements_insert(
    c: &impl ConnectionTrait,
    rows: Vec<stock_movement::Model>,
) -> Result<(), DbErr> {
    for chunk in rows.chunks(INSERT_ROWS) {
        let rows = chunk
            .iter()
            .cloned()
            .map(IntoActiveModel::into_active_model);
        stock_movement::Entity::insert_many(rows)
            .exec_without_returning(c)
            .await?;
    }
    Ok(())
}

/// A movement.
pub async fn movement_by_id(
    c: &impl ConnectionTrait,
    id: entity::ids::StockMovementId,
) -> Result<Option<stock_movement::Model>, DbErr> {
    stock_movement::Entity::find_by_id(id).one(c).await
}
