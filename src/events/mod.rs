//! Events: rows of the outbox, written in the transaction that causes them, published by the relay.
//!
//! To publish something: make an [`outbox::NewEvent`] of it and hand it to [`Events::publish_in`] in the transaction that
//! changes the state. A new type is a line in `TYPES` of its domain's `events.rs`, a new
//! kind of aggregate also one in [`record`]'s table of topics; [`contract`] makes schemas and documents of them.

pub mod broker;
pub mod consumer;
pub mod contract;
mod embedded;
pub mod hub;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "kafka")]
mod kafka_reader;
#[cfg(feature = "kafka")]
mod kafka_sender;
pub mod outbox;
pub mod reader;
pub mod record;
pub mod relay;
mod retention;
pub mod sender;
mod store;
pub mod stored;

use crate::cache::push::{Message, Push};
use crate::cause;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Db, Engine, Tx};
use crate::error::{Fault, swallow};
use crate::health::Health;
use crate::workers::{Progress, Workers};
use broker::Broker;
use chrono::TimeDelta;
use outbox::NewEvent;
use relay::Relay;
use retention::Retention;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use uuid::Uuid;

pub use store::Backlog;

/// How often the backlog is counted.
const MEASURE_PERIOD: Duration = Duration::from_secs(5);
/// Counting takes at most one part of so many of the time.
const MEASURE_SHARE: u32 = 100;
/// However large the backlog is, it is counted so often.
const MEASURE_PERIOD_MAX: Duration = Duration::from_secs(60);
/// How often old events are looked for.
const RETENTION_PERIOD: Duration = Duration::from_secs(600);
/// An event that has waited this long means that something is wrong.
const LATE: TimeDelta = TimeDelta::seconds(60);

/// The events of one process; cheap to clone.
#[derive(Clone, Debug)]
pub struct Events {
    parts: Arc<Parts>,
}

#[derive(Debug)]
struct Parts {
    db: Db,
    clock: Clock,
    push: Push,
    poll: Duration,
    relay: Relay,
    retention: Retention,
    wake: Arc<Notify>,
    started: AtomicBool,
    backlog: Mutex<Backlog>,
    /// Not counted before.
    measure_at: Mutex<Option<Instant>>,
}

impl Events {
    /// The events of the process `holder` with `broker` (see [`broker::of`]); nothing runs yet.
    #[must_use]
    pub fn new(
        config: &Config,
        db: &Db,
        clock: &Clock,
        push: &Push,
        holder: Uuid,
        broker: Arc<dyn Broker>,
    ) -> Self {
        let wake = Arc::default();
        Self {
            parts: Arc::new(Parts {
                db: db.clone(),
                clock: clock.clone(),
                push: push.clone(),
                poll: Duration::from_millis(config.events.poll_ms),
                relay: Relay::new(config, db, clock, holder, broker, &wake),
                retention: Retention::new(db, clock, holder, config.events.retention_days),
                wake,
                started: AtomicBool::new(false),
                backlog: Mutex::default(),
                measure_at: Mutex::default(),
            }),
        }
    }

    /// Writes events as part of a transaction, and tells the relays once that is committed.
    ///
    /// # Errors
    /// The database fails.
    pub async fn publish_in(&self, tx: &Tx, events: Vec<NewEvent>) -> Result<(), Fault> {
        if events.is_empty() {
            return Ok(());
        }
        outbox::insert(&**tx, &self.parts.clock, events).await?;
        let this = self.clone();
        tx.after_commit(move || Box::pin(async move { this.wake() }));
        Ok(())
    }

    /// Tells the relays of all processes that rows were committed. It never waits; when it is lost, the relay still looks
    /// every `events.poll_ms`.
    pub fn wake(&self) {
        self.parts.push.send(Message::OutboxWritten);
    }

    /// Goes on with what an aggregate's last event began: outside of a request, in the flow that this event tells of, and
    /// caused by it. What a request does stays the request's.
    pub async fn taking_up<T>(&self, aggregate_id: Uuid, work: impl Future<Output = T>) -> T {
        if cause::is_request() {
            return work.await;
        }
        let last = self.parts.db.read("outbox.cause", async |c| {
            Ok::<_, Fault>(outbox::cause_of(&*c, aggregate_id).await?)
        });
        // Without it the events of the work only tell less.
        match swallow(last.await, "reading the last event of an aggregate").flatten() {
            Some(cause) => cause.during(work).await,
            None => work.await,
        }
    }

    /// How publishing goes, for `/readyz`.
    #[must_use]
    pub fn state(&self) -> Health {
        if !self.parts.started.load(Ordering::Relaxed) {
            return Health::off("the relay runs in another process");
        }
        let backlog = *self.lock_backlog();
        let late = backlog
            .oldest
            .map(|oldest| self.parts.clock.now() - oldest)
            .filter(|age| *age > LATE);
        let health = self.parts.relay.broker().health();
        let detail = &health.detail;
        if backlog.parked > 0 {
            return Health::degraded(format!(
                "{detail}; {} events are set aside, see `events list --parked`",
                backlog.parked
            ));
        }
        match late {
            Some(age) => Health::degraded(format!(
                "{detail}; {} events wait, the oldest for {} s",
                backlog.pending,
                age.num_seconds()
            )),
            None => health,
        }
    }

