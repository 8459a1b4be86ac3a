//! Queries of warehouses.

use crate::db::page::Keyset;
use crate::domain::inventory::model::{WarehouseFilter, WarehouseSort, WarehouseSorting};
use entity::ids::WarehouseId;
use entity::inventory::{WarehouseStatus, warehouse};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, Select,
};

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
    warehouse::Entity::find()
        .order_by_asc(warehouse::COLUMN.priority)
        .order_by_asc(warehouse::COLUMN.id)
        .all(c)
        .await
}

/// The columns of a list's order.
#[must_use]
pub const fn warehouses_keyset(sorting: WarehouseSorting) -> Keyset<warehouse::Entity> {
    let (name, column) = match sorting.sort {
        WarehouseSort::Priority => ("PRIORITY", warehouse::Column::Priority),
        WarehouseSort::Code => ("CODE", warehouse::Column::Code),
        WarehouseSort::Name => ("NAME", warehouse::Column::Name),
        WarehouseSort::CreatedAt => ("CREATED_AT", warehouse::Column::CreatedAt),
    };
    Keyset {
        name,
        column,
        id: warehouse::Column::Id,
        descending: sorting.descending,
    }
}

/// Warehouses under a filter, as the start of a list.
#[must_use]
pub fn warehouses(filter: &WarehouseFilter) -> Select<warehouse::Entity> {
    let mut select = warehouse::Entity::find();
    if let Some(statuses) = &filter.statuses {
        select = select.filter(warehouse::COLUMN.status.is_in(statuses.clone()));
    }
    if let Some(codes) = &filter.codes {
        select = select.filter(warehouse::COLUMN.code.is_in(codes.clone()));
    }
    select
}

/// A warehouse whose row nobody changes until the transaction ends.
pub async fn warehouse_lock(
    c: &impl ConnectionTrait,
    id: WarehouseId,
) -> Result<Option<warehouse::Model>, DbErr> {
    warehouse::Entity::find_by_id(id)
        .lock_exclusive()
        .one(c)
        .await
}

/// Warehouses that nobody changes until the transaction ends; any number of transactions may hold them so.
pub async fn warehouses_shared(
    c: &impl ConnectionTrait,
    ids: &[WarehouseId],
) -> Result<Vec<warehouse::Model>, DbErr> {
    warehouse::Entity::find()
        .filter(warehouse::COLUMN.id.is_in(ids.to_vec()))
        .order_by_asc(warehouse::COLUMN.id)
        .lock_shared()
        .all(c)
        .await
}

/// Writes a locked warehouse as its next version.
///
/// # Errors
/// It is not at the version before, although the caller holds its lock; the code is taken.
pub async fn warehouse_update(
    c: &impl ConnectionTrait,
    row: &warehouse::Model,
) -> Result<(), DbErr> {
    let done = warehouse::Entity::update_many()
        .col_expr(warehouse::Column::Code, Expr::value(row.code.clone()))
        .col_expr(warehouse::Column::Name, Expr::value(row.name.clone()))
        .col_expr(warehouse::Column::Status, Expr::value(row.status))
        .col_expr(warehouse::Column::Priority, Expr::value(row.priority))
        .col_expr(warehouse::Column::Version, Expr::value(row.version))
        .col_expr(warehouse::Column::UpdatedAt, Expr::value(row.updated_at))
        .filter(warehouse::COLUMN.id.eq(row.id))
        .filter(warehouse::COLUMN.version.eq(row.version - 1))
        .exec(c)
        .await?;
    if done.rows_affected == 1 {
        Ok(())
    } else {
        Err(DbErr::Custom(format!(
            "warehouse {} is not at version {}",
            row.id,
            row.version - 1
        )))
    }
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
