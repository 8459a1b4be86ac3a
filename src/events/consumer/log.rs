//! Records of the embedded log: rows of the outbox in the order of their places, for one consumer of a group at a time.

use super::Consumer;
use super::dead::Letter;
use super::inbox::Inbox;
use super::lanes::Stream;
use super::source::{News, Source};
use super::store;
use crate::db::lease::Lease;
use crate::error::{Fault, swallow};
use crate::events::record::{self, Settings};
use crate::events::store as outbox;
use chrono::TimeDelta;
use entity::events::consumers::consumer_position;
use entity::ids::EventId;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Rows that are read at a time.
const PAGE: u64 = 500;
/// How often a consumer that stands by looks for the lease.
const STANDBY: Duration = Duration::from_millis(500);
/// How often it is counted what is not done.
const MEASURE: Duration = Duration::from_secs(5);

/// The embedded log as one group reads it.
pub(super) struct Log {
    inbox: Inbox,
    topics: Vec<Arc<str>>,
    settings: Settings,
    lease: Lease,
    /// After so long the lease is renewed.
    renew: Duration,
    poll: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the lease was taken or renewed; nothing while it is not ours.
    held_at: Option<Instant>,
    /// The last place that was read.
    read: i64,
    /// The last place of each topic that is done for good.
    done: HashMap<Arc<str>, i64>,
    paused: HashSet<Stream>,
    measured_at: Option<Instant>,
}

