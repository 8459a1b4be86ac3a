//! What the commands `tradepost events …` ask of the outbox.

use super::super::stored::{Selection, Stored, Waiting};
use super::unpublished;
use chrono::{DateTime, Utc};
use entity::events::outbox_event::{COLUMN, Column, Entity, Model};
use entity::ids::EventId;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Select,
};
use uuid::Uuid;

/// What is read of an event to compare it: its body is left where it is.
type Row = (
    Uuid,
    Option<i32>,
    EventId,
    DateTime<Utc>,
    Option<DateTime<Utc>>,
    Option<DateTime<Utc>>,
    Option<i64>,
);

fn of_kind(waiting: Waiting) -> Select<Entity> {
    match waiting {
        Waiting::Parked => unpublished().filter(COLUMN.parked_at.is_not_null()),
        Waiting::Pending => unpublished().filter(COLUMN.parked_at.is_null()),
    }
}

/// Rows that wait, or those that were set aside, oldest first.
pub(in crate::events) async fn waiting(
    c: &impl ConnectionTrait,
    waiting: Waiting,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    of_kind(waiting)
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(c)
        .await
}

/// How many wait, or were set aside.
pub(in crate::events) async fn waiting_count(
    c: &impl ConnectionTrait,
    waiting: Waiting,
) -> Result<u64, DbErr> {
    of_kind(waiting).count(c).await
}

/// What the last failures of those rows were, with how many rows each has, the most frequent first.
pub(in crate::events) async fn waiting_reasons(
    c: &impl ConnectionTrait,
    waiting: Waiting,
    limit: u64,
) -> Result<Vec<(String, i64)>, DbErr> {
    of_kind(waiting)
        .filter(COLUMN.last_error.is_not_null())
        .select_only()
        .column(Column::LastError)
        .column_as(Column::Id.count(), "events")
        .group_by(Column::LastError)
        .order_by_desc(Column::Id.count())
        .limit(limit)
        .into_tuple()
        .all(c)
        .await
}

/// Those of some aggregates that have an event that was set aside.
pub(in crate::events) async fn parked_aggregates(
    c: &impl ConnectionTrait,
    aggregates: &[Uuid],
) -> Result<Vec<Uuid>, DbErr> {
    if aggregates.is_empty() {
        return Ok(Vec::new());
    }
    of_kind(Waiting::Parked)
        .filter(Column::AggregateId.is_in(crate::db::keys::padded(aggregates.iter().copied())))
        .select_only()
        .column(Column::AggregateId)
        .distinct()
        .into_tuple()
        .all(c)
        .await
}

/// Lets rows that were set aside go again: one, or all. Returns how many.
pub(in crate::events) async fn unpark(
    c: &impl ConnectionTrait,
    event: Option<EventId>,
) -> Result<u64, DbErr> {
    let mut update = Entity::update_many()
        .col_expr(Column::ParkedAt, Expr::value(Option::<DateTime<Utc>>::None))
        .col_expr(Column::Attempts, Expr::value(0))
        .filter(COLUMN.published_at.is_null())
        .filter(COLUMN.parked_at.is_not_null());
    if let Some(event) = event {
        update = update.filter(COLUMN.event_id.eq(event));
    }
    Ok(update.exec(c).await?.rows_affected)
}

fn selected(selection: &Selection) -> Select<Entity> {
    let mut rows = Entity::find().filter(COLUMN.published_at.is_not_null());
    if let Some(aggregate) = selection.aggregate {
        rows = rows.filter(Column::AggregateId.eq(aggregate));
    }
    if let Some(event_type) = &selection.event_type {
        // "_" stands for any character in LIKE; the caller looks again.
        rows = rows.filter(Column::EventType.contains(event_type));
    }
    if let Some(from) = selection.from {
        rows = rows.filter(COLUMN.created_at.gte(from));
    }
    if let Some(to) = selection.to {
        rows = rows.filter(COLUMN.created_at.lte(to));
    }
    rows
}

