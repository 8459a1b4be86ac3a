//! The relay: takes rows of the outbox in order, publishes them, and marks them.
//!
//! With Kafka, any number of processes share the shards (`sharded`); without it, one process at a time gives rows
//! their place in the log (`log`). What holds for both, whatever happens: the first appearance of each event of an
//! aggregate is in the order of its rows, and a repeat repeats an event with the same id. A row is marked after all its
//! records were acknowledged, so a crash in between leads to a repeat, never to a loss. A broker that is away is waited
//! for; only a row that can never be sent is set aside.

mod log;
mod reading;
mod sharded;
mod shards;
mod window;

use super::broker::Broker;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::error::Fault;
use crate::workers::Progress;
use chrono::{DateTime, TimeDelta, Utc};
use log::LogRelay;
use sharded::ShardedRelay;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// First and longest wait of an aggregate whose row was refused.
const ROW_PAUSE_MS: (i64, i64) = (100, 60_000);

/// Publishes what the outbox holds.
#[derive(Debug)]
pub struct Relay {
    broker: Arc<dyn Broker>,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Log(Box<LogRelay>),
    Sharded(Box<ShardedRelay>),
}

impl Relay {
    /// A relay to `broker`; `holder` names the process in the leases, and `wake` is notified when there is work.
    #[must_use]
    pub fn new(
        config: &Config,
        db: &Db,
        clock: &Clock,
        holder: Uuid,
        broker: Arc<dyn Broker>,
        wake: &Arc<Notify>,
    ) -> Self {
        let form = if broker.is_log() {
            Form::Log(Box::new(LogRelay::new(config, db, clock, holder)))
        } else {
            let broker = Arc::clone(&broker);
            let wake = Arc::clone(wake);
            Form::Sharded(Box::new(ShardedRelay::new(
                config, db, clock, holder, broker, wake,
            )))
        };
        Self { broker, form }
    }

    /// The broker.
    #[must_use]
    pub fn broker(&self) -> &Arc<dyn Broker> {
        &self.broker
    }

    /// Ends a pass early when `stop` is cancelled. With `seize` the first pass takes the leases from their holders,
    /// who are known to be dead.
    pub(super) async fn attach(&self, stop: CancellationToken, seize: bool) {
        match &self.form {
            Form::Log(relay) => relay.attach(stop, seize).await,
            Form::Sharded(relay) => relay.attach(stop, seize).await,
        }
    }

    /// How long a relay that nobody woke may sleep: it also has leases to renew.
    #[must_use]
    pub(super) fn period(&self, poll: Duration) -> Duration {
        match &self.form {
            Form::Log(_) => poll,
            Form::Sharded(relay) => poll.min(relay.renew_period()),
        }
    }

    /// One pass: until there is nothing to do, the broker is away, or other processes have all the work.
    ///
    /// # Errors
    /// The database fails. What was sent and not marked is sent again later.
    pub async fn run_once(&self) -> Result<Progress, Fault> {
        match &self.form {
            Form::Log(relay) => relay.run_once().await,
            Form::Sharded(relay) => relay.run_once().await,
        }
    }

    /// Passes until nothing is left that this process could do. With shards it then gives them up, unless it was
    /// started: a process that looks once must not keep others waiting.
    ///
    /// # Errors
    /// The database fails.
    pub(super) async fn run_until_idle(&self) -> Result<(), Fault> {
        match &self.form {
            Form::Log(relay) => {
                while relay.run_once().await? == Progress::More {}
                Ok(())
            }
            Form::Sharded(relay) => relay.run_until_idle().await,
        }
    }

    /// Gives the leases up, so that another process need not wait for their end.
    ///
    /// # Errors
    /// The database fails; the leases then end by themselves.
    pub async fn release(&self) -> Result<(), Fault> {
        match &self.form {
            Form::Log(relay) => relay.release().await,
            Form::Sharded(relay) => relay.release().await,
        }
    }
}

/// Aggregates whose row was refused, and until when they wait.
#[derive(Debug, Default)]
struct Waiting(HashMap<Uuid, DateTime<Utc>>);

/// Aggregates that are left out by the query; more than these are left out afterwards.
const WAITING_MAX: usize = 500;

impl Waiting {
    /// Makes an aggregate wait after a refusal; longer the more there were before.
    fn add(&mut self, aggregate: Uuid, now: DateTime<Utc>, attempts_before: i32) {
        let pause = backoff(ROW_PAUSE_MS, attempts_before.unsigned_abs());
        self.0.insert(aggregate, now + pause);
    }

    /// Those that still wait, as many as a statement may name.
    fn now(&mut self, now: DateTime<Utc>) -> Vec<Uuid> {
        self.0.retain(|_, until| *until > now);
        self.0.keys().copied().take(WAITING_MAX).collect()
    }

    fn contains(&self, aggregate: Uuid) -> bool {
        self.0.contains_key(&aggregate)
    }
}

/// Whether a moment is still to come. One that is further away than it can be was set before the clock was moved back,
/// and does not count.
fn is_ahead(clock: &Clock, until: Option<DateTime<Utc>>, longest: TimeDelta) -> bool {
    let now = clock.now();
    until.is_some_and(|until| now < until && until - now <= longest)
}

/// Doubles with each failure, from the first wait to the longest.
fn backoff((first, longest): (i64, i64), failures: u32) -> TimeDelta {
    TimeDelta::milliseconds((first << failures.min(16)).min(longest))
}

/// Says that a row was refused, and whether it was set aside.
fn tell_refusal(row: &reading::Named, reason: &str, is_parked: bool) {
    metrics::counter!("tradepost_events_outcomes_total", "outcome" => "refused").increment(1);
    if is_parked {
        tracing::error!(event.id = %row.event_id, aggregate.id = %row.aggregate_id, reason,
            "event {} is set aside, and later ones of its aggregate wait", row.event_id);
    } else {
        tracing::warn!(event.id = %row.event_id, attempts = row.attempts + 1, reason,
            "event {} was refused", row.event_id);
    }
}
