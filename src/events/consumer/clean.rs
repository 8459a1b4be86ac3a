//! What consumers need no more is forgotten in small pieces.

use super::store::{self, CHUNK};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::error::Fault;
use crate::workers::Progress;
use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::EventId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How long a piece may keep other writers waiting on SQLite.
const WRITE_MAX: Duration = Duration::from_millis(20);

/// Forgets handled events and dead letters. Two processes that do so at the same time do no harm.
#[derive(Debug)]
pub(super) struct Clean {
    db: Db,
    clock: Clock,
    inbox: TimeDelta,
    letters: TimeDelta,
    /// Rows of the next piece: fewer when the last one took too long.
    piece: AtomicU64,
}

impl Clean {
    pub(super) fn new(config: &Config, db: &Db, clock: &Clock) -> Self {
        let consumer = &config.consumer;
        // As long as an event can come again it is known whether it was handled.
        let inbox_days = consumer.inbox_days.max(config.events.retention_days);
        Self {
            db: db.clone(),
            clock: clock.clone(),
            inbox: TimeDelta::days(inbox_days),
            letters: TimeDelta::days(consumer.dead_letter_days),
            piece: AtomicU64::new(CHUNK),
        }
    }

    /// Forgets a piece.
    pub(super) async fn run_once(&self) -> Result<Progress, Fault> {
        let (now, piece) = (self.clock.now(), self.piece.load(Ordering::Relaxed));
        let events = self.forget_events(now - self.inbox, piece).await?;
        let letters = self.forget_letters(now - self.letters, piece).await?;
        Ok(if events.max(letters) >= piece {
            Progress::More
        } else {
            Progress::Idle
        })
    }

    async fn forget_events(&self, before: DateTime<Utc>, limit: u64) -> Result<u64, Fault> {
        let rows = self
            .db
            .read("inbox.old", async |c| {
                Ok::<_, Fault>(store::handled_before(&*c, before, limit).await?)
            })
            .await?;
        let count = rows.len() as u64;
        let mut groups: HashMap<String, Vec<EventId>> = HashMap::new();
        for row in rows {
            groups
                .entry(row.consumer_group)
                .or_default()
                .push(row.event_id);
        }
        let groups = &groups;
        if count > 0 {
            let deleting = self.db.write("inbox.clean", async |tx| {
                let began = Instant::now();
                for (group, events) in groups {
                    store::handled_delete(&*tx, group, events).await?;
                }
                Ok::<_, Fault>(began.elapsed())
            });
            self.pace(limit, deleting.await?);
        }
        Ok(count)
    }

    async fn forget_letters(&self, before: DateTime<Utc>, limit: u64) -> Result<u64, Fault> {
        let ids = self
            .db
            .read("dead_letters.old", async |c| {
                Ok::<_, Fault>(store::letters_before(&*c, before, limit).await?)
            })
            .await?;
        let ids = &ids;
        if !ids.is_empty() {
            let deleting = self.db.write("dead_letters.clean", async |tx| {
                let began = Instant::now();
                store::letters_delete(&*tx, ids).await?;
                Ok::<_, Fault>(began.elapsed())
            });
            self.pace(limit, deleting.await?);
        }
        Ok(ids.len() as u64)
    }

    fn pace(&self, piece: u64, took: Duration) {
        let next = if took > WRITE_MAX {
            (piece / 2).max(1)
        } else {
            (piece * 2).min(CHUNK)
        };
        self.piece.store(next, Ordering::Relaxed);
    }
}