    /// The relay, for a single pass.
    #[must_use]
    pub fn relay(&self) -> &Relay {
        &self.parts.relay
    }

    /// How the database finds what waits of these shards, of all of them without any, for tests of its plan.
    ///
    /// # Errors
    /// The database fails.
    pub async fn waiting_explain(&self, shards: Option<&[i32]>) -> Result<Vec<String>, Fault> {
        self.parts
            .db
            .read("outbox.pending_ids_explain", async |c| {
                Ok(store::pending_ids_explain(&*c, shards, 1_000).await?)
            })
            .await
    }

    /// Starts the relay and what belongs to it. On SQLite the caller has claimed the file ([`Db::claim`]), so a lease
    /// that is still there is a dead process's.
    pub fn start(&self, workers: &Workers) {
        let this = self.clone();
        let stop = workers.stopping();
        self.parts.started.store(true, Ordering::Relaxed);
        let tasks = workers.clone();
        workers.spawn(async move {
            let seize = this.parts.db.engine() == Engine::Sqlite;
            this.parts.relay.attach(stop.clone(), seize).await;
            this.spawn_passes(&tasks);
            tokio::select! {
                () = this.listen() => {}
                () = stop.cancelled() => {}
            }
            swallow(
                this.parts.relay.release().await,
                "releasing the relay's lease",
            );
        });
    }

    fn spawn_passes(&self, workers: &Workers) {
        let (relay, retention, measure) = (self.clone(), self.clone(), self.clone());
        let wake = Arc::clone(&self.parts.wake);
        let period = self.parts.relay.period(self.parts.poll);
        workers.every("events.relay", period, wake, move || {
            let this = relay.clone();
            Box::pin(async move { this.parts.relay.run_once().await })
        });
        workers.every(
            "events.retention",
            RETENTION_PERIOD,
            Arc::default(),
            move || {
                let this = retention.clone();
                Box::pin(async move { this.parts.retention.run_once().await })
            },
        );
        workers.every(
            "events.measure",
            MEASURE_PERIOD,
            Arc::default(),
            move || {
                let this = measure.clone();
                Box::pin(async move { this.measure_seldom().await.map(|()| Progress::Idle) })
            },
        );
    }

    /// Wakes the relay when this or another process has committed events.
    async fn listen(&self) {
        let mut messages = self.parts.push.subscribe();
        loop {
            match messages.recv().await {
                Ok(Message::OutboxWritten | Message::Lost) | Err(RecvError::Lagged(_)) => {
                    self.parts.wake.notify_one();
                }
                Ok(_) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Runs the relay until it has nothing to do, or cannot: the broker is away, or another process sends.
    ///
    /// # Errors
    /// The database fails.
    pub async fn run_until_idle(&self) -> Result<(), Fault> {
        self.parts.relay.run_until_idle().await
    }

    /// Deletes published events that are older than `events.retention_days`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn clean(&self) -> Result<(), Fault> {
        while self.parts.retention.run_once().await? == Progress::More {}
        Ok(())
    }

    /// Counts what waits, unless counting took so long that it would keep the database busy: a large backlog is counted
    /// less often.
    async fn measure_seldom(&self) -> Result<(), Fault> {
        let now = Instant::now();
        if *lock(&self.parts.measure_at) > Some(now) {
            return Ok(());
        }
        self.measure().await?;
        let pause = (now.elapsed() * MEASURE_SHARE).min(MEASURE_PERIOD_MAX);
        *lock(&self.parts.measure_at) = Some(now + pause);
        Ok(())
    }

    /// Counts what waits, for [`Events::state`] and the metrics.
    ///
    /// # Errors
    /// The database fails.
    pub async fn measure(&self) -> Result<Backlog, Fault> {
        let backlog = self
            .parts
            .db
            .read("outbox.backlog", async |c| {
                Ok::<_, Fault>(store::backlog(&*c).await?)
            })
            .await?;
        let age = backlog
            .oldest
            .and_then(|oldest| (self.parts.clock.now() - oldest).to_std().ok())
            .unwrap_or_default();
        metrics::gauge!("tradepost_events_pending").set(backlog.pending as f64);
        metrics::gauge!("tradepost_events_parked").set(backlog.parked as f64);
        metrics::gauge!("tradepost_events_oldest_seconds").set(age.as_secs_f64());
        *self.lock_backlog() = backlog;
        Ok(backlog)
    }

    fn lock_backlog(&self) -> MutexGuard<'_, Backlog> {
        lock(&self.parts.backlog)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
