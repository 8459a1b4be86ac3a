//! The relay: takes rows of the outbox in order, sends them, and marks them on the broker's word.
//!
//! What holds whatever happens: the first appearance of each event of an aggregate is in the order of its rows, and a
//! repeat repeats an event with the same id. One relay sends at a time (a lease, renewed while it works and checked in
//! the transaction that marks). A row is marked after all its records were acknowledged, so a crash in between leads to
//! a repeat, never to a loss. A broker that is away is waited for; only a row that can never be sent is set aside.

use super::broker::{Broker, Outcome, Outgoing};
use super::record::{self, Settings};
use super::store;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::db::lease::Lease;
use crate::error::{Fault, chain, swallow};
use crate::workers::Progress;
use chrono::{DateTime, TimeDelta, Utc};
use entity::events::outbox_event;
use futures::StreamExt as _;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long what is on its way may take after the program was told to stop.
const STOP_LIMIT: Duration = Duration::from_secs(2);
/// How long a relay that does not hold the lease waits before it looks again.
const LEASE_PAUSE_MS: i64 = 250;
/// First and longest wait after the broker failed.
const BROKER_PAUSE_MS: (i64, i64) = (100, 5_000);
/// First and longest wait of an aggregate whose row was refused.
const ROW_PAUSE_MS: (i64, i64) = (100, 60_000);
/// Aggregates that are left out by the query; more than these are left out afterwards.
const WAITING_MAX: usize = 500;

/// Sends what the outbox holds.
#[derive(Debug)]
pub struct Relay {
    db: Db,
    clock: Clock,
    broker: Arc<dyn Broker>,
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
    /// The broker failed so often in a row, and is not asked again before.
    broker_failures: u32,
    broker_pause: Option<DateTime<Utc>>,
    /// Aggregates whose row was refused, and until when they wait.
    waiting: HashMap<Uuid, DateTime<Utc>>,
    /// Take the lease from the dead process that had this file before.
    seize: bool,
}

/// What became of a batch.
#[derive(Debug, Default)]
struct Flight {
    /// Indexes of rows that were sent and are not marked yet.
    sent: Vec<usize>,
    marked: usize,
    refused: Vec<(usize, String)>,
    unreachable: Option<String>,
    /// The lease was lost: nothing of this batch is ours any more.
    lost: bool,
}

impl Relay {
    /// A relay to `broker`; `holder` names the process in the lease.
    #[must_use]
    pub fn new(
        config: &Config,
        db: &Db,
        clock: &Clock,
        holder: Uuid,
        broker: Arc<dyn Broker>,
    ) -> Self {
        let life = i64::try_from(config.events.lease_ms).unwrap_or(i64::MAX);
        let lease_life = TimeDelta::milliseconds(life);
        Self {
            db: db.clone(),
            clock: clock.clone(),
            broker,
            settings: Settings::of(config),
            lease: Lease::new(db.clone(), clock.clone(), "relay", holder, lease_life),
            lease_life,
            batch_size: config.events.batch_size,
            attempts_max: config.events.attempts_max,
            stop: OnceLock::new(),
            memory: Mutex::default(),
        }
    }

    /// The broker.
    #[must_use]
    pub fn broker(&self) -> &Arc<dyn Broker> {
        &self.broker
    }

    /// Ends a pass early when `stop` is cancelled. With `seize` the first pass takes the lease from its holder.
    pub(super) async fn attach(&self, stop: CancellationToken, seize: bool) {
        // Set twice only if the relay is started twice; the first token is as good.
        drop(self.stop.set(stop));
        self.memory.lock().await.seize = seize;
    }

    /// One pass: one batch, or nothing when there is nothing to do, the broker is away or another process sends.
    ///
    /// # Errors
    /// The database fails. What was sent and not marked is sent again later.
    pub async fn run_once(&self) -> Result<Progress, Fault> {
        let mut memory = self.memory.lock().await;
        if memory.seize {
            self.lease.seize().await?;
            memory.seize = false;
            memory.lease_pause = None;
        }
        if !self.broker_is_there(&mut memory).await || !self.may_send(&mut memory).await? {
            return Ok(Progress::Idle);
        }
        let rows = self.take(&mut memory).await?;
        if rows.is_empty() || !self.hold(&mut memory).await? {
            return Ok(Progress::Idle);
        }
        let full = rows.len() as u64 >= self.batch_size;
        let (batch, unsendable) = self.outgoing(&rows).await?;
        let mut flight = self.send(&mut memory, &batch).await;
        if flight.lost {
            memory.held_until = None;
            tracing::warn!("the relay lost its lease; another process sends now");
            return Ok(Progress::Idle);
        }
        let mut refused: Vec<(i64, String)> = std::mem::take(&mut flight.refused)
            .into_iter()
            .map(|(index, reason)| (batch[index].row_id, reason))
            .collect();
        refused.extend(unsendable);
        if !self.mark(&mut memory, &batch, &mut flight).await?
            || !self.refuse(&mut memory, &rows, refused).await?
        {
            return Ok(Progress::Idle);
        }
        self.note_broker(&mut memory, flight.unreachable);
        Ok(if full && flight.marked > 0 {
            Progress::More
        } else {
            Progress::Idle
        })
    }

