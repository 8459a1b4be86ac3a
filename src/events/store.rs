//! Every query of the outbox but the insert, which is [`super::outbox`]'s.

pub(super) mod hub;
mod json_text;
pub(super) mod tools;

use super::record::{Body, Source};
use crate::db::explain::explain;
use chrono::{DateTime, Utc};
use entity::accounts::user;
use entity::events::outbox_event::{COLUMN, Column, Entity, Model};
use entity::ids::{EventId, UserId};
use json_text::JsonText;
use sea_orm::sea_query::{CaseStatement, Expr, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, FromQueryResult, PaginatorTrait,
    QueryFilter, QueryOrder, QueryResult, QuerySelect, QueryTrait, Select,
};
use std::collections::HashMap;
use uuid::Uuid;

/// Rows of an UPDATE that gives places in the log: its CASE is looked through once a row.
pub(super) const LOG_CHUNK: usize = 128;
/// Rows of any other statement.
pub(super) const CHUNK: usize = 500;

/// What waits and what was set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Rows that were not published, those set aside included.
    pub pending: u64,
    /// When the oldest of them happened.
    pub oldest: Option<DateTime<Utc>>,
    /// Rows that were set aside.
    pub parked: u64,
}

/// A row as the relay takes it: without what it does not need, and with JSON as it is written.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) event_id: EventId,
    pub(super) shard: i32,
    pub(super) aggregate_type: String,
    pub(super) aggregate_id: Uuid,
    pub(super) aggregate_version: Option<i32>,
    pub(super) event_type: String,
    payload: JsonText,
    headers: JsonText,
    pub(super) created_at: DateTime<Utc>,
    pub(super) published_at: Option<DateTime<Utc>>,
    pub(super) attempts: i32,
    pub(super) parked_at: Option<DateTime<Utc>>,
}

impl Row {
    const COLUMNS: [Column; 13] = [
        Column::Id,
        Column::EventId,
        Column::Shard,
        Column::AggregateType,
        Column::AggregateId,
        Column::AggregateVersion,
        Column::EventType,
        Column::Payload,
        Column::Headers,
        Column::CreatedAt,
        Column::PublishedAt,
        Column::Attempts,
        Column::ParkedAt,
    ];

    async fn all(rows: Select<Entity>, c: &impl ConnectionTrait) -> Result<Vec<Self>, DbErr> {
        let rows = rows.select_only().columns(Self::COLUMNS);
        rows.into_model::<Self>().all(c).await
    }
}

impl FromQueryResult for Row {
    /// By the places of the columns: looking up thirteen names for each row would cost more than reading them.
    fn from_query_result(row: &QueryResult, _: &str) -> Result<Self, DbErr> {
        Ok(Self {
            id: row.try_get_by_index(0)?,
            event_id: row.try_get_by_index(1)?,
            shard: row.try_get_by_index(2)?,
            aggregate_type: row.try_get_by_index(3)?,
            aggregate_id: row.try_get_by_index(4)?,
            aggregate_version: row.try_get_by_index(5)?,
            event_type: row.try_get_by_index(6)?,
            payload: row.try_get_by_index(7)?,
            headers: row.try_get_by_index(8)?,
            created_at: row.try_get_by_index(9)?,
            published_at: row.try_get_by_index(10)?,
            attempts: row.try_get_by_index(11)?,
            parked_at: row.try_get_by_index(12)?,
        })
    }
}

impl<'a> From<&'a Row> for Source<'a> {
    fn from(row: &'a Row) -> Self {
        Self {
            event_id: row.event_id.0,
            aggregate_type: &row.aggregate_type,
            aggregate_id: row.aggregate_id,
            aggregate_version: row.aggregate_version,
            event_type: &row.event_type,
            payload: Body::Text(row.payload.as_str()),
            headers: Body::Text(row.headers.as_str()),
            created_at: row.created_at,
        }
    }
}

fn unpublished() -> Select<Entity> {
    Entity::find().filter(COLUMN.published_at.is_null())
}

/// Whether a row waits that is not set aside.
pub(super) async fn is_pending(c: &impl ConnectionTrait) -> Result<bool, DbErr> {
    let row: Option<i64> = unpublished()
        .filter(COLUMN.parked_at.is_null())
        .select_only()
        .column(Column::Id)
        .limit(1)
        .into_tuple()
        .one(c)
        .await?;
    Ok(row.is_some())
}

