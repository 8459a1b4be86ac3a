//! What `events verify` and `events snapshot` ask of orders, in the order of their ids.

use chrono::{DateTime, Utc};
use entity::ids::OrderId;
use entity::orders::{OrderOrigin, order, order_history};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

/// The ids of the orders behind one.
pub async fn order_ids_behind(
    c: &impl ConnectionTrait,
    after: Option<OrderId>,
    limit: u64,
) -> Result<Vec<OrderId>, DbErr> {
    let mut orders = order::Entity::find()
        .select_only()
        .column(order::Column::Id);
    if let Some(after) = after {
        orders = orders.filter(order::Column::Id.gt(after));
    }
    orders
        .order_by_asc(order::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(c)
        .await
}

/// The orders behind one, those that were imported only if they are wanted.
pub async fn orders_behind_id(
    c: &impl ConnectionTrait,
    after: Option<OrderId>,
    with_imported: bool,
    limit: u64,
) -> Result<Vec<order::Model>, DbErr> {
    let mut orders = order::Entity::find();
    if let Some(after) = after {
        orders = orders.filter(order::Column::Id.gt(after));
    }
    if !with_imported {
        orders = orders.filter(order::COLUMN.origin.eq(OrderOrigin::Live));
    }
    orders
        .order_by_asc(order::Column::Id)
        .limit(limit)
        .all(c)
        .await
}

fn between<E: EntityTrait>(
    select: Select<E>,
    column: E::Column,
    after: Option<OrderId>,
    upto: Option<OrderId>,
) -> Select<E> {
    let mut select = select;
    if let Some(after) = after {
        select = select.filter(column.gt(after));
    }
    if let Some(upto) = upto {
        select = select.filter(column.lte(upto));
    }
    select
}

/// The versions of the orders whose ids are behind the first and at most the second.
pub async fn versions_between(
    c: &impl ConnectionTrait,
    after: Option<OrderId>,
    upto: Option<OrderId>,
) -> Result<Vec<(OrderId, i32, OrderOrigin)>, DbErr> {
    between(order::Entity::find(), order::Column::Id, after, upto)
        .select_only()
        .columns([
            order::Column::Id,
            order::Column::Version,
            order::Column::Origin,
        ])
        .order_by_asc(order::Column::Id)
        .into_tuple()
        .all(c)
        .await
}

/// When these orders got their versions.
pub async fn history_between(
    c: &impl ConnectionTrait,
    after: Option<OrderId>,
    upto: Option<OrderId>,
) -> Result<Vec<(OrderId, i32, DateTime<Utc>)>, DbErr> {
    let history = order_history::Entity::find();
    between(history, order_history::Column::OrderId, after, upto)
        .select_only()
        .columns([
            order_history::Column::OrderId,
            order_history::Column::Version,
            order_history::Column::CreatedAt,
        ])
        .order_by_asc(order_history::Column::OrderId)
        .order_by_asc(order_history::Column::Version)
        .into_tuple()
        .all(c)
        .await
}
