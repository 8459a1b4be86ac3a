//! The relay to a broker: reads, sends and marks at the same time.
//!
//! A pass goes on until nothing is left to do: [`flow::Flow`] is its loop. What is on its way ([`Window`]) and what the
//! broker has not answered yet outlive a pass that ends with an error. Why the order of an aggregate holds is said in
//! [`super::window`]; the leases of the shards only keep several processes from doing the same work. A process that lost
//! a shard's lease without knowing may repeat events of it, never reorder them.

mod flow;
mod rows;

use super::shards::{Shards, Tenure};
use super::window::Window;
use super::{Waiting, backoff, is_ahead};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Db, Engine};
use crate::error::{Fault, swallow};
use crate::events::broker::{Broker, Deliveries, Outgoing};
use crate::events::record::Settings;
use crate::events::store;
use crate::workers::Progress;
use chrono::{DateTime, TimeDelta, Utc};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// First and longest wait after the broker failed.
const BROKER_PAUSE_MS: (i64, i64) = (100, 5_000);

/// Sends what the outbox holds of this process's shards.
#[derive(Debug)]
pub(super) struct ShardedRelay {
    db: Db,
    clock: Clock,
    broker: Arc<dyn Broker>,
    settings: Settings,
    shards: Shards,
    /// Rows that are read at a time.
    batch_size: usize,
    /// Rows that are marked at a time.
    mark_size: usize,
    /// Rows that may be on their way.
    window_size: usize,
    attempts_max: i32,
    poll: Duration,
    wake: Arc<Notify>,
    stop: OnceLock<CancellationToken>,
    memory: Mutex<Memory>,
    /// A pass has found nothing to do.
    idle: Notify,
}

/// What the relay knows between two passes; all of it can be lost.
#[derive(Debug, Default)]
struct Memory {
    tenure: Tenure,
    window: Window,
    /// What became of rows that fly.
    deliveries: Arc<Deliveries>,
    /// The broker's client had no room for it. It flies, as far as the window is concerned.
    stuck: Option<Outgoing>,
    waiting: Waiting,
    /// The broker failed so often in a row, and is not asked again before.
    broker_failures: u32,
    broker_pause: Option<DateTime<Utc>>,
    /// Take the leases from the dead process that had this file before.
    seize: bool,
}

impl ShardedRelay {
    #[must_use]
    pub(super) fn new(
        config: &Config,
        db: &Db,
        clock: &Clock,
        holder: Uuid,
        broker: Arc<dyn Broker>,
        wake: Arc<Notify>,
    ) -> Self {
        let events = &config.events;
        let life = TimeDelta::milliseconds(i64::try_from(events.lease_ms).unwrap_or(i64::MAX));
        let batch_size = usize::try_from(events.batch_size).unwrap_or(usize::MAX);
        Self {
            db: db.clone(),
            clock: clock.clone(),
            broker,
            settings: Settings::of(config),
            shards: Shards::new(db, clock, holder, life),
            batch_size,
            mark_size: match db.engine() {
                // Others wait for the one writer meanwhile.
                Engine::Sqlite => batch_size.min(store::CHUNK),
                Engine::MySql => batch_size,
            },
            window_size: events.in_flight_max.max(batch_size),
            attempts_max: events.attempts_max,
            poll: Duration::from_millis(events.poll_ms),
            wake,
            stop: OnceLock::new(),
            memory: Mutex::default(),
            idle: Notify::new(),
        }
    }

    pub(super) async fn attach(&self, stop: CancellationToken, seize: bool) {
        // Set twice only if the relay is started twice; the first token is as good.
        drop(self.stop.set(stop));
        self.memory.lock().await.seize = seize;
    }

    /// How often leases want to be renewed.
    pub(super) fn renew_period(&self) -> Duration {
        self.shards.period().to_std().unwrap_or_default()
    }

    /// One pass: until nothing is left to do.
    pub(super) async fn run_once(&self) -> Result<Progress, Fault> {
        let mut memory = self.memory.lock().await;
        self.pass(&mut memory).await?;
        Ok(Progress::Idle)
    }

    async fn pass(&self, memory: &mut Memory) -> Result<(), Fault> {
        if memory.seize {
            self.shards.seize().await?;
            memory.seize = false;
        }
        if self.broker_is_there(memory).await {
            flow::Flow::new(self, memory).run().await?;
        } else if self.shards.is_due(&memory.tenure) && !memory.tenure.held().is_empty() {
            // Whoever cannot reach the broker keeps its shards: the others cannot reach it either, most likely.
            let busy = memory.window.shards();
            let tenure = self.shards.renew(memory.tenure, busy).await?;
            self.adopt(memory, tenure);
        }
        self.idle.notify_waiters();
        Ok(())
    }

