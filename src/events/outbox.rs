//! Writing events: the only way anything is published.

use crate::cause::{self, Cause};
use crate::clock::Clock;
use crate::db::insert_all;
use chrono::{DateTime, Utc};
use entity::events::outbox_event::{ActiveModel, Column, Entity, Model};
use entity::ids::EventId;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde_json::Value;
use uuid::Uuid;

/// Shards of the outbox: events of one aggregate are always in the same one.
pub const SHARDS: i32 = 64;

/// An event that is about to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// What it is about (`order`).
    pub aggregate_type: &'static str,
    /// Its id; the record's key.
    pub aggregate_id: Uuid,
    /// The aggregate's version after the change, for orders and trades.
    pub aggregate_version: Option<i32>,
    /// Type with its version (`tradepost.order.created.v1`).
    pub event_type: &'static str,
    /// Body.
    pub payload: serde_json::Value,
    /// When it happened.
    pub created_at: DateTime<Utc>,
}

/// Writes events in the transaction that causes them, with what is known of their cause ([`crate::cause`]), by as few
/// statements as the database takes. After the commit, call [`super::Events::wake`].
///
/// # Errors
/// The database fails.
pub async fn insert(
    c: &impl ConnectionTrait,
    clock: &Clock,
    events: Vec<NewEvent>,
) -> Result<(), DbErr> {
    if events.is_empty() {
        return Ok(());
    }
    let headers = cause::headers();
    let rows = events.into_iter().map(|event| ActiveModel {
        id: NotSet,
        event_id: Set(clock.id::<EventId>()),
        shard: Set(shard(event.aggregate_id)),
        aggregate_type: Set(event.aggregate_type.to_owned()),
        aggregate_id: Set(event.aggregate_id),
        aggregate_version: Set(event.aggregate_version),
        event_type: Set(event.event_type.to_owned()),
        payload: Set(event.payload),
        headers: Set(headers.clone()),
        created_at: Set(event.created_at),
        published_at: Set(None),
        attempts: Set(0),
        last_error: Set(None),
        parked_at: Set(None),
        log_position: Set(None),
    });
    insert_all(c, rows.collect()).await
}

/// The row that an event would be which is sent and not written, as a state of an order is.
#[must_use]
pub fn unwritten(clock: &Clock, event: NewEvent) -> Model {
    Model {
        id: 0,
        event_id: clock.id(),
        shard: shard(event.aggregate_id),
        aggregate_type: event.aggregate_type.to_owned(),
        aggregate_id: event.aggregate_id,
        aggregate_version: event.aggregate_version,
        event_type: event.event_type.to_owned(),
        payload: event.payload,
        headers: cause::headers(),
        created_at: event.created_at,
        published_at: None,
        attempts: 0,
        last_error: None,
        parked_at: None,
        log_position: None,
    }
}

/// The cause of what goes on with an aggregate that has versions: its last event, while that is kept.
///
/// # Errors
/// The database fails.
pub(super) async fn cause_of(
    c: &impl ConnectionTrait,
    aggregate_id: Uuid,
) -> Result<Option<Cause>, DbErr> {
    let last = Entity::find()
        .select_only()
        .columns([Column::EventId, Column::Headers])
        .filter(Column::AggregateId.eq(aggregate_id))
        .order_by_desc(Column::AggregateVersion)
        .limit(1)
        .into_tuple::<(EventId, Value)>()
        .one(c)
        .await?;
    Ok(last.map(|(id, headers)| Cause::of_event(&id.to_string(), &headers)))
}

/// The shard of an aggregate. The low bits of a UUID of version 7 are random, so they spread evenly.
fn shard(aggregate_id: Uuid) -> i32 {
    i32::from(aggregate_id.as_bytes()[15]) % SHARDS
}