impl Log {
    pub(super) fn new(consumer: &Consumer) -> Self {
        let inbox = consumer.inbox.clone();
        let settings = &consumer.config.consumer;
        let life = i64::try_from(settings.session_ms).unwrap_or(i64::MAX);
        // Each consumer is a holder of its own, also when several are in one process.
        let holder = inbox.clock.id();
        Self {
            lease: Lease::new(
                inbox.db.clone(),
                inbox.clock.clone(),
                format!("consumer:{}", inbox.group),
                holder,
                TimeDelta::milliseconds(life),
            ),
            renew: Duration::from_millis(settings.session_ms / 3),
            poll: Duration::from_millis(settings.poll_ms),
            settings: Settings::of(&consumer.config),
            topics: consumer.topics.clone(),
            inbox,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stream(topic: &Arc<str>) -> Stream {
        Stream {
            topic: Arc::clone(topic),
            partition: 0,
        }
    }

    fn lost(&self) -> Vec<News> {
        *self.lock() = State::default();
        self.topics
            .iter()
            .map(|topic| News::Lost(Self::stream(topic)))
            .collect()
    }

    /// Takes or renews the lease. Nothing: it is ours, and nothing changed.
    async fn hold(&self) -> Result<Option<Vec<News>>, Fault> {
        let held_at = self.lock().held_at;
        if held_at.is_some_and(|at| at.elapsed() < self.renew) {
            return Ok(None);
        }
        // Asked before it is written: a consumer that stands by writes nothing.
        let now = Instant::now();
        let is_ours = self.lease.is_free().await? && self.lease.hold().await?;
        if !is_ours {
            if held_at.is_some() {
                return Ok(Some(self.lost()));
            }
            tokio::time::sleep(STANDBY).await;
            return Ok(Some(Vec::new()));
        }
        if held_at.is_none() {
            self.load().await?;
            tracing::info!(group = &*self.inbox.group, "the consumer is at work");
        }
        self.lock().held_at = Some(now);
        Ok(None)
    }

    /// Learns how far the group has come.
    async fn load(&self) -> Result<(), Fault> {
        let rows = self
            .inbox
            .db
            .read("consumer.positions", async |c| {
                Ok::<_, Fault>(store::positions(&*c, &self.inbox.group).await?)
            })
            .await?;
        let of_topic = |topic: &Arc<str>| {
            let row = rows.iter().find(|row| row.topic == **topic);
            (Arc::clone(topic), row.map_or(0, |row| row.log_position))
        };
        let done: HashMap<Arc<str>, i64> = self.topics.iter().map(of_topic).collect();
        let mut state = self.lock();
        state.read = done.values().copied().min().unwrap_or(0);
        state.done = done;
        Ok(())
    }

    async fn read(&self) -> Result<Vec<News>, Fault> {
        let (read, is_paused) = {
            let state = self.lock();
            (state.read, !state.paused.is_empty())
        };
        if is_paused {
            tokio::time::sleep(self.poll).await;
            return Ok(Vec::new());
        }
        self.measure().await?;
        let rows = self
            .inbox
            .db
            .read("consumer.log", async |c| {
                Ok::<_, Fault>(outbox::log_after(&*c, read, PAGE).await?)
            })
            .await?;
        let Some(last) = rows.last().and_then(|row| row.log_position) else {
            tokio::time::sleep(self.poll).await;
            return Ok(Vec::new());
        };
        let mut news = Vec::with_capacity(rows.len());
        let mut state = self.lock();
        for row in &rows {
            let place = row.log_position.unwrap_or(last);
            // A row that makes no record was never published either.
            let Ok(record) = record::main(&self.settings, row) else {
                continue;
            };
            let topic = self.topics.iter().find(|topic| ***topic == record.topic);
            if let Some(topic) = topic.filter(|topic| place > state.done[*topic]) {
                news.push(News::Record(Self::stream(topic), place, record));
            }
        }
        let is_behind = |topic: &&Arc<str>| last > state.done[*topic];
        let read = |topic| News::Read(Self::stream(topic), last + 1);
        news.extend(self.topics.iter().filter(is_behind).map(read));
        state.read = last;
        Ok(news)
    }

    async fn measure(&self) -> Result<(), Fault> {
        let is_due = self
            .lock()
            .measured_at
            .is_none_or(|at| at.elapsed() >= MEASURE);
        if !is_due {
            return Ok(());
        }
        let last = self
            .inbox
            .db
            .read("consumer.lag", async |c| {
                Ok::<_, Fault>(outbox::log_last(&*c).await?)
            })
            .await?;
        let mut state = self.lock();
        state.measured_at = Some(Instant::now());
        for (topic, done) in &state.done {
            let (group, topic) = (self.inbox.group.to_string(), topic.to_string());
            metrics::gauge!("tradepost_consumer_lag", "group" => group, "topic" => topic)
                .set((last - done).max(0) as f64);
        }
        Ok(())
    }

    async fn note(&self, marks: &[(Stream, i64)], handled: &[EventId]) -> Result<bool, Fault> {
        let now = self.inbox.clock.now();
        let began = Instant::now();
        let is_ours = self
            .inbox
            .write(async |tx| {
                // These effects are there, whoever has the lease.
                self.inbox.insert_in(&tx, handled).await?;
                if !self.lease.renew_in(&tx).await? {
                    return Ok(false);
                }
                for (stream, mark) in marks {
                    let row = consumer_position::Model {
                        consumer_group: self.inbox.group.to_string(),
                        topic: stream.topic.to_string(),
                        log_position: mark - 1,
                        updated_at: now,
                    };
                    store::position_set(&*tx, row).await?;
                }
                Ok(true)
            })
            .await?;
        let mut state = self.lock();
        if !is_ours {
            *state = State::default();
            return Ok(false);
        }
        state.held_at = Some(began);
        for (stream, mark) in marks {
            state.done.insert(Arc::clone(&stream.topic), mark - 1);
        }
        Ok(true)
    }
}

impl Source for Log {
    fn next(&self) -> BoxFuture<'_, Result<Vec<News>, Fault>> {
        async {
            match self.hold().await? {
                Some(news) => Ok(news),
                None => self.read().await,
            }
        }
        .boxed()
    }

    fn pause(&self, stream: &Stream, is_paused: bool) {
        let mut state = self.lock();
        if is_paused {
            state.paused.insert(stream.clone());
        } else {
            state.paused.remove(stream);
        }
    }

    fn commit<'a>(
        &'a self,
        marks: &'a [(Stream, i64)],
        handled: &'a [EventId],
    ) -> BoxFuture<'a, Result<bool, Fault>> {
        self.note(marks, handled).boxed()
    }

    fn bury<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<(), Fault>> {
        self.inbox
            .db
            .write("consumer.bury", async move |tx| {
                Ok::<_, Fault>(store::letter_set(&*tx, letter).await?)
            })
            .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async {
            if self.lock().held_at.take().is_some() {
                swallow(self.lease.release().await, "giving up a consumer's lease");
            }
        }
        .boxed()
    }
}
