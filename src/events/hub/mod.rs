//! The hub: committed events for the subscribers of this process.
//!
//! While somebody subscribes, each process reads new rows of the outbox once, when a commit wakes it here or through
//! Redis, else every `events.poll_ms`, and gives each to the queues of those who asked for what it is about. What an
//! event is about is said by the domains ([`Rule`]). Queues are bounded and giving never waits: a subscriber that is too
//! slow loses its subscription and is told so; others notice nothing. Kafka has no part in it.
//!
//! For one aggregate the versions come in order: the transaction that raises a version begins after the one before has
//! committed, so whoever sees its row can see that one's. A pass therefore reads new rows first, then those that were
//! missing, and gives both in the order of ids. Subscribers that must not miss one ask for what is between by
//! [`Hub::versions`].

mod cursor;
mod inbox;

use super::store::hub as store;
use crate::cache::push::{Message, Push};
use crate::config::Config;
use crate::db::Db;
use crate::error::Fault;
use crate::workers::{Progress, Workers};
use chrono::{DateTime, Utc};
use cursor::Cursor;
use inbox::{Counted, Queue};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use uuid::Uuid;

pub use inbox::{Inbox, Mode, Notice};

/// Rows that are read at a time: fewer than wait for a subscriber, so that nobody is too slow for a single batch.
const BATCH: u64 = 256;
/// Gaps that one statement looks for.
const GAPS: usize = 128;
/// Ids that are looked at for gaps when the first subscriber comes: more than transactions hold at one time.
const LAST_IDS: u64 = 4_096;
/// A transaction ends by itself, but the answer of its commit may take longer than the limit that it is given.
const LONGEST_FACTOR: u32 = 2;
/// How often missing ids are looked for when nothing new comes.
const LOOK: Duration = Duration::from_millis(250);

/// An event as the outbox has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Place of its row; says nothing about the order of commits.
    pub id: i64,
    /// What it is about (`order`).
    pub aggregate_type: String,
    /// Its id.
    pub aggregate_id: Uuid,
    /// The aggregate's version after the change, where it has one.
    pub version: Option<i32>,
    /// Type with its version (`tradepost.order.created.v1`).
    pub event_type: String,
    /// Body.
    pub payload: serde_json::Value,
    /// When it happened.
    pub created_at: DateTime<Utc>,
}

/// Something that an event is about: a kind that subscribers name, and an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// As `order`.
    pub kind: &'static str,
    /// Which one.
    pub id: Uuid,
}

/// What a subscriber asks for: one subject, or all of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interest {
    /// As `order`.
    pub kind: &'static str,
    /// Which one; all if nothing is said.
    pub id: Option<Uuid>,
}

/// Says what an event is about; one for each domain.
pub type Rule = fn(&Event) -> Vec<Subject>;

/// Why a subscription ended.
#[derive(Debug)]
pub enum Ended {
    /// The subscriber took too long: more than `subscriptions.queue_max` events waited for it.
    Slow,
    /// Ours.
    Fault(Fault),
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Who subscribes to what.
#[derive(Debug, Default)]
struct Registry(Mutex<HashMap<Interest, Vec<Arc<Queue>>>>);

impl Registry {
    fn lock(&self) -> MutexGuard<'_, HashMap<Interest, Vec<Arc<Queue>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, interest: Interest, queue: Arc<Queue>) {
        self.lock().entry(interest).or_default().push(queue);
    }

