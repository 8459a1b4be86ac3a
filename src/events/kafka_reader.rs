//! Reads the program's own topics from Kafka, for the commands `tradepost events …`. It belongs to no group and commits
//! nothing.

use super::reader::{Error, Partition, Place, Start};
use super::record::Record;
use crate::config::Config;
use crate::error::{Fault, chain};
use crate::health::Health;
use chrono::{DateTime, Utc};
use rdkafka::Message;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// How long the cluster may take to tell what it has.
const METADATA_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the next record may take that is known to be there: as long as a broker may need to start.
const RECORD_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause before a partition's leader is looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A reader of all partitions of some topics.
pub(super) struct Reader {
    consumer: StreamConsumer,
    partitions: Vec<(String, Partition)>,
    /// For each partition with records that were there at the start: the offset behind the last of them.
    ends: HashMap<(String, i32), i64>,
}

impl Reader {
    /// Asks the cluster on this thread, up to some seconds: this is for commands, which have nothing else to do.
    pub(super) async fn open(
        config: &Config,
        topics: &[String],
        start: Start,
    ) -> Result<Self, Error> {
        let consumer = consumer(config).map_err(Fault::doing("making a Kafka consumer"))?;
        let found = partitions(&consumer, topics).map_err(away)?;
        let since = match start {
            Start::Since(since) => Some(offsets_at(&consumer, &found, since).map_err(away)?),
            Start::Beginning | Start::End => None,
        };
        let mut assigned = TopicPartitionList::new();
        let (mut partitions, mut ends) = (Vec::new(), HashMap::new());
        for (topic, id) in found {
            let (low, high) = watermarks(&consumer, &topic, id).await.map_err(away)?;
            let first = match (&since, start) {
                (Some(since), _) => since.get(&(topic.clone(), id)).copied().unwrap_or(high),
                (None, Start::End) => high,
                (None, _) => low,
            };
            assigned
                .add_partition_offset(&topic, id, Offset::Offset(first))
                .map_err(away)?;
            if first < high {
                ends.insert((topic.clone(), id), high);
            }
            let partition = Partition {
                id,
                low,
                start: first,
                high,
            };
            partitions.push((topic, partition));
        }
        consumer.assign(&assigned).map_err(away)?;
        Ok(Self {
            consumer,
            partitions,
            ends,
        })
    }

    /// The next record. Without `follow` there is none after those that were there at the start.
    pub(super) async fn next(&mut self, follow: bool) -> Result<Option<(Record, Place)>, Error> {
        if !follow && self.ends.is_empty() {
            return Ok(None);
        }
        let began = Instant::now();
        let message = loop {
            let received = if follow {
                self.consumer.recv().await
            } else {
                let left = RECORD_TIMEOUT.saturating_sub(began.elapsed());
                let received = tokio::time::timeout(left, self.consumer.recv()).await;
                received.map_err(|_| {
                    Error::Away(format!("no record came for {} s", RECORD_TIMEOUT.as_secs()))
                })?
            };
            match received {
                Ok(message) => break message,
                // The client reconnects by itself.
                Err(error @ (KafkaError::MessageConsumption(_) | KafkaError::Global(_))) => {
                    tracing::warn!(%error, "reading from Kafka");
                }
                Err(error) => return Err(away(error)),
            }
        };
        let (partition, offset) = (message.partition(), message.offset());
        let at = (message.topic().to_owned(), partition);
        if self.ends.get(&at).is_some_and(|end| offset + 1 >= *end) {
            self.ends.remove(&at);
        }
        Ok(Some((
            record(&message),
            Place::Partition(partition, offset),
        )))
    }

    /// The partitions of a topic.
    pub(super) fn partitions_of(&self, topic: &str) -> Vec<Partition> {
        let of_topic = self.partitions.iter().filter(|(name, _)| name == topic);
        of_topic.map(|(_, partition)| *partition).collect()
    }
}

