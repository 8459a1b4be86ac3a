//! Queries that recompute stock.

use crate::db::{Engine, sum_i64};
use crate::domain::inventory::model::{Drift, Place, joined};
use entity::ids::{VariantId, WarehouseId};
use entity::inventory::{ReservationStatus, reservation, stock, stock_movement};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};
use std::collections::BTreeSet;

/// The variants after one, in the order of their ids, that have stock, movements or active reservations.
pub async fn variants_with_stock(
    c: &impl ConnectionTrait,
    after: Option<VariantId>,
    limit: u64,
) -> Result<Vec<VariantId>, DbErr> {
    let mut found: BTreeSet<VariantId> = BTreeSet::new();
    let stocked = stock::Entity::find();
    found.extend(variants(c, stocked, stock::Column::VariantId, after, limit).await?);
    let moved = stock_movement::Entity::find();
    found.extend(variants(c, moved, stock_movement::Column::VariantId, after, limit).await?);
    let held = reservation::Entity::find()
        .filter(reservation::COLUMN.status.eq(ReservationStatus::Active));
    found.extend(variants(c, held, reservation::Column::VariantId, after, limit).await?);
    // Each table gave its first ones, so the first of all are among them.
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(found.into_iter().take(limit).collect())
}

async fn variants<E: EntityTrait>(
    c: &impl ConnectionTrait,
    select: Select<E>,
    column: E::Column,
    after: Option<VariantId>,
    limit: u64,
) -> Result<Vec<VariantId>, DbErr> {
    let mut select = select.select_only().column(column).distinct();
    if let Some(after) = after {
        select = select.filter(column.gt(after));
    }
    select
        .order_by_asc(column)
        .limit(limit)
        .into_tuple()
        .all(c)
        .await
}

/// Every place of these variants, which are in order, with what its row says and what it is made of.
pub async fn places_of_variants(
    c: &impl ConnectionTrait,
    engine: Engine,
    variants: &[VariantId],
) -> Result<Vec<Drift>, DbErr> {
    let (Some(&first), Some(&last)) = (variants.first(), variants.last()) else {
        return Ok(Vec::new());
    };
    let stock: Vec<(Place, i64, i64)> = stock::Entity::find()
        .filter(stock::Column::VariantId.between(first, last))
        .all(c)
        .await?
        .into_iter()
        .map(|row| {
            (
                place((row.variant_id, row.warehouse_id)),
                row.on_hand,
                row.reserved,
            )
        })
        .collect();
    let moved: Vec<(VariantId, WarehouseId, i64)> = stock_movement::Entity::find()
        .select_only()
        .column(stock_movement::Column::VariantId)
        .column(stock_movement::Column::WarehouseId)
        .column_as(sum_i64(engine, stock_movement::Column::Delta), "units")
        .filter(stock_movement::Column::VariantId.between(first, last))
        .group_by(stock_movement::Column::VariantId)
        .group_by(stock_movement::Column::WarehouseId)
        .into_tuple()
        .all(c)
        .await?;
    let held: Vec<(VariantId, WarehouseId, i64)> = reservation::Entity::find()
        .select_only()
        .column(reservation::Column::VariantId)
        .column(reservation::Column::WarehouseId)
        .column_as(sum_i64(engine, reservation::Column::Quantity), "units")
        .filter(reservation::Column::VariantId.between(first, last))
        .filter(reservation::COLUMN.status.eq(ReservationStatus::Active))
        .group_by(reservation::Column::VariantId)
        .group_by(reservation::Column::WarehouseId)
        .into_tuple()
        .all(c)
        .await?;
    let summed = |rows: Vec<(VariantId, WarehouseId, i64)>| {
        rows.into_iter()
            .map(|(variant, warehouse, units)| (place((variant, warehouse)), units))
            .collect()
    };
    Ok(joined(stock, summed(moved), summed(held)))
}

const fn place((variant_id, warehouse_id): (VariantId, WarehouseId)) -> Place {
    Place {
        variant_id,
        warehouse_id,
    }
}