    fn remove(&self, interest: Interest, queue: &Arc<Queue>) {
        let mut all = self.lock();
        if let Some(queues) = all.get_mut(&interest) {
            queues.retain(|known| !Arc::ptr_eq(known, queue));
            if queues.is_empty() {
                all.remove(&interest);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn give(&self, subject: Subject, event: &Arc<Event>) {
        let all = self.lock();
        let Subject { kind, id } = subject;
        for id_asked in [Some(id), None] {
            let interest = Interest { kind, id: id_asked };
            for queue in all.get(&interest).into_iter().flatten() {
                queue.push(Notice {
                    id,
                    event: Arc::clone(event),
                });
            }
        }
    }
}

/// The hub of one process; cheap to clone.
#[derive(Clone, Debug)]
pub struct Hub {
    parts: Arc<Parts>,
}

#[derive(Debug)]
struct Parts {
    db: Db,
    push: Push,
    rules: Vec<Rule>,
    registry: Arc<Registry>,
    /// Nothing while nobody subscribes.
    reading: tokio::sync::Mutex<Option<Reading>>,
    wake: Arc<Notify>,
    poll: Duration,
    longest: Duration,
    notices_max: usize,
    subscribers: Arc<AtomicUsize>,
    started: AtomicBool,
}

#[derive(Debug)]
struct Reading {
    cursor: Cursor,
    /// When missing ids were looked for last.
    looked: Instant,
}

impl Hub {
    /// Nothing runs yet; `rules` say what events are about.
    #[must_use]
    pub fn new(config: &Config, db: &Db, push: &Push, rules: Vec<Rule>) -> Self {
        let statement = Duration::from_millis(config.database.statement_timeout_ms);
        Self {
            parts: Arc::new(Parts {
                db: db.clone(),
                push: push.clone(),
                rules,
                registry: Arc::default(),
                reading: tokio::sync::Mutex::default(),
                wake: Arc::default(),
                poll: Duration::from_millis(config.events.poll_ms),
                longest: statement * LONGEST_FACTOR,
                notices_max: config.subscriptions.queue_max,
                subscribers: Arc::default(),
                started: AtomicBool::new(false),
            }),
        }
    }

    /// Begins to read whenever somebody subscribes; a second call does nothing.
    pub fn start(&self, workers: &Workers) {
        if self.parts.started.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut messages = self.parts.push.subscribe();
        let (wake, stop) = (Arc::clone(&self.parts.wake), workers.stopping());
        workers.spawn(async move {
            loop {
                let message = tokio::select! {
                    () = stop.cancelled() => return,
                    message = messages.recv() => message,
                };
                match message {
                    Ok(Message::OutboxWritten | Message::Lost) | Err(RecvError::Lagged(_)) => {
                        wake.notify_one();
                    }
                    Ok(_) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
        let (hub, wake) = (self.clone(), Arc::clone(&self.parts.wake));
        workers.every("events.hub", self.parts.poll, wake, move || {
            let hub = hub.clone();
            async move { hub.run_once().await }
        });
    }

    /// Subscribes. Everything that is committed after this returns is received, and maybe some of what was committed
    /// shortly before.
    ///
    /// # Errors
    /// The database fails.
    pub async fn subscribe(&self, interest: Interest, mode: Mode) -> Result<Inbox, Fault> {
        let parts = &self.parts;
        let queue = Arc::new(Queue::new(mode, parts.notices_max));
        parts.registry.add(interest, Arc::clone(&queue));
        // From here on it is removed again, whatever happens.
        let mut inbox = Inbox {
            queue,
            interest,
            registry: Arc::clone(&parts.registry),
            counted: None,
        };
        let mut reading = parts.reading.lock().await;
        if reading.is_none() {
            *reading = Some(self.begin().await?);
        }
        inbox.counted = Some(Counted::new(&parts.subscribers));
        Ok(inbox)
    }

    /// How many subscribe: those who receive what is committed from now on.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.parts.subscribers.load(Ordering::Acquire)
    }

    /// Events of an aggregate with versions from `first` to `last`, as far as they are kept.
    ///
    /// # Errors
    /// The database fails.
    pub async fn versions(
        &self,
        aggregate_id: Uuid,
        first: i32,
        last: i32,
    ) -> Result<Vec<Arc<Event>>, Fault> {
        let mut found: Vec<Arc<Event>> = Vec::new();
        loop {
            let next = found
                .last()
                .and_then(|event| event.version)
                .map_or(first, |version| version + 1);
            let rows = self
                .parts
                .db
                .read("outbox.versions", async |c| {
                    Ok::<_, Fault>(store::of_versions(&*c, aggregate_id, next, last, BATCH).await?)
                })
                .await?;
            let is_last = (rows.len() as u64) < BATCH;
            found.extend(rows.into_iter().map(Arc::new));
            if is_last {
                return Ok(found);
            }
        }
    }

    async fn begin(&self) -> Result<Reading, Fault> {
        let ids = self
            .parts
            .db
            .read("outbox.last_ids", async |c| {
                Ok::<_, Fault>(store::last_ids(&*c, LAST_IDS).await?)
            })
            .await?;
        let now = Instant::now();
        Ok(Reading {
            cursor: Cursor::new(ids, self.parts.longest, now),
            looked: now,
        })
    }

    /// One look at the outbox, if somebody subscribes.
    ///
    /// # Errors
    /// The database fails; the next pass goes on where this one began.
    pub async fn run_once(&self) -> Result<Progress, Fault> {
        if self.parts.registry.is_empty() && self.parts.reading.lock().await.is_none() {
            return Ok(Progress::Idle);
        }
        let mut reading = self.parts.reading.lock().await;
        // Who subscribes from now on waits for the lock, and begins anew.
        if self.parts.registry.is_empty() {
            *reading = None;
        }
        let Some(Reading { cursor, looked }) = reading.as_mut() else {
            return Ok(Progress::Idle);
        };
        let above = cursor.high();
        let mut events = self
            .parts
            .db
            .read("outbox.above", async |c| {
                Ok::<_, Fault>(store::above(&*c, above, BATCH).await?)
            })
            .await?;
        let now = Instant::now();
        let is_full = events.len() as u64 == BATCH;
        // New rows may follow on missing ones, which must go first; else it is enough to look now and then.
        if !events.is_empty() || now.saturating_duration_since(*looked) >= LOOK {
            *looked = now;
            let found = self.missing(&cursor.missing(now)).await?;
            for event in &found {
                cursor.found(event.id);
            }
            cursor.advance(events.iter().map(|event| event.id), now);
            events.extend(found);
            events.sort_unstable_by_key(|event| event.id);
        }
        metrics::gauge!("tradepost_subscriptions_gaps").set(cursor.gaps() as f64);
        for event in events {
            self.give(Arc::new(event));
        }
        Ok(if is_full {
            Progress::More
        } else {
            Progress::Idle
        })
    }

    async fn missing(&self, gaps: &[(i64, i64)]) -> Result<Vec<Event>, Fault> {
        let mut found = Vec::new();
        for ranges in gaps.chunks(GAPS) {
            let rows = self.parts.db.read("outbox.within", async |c| {
                Ok::<_, Fault>(store::within(&*c, ranges, BATCH).await?)
            });
            found.extend(rows.await?);
        }
        Ok(found)
    }

    fn give(&self, event: Arc<Event>) {
        metrics::counter!("tradepost_subscriptions_read_total").increment(1);
        for rule in &self.parts.rules {
            for subject in rule(&event) {
                self.parts.registry.give(subject, &event);
            }
        }
    }
}
