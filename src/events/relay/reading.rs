//! Rows as the relay handles them, with the records that are made of them.

use crate::db::Db;
use crate::error::{Fault, chain};
use crate::events::record::{self, Record, Settings};
use crate::events::store;
use chrono::{DateTime, Utc};
use entity::ids::EventId;
use std::collections::HashMap;
use uuid::Uuid;

/// What of a row is needed after its records were handed over.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) id: i64,
    pub(super) event_id: EventId,
    pub(super) aggregate_id: Uuid,
    pub(super) shard: i32,
    pub(super) attempts: i32,
    pub(super) created_at: DateTime<Utc>,
}

/// A row with its records, or why it has none.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) row: Named,
    pub(super) records: Result<Vec<Record>, String>,
}

/// Makes the records of rows, in their order.
pub(super) async fn ready(
    db: &Db,
    settings: &Settings,
    rows: Vec<store::Row>,
) -> Result<Vec<Ready>, Fault> {
    let wants_email = |row: &store::Row| settings.wants_email_of(row);
    let users: Vec<Uuid> = rows.iter().filter_map(wants_email).collect();
    let emails = if users.is_empty() {
        HashMap::new()
    } else {
        db.read("outbox.emails", async |c| {
            Ok::<_, Fault>(store::emails(&*c, &users).await?)
        })
        .await?
    };
    let make = |row: store::Row| {
        let email = wants_email(&row).and_then(|user| emails.get(&user));
        let records = record::records(settings, &row, email.map(String::as_str));
        Ready {
            records: records.map_err(|error| chain(&error)),
            row: Named {
                id: row.id,
                event_id: row.event_id,
                aggregate_id: row.aggregate_id,
                shard: row.shard,
                attempts: row.attempts,
                created_at: row.created_at,
            },
        }
    };
    Ok(rows.into_iter().map(make).collect())
}