/// For each partition the first offset whose record is not older than a moment; none where all are.
fn offsets_at(
    consumer: &StreamConsumer,
    partitions: &[(String, i32)],
    since: DateTime<Utc>,
) -> Result<HashMap<(String, i32), i64>, KafkaError> {
    let mut asked = TopicPartitionList::new();
    for (topic, partition) in partitions {
        let at = Offset::Offset(since.timestamp_millis());
        asked.add_partition_offset(topic, *partition, at)?;
    }
    let found = consumer.offsets_for_times(asked, METADATA_TIMEOUT)?;
    let offsets = found.elements().into_iter().filter_map(|element| {
        let Offset::Offset(offset) = element.offset() else {
            return None;
        };
        Some(((element.topic().to_owned(), element.partition()), offset))
    });
    Ok(offsets.collect())
}

fn consumer(config: &Config) -> Result<StreamConsumer, KafkaError> {
    super::kafka::client(config)
        // The client asks for a name; with assigned partitions and without commits it is not used.
        .set("group.id", "tradepost-tail")
        .set("enable.auto.commit", "false")
        // What was deleted while it was about to be read is left out.
        .set("auto.offset.reset", "earliest")
        .create()
}

/// Whether the cluster answers and has the topics. Asks on this thread, as [`Reader::open`] does.
pub(super) fn look(config: &Config, topics: &[String]) -> Health {
    let found = consumer(config).and_then(|consumer| partitions(&consumer, topics));
    let brokers = &config.kafka.brokers;
    match found {
        Err(error) => Health::degraded(format!("Kafka at {brokers} does not answer: {error}")),
        Ok(found) => {
            let missing: Vec<&str> = topics
                .iter()
                .filter(|topic| !found.iter().any(|(name, _)| name == *topic))
                .map(String::as_str)
                .collect();
            let detail = if missing.is_empty() {
                format!("Kafka at {brokers} has all {} topics", topics.len())
            } else {
                let missing = missing.join(", ");
                format!("Kafka at {brokers} answers; a worker will make {missing}")
            };
            let mut counts: Vec<(String, usize)> = Vec::new();
            for (name, _) in &found {
                match counts.iter_mut().find(|(other, _)| other == name) {
                    Some((_, count)) => *count += 1,
                    None => counts.push((name.clone(), 1)),
                }
            }
            match super::kafka::difference(&counts, topics, config.kafka.partitions) {
                Some(difference) => Health::ok(format!("{detail}; {difference}")),
                None => Health::ok(detail),
            }
        }
    }
}

/// The oldest offset of a partition and the one behind the newest. After a broker's restart the client still asks the
/// leader that was: it looks for the new one until the time is over.
async fn watermarks(
    consumer: &StreamConsumer,
    topic: &str,
    partition: i32,
) -> Result<(i64, i64), KafkaError> {
    let began = Instant::now();
    loop {
        let asked = consumer.fetch_watermarks(topic, partition, METADATA_TIMEOUT);
        match asked {
            Err(error) if has_moved(&error) && began.elapsed() < METADATA_TIMEOUT => {
                tracing::debug!(%error, topic, partition, "looking for the partition's leader");
                consumer.fetch_metadata(Some(topic), METADATA_TIMEOUT)?;
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            asked => return asked,
        }
    }
}

fn has_moved(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::UnknownTopicOrPartition
        )
    )
}

/// The partitions of those topics that exist.
fn partitions(
    consumer: &StreamConsumer,
    topics: &[String],
) -> Result<Vec<(String, i32)>, KafkaError> {
    let metadata = consumer.fetch_metadata(None, METADATA_TIMEOUT)?;
    Ok(metadata
        .topics()
        .iter()
        .filter(|topic| topics.iter().any(|wanted| wanted == topic.name()))
        .flat_map(|topic| {
            let name = topic.name();
            topic
                .partitions()
                .iter()
                .map(move |partition| (name.to_owned(), partition.id()))
        })
        .collect())
}

/// A record as the rest of the program knows it.
pub(super) fn record(message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers().into_iter().flat_map(|headers| {
        headers.iter().map(|header| {
            (
                header.key.to_owned(),
                header.value.unwrap_or_default().to_vec(),
            )
        })
    });
    Record {
        topic: message.topic().to_owned(),
        key: String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned(),
        headers: headers.collect(),
        value: message.payload().unwrap_or_default().to_vec(),
        timestamp: message
            .timestamp()
            .to_millis()
            .and_then(DateTime::from_timestamp_millis)
            .unwrap_or_default(),
    }
}

fn away(error: KafkaError) -> Error {
    Error::Away(chain(&error))
}