/// What a read of waiting rows has in common: in the order of their ids, and without rows behind one that was set
/// aside or of the aggregates named in `waiting`, or they would fill every read. `shards` are those to look at; none
/// means all of them. Each read begins at the oldest row that waits: ids are given when a row is written and seen when
/// it is committed, so that "after the last id" would pass rows by. `idx_outbox_events_waiting` has all of it.
fn sendable(shards: Option<&[i32]>, limit: u64, waiting: &[Uuid]) -> Select<Entity> {
    let parked = Query::select()
        .column(Column::AggregateId)
        .from(Entity)
        .and_where(Column::PublishedAt.is_null())
        .and_where(Column::ParkedAt.is_not_null())
        .take();
    let mut rows = unpublished()
        .filter(COLUMN.parked_at.is_null())
        .filter(Expr::col(Column::AggregateId).not_in_subquery(parked))
        .order_by_asc(Column::Id)
        .limit(limit);
    if let Some(shards) = shards {
        rows = rows.filter(Column::Shard.is_in(shards.iter().copied()));
    }
    if !waiting.is_empty() {
        rows = rows.filter(Column::AggregateId.is_not_in(waiting.iter().copied()));
    }
    rows
}

/// Rows to send.
pub(super) async fn pending(
    c: &impl ConnectionTrait,
    shards: Option<&[i32]>,
    limit: u64,
    waiting: &[Uuid],
) -> Result<Vec<Row>, DbErr> {
    Row::all(sendable(shards, limit, waiting), c).await
}

/// Ids and aggregates of rows to send: the index alone answers this.
pub(super) async fn pending_ids(
    c: &impl ConnectionTrait,
    shards: Option<&[i32]>,
    limit: u64,
    waiting: &[Uuid],
) -> Result<Vec<(i64, Uuid)>, DbErr> {
    let ids = ids_only(sendable(shards, limit, waiting));
    ids.into_tuple().all(c).await
}

fn ids_only(rows: Select<Entity>) -> Select<Entity> {
    let columns = [Column::Id, Column::AggregateId];
    rows.select_only().columns(columns)
}

/// How the database reads ids and aggregates of rows to send.
pub(super) async fn pending_ids_explain(
    c: &impl ConnectionTrait,
    shards: Option<&[i32]>,
    limit: u64,
) -> Result<Vec<String>, DbErr> {
    let ids = ids_only(sendable(shards, limit, &[]));
    explain(c, &ids.into_query()).await
}

/// Rows by their ids, which are in order, as the rows are; those that are gone are left out.
pub(super) async fn rows(c: &impl ConnectionTrait, ids: &[i64]) -> Result<Vec<Row>, DbErr> {
    let (Some(first), Some(last)) = (ids.first(), ids.last()) else {
        return Ok(Vec::new());
    };
    // Of neighbours the range is read in one go, which costs the database a third of looking each up.
    let neighbours = usize::try_from(last - first).unwrap_or(usize::MAX) < ids.len() / 4 * 5;
    let rows = if neighbours {
        Entity::find().filter(Column::Id.between(*first, *last))
    } else {
        Entity::find().filter(Column::Id.is_in(padded(ids)))
    };
    let mut rows = Row::all(rows.order_by_asc(Column::Id), c).await?;
    if neighbours {
        rows.retain(|row| ids.binary_search(&row.id).is_ok());
    }
    Ok(rows)
}

/// Marks rows as published. Returns how many were not marked before.
pub(super) async fn mark(
    c: &impl ConnectionTrait,
    ids: &[i64],
    now: DateTime<Utc>,
) -> Result<u64, DbErr> {
    let done = Entity::update_many()
        .col_expr(Column::PublishedAt, Expr::value(now))
        .filter(Column::Id.is_in(padded(ids)))
        .filter(COLUMN.published_at.is_null())
        .exec(c)
        .await?;
    Ok(done.rows_affected)
}