    /// Whether the broker can be sent to. Asked before the database, so that a broker that is away costs nothing there.
    async fn broker_is_there(&self, memory: &mut Memory) -> bool {
        let longest = TimeDelta::milliseconds(BROKER_PAUSE_MS.1);
        if self.is_ahead(memory.broker_pause, longest) {
            return false;
        }
        let prepared = tokio::select! {
            prepared = self.broker.prepare() => prepared,
            () = self.stopped() => return false,
        };
        match prepared {
            Ok(()) => true,
            Err(reason) => {
                self.note_broker(memory, Some(reason));
                false
            }
        }
    }

    /// Remembers how the broker did: after a failure it is left alone for a while.
    fn note_broker(&self, memory: &mut Memory, problem: Option<String>) {
        let Some(problem) = problem else {
            memory.broker_failures = 0;
            memory.broker_pause = None;
            return;
        };
        if memory.broker_failures == 0 {
            tracing::warn!(problem, "events cannot be sent; they wait");
        }
        let pause = backoff(BROKER_PAUSE_MS, memory.broker_failures);
        memory.broker_failures = memory.broker_failures.saturating_add(1);
        memory.broker_pause = Some(self.clock.now() + pause);
        metrics::counter!("tradepost_events_broker_failures_total").increment(1);
    }

