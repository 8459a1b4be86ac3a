//! Queries of movements.

use crate::db::insert_all;
use crate::db::page::Keyset;
use crate::domain::inventory::model::MovementFilter;
use entity::ids::StockMovementId;
use entity::inventory::stock_movement;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, Select};

/// Writes movements.
pub async fn movements_insert(
    c: &impl ConnectionTrait,
    rows: Vec<stock_movement::Model>,
) -> Result<(), DbErr> {
    insert_all(c, rows).await
}

/// A movement.
pub async fn movement_by_id(
    c: &impl ConnectionTrait,
    id: StockMovementId,
) -> Result<Option<stock_movement::Model>, DbErr> {
    stock_movement::Entity::find_by_id(id).one(c).await
}

/// The two movements of a transfer, by the one out: that one first.
pub async fn movements_of_transfer(
    c: &impl ConnectionTrait,
    out: StockMovementId,
) -> Result<Vec<stock_movement::Model>, DbErr> {
    let Some(out) = movement_by_id(c, out).await? else {
        return Ok(Vec::new());
    };
    let into = match out.pair_id {
        Some(id) => movement_by_id(c, id).await?,
        None => None,
    };
    Ok([Some(out), into].into_iter().flatten().collect())
}

/// The columns of a list's order.
#[must_use]
pub const fn movements_keyset(descending: bool) -> Keyset<stock_movement::Entity> {
    Keyset {
        name: "CREATED_AT",
        column: stock_movement::Column::CreatedAt,
        id: stock_movement::Column::Id,
        descending,
    }
}

/// Movements under a filter, as the start of a list.
#[must_use]
pub fn movements(filter: &MovementFilter) -> Select<stock_movement::Entity> {
    let mut select = stock_movement::Entity::find();
    if let Some(variants) = &filter.variants {
        select = select.filter(stock_movement::COLUMN.variant_id.is_in(variants.clone()));
    }
    if let Some(warehouses) = &filter.warehouses {
        select = select.filter(
            stock_movement::COLUMN
                .warehouse_id
                .is_in(warehouses.clone()),
        );
    }
    if let Some(reasons) = &filter.reasons {
        select = select.filter(stock_movement::COLUMN.reason.is_in(reasons.clone()));
    }
    if let Some(reference) = &filter.reference {
        select = select.filter(stock_movement::COLUMN.reference.eq(reference.clone()));
    }
    if let Some(from) = filter.from {
        select = select.filter(stock_movement::COLUMN.created_at.gte(from));
    }
    if let Some(to) = filter.to {
        select = select.filter(stock_movement::COLUMN.created_at.lte(to));
    }
    select
}
