//! Where events go: Kafka, or the outbox itself as a log.

use super::embedded::Embedded;
use super::lock;
use super::record::{Record, Settings};
use crate::config::Config;
use crate::error::Fault;
use crate::health::Health;
use futures::future::BoxFuture;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// A row on its way out.
#[derive(Debug)]
pub struct Outgoing {
    /// What was not handed over yet; the row is done when the broker has all of it.
    pub records: VecDeque<Record>,
    /// Told what becomes of each record.
    pub ticket: Arc<Ticket>,
}

impl Outgoing {
    /// A row whose end is told to `deliveries`.
    #[must_use]
    pub fn new(row_id: i64, records: Vec<Record>, deliveries: &Arc<Deliveries>) -> Self {
        let ticket = Ticket {
            row_id,
            deliveries: Arc::clone(deliveries),
            open: Mutex::new((records.len(), Outcome::Sent)),
        };
        Self {
            records: records.into(),
            ticket: Arc::new(ticket),
        }
    }

    /// Gives up what was not handed over.
    pub fn abandon(self) {
        for _ in self.records {
            self.ticket.end(Outcome::Abandoned);
        }
    }
}

/// A row that the broker has, or a part of it.
#[derive(Debug)]
pub struct Ticket {
    row_id: i64,
    deliveries: Arc<Deliveries>,
    /// Records without an answer, and the worst answer so far.
    open: Mutex<(usize, Outcome)>,
}

impl Ticket {
    /// What became of one record. The row is as well as the worst of them.
    pub fn end(&self, outcome: Outcome) {
        let mut open = lock(&self.open);
        let (left, worst) = &mut *open;
        if outcome.rank() > worst.rank() {
            *worst = outcome;
        }
        *left = left.saturating_sub(1);
        if *left == 0 {
            let worst = std::mem::replace(worst, Outcome::Sent);
            self.deliveries.tell(self.row_id, worst);
        }
    }
}

/// What became of rows. The broker's client tells it from threads of its own; whoever waits is woken once for many.
#[derive(Debug, Default)]
pub struct Deliveries {
    ended: Mutex<Vec<(i64, Outcome)>>,
    some: Notify,
}

impl Deliveries {
    fn tell(&self, row_id: i64, outcome: Outcome) {
        let mut ended = lock(&self.ended);
        let is_first = ended.is_empty();
        ended.push((row_id, outcome));
        drop(ended);
        if is_first {
            self.some.notify_one();
        }
    }

    /// Waits until there are some. Nothing is lost when it is dropped before.
    pub async fn next(&self) -> Vec<(i64, Outcome)> {
        loop {
            let ended = std::mem::take(&mut *lock(&self.ended));
            if !ended.is_empty() {
                return ended;
            }
            self.some.notified().await;
        }
    }
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The broker has all its records.
    Sent,
    /// The broker cannot be reached or cannot take records now; the row is not to blame.
    Unreachable(String),
    /// The broker will never take this row as it is.
    Refused(String),
    /// [`Broker::abandon`] was called: whether the broker has it is not known, and not asked.
    Abandoned,
}

impl Outcome {
    fn rank(&self) -> u8 {
        match self {
            Self::Sent => 0,
            Self::Abandoned => 1,
            Self::Unreachable(_) => 2,
            Self::Refused(_) => 3,
        }
    }
}

/// Takes records. A new kind of broker implements this, and [`of`] chooses it.
pub trait Broker: std::fmt::Debug + Send + Sync + 'static {
    /// Makes sure that the broker is there and has the first topics. Quick when nothing has to be done.
    ///
    /// # Errors
    /// Says for operators why it is not there.
    fn prepare(&self) -> BoxFuture<'_, Result<(), String>>;

    /// Whether it is worth handing it rows now. What it has already may still arrive.
    fn is_reachable(&self) -> bool {
        true
    }

    /// Takes a row's records, whose ticket hears the broker's word on each. The caller keeps rows of one aggregate in
    /// order: it sends each when the broker has the one before. `false`: there is no room; what is left in the row is
    /// handed over again later.
    #[must_use]
    fn send(&self, row: &mut Outgoing) -> bool;

    /// Forgets what it has and did not send yet, which becomes [`Outcome::Abandoned`]: another relay sends it now.
    fn abandon(&self);

    /// Whether publishing gives rows a dense place in the log.
    fn is_log(&self) -> bool;

    /// How it is.
    fn health(&self) -> Health;
}