/// Published rows of a selection behind a row, in the order in which they were written.
pub(in crate::events) async fn published_behind(
    c: &impl ConnectionTrait,
    selection: &Selection,
    after: i64,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    selected(selection)
        .filter(Column::Id.gt(after))
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(c)
        .await
}

/// Aggregates behind one that have events, in the order of their ids.
pub(in crate::events) async fn aggregates_behind(
    c: &impl ConnectionTrait,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Uuid>, DbErr> {
    let mut rows = Entity::find()
        .select_only()
        .column(Column::AggregateId)
        .distinct();
    if let Some(after) = after {
        rows = rows.filter(Column::AggregateId.gt(after));
    }
    rows.order_by_asc(Column::AggregateId)
        .limit(limit)
        .into_tuple()
        .all(c)
        .await
}

fn stored(aggregate_type: &str) -> Select<Entity> {
    Entity::find()
        .filter(COLUMN.aggregate_type.eq(aggregate_type))
        .select_only()
        .columns([
            Column::AggregateId,
            Column::AggregateVersion,
            Column::EventId,
            Column::CreatedAt,
            Column::PublishedAt,
            Column::ParkedAt,
            Column::LogPosition,
        ])
        .order_by_asc(Column::AggregateId)
        .order_by_asc(Column::Id)
}

fn stored_rows(rows: Vec<Row>) -> Vec<Stored> {
    rows.into_iter()
        .map(
            |(
                aggregate_id,
                version,
                event_id,
                created_at,
                published_at,
                parked_at,
                log_position,
            )| {
                Stored {
                    aggregate_id,
                    version,
                    event_id,
                    created_at,
                    published_at,
                    is_parked: parked_at.is_some(),
                    log_position,
                }
            },
        )
        .collect()
}

/// Events of the aggregates of a type whose ids are behind the first and at most the second, by aggregate.
pub(in crate::events) async fn stored_between(
    c: &impl ConnectionTrait,
    aggregate_type: &str,
    after: Option<Uuid>,
    upto: Option<Uuid>,
) -> Result<Vec<Stored>, DbErr> {
    let mut rows = stored(aggregate_type);
    if let Some(after) = after {
        rows = rows.filter(Column::AggregateId.gt(after));
    }
    if let Some(upto) = upto {
        rows = rows.filter(Column::AggregateId.lte(upto));
    }
    Ok(stored_rows(rows.into_tuple().all(c).await?))
}

/// Events of one aggregate of a type.
pub(in crate::events) async fn stored_of(
    c: &impl ConnectionTrait,
    aggregate_type: &str,
    aggregate: Uuid,
) -> Result<Vec<Stored>, DbErr> {
    let rows = stored(aggregate_type).filter(Column::AggregateId.eq(aggregate));
    Ok(stored_rows(rows.into_tuple().all(c).await?))
}

/// The first place in the log of what was published since a moment, the last place, and how many have one of these.
pub(in crate::events) async fn log_span(
    c: &impl ConnectionTrait,
    since: DateTime<Utc>,
) -> Result<Option<(i64, i64, u64)>, DbErr> {
    let first: Option<Option<i64>> = Entity::find()
        .filter(COLUMN.published_at.gte(since))
        .select_only()
        .column_as(Column::LogPosition.min(), "first")
        .into_tuple()
        .one(c)
        .await?;
    let Some(first) = first.flatten() else {
        return Ok(None);
    };
    // Both in one statement: the log may grow meanwhile.
    let span: Option<(Option<i64>, i64)> = Entity::find()
        .filter(Column::LogPosition.gte(first))
        .select_only()
        .column_as(Column::LogPosition.max(), "last")
        .column_as(Column::LogPosition.count(), "places")
        .into_tuple()
        .one(c)
        .await?;
    Ok(span.and_then(|(last, places)| Some((first, last?, places.unsigned_abs()))))
}
