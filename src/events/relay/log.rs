//! The relay of the embedded log: publishing gives a row its place.
//!
//! One process does it at a time, under one lease that is checked in the transaction that marks: so places are dense,
//! and in the order of the rows.

use super::reading::{self, Named, Ready};
use super::{Waiting, is_ahead, tell_refusal};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::db::lease::Lease;
use crate::error::Fault;
use crate::events::record::Settings;
use crate::events::store;
use crate::workers::Progress;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashSet;
use std::sync::OnceLock;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long a relay that does not hold the lease waits before it looks again.
const LEASE_PAUSE_MS: i64 = 250;

/// Publishes into the log.
#[derive(Debug)]
pub(super) struct LogRelay {
    db: Db,
    clock: Clock,
    settings: Settings,
    lease: Lease,
    lease_life: TimeDelta,
    batch_size: u64,
    attempts_max: i32,
    stop: OnceLock<CancellationToken>,
    memory: Mutex<Memory>,
}

/// What the relay knows between two passes; all of it can be lost.
#[derive(Debug, Default)]
struct Memory {
    /// Until when the lease is ours.
    held_until: Option<DateTime<Utc>>,
    /// Another process had the lease: not asked again before.
    lease_pause: Option<DateTime<Utc>>,
    waiting: Waiting,
    /// Take the lease from the dead process that had this file before.
    seize: bool,
}

impl LogRelay {
    #[must_use]
    pub(super) fn new(config: &Config, db: &Db, clock: &Clock, holder: Uuid) -> Self {
        let life = i64::try_from(config.events.lease_ms).unwrap_or(i64::MAX);
        let lease_life = TimeDelta::milliseconds(life);
        Self {
            db: db.clone(),
            clock: clock.clone(),
            settings: Settings::of(config),
            lease: Lease::new(db.clone(), clock.clone(), "relay", holder, lease_life),
            lease_life,
            batch_size: config.events.batch_size,
            attempts_max: config.events.attempts_max,
            stop: OnceLock::new(),
            memory: Mutex::default(),
        }
    }

    pub(super) async fn attach(&self, stop: CancellationToken, seize: bool) {
        // Set twice only if the relay is started twice; the first token is as good.
        drop(self.stop.set(stop));
        self.memory.lock().await.seize = seize;
    }

    /// One batch, or nothing when there is nothing to do or another process publishes.
    pub(super) async fn run_once(&self) -> Result<Progress, Fault> {
        let mut memory = self.memory.lock().await;
        if memory.seize {
            self.lease.seize().await?;
            memory.seize = false;
            memory.lease_pause = None;
        }
        if !self.may_publish(&mut memory).await? {
            return Ok(Progress::Idle);
        }
        let rows = self.take(&mut memory).await?;
        if rows.is_empty() || !self.hold(&mut memory).await? {
            return Ok(Progress::Idle);
        }
        let full = rows.len() as u64 >= self.batch_size;
        let (publish, refused) = split(rows);
        for rows in publish.chunks(store::LOG_CHUNK) {
            if self.stop.get().is_some_and(CancellationToken::is_cancelled)
                || !self.mark(&mut memory, rows).await?
            {
                return Ok(Progress::Idle);
            }
        }
        if !self.refuse(&mut memory, refused).await? {
            return Ok(Progress::Idle);
        }
        Ok(if full && !publish.is_empty() {
            Progress::More
        } else {
            Progress::Idle
        })
    }

    /// Whether this process has the lease, or has got it now because there is work. An idle relay writes nothing.
    async fn may_publish(&self, memory: &mut Memory) -> Result<bool, Fault> {
        if is_ahead(&self.clock, memory.held_until, self.lease_life) {
            return Ok(true);
        }
        memory.held_until = None;
        let pause = TimeDelta::milliseconds(LEASE_PAUSE_MS);
        if is_ahead(&self.clock, memory.lease_pause, pause) {
            return Ok(false);
        }
        let pending = self.db.read("outbox.is_pending", async |c| {
            Ok::<_, Fault>(store::is_pending(&*c).await?)
        });
        if !pending.await? {
            return Ok(false);
        }
        if self.lease.is_free().await? && self.claim(memory).await? {
            return Ok(true);
        }
        memory.lease_pause = Some(self.clock.now() + pause);
        Ok(false)
    }

