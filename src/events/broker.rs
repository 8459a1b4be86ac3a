//! Where events go: Kafka, or the outbox itself as a log.

use super::embedded::Embedded;
use super::record::{Record, Settings};
use crate::config::Config;
use crate::error::Fault;
use crate::health::Health;
use futures::future::BoxFuture;
use std::sync::Arc;
use uuid::Uuid;

/// A row on its way out.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The row's id in the outbox.
    pub row_id: i64,
    /// Its aggregate.
    pub aggregate_id: Uuid,
    /// What is sent; the row is done when the broker has all of it.
    pub records: Vec<Record>,
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

    /// Sends a row and waits for the broker's word on all its records. The caller keeps rows of one aggregate in order:
    /// it sends each when the broker has the one before.
    fn send(&self, row: Outgoing) -> BoxFuture<'static, Outcome>;

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
