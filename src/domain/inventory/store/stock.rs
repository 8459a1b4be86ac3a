//! Queries of stock rows.

use super::warehouses_active;
use crate::db::insert_all;
use crate::domain::inventory::model::{Allocation, Available, Place};
use chrono::{DateTime, Utc};
use entity::ids::{VariantId, WarehouseId};
use entity::inventory::stock;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};

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
    insert_all(c, rows).await
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

/// One stock row, which nobody changes until the transaction ends.
pub async fn stock_lock(
    c: &impl ConnectionTrait,
    place: Place,
) -> Result<Option<stock::Model>, DbErr> {
    stock::Entity::find_by_id((place.variant_id, place.warehouse_id))
        .lock_exclusive()
        .one(c)
        .await
}

/// Adds units to a stock row, which is made when it is missing.
pub async fn stock_put(
    c: &impl ConnectionTrait,
    variant_id: VariantId,
    warehouse_id: WarehouseId,
    units: i64,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let row = stock::Model {
        variant_id,
        warehouse_id,
        on_hand: units,
        reserved: 0,
        updated_at: now,
    };
    let there = OnConflict::columns([stock::Column::VariantId, stock::Column::WarehouseId])
        .value(
            stock::Column::OnHand,
            Expr::col((stock::Entity, stock::Column::OnHand)).add(units),
        )
        .value(stock::Column::UpdatedAt, Expr::value(now))
        .to_owned();
    stock::Entity::insert(row.into_active_model())
        .on_conflict(there)
        .exec_without_returning(c)
        .await?;
    Ok(())
}

/// Variants of which a warehouse has units that can be sold, in the order of their ids.
pub async fn variants_of_warehouse(
    c: &impl ConnectionTrait,
    warehouse_id: WarehouseId,
) -> Result<Vec<VariantId>, DbErr> {
    stock::Entity::find()
        .select_only()
        .column(stock::Column::VariantId)
        .filter(stock::COLUMN.warehouse_id.eq(warehouse_id))
        .filter(Expr::col(stock::Column::OnHand).gt(Expr::col(stock::Column::Reserved)))
        .order_by_asc(stock::COLUMN.variant_id)
        .into_tuple()
        .all(c)
        .await
}
