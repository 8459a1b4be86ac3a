//! What the hub reads of the outbox: few columns, by the primary key or by an aggregate's version.

use super::super::hub::Event;
use chrono::{DateTime, Utc};
use entity::events::outbox_event::{COLUMN, Column, Entity};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Select,
};
use uuid::Uuid;

type Row = (
    i64,
    String,
    Uuid,
    Option<i32>,
    String,
    serde_json::Value,
    DateTime<Utc>,
);

fn narrow(select: Select<Entity>) -> Select<Entity> {
    select.select_only().columns([
        Column::Id,
        Column::AggregateType,
        Column::AggregateId,
        Column::AggregateVersion,
        Column::EventType,
        Column::Payload,
        Column::CreatedAt,
    ])
}

async fn events(c: &impl ConnectionTrait, select: Select<Entity>) -> Result<Vec<Event>, DbErr> {
    let rows: Vec<Row> = narrow(select).into_tuple().all(c).await?;
    let rows = rows.into_iter();
    Ok(rows
        .map(
            |(id, aggregate_type, aggregate_id, version, event_type, payload, created_at)| Event {
                id,
                aggregate_type,
                aggregate_id,
                version,
                event_type,
                payload,
                created_at,
            },
        )
        .collect())
}

/// The last ids that are there, greatest first.
pub(in crate::events) async fn last_ids(
    c: &impl ConnectionTrait,
    limit: u64,
) -> Result<Vec<i64>, DbErr> {
    Entity::find()
        .select_only()
        .column(Column::Id)
        .order_by_desc(Column::Id)
        .limit(limit)
        .into_tuple()
        .all(c)
        .await
}

/// Rows with greater ids, in the order of ids.
pub(in crate::events) async fn above(
    c: &impl ConnectionTrait,
    id: i64,
    limit: u64,
) -> Result<Vec<Event>, DbErr> {
    let select = Entity::find()
        .filter(Column::Id.gt(id))
        .order_by_asc(Column::Id)
        .limit(limit);
    events(c, select).await
}

/// Rows with ids in one of these ranges, both ends included, in the order of ids.
pub(in crate::events) async fn within(
    c: &impl ConnectionTrait,
    ranges: &[(i64, i64)],
    limit: u64,
) -> Result<Vec<Event>, DbErr> {
    let any = ranges.iter().fold(Condition::any(), |any, &(first, last)| {
        any.add(Column::Id.between(first, last))
    });
    let select = Entity::find()
        .filter(any)
        .order_by_asc(Column::Id)
        .limit(limit);
    events(c, select).await
}

/// Events of an aggregate with versions from `first` to `last`, in their order.
pub(in crate::events) async fn of_versions(
    c: &impl ConnectionTrait,
    aggregate_id: Uuid,
    first: i32,
    last: i32,
    limit: u64,
) -> Result<Vec<Event>, DbErr> {
    let select = Entity::find()
        .filter(COLUMN.aggregate_id.eq(aggregate_id))
        .filter(Column::AggregateVersion.between(first, last))
        .order_by_asc(Column::AggregateVersion)
        .limit(limit);
    events(c, select).await
}
