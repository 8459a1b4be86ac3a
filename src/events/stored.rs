//! Stored events, as the commands `tradepost events …` see them: what waits, what was sent, and what is kept of it.

use super::{Events, store};
use crate::error::Fault;
use chrono::{DateTime, Utc};
use entity::events::outbox_event;
use entity::ids::EventId;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// How many different reasons are told of.
const REASONS_MAX: u64 = 10;

/// Which unpublished events are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Those that the relay will send.
    Pending,
    /// Those that were set aside after too many failures.
    Parked,
}

/// Which published events are meant; each part narrows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Of this aggregate.
    pub aggregate: Option<Uuid>,
    /// Of types that contain this (`order.paid`).
    pub event_type: Option<String>,
    /// That happened then or later.
    pub from: Option<DateTime<Utc>>,
    /// That happened then or earlier.
    pub to: Option<DateTime<Utc>>,
}

/// What is kept of an event, without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What it is about.
    pub aggregate_id: Uuid,
    /// The version that it tells of.
    pub version: Option<i32>,
    /// Its id.
    pub event_id: EventId,
    /// When it happened.
    pub created_at: DateTime<Utc>,
    /// When the broker had it.
    pub published_at: Option<DateTime<Utc>>,
    /// Whether it was set aside.
    pub is_parked: bool,
    /// Its place in the embedded log.
    pub log_position: Option<i64>,
}

/// A stretch of the embedded log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSpan {
    /// Its first place.
    pub first: i64,
    /// The last place of the log.
    pub last: i64,
    /// How many of these places an event has.
    pub places: u64,
}

impl Events {
    /// Unpublished events, oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn waiting(
        &self,
        waiting: Waiting,
        limit: u64,
    ) -> Result<Vec<outbox_event::Model>, Fault> {
        self.parts
            .db
            .read("outbox.waiting", async |c| {
                Ok::<_, Fault>(store::tools::waiting(&*c, waiting, limit).await?)
            })
            .await
    }

    /// How many unpublished events there are, and what their last failures were: ten reasons at most, the most frequent
    /// first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn waiting_sum(&self, waiting: Waiting) -> Result<(u64, Vec<(String, u64)>), Fault> {
        self.parts
            .db
            .read("outbox.waiting_sum", async |c| {
                let total = store::tools::waiting_count(&*c, waiting).await?;
                let reasons = store::tools::waiting_reasons(&*c, waiting, REASONS_MAX).await?;
                let reasons = reasons
                    .into_iter()
                    .map(|(reason, events)| (reason, events.unsigned_abs()));
                Ok((total, reasons.collect()))
            })
            .await
    }

    /// Those of some aggregates that have an event that was set aside: their other events wait for it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn parked_aggregates(&self, aggregates: &[Uuid]) -> Result<HashSet<Uuid>, Fault> {
        self.parts
            .db
            .read("outbox.parked_aggregates", async |c| {
                let found = store::tools::parked_aggregates(&*c, aggregates).await?;
                Ok(found.into_iter().collect())
            })
            .await
    }

    /// Lets events that were set aside go again, with all their attempts: one, or all. Wakes the relay, and returns how
    /// many there were.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(name = "events.unpark", skip_all)]
    pub async fn unpark(&self, event: Option<EventId>) -> Result<u64, Fault> {
        let unparked = self
            .parts
            .db
            .write("outbox.unpark", async |tx| {
                Ok::<_, Fault>(store::tools::unpark(&*tx, event).await?)
            })
            .await?;
        self.wake();
        Ok(unparked)
    }

    /// Published events of a selection behind a row, in the order in which they were written. Types may be among them
    /// that the selection does not name: [`Selection::has`] tells.
    ///
    /// # Errors
    /// The database fails.
    pub async fn published_behind(
        &self,
        selection: &Selection,
        after: i64,
        limit: u64,
    ) -> Result<Vec<outbox_event::Model>, Fault> {
        self.parts
            .db
            .read("outbox.published", async |c| {
                Ok(store::tools::published_behind(&*c, selection, after, limit).await?)
            })
            .await
    }

    /// E-mail addresses of users, for records that show them.
    ///
    /// # Errors
    /// The database fails.
    pub async fn emails(&self, users: &[Uuid]) -> Result<HashMap<Uuid, String>, Fault> {
        self.parts
            .db
            .read("outbox.emails", async |c| {
                Ok::<_, Fault>(store::emails(&*c, users).await?)
            })
            .await
    }

    /// Aggregates of all types behind one that have events, in the order of their ids.
    ///
    /// # Errors
    /// The database fails.
    pub async fn aggregates_behind(
        &self,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<Uuid>, Fault> {
        self.parts
            .db
            .read("outbox.aggregates", async |c| {
                Ok(store::tools::aggregates_behind(&*c, after, limit).await?)
            })
            .await
    }

    /// What is kept of the aggregates of a type whose ids are behind the first and at most the second, by aggregate.
    ///
    /// # Errors
    /// The database fails.
    pub async fn stored_between(
        &self,
        aggregate_type: &str,
        after: Option<Uuid>,
        upto: Option<Uuid>,
    ) -> Result<Vec<Stored>, Fault> {
        self.parts
            .db
            .read("outbox.stored", async |c| {
                Ok(store::tools::stored_between(&*c, aggregate_type, after, upto).await?)
            })
            .await
    }

    /// What is kept of one aggregate.
    ///
    /// # Errors
    /// The database fails.
    pub async fn stored_of(
        &self,
        aggregate_type: &str,
        aggregate: Uuid,
    ) -> Result<Vec<Stored>, Fault> {
        self.parts
            .db
            .read("outbox.stored_of", async |c| {
                Ok(store::tools::stored_of(&*c, aggregate_type, aggregate).await?)
            })
            .await
    }

    /// The embedded log from what was published at a moment on; nothing when nothing was.
    ///
    /// # Errors
    /// The database fails.
    pub async fn log_span(&self, since: DateTime<Utc>) -> Result<Option<LogSpan>, Fault> {
        self.parts
            .db
            .read("outbox.log_span", async |c| {
                let span = store::tools::log_span(&*c, since).await?;
                Ok(span.map(|(first, last, places)| LogSpan {
                    first,
                    last,
                    places,
                }))
            })
            .await
    }

    /// The last place of the embedded log, 0 when it is empty.
    ///
    /// # Errors
    /// The database fails.
    pub async fn log_last(&self) -> Result<i64, Fault> {
        self.parts
            .db
            .read("outbox.log_last", async |c| {
                Ok::<_, Fault>(store::log_last(&*c).await?)
            })
            .await
    }

    /// Events of the embedded log behind a place, in order.
    ///
    /// # Errors
    /// The database fails.
    pub async fn log_behind(
        &self,
        position: i64,
        limit: u64,
    ) -> Result<Vec<outbox_event::Model>, Fault> {
        self.parts
            .db
            .read("outbox.log", async |c| {
                Ok::<_, Fault>(store::log_after(&*c, position, limit).await?)
            })
            .await
    }
}

impl Selection {
    /// Whether it names the type of an event.
    #[must_use]
    pub fn has(&self, event_type: &str) -> bool {
        let wanted = self.event_type.as_deref();
        wanted.is_none_or(|wanted| event_type.contains(wanted))
    }
}