    /// Takes a new tenure over. What waits of shards that are not ours any more is forgotten; what of them the broker's
    /// client has is purged, together with all else it has, which is sent again. Returns whether anything changed.
    fn adopt(&self, memory: &mut Memory, tenure: Tenure) -> bool {
        let before = std::mem::replace(&mut memory.tenure, tenure);
        if before.working() == tenure.working() {
            return false;
        }
        tracing::info!(
            shards = tenure.working().len(),
            members = tenure.members(),
            "the relay's shards"
        );
        let fly = memory.window.keep_only(tenure.working());
        if !fly.without(tenure.held()).is_empty() {
            self.broker.abandon();
            if let Some(row) = memory.stuck.take() {
                row.abandon();
            }
        }
        true
    }

    /// One pass, after which the shards are given up; while another task runs passes, waits for the end of one that
    /// began later.
    pub(super) async fn run_until_idle(&self) -> Result<(), Fault> {
        if self.stop.get().is_none() {
            let mut memory = self.memory.lock().await;
            self.pass(&mut memory).await?;
            return self.leave(&mut memory).await;
        }
        // The first end may be that of a pass that looked before.
        for _ in 0..2 {
            let mut idle = std::pin::pin!(self.idle.notified());
            idle.as_mut().enable();
            self.wake.notify_one();
            tokio::select! {
                () = idle => {}
                () = self.stopped() => return Ok(()),
            }
        }
        Ok(())
    }

    /// Whether the broker can be sent to. Asked before the database, so that a broker that is away costs nothing there.
    async fn broker_is_there(&self, memory: &mut Memory) -> bool {
        if self.broker_pauses(memory) {
            return false;
        }
        let prepared = tokio::select! {
            prepared = self.broker.prepare() => prepared,
            () = self.stopped() => return false,
        };
        match prepared {
            Ok(()) => true,
            Err(reason) => {
                self.note_broker_failure(memory, &reason);
                false
            }
        }
    }

    /// Whether the broker failed a moment ago.
    fn broker_pauses(&self, memory: &Memory) -> bool {
        let longest = TimeDelta::milliseconds(BROKER_PAUSE_MS.1);
        is_ahead(&self.clock, memory.broker_pause, longest)
    }

    /// Remembers that the broker failed: it is left alone for a while.
    fn note_broker_failure(&self, memory: &mut Memory, problem: &str) {
        if self.broker_pauses(memory) {
            // Of the same failure.
            return;
        }
        if memory.broker_failures == 0 {
            tracing::warn!(problem, "events cannot be sent; they wait");
        }
        let pause = backoff(BROKER_PAUSE_MS, memory.broker_failures);
        memory.broker_failures = memory.broker_failures.saturating_add(1);
        memory.broker_pause = Some(self.clock.now() + pause);
        metrics::counter!("tradepost_events_broker_failures_total").increment(1);
    }

    /// Gives the shards up, so that another process need not wait. What is queued for them is not sent any more.
    pub(super) async fn release(&self) -> Result<(), Fault> {
        let mut memory = self.memory.lock().await;
        self.leave(&mut memory).await
    }

    async fn leave(&self, memory: &mut Memory) -> Result<(), Fault> {
        if memory.window.flying() > 0 {
            self.broker.abandon();
        }
        memory.window = Window::default();
        memory.deliveries = Arc::default();
        memory.stuck = None;
        if std::mem::take(&mut memory.tenure).members() > 0 {
            self.shards.leave().await?;
        }
        Ok(())
    }

    async fn stopped(&self) {
        match self.stop.get() {
            Some(stop) => stop.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// Whether one more refusal sets a row aside.
    fn parks(&self, row: &super::reading::Named) -> bool {
        row.attempts + 1 >= self.attempts_max
    }

    /// Counts a refusal, and sets the row aside if it was refused too often. When the database fails, the refusal is
    /// not counted, and the row is tried once more.
    async fn refuse(&self, row: super::reading::Named, reason: String) {
        let parked_at = self.parks(&row).then_some(self.clock.now());
        let told = &reason;
        let failed = self
            .db
            .write("outbox.fail", async |tx| {
                Ok::<_, Fault>(store::fail(&*tx, row.id, told, parked_at).await?)
            })
            .await;
        match failed {
            // None: it was published meanwhile by another process, which was luckier.
            Ok(0) => {}
            Ok(_) => super::tell_refusal(&row, &reason, parked_at.is_some()),
            Err(fault) => {
                swallow(Err::<(), _>(fault), "noting a refused event");
            }
        }
    }
}
