//! Consumers: programs that act on events, each group of them on every event.
//!
//! A consumer is a group's name, its topics, and a function from an event to its effect. The rest is done here, the same
//! way on Kafka and on the embedded log: records of one key are handled one after another and those of different
//! keys side by side; what is done is committed after its effect; what fails is tried again with growing pauses and, in the
//! end, put to the dead letters with its reason, while the rest goes on.
//!
//! ```no_run
//! use tradepost::events::consumer::{Event, Setback};
//!
//! #[derive(serde::Deserialize)]
//! struct Order {
//!     number: String,
//!     status: String,
//! }
//!
//! # async fn example(app: tradepost::app::App) -> Result<(), tradepost::error::Fault> {
//! let stop = tradepost::shutdown::on_signal(app.workers())?;
//! let consumer = app.consumers().consumer("order-printer", &["orders"])?;
//! consumer
//!     .run(&stop, |event: Event| async move {
//!         let order: Order = event.body()?;
//!         println!("{} {} {}", event.event_type, order.number, order.status);
//!         Ok::<_, Setback>(())
//!     })
//!     .await;
//! # Ok(())
//! # }
//! ```
//!
//! Delivery is at least once. [`Consumer::remembering`] keeps repeats away from the function, except those of a crash
//! between an effect and its note; an effect that is rows of this database is exactly once with [`Inbox::first_in`].
//!
//! On Kafka the partitions of the topics are shared among the consumers of a group by Kafka's own protocol. On the
//! embedded log one consumer of a group is at work at a time, by a lease, and the others stand by: one database writer
//! has no use for more.

mod clean;
pub mod dead;
mod engine;
mod event;
mod inbox;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "kafka")]
mod kafka_dead;
mod lanes;
mod log;
mod source;
mod store;

use super::record::Settings;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::db::error::{Kind, kind};
use crate::error::{Fault, chain, swallow};
use crate::workers::Workers;
use engine::{Engine, Shared};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use lanes::Ticket;
use source::Source;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use event::Event;
pub use inbox::Inbox;

/// Pause before a source that broke is opened again.
const OPEN_PAUSE: Duration = Duration::from_secs(1);
/// How often it is looked for what can be forgotten.
const CLEAN_PERIOD: Duration = Duration::from_secs(600);
/// A group's name has at most so many characters: it is part of a lease's name.
const GROUP_MAX: usize = 50;

/// Why an event was not handled, and what follows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Setback {
    /// Something else is away, as a mail server or the database: the event waits for it, however long, and that does
    /// not count as a failure of the event.
    #[error("waiting: {0}")]
    Wait(String),
    /// The event failed and may succeed later; after `consumer.attempts_max` failures it goes to the dead letters.
    #[error("{0}")]
    Retry(String),
    /// The event can never be handled as it is: it goes to the dead letters at once.
    #[error("{0}")]
    Dead(String),
}

impl From<Fault> for Setback {
    fn from(fault: Fault) -> Self {
        let is_away = match &fault {
            Fault::Timeout(_) | Fault::CommitUnknown(..) => true,
            Fault::Db(error) => matches!(kind(error), Kind::Unavailable | Kind::Retry),
            _ => false,
        };
        let reason = chain(&fault);
        if is_away {
            Self::Wait(reason)
        } else {
            Self::Retry(reason)
        }
    }
}

/// What a consumer does with an event.
type Handler = Arc<dyn Fn(Event) -> BoxFuture<'static, Result<(), Setback>> + Send + Sync>;

/// How much at a time, and how long between attempts.
#[derive(Clone, Copy, Debug)]
struct Tuning {
    concurrency: usize,
    window: usize,
    attempts_max: u32,
    retry_least: Duration,
    retry_most: Duration,
    wait_most: Duration,
}

impl Tuning {
    fn of(config: &Config) -> Self {
        let consumer = &config.consumer;
        Self {
            concurrency: consumer.concurrency,
            window: consumer.window,
            attempts_max: consumer.attempts_max,
            retry_least: Duration::from_millis(consumer.retry_least_ms),
            retry_most: Duration::from_millis(consumer.retry_most_ms),
            wait_most: Duration::from_millis(consumer.wait_most_ms),
        }
    }

    /// How long a record waits before it is handled again.
    fn pause<T>(&self, ticket: &Ticket<T>, is_failure: bool) -> Duration {
        let (before, most) = if is_failure {
            (ticket.failures, self.retry_most)
        } else {
            (ticket.waits, self.wait_most)
        };
        self.retry_least
            .saturating_mul(1_u32 << before.min(20))
            .min(most)
    }
}

/// Makes the consumers of one process; cheap to clone.
#[derive(Clone, Debug)]
pub struct Consumers {
    config: Arc<Config>,
    db: Db,
    clock: Clock,
}

