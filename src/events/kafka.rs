//! Kafka by an idempotent producer that waits for all in-sync replicas.
//!
//! A row is done when the broker said so for each of its records. "Timed out" does not mean "not written", so the
//! client retries by itself for `kafka.message_timeout_ms` before the relay sends again, with the same `ce_id`.

mod connection;
mod topics;

use super::broker::{Broker, Outcome, Outgoing, Ticket};
use super::lock;
use super::record::Record;
use crate::config::Config;
use crate::health::Health;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{
    BaseRecord, Producer as _, ProducerContext, PurgeConfig, ThreadedProducer,
};
use std::sync::{Arc, Mutex};
use topics::Topics;

pub(super) use connection::{client, headers, producer};
pub(super) use topics::{create, difference};

/// What the client holds at most. The relay's own limit of rows comes first, unless records are very large.
const QUEUE_KBYTES_MAX: &str = "131072";
/// What Kafka adds to a record at most: lengths, offsets, and the head of its batch.
const RECORD_OVERHEAD: usize = 128;

/// Deliveries are heard on a thread of its own.
type Producer = Arc<ThreadedProducer<Context>>;

/// What the client's threads tell us.
#[derive(Debug, Default)]
struct Reach {
    /// Changes are logged: not of clients that live for one request.
    is_told: bool,
    /// Why the broker cannot be reached; nothing while it can.
    problem: Mutex<Option<String>>,
}

impl Reach {
    fn set(&self, problem: Option<String>) {
        let mut held = lock(&self.problem);
        match (&*held, &problem) {
            _ if !self.is_told => {}
            (None, Some(problem)) => tracing::warn!(problem, "Kafka is not reachable; events wait"),
            (Some(_), None) => tracing::info!("Kafka is reachable"),
            _ => {}
        }
        *held = problem;
    }

    fn problem(&self) -> Option<String> {
        lock(&self.problem).clone()
    }
}

/// Receives the client's own messages.
#[derive(Clone, Debug)]
struct Context(Arc<Reach>);

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // What matters comes through `error` and the deliveries.
        tracing::debug!(?level, facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        use RDKafkaErrorCode as Code;
        match error.rdkafka_error_code() {
            Some(Code::AllBrokersDown | Code::Authentication | Code::SSL) => {
                self.0.set(Some(reason.to_owned()));
            }
            _ => tracing::debug!(%error, reason, "librdkafka"),
        }
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Arc<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Arc<Ticket>) {
        match result {
            Ok(_) => {
                self.0.set(None);
                ticket.end(Outcome::Sent);
            }
            Err((error, _)) => ticket.end(outcome(error)),
        }
    }
}

/// The producer and what is known about the cluster.
pub(super) struct Kafka {
    cluster: Cluster,
    topics: Topics,
}

impl std::fmt::Debug for Kafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kafka")
            .field("brokers", &self.cluster.brokers)
            .finish_non_exhaustive()
    }
}

/// What sending needs.
struct Cluster {
    brokers: String,
    producer_config: ClientConfig,
    record_bytes_max: usize,
    /// Made at first use, and anew after [`Broker::abandon`].
    producer: Mutex<Option<Producer>>,
    reach: Arc<Reach>,
}

impl Kafka {
    /// Connects to nothing yet.
    #[must_use]
    pub(super) fn new(config: &Config, topics: Vec<String>) -> Self {
        let kafka = &config.kafka;
        let mut producer_config = producer(config);
        producer_config
            .set("queue.buffering.max.kbytes", QUEUE_KBYTES_MAX)
            // The limit of a batch on its way to the broker; a record alone in it must fit.
            .set(
                "message.max.bytes",
                (kafka.record_bytes_max + RECORD_OVERHEAD).to_string(),
            )
            .set("message.timeout.ms", kafka.message_timeout_ms.to_string());
        let reach = Arc::new(Reach {
            is_told: true,
            problem: Mutex::new(Some("not reached yet".to_owned())),
        });
        Self {
            topics: Topics::new(config, topics),
            cluster: Cluster {
                brokers: kafka.brokers.clone(),
                producer_config,
                record_bytes_max: kafka.record_bytes_max,
                producer: Mutex::default(),
                reach,
            },
        }
    }

