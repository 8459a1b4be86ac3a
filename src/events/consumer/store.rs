//! Every query of the consumers' tables.

use super::dead::Letter;
use crate::db::keys::padded;
use chrono::{DateTime, Utc};
use entity::events::consumers::{consumer_position, dead_letter, inbox_event};
use entity::ids::EventId;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use std::collections::HashSet;

/// Rows that are looked at or deleted by one statement.
pub(super) const CHUNK: u64 = 500;

/// How far a group has come in its topics.
pub(super) async fn positions(
    c: &impl ConnectionTrait,
    group: &str,
) -> Result<Vec<consumer_position::Model>, DbErr> {
    consumer_position::Entity::find()
        .filter(consumer_position::COLUMN.consumer_group.eq(group))
        .all(c)
        .await
}

/// Writes how far a group has come; only the holder of its lease does.
pub(super) async fn position_set(
    c: &impl ConnectionTrait,
    row: consumer_position::Model,
) -> Result<(), DbErr> {
    let done = consumer_position::Entity::update_many()
        .col_expr(
            consumer_position::Column::LogPosition,
            Expr::value(row.log_position),
        )
        .col_expr(
            consumer_position::Column::UpdatedAt,
            Expr::value(row.updated_at),
        )
        .filter(
            consumer_position::COLUMN
                .consumer_group
                .eq(&row.consumer_group),
        )
        .filter(consumer_position::COLUMN.topic.eq(&row.topic))
        .exec(c)
        .await?;
    if done.rows_affected == 0 {
        let row: consumer_position::ActiveModel = row.into();
        consumer_position::Entity::insert(row)
            .exec_without_returning(c)
            .await?;
    }
    Ok(())
}

/// Which of these events a group has handled.
pub(super) async fn handled(
    c: &impl ConnectionTrait,
    group: &str,
    events: &[EventId],
) -> Result<HashSet<EventId>, DbErr> {
    let ids: Vec<EventId> = inbox_event::Entity::find()
        .filter(inbox_event::COLUMN.consumer_group.eq(group))
        .filter(inbox_event::Column::EventId.is_in(padded(events.iter().copied())))
        .select_only()
        .column(inbox_event::Column::EventId)
        .into_tuple()
        .all(c)
        .await?;
    Ok(ids.into_iter().collect())
}

/// Notes that a group has handled events.
pub(super) async fn handled_insert(
    c: &impl ConnectionTrait,
    group: &str,
    events: &[EventId],
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    if events.is_empty() {
        return Ok(());
    }
    let rows = events.iter().map(|event_id| inbox_event::ActiveModel {
        consumer_group: Set(group.to_owned()),
        event_id: Set(*event_id),
        handled_at: Set(now),
    });
    inbox_event::Entity::insert_many(rows)
        .exec_without_returning(c)
        .await?;
    Ok(())
}

/// Events that were handled before a time.
pub(super) async fn handled_before(
    c: &impl ConnectionTrait,
    before: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<inbox_event::Model>, DbErr> {
    inbox_event::Entity::find()
        .filter(inbox_event::COLUMN.handled_at.lt(before))
        .order_by_asc(inbox_event::COLUMN.handled_at)
        .limit(limit)
        .all(c)
        .await
}

/// Forgets that a group has handled events.
pub(super) async fn handled_delete(
    c: &impl ConnectionTrait,
    group: &str,
    events: &[EventId],
) -> Result<(), DbErr> {
    inbox_event::Entity::delete_many()
        .filter(inbox_event::COLUMN.consumer_group.eq(group))
        .filter(inbox_event::Column::EventId.is_in(padded(events.iter().copied())))
        .exec(c)
        .await?;
    Ok(())
}

/// Writes a dead letter; one that is there says why it failed now.
pub(super) async fn letter_set(c: &impl ConnectionTrait, letter: &Letter) -> Result<(), DbErr> {
    let done = dead_letter::Entity::update_many()
        .col_expr(dead_letter::Column::Error, Expr::value(&letter.error))
        .col_expr(dead_letter::Column::Attempts, Expr::value(letter.attempts))
        .col_expr(dead_letter::Column::FailedAt, Expr::value(letter.failed_at))
        .filter(dead_letter::COLUMN.consumer_group.eq(&letter.group))
        .filter(dead_letter::COLUMN.topic.eq(&letter.record.topic))
        .filter(dead_letter::COLUMN.log_position.eq(letter.offset))
        .exec(c)
        .await?;
    if done.rows_affected > 0 {
        return Ok(());
    }
    let headers: Vec<(&str, String)> = letter
        .record
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value).into_owned()))
        .collect();
    let row = dead_letter::ActiveModel {
        id: NotSet,
        consumer_group: Set(letter.group.clone()),
        topic: Set(letter.record.topic.clone()),
        log_position: Set(letter.offset),
        record_key: Set(letter.record.key.clone()),
        headers: Set(serde_json::json!(headers)),
        // The log holds JSON only; should it be something else, it is kept as text.
        body: Set(serde_json::from_slice(&letter.record.value)
            .unwrap_or_else(|_| String::from_utf8_lossy(&letter.record.value).into())),
        created_at: Set(letter.record.timestamp),
        error: Set(letter.error.clone()),
        attempts: Set(letter.attempts),
        failed_at: Set(letter.failed_at),
    };
    dead_letter::Entity::insert(row)
        .exec_without_returning(c)
        .await?;
    Ok(())
}

/// A group's dead letters behind one, oldest failure first.
pub(super) async fn letters_after(
    c: &impl ConnectionTrait,
    group: &str,
    after: i64,
    limit: u64,
) -> Result<Vec<dead_letter::Model>, DbErr> {
    dead_letter::Entity::find()
        .filter(dead_letter::COLUMN.consumer_group.eq(group))
        .filter(dead_letter::COLUMN.id.gt(after))
        .order_by_asc(dead_letter::COLUMN.id)
        .limit(limit)
        .all(c)
        .await
}

/// Ids of dead letters that failed before a time.
pub(super) async fn letters_before(
    c: &impl ConnectionTrait,
    before: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<i64>, DbErr> {
    dead_letter::Entity::find()
        .filter(dead_letter::COLUMN.failed_at.lt(before))
        .order_by_asc(dead_letter::COLUMN.failed_at)
        .select_only()
        .column(dead_letter::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(c)
        .await
}

/// Deletes dead letters.
pub(super) async fn letters_delete(c: &impl ConnectionTrait, ids: &[i64]) -> Result<(), DbErr> {
    dead_letter::Entity::delete_many()
        .filter(dead_letter::Column::Id.is_in(padded(ids.iter().copied())))
        .exec(c)
        .await?;
    Ok(())
}
