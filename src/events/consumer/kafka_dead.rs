//! Dead letters on Kafka: one topic for each topic and group.

use super::dead::{Grave, Letter, Place};
use super::inbox::Inbox;
use super::kafka::group_client;
use crate::clock::to_text;
use crate::config::Config;
use crate::error::Fault;
use crate::events::kafka_reader::record;
use crate::events::record::Record;
use chrono::DateTime;
use entity::ids::EventId;
use rdkafka::Message as _;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{CommitMode, Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::metadata::MetadataTopic;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Mutex;

/// How long the cluster may take for one request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The headers that say why; what a record has of this name already is of an earlier life.
const PREFIX: &str = "dlq_";

/// The topic of a group's dead letters of a topic.
fn dead_topic(topic: &str, group: &str) -> String {
    format!("{topic}.{group}.dlq")
}

/// Writes dead letters.
pub(super) struct DeadTopics {
    group: Arc<str>,
    client: ClientConfig,
    replication: i32,
    retention_ms: String,
    producer: OnceLock<FutureProducer>,
    /// Topics that are there.
    made: Mutex<HashSet<String>>,
}

impl DeadTopics {
    /// Connects to nothing yet.
    pub(super) fn new(config: &Config, group: &Arc<str>) -> Self {
        let days = config.consumer.dead_letter_days.unsigned_abs();
        Self {
            group: Arc::clone(group),
            client: crate::events::kafka::client(config),
            replication: config.kafka.replication,
            retention_ms: Duration::from_secs(days * 86_400).as_millis().to_string(),
            producer: OnceLock::new(),
            made: Mutex::default(),
        }
    }

    /// Writes a letter and waits until all in-sync replicas have it.
    pub(super) async fn write(&self, letter: &Letter) -> Result<(), Fault> {
        let topic = dead_topic(&letter.record.topic, &self.group);
        self.make(&topic).await?;
        let failed = || Fault::doing::<KafkaError>(format!("writing to {topic}"));
        let producer = match self.producer.get() {
            Some(producer) => producer,
            None => {
                let made: FutureProducer = self
                    .client
                    .clone()
                    .set("enable.idempotence", "true")
                    .set("acks", "all")
                    .set("message.timeout.ms", TIMEOUT.as_millis().to_string())
                    .create()
                    .map_err(failed())?;
                self.producer.get_or_init(|| made)
            }
        };
        let message = FutureRecord::to(&topic)
            .key(&letter.record.key)
            .payload(&letter.record.value)
            .timestamp(letter.failed_at.timestamp_millis())
            .headers(headers(letter));
        let sent = producer.send(message, TIMEOUT).await;
        sent.map(|_| ()).map_err(|(error, _)| failed()(error))
    }

    /// One partition: dead letters are few, and are read in the order in which they came.
    async fn make(&self, topic: &str) -> Result<(), Fault> {
        use RDKafkaErrorCode as Code;
        let mut made = self.made.lock().await;
        if made.contains(topic) {
            return Ok(());
        }
        let doing = || format!("making the topic {topic}");
        let admin: AdminClient<DefaultClientContext> = self
            .client
            .create()
            .map_err(Fault::doing::<KafkaError>(doing()))?;
        let new = NewTopic::new(topic, 1, TopicReplication::Fixed(self.replication))
            .set("cleanup.policy", "delete")
            .set("retention.ms", &self.retention_ms);
        let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
        let results = admin
            .create_topics(&[new], &options)
            .await
            .map_err(Fault::doing::<KafkaError>(doing()))?;
        for result in results {
            match result {
                Ok(topic) => tracing::info!(topic, "made the Kafka topic of dead letters"),
                Err((_, Code::TopicAlreadyExists)) => {}
                // Whoever runs the cluster makes the topics there.
                Err((topic, code @ (Code::TopicAuthorizationFailed | Code::PolicyViolation))) => {
                    tracing::warn!(topic, %code, "may not make the Kafka topic; it has to exist");
                }
                Err((_, code)) => return Err(Fault::doing(doing())(code)),
            }
        }
        made.insert(topic.to_owned());
        Ok(())
    }
}

/// The record's own headers, and why it is here.
fn headers(letter: &Letter) -> OwnedHeaders {
    let own = letter
        .record
        .headers
        .iter()
        .filter(|(name, _)| !name.starts_with(PREFIX))
        .map(|(name, value)| (name.clone(), value.clone()));
    let facts = [
        ("group", letter.group.clone()),
        ("topic", letter.record.topic.clone()),
        ("partition", letter.partition.to_string()),
        ("offset", letter.offset.to_string()),
        ("error", letter.error.clone()),
        ("attempts", letter.attempts.to_string()),
        ("time", to_text(letter.failed_at)),
    ]
    .map(|(name, value)| (format!("{PREFIX}{name}"), value.into_bytes()));
    own.chain(facts)
        .fold(OwnedHeaders::new(), |headers, (name, value)| {
            headers.insert(Header {
                key: &name,
                value: Some(&value),
            })
        })
}

/// The letter that a record of a topic of dead letters is; what is lacking there has a value that says so.
fn letter(mut found: Record, group: &str) -> Letter {
    let fact = |name: &str| {
        found
            .header(&format!("{PREFIX}{name}"))
            .unwrap_or_default()
            .to_owned()
    };
    let failed_at = DateTime::parse_from_rfc3339(&fact("time"));
    let (topic, error) = (fact("topic"), fact("error"));
    let partition = fact("partition").parse().unwrap_or(-1);
    let offset = fact("offset").parse().unwrap_or(-1);
    let attempts = fact("attempts").parse().unwrap_or(0);
    found.headers.retain(|(name, _)| !name.starts_with(PREFIX));
    let failed_at = failed_at.map_or(found.timestamp, |time| time.to_utc());
    found.topic = topic;
    Letter {
        group: group.to_owned(),
        record: Arc::new(found),
        partition,
        offset,
        error,
        attempts,
        failed_at,
    }
}

/// Reads dead letters that were not replayed.
pub(super) struct Graves {
    inbox: Inbox,
    consumer: Arc<StreamConsumer>,
    dead: DeadTopics,
    /// For each partition with letters that were there at the start: the offset behind the last of them.
    ends: HashMap<(String, i32), i64>,
}

impl Graves {
    pub(super) async fn open(
        config: &Config,
        inbox: &Inbox,
        topics: &[Arc<str>],
    ) -> Result<Self, Fault> {
        let group = &inbox.group;
        let consumer: StreamConsumer = group_client(config, &format!("{group}.dlq"))
            .set("enable.auto.commit", "false")
            .create()
            .map_err(reading)?;
        let consumer = Arc::new(consumer);
        let names: Vec<String> = topics
            .iter()
            .map(|topic| dead_topic(topic, group))
            .collect();
        let asking = Arc::clone(&consumer);
        // The client's questions wait on their thread.
        let ends = tokio::task::spawn_blocking(move || begin(&asking, &names))
            .await
            .map_err(Fault::doing("asking Kafka"))?
            .map_err(reading)?;
        Ok(Self {
            inbox: inbox.clone(),
            consumer,
            dead: DeadTopics::new(config, group),
            ends,
        })
    }

    pub(super) async fn next(&mut self) -> Result<Option<Grave>, Fault> {
        if self.ends.is_empty() {
            return Ok(None);
        }
        let message = loop {
            match self.consumer.recv().await {
                Ok(message) => break message,
                // The client reconnects by itself.
                Err(error @ (KafkaError::MessageConsumption(_) | KafkaError::Global(_))) => {
                    tracing::warn!(%error, "reading from Kafka");
                }
                Err(error) => return Err(reading(error)),
            }
        };
        let at = (message.topic().to_owned(), message.partition());
        if self
            .ends
            .get(&at)
            .is_some_and(|end| message.offset() + 1 >= *end)
        {
            self.ends.remove(&at);
        }
        Ok(Some(Grave {
            place: Place::Topic(at.0, at.1, message.offset()),
            letter: letter(record(&message), &self.inbox.group),
        }))
    }

    pub(super) async fn handled(&self, place: &Place, events: &[EventId]) -> Result<(), Fault> {
        self.inbox
            .write(async |tx| self.inbox.insert_in(&tx, events).await)
            .await?;
        self.pass(place).await
    }

    /// It comes again behind the last one.
    pub(super) async fn again(&self, grave: &Grave) -> Result<(), Fault> {
        self.dead.write(&grave.letter).await?;
        self.pass(&grave.place).await
    }

    async fn pass(&self, place: &Place) -> Result<(), Fault> {
        let Place::Topic(topic, partition, offset) = place else {
            return Ok(());
        };
        let mut done = TopicPartitionList::new();
        done.add_partition_offset(topic, *partition, Offset::Offset(offset + 1))
            .map_err(reading)?;
        let consumer = Arc::clone(&self.consumer);
        tokio::task::spawn_blocking(move || consumer.commit(&done, CommitMode::Sync))
            .await
            .map_err(Fault::doing("asking Kafka"))?
            .map_err(reading)
    }
}

/// Begins behind the letters that were replayed. Tells where those end that are there now.
fn begin(
    consumer: &StreamConsumer,
    topics: &[String],
) -> Result<HashMap<(String, i32), i64>, KafkaError> {
    let mut asked = TopicPartitionList::new();
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT)?;
        for partition in metadata.topics().iter().flat_map(MetadataTopic::partitions) {
            asked.add_partition(topic, partition.id());
        }
    }
    let mut ends = HashMap::new();
    if asked.count() == 0 {
        return Ok(ends);
    }
    let replayed = consumer.committed_offsets(asked, TIMEOUT)?;
    let mut assigned = TopicPartitionList::new();
    for place in replayed.elements() {
        let (topic, partition) = (place.topic(), place.partition());
        let (low, high) = consumer.fetch_watermarks(topic, partition, TIMEOUT)?;
        let start = match place.offset() {
            Offset::Offset(offset) => offset.max(low),
            _ => low,
        };
        if start < high {
            assigned.add_partition_offset(topic, partition, Offset::Offset(start))?;
            ends.insert((topic.to_owned(), partition), high);
        }
    }
    consumer.assign(&assigned)?;
    Ok(ends)
}

fn reading(error: KafkaError) -> Fault {
    Fault::doing("reading the dead letters from Kafka")(error)
}
