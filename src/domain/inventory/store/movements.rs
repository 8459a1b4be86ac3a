//! Queries of movements.

use crate::db::insert_all;
use entity::ids::StockMovementId;
use entity::inventory::stock_movement;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait};

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