    /// Whether this process has the lease, or has got it now because there is work. An idle relay writes nothing.
    async fn may_send(&self, memory: &mut Memory) -> Result<bool, Fault> {
        if self.is_ahead(memory.held_until, self.lease_life) {
            return Ok(true);
        }
        memory.held_until = None;
        let pause = TimeDelta::milliseconds(LEASE_PAUSE_MS);
        if self.is_ahead(memory.lease_pause, pause) {
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
    async fn take(&self, memory: &mut Memory) -> Result<Vec<outbox_event::Model>, Fault> {
        let now = self.clock.now();
        memory.waiting.retain(|_, until| *until > now);
        let waiting: Vec<Uuid> = memory.waiting.keys().copied().take(WAITING_MAX).collect();
        let mut rows = self
            .db
            .read("outbox.pending", async |c| {
                Ok::<_, Fault>(store::pending(&*c, self.batch_size, &waiting).await?)
            })
            .await?;
        rows.retain(|row| !memory.waiting.contains_key(&row.aggregate_id));
        Ok(rows)
    }

    /// The records of the rows. A row that has none is named with the reason, and what is behind it is left out.
    async fn outgoing(
        &self,
        rows: &[outbox_event::Model],
    ) -> Result<(Vec<Outgoing>, Vec<(i64, String)>), Fault> {
        let wants_email = |row| self.settings.wants_email_of(row);
        let users: Vec<Uuid> = rows.iter().filter_map(wants_email).collect();
        let emails = if users.is_empty() {
            HashMap::new()
        } else {
            self.db
                .read("outbox.emails", async |c| {
                    Ok::<_, Fault>(store::emails(&*c, &users).await?)
                })
                .await?
        };
        let (mut batch, mut unsendable) = (Vec::with_capacity(rows.len()), Vec::new());
        let mut behind = HashSet::new();
        for row in rows {
            if behind.contains(&row.aggregate_id) {
                continue;
            }
            let email = wants_email(row).and_then(|user| emails.get(&user));
            match record::records(&self.settings, row, email.map(String::as_str)) {
                Ok(records) => batch.push(Outgoing {
                    row_id: row.id,
                    aggregate_id: row.aggregate_id,
                    records,
                }),
                Err(error) => {
                    behind.insert(row.aggregate_id);
                    unsendable.push((row.id, chain(&error)));
                }
            }
        }
        Ok((batch, unsendable))
    }

    /// Sends a batch, and while that takes its time marks what is done, which renews the lease.
    async fn send(&self, memory: &mut Memory, batch: &[Outgoing]) -> Flight {
        let mut flight = Flight::default();
        let mut deliveries = self.broker.publish(batch);
        let period = self.lease_life.to_std().unwrap_or_default() / 3;
        let mut renew = tokio::time::interval_at(Instant::now() + period, period);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut give_up_at = None;
        let finished = loop {
            tokio::select! {
                delivery = deliveries.next() => match delivery {
                    Some((index, Outcome::Sent)) => flight.sent.push(index),
                    Some((index, Outcome::Refused(reason))) => flight.refused.push((index, reason)),
                    Some((_, Outcome::Unreachable(reason))) => flight.unreachable = Some(reason),
                    None => break true,
                },
                _ = renew.tick() => {
                    if !self.keep(memory, batch, &mut flight).await {
                        flight.lost = true;
                        break false;
                    }
                }
                () = self.stopped(), if give_up_at.is_none() => {
                    give_up_at = Some(Instant::now() + STOP_LIMIT);
                }
                () = at(give_up_at) => break false,
            }
        };
        drop(deliveries);
        if !finished {
            self.broker.abandon();
        }
        flight
    }

    /// Marks what is done so far. `false`: the lease is lost, or would end before the database answers.
    async fn keep(&self, memory: &mut Memory, batch: &[Outgoing], flight: &mut Flight) -> bool {
        let left = memory.held_until.map(|until| until - self.clock.now());
        let left = left.and_then(|left| left.to_std().ok()).unwrap_or_default();
        match tokio::time::timeout(left, self.mark(memory, batch, flight)).await {
            Ok(Ok(held)) => held,
            // One more attempt follows while the lease lasts.
            Ok(Err(fault)) => {
                swallow(Err::<(), _>(fault), "renewing the relay's lease");
                self.is_ahead(memory.held_until, self.lease_life)
            }
            Err(_) => false,
        }
    }

    /// Marks rows that were sent, each piece in a transaction that also renews the lease. `false`: the lease is lost.
    async fn mark(
        &self,
        memory: &mut Memory,
        batch: &[Outgoing],
        flight: &mut Flight,
    ) -> Result<bool, Fault> {
        // The log has the order of the rows.
        flight.sent.sort_unstable();
        loop {
            let chunk = if self.broker.is_log() {
                store::LOG_CHUNK
            } else {
                store::CHUNK
            };
            let taken = flight.sent.len().min(chunk);
            let rows: Vec<&Outgoing> = flight.sent[..taken].iter().map(|&i| &batch[i]).collect();
            if !self.mark_chunk(memory, &rows).await? {
                return Ok(false);
            }
            flight.sent.drain(..taken);
            flight.marked += taken;
            if flight.sent.is_empty() {
                return Ok(true);
            }
        }
    }

    async fn mark_chunk(&self, memory: &mut Memory, rows: &[&Outgoing]) -> Result<bool, Fault> {
        let ids: Vec<i64> = rows.iter().map(|row| row.row_id).collect();
        let (ids, now) = (&ids, self.clock.now());
        let held = self
            .db
            .write("outbox.mark", async |tx| {
                if !self.lease.renew_in(&tx).await? {
                    return Ok(false);
                }
                let marked = match (ids.is_empty(), self.broker.is_log()) {
                    (true, _) => 0,
                    (false, true) => store::mark_logged(&*tx, ids, now).await?,
                    (false, false) => store::mark(&*tx, ids, now).await?,
                };
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
            for record in rows.iter().filter_map(|row| row.records.first()) {
                let waited = now - record.timestamp;
                latency.record(waited.to_std().unwrap_or_default().as_secs_f64());
            }
        }
        Ok(held)
    }

    /// Counts refusals of rows, and sets aside those that were refused too often. `false`: the lease is lost.
    async fn refuse(
        &self,
        memory: &mut Memory,
        rows: &[outbox_event::Model],
        refused: Vec<(i64, String)>,
    ) -> Result<bool, Fault> {
        for (id, reason) in refused {
            let Some(row) = rows.iter().find(|row| row.id == id) else {
                continue;
            };
            let (now, attempts) = (self.clock.now(), row.attempts + 1);
            let parked_at = (attempts >= self.attempts_max).then_some(now);
            let reason = &reason;
            let held = self
                .db
                .write("outbox.fail", async |tx| {
                    if !self.lease.renew_in(&tx).await? {
                        return Ok(false);
                    }
                    match store::fail(&*tx, id, reason, parked_at).await? {
                        1 => Ok(true),
                        _ => Err(Fault::Broken(format!("event {id} is not there"))),
                    }
                })
                .await?;
            if !held {
                memory.held_until = None;
                return Ok(false);
            }
            if parked_at.is_none() {
                // One that is set aside is left out by the query, and goes at once when somebody lets it go again.
                let pause = backoff(ROW_PAUSE_MS, row.attempts.unsigned_abs());
                memory.waiting.insert(row.aggregate_id, now + pause);
            }
            if parked_at.is_some() {
                tracing::error!(event.id = %row.event_id, aggregate.id = %row.aggregate_id, reason,
                    "event {} is set aside, and later ones of its aggregate wait", row.event_id);
            } else {
                tracing::warn!(event.id = %row.event_id, attempts, reason,
                    "event {} was refused", row.event_id);
            }
        }
        Ok(true)
    }

    /// Gives the lease up, so that another process need not wait for its end.
    ///
    /// # Errors
    /// The database fails; the lease then ends by itself.
    pub async fn release(&self) -> Result<(), Fault> {
        let mut memory = self.memory.lock().await;
        if memory.held_until.take().is_some() {
            self.lease.release().await?;
        }
        Ok(())
    }

    async fn stopped(&self) {
        match self.stop.get() {
            Some(stop) => stop.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// Whether a moment is still to come. One that is further away than it can be was set before the clock was moved
    /// back, and does not count.
    fn is_ahead(&self, until: Option<DateTime<Utc>>, longest: TimeDelta) -> bool {
        let now = self.clock.now();
        until.is_some_and(|until| now < until && until - now <= longest)
    }
}

/// Waits for a moment, for ever if there is none.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Doubles with each failure, from the first wait to the longest.
fn backoff((first, longest): (i64, i64), failures: u32) -> TimeDelta {
    TimeDelta::milliseconds((first << failures.min(16)).min(longest))
}
