//! Kafka by an idempotent producer that waits for all in-sync replicas.
//!
//! A row is done when the broker said so for each of its records. "Timed out" does not mean "not written", so the
//! client retries by itself for `kafka.message_timeout_ms` before the relay sends again, with the same `ce_id`.

use super::broker::{Broker, Outcome, Outgoing};
use super::record::Record;
use crate::config::Config;
use crate::health::Health;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _, TryFutureExt as _};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _, PurgeConfig};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use uuid::Uuid;

/// How long a request for topics may take; the relay tries again.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(5);
/// A full queue empties as records are delivered; this bounds the wait when a delivery was missed.
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(50);
/// Between attempts of the client to reach a broker, at most; its default of 10 s would delay recovery.
const RECONNECT_MAX_MS: &str = "1000";

type Producer = FutureProducer<Context>;

/// What the client's threads tell us.
#[derive(Debug, Default)]
struct Reach {
    /// Why the broker cannot be reached; nothing while it can.
    problem: Mutex<Option<String>>,
    /// A delivery made room in the queue.
    delivered: Notify,
}

impl Reach {
    fn set(&self, problem: Option<String>) {
        let mut held = lock(&self.problem);
        match (&*held, &problem) {
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
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.0.set(Some(reason.to_owned()));
        } else {
            tracing::debug!(%error, reason, "librdkafka");
        }
    }
}

/// The producer and what is known about the cluster.
pub(super) struct Kafka {
    brokers: String,
    producer_config: ClientConfig,
    partitions: i32,
    replication: i32,
    retention_ms: String,
    first_topics: Vec<String>,
    /// Made at first use, and anew after [`Broker::abandon`].
    producer: Mutex<Option<Producer>>,
    /// Topics that were seen to exist.
    topics: Mutex<BTreeSet<String>>,
    reach: Arc<Reach>,
}

impl std::fmt::Debug for Kafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kafka")
            .field("brokers", &self.brokers)
            .finish_non_exhaustive()
    }
}

impl Kafka {
    /// Connects to nothing yet.
    #[must_use]
    pub(super) fn new(config: &Config, first_topics: Vec<String>) -> Self {
        let kafka = &config.kafka;
        let mut producer_config = client(config);
        producer_config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "zstd")
            .set("linger.ms", "2")
            // The partitioner of Java's clients: joins with their topics find a key in the same partition.
            .set("partitioner", "murmur2_random")
            .set("message.timeout.ms", kafka.message_timeout_ms.to_string());
        let reach = Arc::new(Reach {
            problem: Mutex::new(Some("not reached yet".to_owned())),
            delivered: Notify::new(),
        });
        Self {
            brokers: kafka.brokers.clone(),
            producer_config,
            partitions: kafka.partitions,
            replication: kafka.replication,
            retention_ms: Duration::from_secs(config.events.retention_days.unsigned_abs() * 86_400)
                .as_millis()
                .to_string(),
            first_topics,
            producer: Mutex::default(),
            topics: Mutex::default(),
            reach,
        }
    }

    fn producer(&self) -> Result<Producer, KafkaError> {
        let mut held = lock(&self.producer);
        if let Some(producer) = &*held
            && producer.client().fatal_error().is_none()
        {
            return Ok(producer.clone());
        }
        let context = Context(Arc::clone(&self.reach));
        let producer: Producer = self.producer_config.create_with_context(context)?;
        drop_aside(held.replace(producer.clone()));
        Ok(producer)
    }

    /// Makes topics that are not there. One request tells both that the cluster answers and that they exist.
    async fn ensure(&self, topics: BTreeSet<String>) -> Result<(), String> {
        let missing: BTreeSet<String> = match self.reach.problem() {
            // After an outage the cluster is asked again, whatever was seen before.
            Some(_) => topics,
            None => topics.difference(&lock(&self.topics)).cloned().collect(),
        };
        if missing.is_empty() {
            return Ok(());
        }
        let result = self.create(&missing).await;
        self.reach.set(result.clone().err());
        if result.is_ok() {
            lock(&self.topics).extend(missing);
        }
        result
    }

    async fn create(&self, topics: &BTreeSet<String>) -> Result<(), String> {
        let context = Context(Arc::new(Reach::default()));
        let admin: AdminClient<Context> = self
            .admin_config()
            .create_with_context(context)
            .map_err(|error| error.to_string())?;
        let new: Vec<NewTopic<'_>> = topics
            .iter()
            .map(|topic| {
                NewTopic::new(
                    topic,
                    self.partitions,
                    TopicReplication::Fixed(self.replication),
                )
                .set("cleanup.policy", "delete")
                .set("retention.ms", &self.retention_ms)
            })
            .collect();
        let options = AdminOptions::new()
            .request_timeout(Some(ADMIN_TIMEOUT))
            .operation_timeout(Some(ADMIN_TIMEOUT));
        let results = admin.create_topics(&new, &options).await;
        // Its end waits for a thread of the client.
        drop_aside(Some(admin));
        for result in results.map_err(|error| error.to_string())? {
            use RDKafkaErrorCode as Code;
            match result {
                Ok(topic) => tracing::info!(topic, "made the Kafka topic"),
                Err((_, Code::TopicAlreadyExists)) => {}
                // Whoever runs the cluster makes the topics there.
                Err((
                    topic,
                    code @ (Code::TopicAuthorizationFailed
                    | Code::ClusterAuthorizationFailed
                    | Code::PolicyViolation),
                )) => {
                    tracing::warn!(topic, %code, "may not make the Kafka topic; it has to exist");
                }
                Err((topic, code)) => return Err(format!("making the topic {topic}: {code}")),
            }
        }
        Ok(())
    }

    fn admin_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    /// Queues one record and waits for the broker's word.
    async fn send(&self, producer: &Producer, record: &Record) -> Outcome {
        let headers = record
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(Header {
                    key,
                    value: Some(value),
                })
            });
        let mut message = FutureRecord::to(&record.topic)
            .key(&record.key)
            .payload(&record.value)
            .timestamp(record.timestamp.timestamp_millis())
            .headers(headers);
        let delivery = loop {
            match producer.send_result(message) {
                Ok(delivery) => break delivery,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    message = back;
                    let delivered = self.reach.delivered.notified();
                    drop(tokio::time::timeout(QUEUE_FULL_PAUSE, delivered).await);
                }
                Err((error, _)) => return outcome(&error),
            }
        };
        let result = delivery.await;
        self.reach.delivered.notify_waiters();
        match result {
            Ok(Ok(_)) => {
                self.reach.set(None);
                Outcome::Sent
            }
            Ok(Err((error, _))) => outcome(&error),
            Err(_) => Outcome::Unreachable("the producer was abandoned".to_owned()),
        }
    }

    /// All records of a row at once; the row is as well as the worst of them.
    async fn send_row(&self, producer: &Producer, row: &Outgoing) -> Outcome {
        let sends = row.records.iter().map(|record| self.send(producer, record));
        let outcomes = futures::future::join_all(sends).await;
        let mut worst = Outcome::Sent;
        for outcome in outcomes {
            let is_worse = matches!(
                (&worst, &outcome),
                (Outcome::Sent, _) | (Outcome::Unreachable(_), Outcome::Refused(_))
            );
            if is_worse {
                worst = outcome;
            }
        }
        worst
    }

    /// The rows of one aggregate, each after the one before.
    fn chain<'a>(
        &'a self,
        producer: Producer,
        rows: &'a [Outgoing],
        indexes: Vec<usize>,
    ) -> BoxStream<'a, (usize, Outcome)> {
        let start = (producer, indexes.into_iter());
        stream::unfold(start, move |(producer, mut rest)| async move {
            let index = rest.next()?;
            let outcome = self.send_row(&producer, &rows[index]).await;
            if outcome != Outcome::Sent {
                rest = Vec::new().into_iter();
            }
            Some(((index, outcome), (producer, rest)))
        })
        .boxed()
    }
}