impl Consumers {
    /// Nothing runs yet.
    #[must_use]
    pub fn new(config: &Config, db: &Db, clock: &Clock) -> Self {
        Self {
            config: Arc::new(config.clone()),
            db: db.clone(),
            clock: clock.clone(),
        }
    }

    /// A consumer of a group, of streams as they are named in topics: `orders` is `<events.topic_prefix>.orders.v1`. A
    /// group that is new begins with the oldest event that is kept.
    ///
    /// # Errors
    /// The group's name is empty or longer than 50 characters, or there is no such stream.
    pub fn consumer(&self, group: &str, streams: &[&str]) -> Result<Consumer, Fault> {
        if group.is_empty() || group.len() > GROUP_MAX {
            return Err(Fault::Broken(format!(
                "{group:?} is no name of a group: 1 to {GROUP_MAX} characters"
            )));
        }
        let all = Settings::of(&self.config).topics();
        let topic = |stream: &&str| {
            let ending = format!(".{stream}.v1");
            all.iter()
                .find(|topic| topic.ends_with(&ending))
                .map(|topic| Arc::from(topic.as_str()))
                .ok_or_else(|| Fault::Broken(format!("there is no stream of events {stream}")))
        };
        Ok(Consumer {
            inbox: Inbox {
                db: self.db.clone(),
                clock: self.clock.clone(),
                group: Arc::from(group),
            },
            topics: streams.iter().map(topic).collect::<Result<_, _>>()?,
            remembers: false,
            config: Arc::clone(&self.config),
        })
    }

    /// Starts to forget what is old: handled events and dead letters.
    pub fn start(&self, workers: &Workers) {
        let clean = Arc::new(clean::Clean::new(&self.config, &self.db, &self.clock));
        workers.every(
            "consumers.clean",
            CLEAN_PERIOD,
            Arc::new(Notify::new()),
            move || {
                let clean = Arc::clone(&clean);
                async move { clean.run_once().await }
            },
        );
    }

    /// Forgets all that is old.
    ///
    /// # Errors
    /// The database fails.
    pub async fn clean(&self) -> Result<(), Fault> {
        let clean = clean::Clean::new(&self.config, &self.db, &self.clock);
        while clean.run_once().await? == crate::workers::Progress::More {}
        Ok(())
    }
}

/// A consumer of a group.
#[derive(Clone, Debug)]
pub struct Consumer {
    inbox: Inbox,
    topics: Vec<Arc<str>>,
    remembers: bool,
    config: Arc<Config>,
}

impl Consumer {
    /// Remembers which events were handled, and keeps their repeats from the function: for effects outside of the
    /// database, as mails. The note is made after the effect, so a crash in between leads to a repeat, never to a loss.
    #[must_use]
    pub fn remembering(mut self) -> Self {
        self.remembers = true;
        self
    }

    /// The group's inbox, for effects that are rows of this database.
    #[must_use]
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Handles events until `stop` is cancelled: whatever breaks meanwhile is waited for. What is being handled then is
    /// finished, for at most five seconds.
    pub async fn run<F, Fut>(&self, stop: &CancellationToken, handler: F)
    where
        F: Fn(Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Setback>> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |event| handler(event).boxed());
        while !stop.is_cancelled() {
            let ran = self.run_source(stop, &handler).await;
            if let Err(fault) = ran {
                tracing::error!(
                    group = &*self.inbox.group,
                    error = chain(&fault),
                    "a consumer cannot go on; it begins anew"
                );
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(OPEN_PAUSE) => {}
                }
            }
        }
    }

    async fn run_source(&self, stop: &CancellationToken, handler: &Handler) -> Result<(), Fault> {
        let shared = Shared {
            source: self.open()?,
            handler: Arc::clone(handler),
            inbox: self.inbox.clone(),
            remembers: self.remembers,
            clock: self.inbox.clock.clone(),
            tuning: Tuning::of(&self.config),
        };
        let mut engine = Engine::new(shared);
        let ended = engine.run(stop).await;
        // The end of Kafka's client waits for the broker: not on a thread of the runtime.
        let dropping = tokio::task::spawn_blocking(move || drop(engine)).await;
        swallow(dropping, "ending a consumer");
        ended
    }

    fn open(&self) -> Result<Arc<dyn Source>, Fault> {
        if self.config.kafka.brokers.is_empty() {
            return Ok(Arc::new(log::Log::new(self)));
        }
        self.open_kafka()
    }

    #[cfg(feature = "kafka")]
    fn open_kafka(&self) -> Result<Arc<dyn Source>, Fault> {
        Ok(Arc::new(kafka::Topics::subscribe(self)?))
    }

    #[cfg(not(feature = "kafka"))]
    fn open_kafka(&self) -> Result<Arc<dyn Source>, Fault> {
        Err(Fault::Broken(
            "this program was built without the feature `kafka`".into(),
        ))
    }
}