/// The broker that the configuration names.
///
/// # Errors
/// Kafka is configured, but the program was built without it.
pub fn of(config: &Config) -> Result<Arc<dyn Broker>, Fault> {
    if config.kafka.brokers.is_empty() {
        return Ok(Arc::new(Embedded));
    }
    kafka(config, topics(config))
}

/// All topics, the main ones first.
fn topics(config: &Config) -> Vec<String> {
    let settings = Settings::of(config);
    let mut topics = settings.topics();
    for topic in settings.first_topics() {
        if !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    topics
}

#[cfg(feature = "kafka")]
#[expect(
    clippy::unnecessary_wraps,
    reason = "without the feature this is an error"
)]
fn kafka(config: &Config, topics: Vec<String>) -> Result<Arc<dyn Broker>, Fault> {
    Ok(Arc::new(super::kafka::Kafka::new(config, topics)))
}

#[cfg(not(feature = "kafka"))]
fn kafka(_: &Config, _: Vec<String>) -> Result<Arc<dyn Broker>, Fault> {
    Err(Fault::Broken(
        "kafka.brokers is set, but this program was built without the feature `kafka`".into(),
    ))
}

/// How the broker is, seen from outside of the relay: for `doctor`. Asks on this thread, up to some seconds.
#[must_use]
pub fn look(config: &Config) -> Health {
    if config.kafka.brokers.is_empty() {
        return Health::off("none configured: the outbox itself is the log");
    }
    look_at_kafka(config, &topics(config))
}

#[cfg(feature = "kafka")]
fn look_at_kafka(config: &Config, topics: &[String]) -> Health {
    super::kafka_reader::look(config, topics)
}

#[cfg(not(feature = "kafka"))]
fn look_at_kafka(_: &Config, _: &[String]) -> Health {
    Health::down("this program was built without the feature `kafka`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use futures::FutureExt as _;

    fn record() -> Record {
        Record {
            topic: String::new(),
            key: String::new(),
            headers: Vec::new(),
            value: Vec::new(),
            timestamp: Clock::system().now(),
        }
    }

    #[test]
    fn a_row_ends_with_its_last_record_and_is_as_well_as_the_worst() {
        let deliveries: Arc<Deliveries> = Arc::default();
        let two = Outgoing::new(1, vec![record(), record()], &deliveries);
        let one = Outgoing::new(2, vec![record()], &deliveries);
        two.ticket.end(Outcome::Refused("no".to_owned()));
        assert_eq!(deliveries.next().now_or_never(), None);
        one.ticket.end(Outcome::Sent);
        two.ticket.end(Outcome::Sent);
        let ended = deliveries.next().now_or_never().unwrap();
        let refused = Outcome::Refused("no".to_owned());
        assert_eq!(ended, [(2, Outcome::Sent), (1, refused)]);
    }

    #[test]
    fn what_was_not_handed_over_is_abandoned() {
        let deliveries: Arc<Deliveries> = Arc::default();
        let mut row = Outgoing::new(1, vec![record(), record()], &deliveries);
        row.records.pop_front();
        let ticket = Arc::clone(&row.ticket);
        row.abandon();
        assert_eq!(deliveries.next().now_or_never(), None, "one flies");
        ticket.end(Outcome::Sent);
        let ended = deliveries.next().now_or_never();
        assert_eq!(ended, Some(vec![(1, Outcome::Abandoned)]));
    }
}
