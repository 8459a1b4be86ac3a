//! Published events stay for replay as long as `events.retention_days` says; then they go, in small pieces.

use super::store;
use crate::clock::Clock;
use crate::db::Db;
use crate::db::lease::Lease;
use crate::error::Fault;
use crate::workers::Progress;
use chrono::TimeDelta;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// How long a piece may keep other writers waiting on SQLite.
const WRITE_MAX: Duration = Duration::from_millis(20);
/// How long a process that died while cleaning keeps others from it.
const LEASE_LIFE: TimeDelta = TimeDelta::minutes(1);

/// Deletes what is old enough.
#[derive(Debug)]
pub(super) struct Retention {
    db: Db,
    clock: Clock,
    keep: TimeDelta,
    lease: Lease,
    /// Rows of the next piece: fewer when the last one took too long.
    piece: AtomicU64,
}

impl Retention {
    /// Keeps published rows for `days`.
    #[must_use]
    pub(super) fn new(db: &Db, clock: &Clock, holder: Uuid, days: i64) -> Self {
        Self {
            db: db.clone(),
            clock: clock.clone(),
            keep: TimeDelta::days(days),
            lease: Lease::new(
                db.clone(),
                clock.clone(),
                "events.retention",
                holder,
                LEASE_LIFE,
            ),
            piece: AtomicU64::new(store::CHUNK as u64),
        }
    }

    /// Deletes one piece.
    ///
    /// # Errors
    /// The database fails.
    pub(super) async fn run_once(&self) -> Result<Progress, Fault> {
        let before = self.clock.now() - self.keep;
        let piece = self.piece.load(Ordering::Relaxed);
        let ids = self
            .db
            .read("outbox.old", async |c| {
                Ok::<_, Fault>(store::published_before(&*c, before, piece).await?)
            })
            .await?;
        if ids.is_empty() || !self.lease.hold().await? {
            return Ok(Progress::Idle);
        }
        let ids = &ids;
        let took = self
            .db
            .write("outbox.delete", async |tx| {
                let start = Instant::now();
                store::delete(&*tx, ids).await?;
                Ok::<_, Fault>(start.elapsed())
            })
            .await?;
        let next = if took > WRITE_MAX {
            (piece / 2).max(1)
        } else {
            (piece * 2).min(store::CHUNK as u64)
        };
        self.piece.store(next, Ordering::Relaxed);
        Ok(if ids.len() as u64 == piece {
            Progress::More
        } else {
            Progress::Idle
        })
    }
}