    /// One request tells both that the cluster answers and that the topics exist.
    async fn ensure_topics(&self) -> Result<(), String> {
        let reach = &self.cluster.reach;
        if reach.problem().is_none() && self.topics.are_known() {
            return Ok(());
        }
        let result = self.topics.ensure().await;
        reach.set(result.clone().err());
        result
    }
}

/// What the client did with a record.
enum Queued {
    Yes,
    Full,
    Ended(Outcome),
}

impl Cluster {
    fn producer(&self) -> Result<Producer, KafkaError> {
        let mut held = lock(&self.producer);
        if let Some(producer) = &*held
            && producer.client().fatal_error().is_none()
        {
            return Ok(Arc::clone(producer));
        }
        let context = Context(Arc::clone(&self.reach));
        let producer: Producer = Arc::new(self.producer_config.create_with_context(context)?);
        drop_aside(held.replace(Arc::clone(&producer)));
        Ok(producer)
    }

    /// Queues the records of a row. `false`: the queue is full, and what is left of the row waits.
    fn send(&self, row: &mut Outgoing) -> bool {
        let producer = self.producer();
        while let Some(record) = row.records.front() {
            let queued = match &producer {
                Ok(producer) => self.queue(producer, record, &row.ticket),
                Err(error) => Queued::Ended(Outcome::Unreachable(error.to_string())),
            };
            match queued {
                Queued::Yes => {}
                Queued::Ended(outcome) => row.ticket.end(outcome),
                Queued::Full => return false,
            }
            row.records.pop_front();
        }
        true
    }

    fn queue(&self, producer: &Producer, record: &Record, ticket: &Arc<Ticket>) -> Queued {
        let size = size(record);
        if size > self.record_bytes_max {
            return Queued::Ended(Outcome::Refused(format!(
                "the record for {} has {size} bytes, more than kafka.record_bytes_max = {}",
                record.topic, self.record_bytes_max
            )));
        }
        let message = BaseRecord::with_opaque_to(&record.topic, Arc::clone(ticket))
            .key(&record.key)
            .payload(&record.value)
            .timestamp(record.timestamp.timestamp_millis())
            .headers(headers(record));
        match producer.send(message) {
            Ok(()) => Queued::Yes,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Queued::Full,
            Err((error, _)) => Queued::Ended(outcome(&error)),
        }
    }
}

impl Broker for Kafka {
    fn prepare(&self) -> BoxFuture<'_, Result<(), String>> {
        self.ensure_topics().boxed()
    }

    fn is_reachable(&self) -> bool {
        self.cluster.reach.problem().is_none()
    }

    fn send(&self, row: &mut Outgoing) -> bool {
        self.cluster.send(row)
    }

    fn abandon(&self) {
        if let Some(producer) = lock(&self.cluster.producer).take() {
            producer.purge(PurgeConfig::default().queue().inflight());
            drop_aside(Some(producer));
        }
    }

    fn is_log(&self) -> bool {
        false
    }

    fn health(&self) -> Health {
        let brokers = &self.cluster.brokers;
        match self.cluster.reach.problem() {
            Some(problem) => Health::degraded(format!("Kafka at {brokers}: {problem}")),
            None => match self.topics.difference() {
                Some(difference) => Health::ok(format!("Kafka at {brokers}; {difference}")),
                None => Health::ok(format!("Kafka at {brokers}")),
            },
        }
    }
}

/// What a record takes at most on its way, before it is compressed.
fn size(record: &Record) -> usize {
    let headers = record.headers.iter();
    let headers: usize = headers
        .map(|(key, value)| key.len() + value.len() + 4)
        .sum();
    record.key.len() + record.value.len() + headers
}

/// Whether an error is the record's own, so that sending it again cannot help.
fn outcome(error: &KafkaError) -> Outcome {
    use RDKafkaErrorCode as Code;
    let text = error.to_string();
    match error.rdkafka_error_code() {
        Some(
            Code::MessageSizeTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidMessage
            | Code::InvalidTimestamp
            | Code::InvalidRecord
            | Code::BadMessage,
        ) => Outcome::Refused(text),
        Some(Code::PurgeQueue | Code::PurgeInflight) => Outcome::Abandoned,
        _ => Outcome::Unreachable(text),
    }
}

/// Dropping a client waits for its threads, up to half a second: not on a thread of the runtime.
fn drop_aside<T: Send + 'static>(value: Option<T>) {
    if let Some(value) = value {
        drop(tokio::task::spawn_blocking(move || drop(value)));
    }
}