impl Broker for Kafka {
    fn prepare(&self) -> BoxFuture<'_, Result<(), String>> {
        self.ensure(self.first_topics.iter().cloned().collect())
            .boxed()
    }

    fn publish<'a>(&'a self, rows: &'a [Outgoing]) -> BoxStream<'a, (usize, Outcome)> {
        let topics = rows
            .iter()
            .flat_map(|row| &row.records)
            .map(|record| record.topic.clone())
            .collect();
        let ready = self
            .ensure(topics)
            .and_then(|()| async { self.producer().map_err(|error| error.to_string()) });
        stream::once(ready)
            .flat_map(move |ready| match ready {
                Ok(producer) => stream::select_all(
                    aggregates(rows)
                        .into_iter()
                        .map(|indexes| self.chain(producer.clone(), rows, indexes)),
                )
                .boxed(),
                Err(reason) => stream::iter(aggregates(rows))
                    .map(move |indexes| (indexes[0], Outcome::Unreachable(reason.clone())))
                    .boxed(),
            })
            .boxed()
    }

    fn abandon(&self) {
        if let Some(producer) = lock(&self.producer).take() {
            producer.purge(PurgeConfig::default().queue().inflight());
            drop_aside(Some(producer));
        }
    }

    fn is_log(&self) -> bool {
        false
    }

    fn health(&self) -> Health {
        match self.reach.problem() {
            None => Health::ok(format!("Kafka at {}", self.brokers)),
            Some(problem) => Health::degraded(format!("Kafka at {}: {problem}", self.brokers)),
        }
    }
}

/// What producers and consumers of this program have in common.
pub(super) fn client(config: &Config) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &config.kafka.brokers)
        .set("client.id", format!("tradepost-{}", config.server.instance))
        .set("reconnect.backoff.max.ms", RECONNECT_MAX_MS);
    client
}

/// Indexes of the rows of each aggregate, aggregates by their first row.
fn aggregates(rows: &[Outgoing]) -> Vec<Vec<usize>> {
    let mut places: HashMap<Uuid, usize> = HashMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let place = *places.entry(row.aggregate_id).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[place].push(index);
    }
    groups
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
        _ => Outcome::Unreachable(text),
    }
}

/// Dropping a client waits for its threads, up to half a second: not on a thread of the runtime.
fn drop_aside<T: Send + 'static>(value: Option<T>) {
    if let Some(value) = value {
        drop(std::thread::spawn(move || drop(value)));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
