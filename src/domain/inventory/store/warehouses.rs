//! Queries of warehouses.

use crate::db::page::Keyset;
use entity::ids::WarehouseId;
use entity::inventory::{WarehouseStatus, warehouse};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    Select,
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