/// Marks rows as published at the end of the log, in the order given. Returns how many were not marked before.
/// The caller holds the lease's row, so nobody else counts at the same time.
pub(super) async fn mark_logged(
    c: &impl ConnectionTrait,
    ids: &[i64],
    now: DateTime<Utc>,
) -> Result<u64, DbErr> {
    let last = log_last(c).await?;
    let mut place = CaseStatement::new();
    for (id, position) in ids.iter().zip(last + 1..) {
        place = place.case(Expr::col(Column::Id).eq(*id), position);
    }
    let done = Entity::update_many()
        .col_expr(Column::PublishedAt, Expr::value(now))
        .col_expr(Column::LogPosition, place.into())
        .filter(Column::Id.is_in(ids.iter().copied()))
        .filter(COLUMN.published_at.is_null())
        .exec(c)
        .await?;
    Ok(done.rows_affected)
}

/// Notes that a row could not be sent; with `parked_at` it is set aside.
pub(super) async fn fail(
    c: &impl ConnectionTrait,
    id: i64,
    error: &str,
    parked_at: Option<DateTime<Utc>>,
) -> Result<u64, DbErr> {
    let done = Entity::update_many()
        .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
        .col_expr(Column::LastError, Expr::value(error))
        .col_expr(Column::ParkedAt, Expr::value(parked_at))
        .filter(Column::Id.eq(id))
        .filter(COLUMN.published_at.is_null())
        .exec(c)
        .await?;
    Ok(done.rows_affected)
}

/// Counts what waits.
pub(super) async fn backlog(c: &impl ConnectionTrait) -> Result<Backlog, DbErr> {
    let pending = unpublished().count(c).await?;
    if pending == 0 {
        return Ok(Backlog::default());
    }
    let parked = unpublished()
        .filter(COLUMN.parked_at.is_not_null())
        .count(c)
        .await?;
    let oldest = unpublished()
        .select_only()
        .column(Column::CreatedAt)
        .order_by_asc(Column::Id)
        .limit(1)
        .into_tuple()
        .one(c)
        .await?;
    Ok(Backlog {
        pending,
        oldest,
        parked,
    })
}

/// Ids of rows that were published before a time. The end of the log stays, so that places are never given twice.
pub(super) async fn published_before(
    c: &impl ConnectionTrait,
    before: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<i64>, DbErr> {
    let last = log_last(c).await?;
    Entity::find()
        .filter(COLUMN.published_at.lt(before))
        .filter(
            Column::LogPosition
                .is_null()
                .or(Column::LogPosition.lt(last)),
        )
        .select_only()
        .column(Column::Id)
        .order_by_asc(Column::PublishedAt)
        .limit(limit)
        .into_tuple()
        .all(c)
        .await
}

/// Deletes rows.
pub(super) async fn delete(c: &impl ConnectionTrait, ids: &[i64]) -> Result<u64, DbErr> {
    let done = Entity::delete_many()
        .filter(Column::Id.is_in(padded(ids)))
        .exec(c)
        .await?;
    Ok(done.rows_affected)
}

/// The last place in the log, 0 when it is empty.
pub(super) async fn log_last(c: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let last: Option<Option<i64>> = Entity::find()
        .select_only()
        .column_as(Column::LogPosition.max(), "last")
        .into_tuple()
        .one(c)
        .await?;
    Ok(last.flatten().unwrap_or(0))
}

/// Rows of the log behind a place, in order.
pub(super) async fn log_after(
    c: &impl ConnectionTrait,
    position: i64,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(Column::LogPosition.gt(position))
        .order_by_asc(Column::LogPosition)
        .limit(limit)
        .all(c)
        .await
}

/// E-mail addresses of users, for `events.include_email`: the outbox never holds them, so that it needs no erasure.
/// This is the one look of the events at a table of the accounts.
pub(super) async fn emails(
    c: &impl ConnectionTrait,
    users: &[Uuid],
) -> Result<HashMap<Uuid, String>, DbErr> {
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(UserId, String)> = user::Entity::find()
        .filter(user::Column::Id.is_in(users.iter().copied().map(UserId)))
        .select_only()
        .column(user::Column::Id)
        .column(user::Column::Email)
        .into_tuple()
        .all(c)
        .await?;
    Ok(rows.into_iter().map(|(id, email)| (id.0, email)).collect())
}

/// Ids repeated up to a power of two, so that statements of few lengths are prepared.
fn padded(ids: &[i64]) -> Vec<i64> {
    let mut all = ids.to_vec();
    if let Some(last) = ids.last() {
        all.resize(ids.len().next_power_of_two(), *last);
    }
    all
}