    /// Renews the lease when more than half of it is over.
    async fn hold(&self, memory: &mut Memory) -> Result<bool, Fault> {
        let half = self.clock.now() + self.lease_life / 2;
        if memory.held_until.is_some_and(|until| until > half) {
            return Ok(true);
        }
        self.claim(memory).await
    }

    async fn claim(&self, memory: &mut Memory) -> Result<bool, Fault> {
        // The time before the statement: the lease in the database ends later than the one in memory.
        let until = self.clock.now() + self.lease_life;
        let held = self.lease.hold().await?;
        memory.held_until = held.then_some(until);
        Ok(held)
    }

    /// The next rows, without the aggregates that wait after a refusal.
    async fn take(&self, memory: &mut Memory) -> Result<Vec<Ready>, Fault> {
        let waiting = memory.waiting.now(self.clock.now());
        let waiting = &waiting;
        let mut rows = self
            .db
            .read("outbox.pending", async |c| {
                Ok::<_, Fault>(store::pending(&*c, None, self.batch_size, waiting).await?)
            })
            .await?;
        rows.retain(|row| !memory.waiting.contains(row.aggregate_id));
        reading::ready(&self.db, &self.settings, rows).await
    }

    /// Gives rows their places, in a transaction that also renews the lease. `false`: the lease is lost.
    async fn mark(&self, memory: &mut Memory, rows: &[Named]) -> Result<bool, Fault> {
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let (ids, now) = (&ids, self.clock.now());
        let held = self
            .db
            .write("outbox.mark", async |tx| {
                if !self.lease.renew_in(&tx).await? {
                    return Ok(false);
                }
                let marked = store::mark_logged(&*tx, ids, now).await?;
                if marked == ids.len() as u64 {
                    return Ok(true);
                }
                Err(Fault::Broken(format!(
                    "{marked} of {} events could be marked",
                    ids.len()
                )))
            })
            .await?;
        memory.held_until = held.then_some(now + self.lease_life);
        if held {
            metrics::counter!("tradepost_events_published_total").increment(ids.len() as u64);
            let latency = metrics::histogram!("tradepost_events_publish_seconds");
            for row in rows {
                let waited = now - row.created_at;
                latency.record(waited.to_std().unwrap_or_default().as_secs_f64());
            }
        } else {
            tracing::warn!("the relay lost its lease; another process publishes now");
        }
        Ok(held)
    }

    /// Counts refusals of rows, and sets aside those that were refused too often. `false`: the lease is lost.
    async fn refuse(
        &self,
        memory: &mut Memory,
        refused: Vec<(Named, String)>,
    ) -> Result<bool, Fault> {
        for (row, reason) in refused {
            let now = self.clock.now();
            let parked_at = (row.attempts + 1 >= self.attempts_max).then_some(now);
            let reason = &reason;
            let held = self
                .db
                .write("outbox.fail", async |tx| {
                    if !self.lease.renew_in(&tx).await? {
                        return Ok(false);
                    }
                    match store::fail(&*tx, row.id, reason, parked_at).await? {
                        1 => Ok(true),
                        _ => Err(Fault::Broken(format!("event {} is not there", row.id))),
                    }
                })
                .await?;
            if !held {
                memory.held_until = None;
                return Ok(false);
            }
            if parked_at.is_none() {
                // One that is set aside is left out by the query, and goes at once when somebody lets it go again.
                memory.waiting.add(row.aggregate_id, now, row.attempts);
            }
            tell_refusal(&row, reason, parked_at.is_some());
        }
        Ok(true)
    }

    pub(super) async fn release(&self) -> Result<(), Fault> {
        let mut memory = self.memory.lock().await;
        if memory.held_until.take().is_some() {
            self.lease.release().await?;
        }
        Ok(())
    }
}

/// Rows that can be published, and those that have no records with the reason; what is behind one of these is left out.
fn split(rows: Vec<Ready>) -> (Vec<Named>, Vec<(Named, String)>) {
    let (mut publish, mut refused) = (Vec::with_capacity(rows.len()), Vec::new());
    let mut behind = HashSet::new();
    for ready in rows {
        if behind.contains(&ready.row.aggregate_id) {
            continue;
        }
        match ready.records {
            Ok(_) => publish.push(ready.row),
            Err(reason) => {
                behind.insert(ready.row.aggregate_id);
                refused.push((ready.row, reason));
            }
        }
    }
    (publish, refused)
}
