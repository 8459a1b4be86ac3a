//! Sends records to Kafka for commands: an idempotent producer that never gives a record up by itself, so that those of
//! one key stay in order, with a limit on how long nothing may happen.

use super::kafka::{client, create, headers, producer};
use super::reader::Error;
use super::record::Record;
use super::sender::Keep;
use crate::config::Config;
use crate::error::{Fault, chain};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use rdkafka::admin::{AdminClient, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _, PurgeConfig};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a request for topics may take.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long Kafka may take nothing at all: as long as a broker may need to start.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A producer of its own, apart from the relay's.
pub(super) struct KafkaSender {
    producer: FutureProducer,
    admin: ClientConfig,
    partitions: i32,
    replication: i32,
    retention_ms: String,
    /// Topics that were seen to exist.
    topics: BTreeSet<String>,
}

impl KafkaSender {
    /// Connects to nothing yet.
    pub(super) fn new(config: &Config) -> Result<Self, Error> {
        let producer = producer(config)
            // Never: a record that is given up would let later ones of its key overtake it.
            .set("message.timeout.ms", "0")
            .create()
            .map_err(Fault::doing("making a Kafka producer"))?;
        let days = config.events.retention_days.unsigned_abs();
        Ok(Self {
            producer,
            admin: client(config),
            partitions: config.kafka.partitions,
            replication: config.kafka.replication,
            retention_ms: Duration::from_secs(days * 86_400).as_millis().to_string(),
            topics: BTreeSet::new(),
        })
    }

    pub(super) async fn topic_ensure(&mut self, topic: &str, keep: Keep) -> Result<(), Error> {
        if self.topics.contains(topic) {
            return Ok(());
        }
        let replication = TopicReplication::Fixed(self.replication);
        let new = NewTopic::new(topic, self.partitions, replication);
        let new = match keep {
            Keep::Days => new
                .set("cleanup.policy", "delete")
                .set("retention.ms", &self.retention_ms),
            Keep::Newest => new.set("cleanup.policy", "compact"),
        };
        let admin: AdminClient<DefaultClientContext> = self.admin.create().map_err(away)?;
        create(&admin, &[new], ADMIN_TIMEOUT)
            .await
            .map_err(Error::Away)?;
        self.topics.insert(topic.to_owned());
        Ok(())
    }

    pub(super) async fn send(&self, records: &[Record]) -> Result<(), Error> {
        let mut deliveries = FuturesUnordered::new();
        let sent = self.send_all(records, &mut deliveries).await;
        if sent.is_err() {
            // What is on its way must not arrive behind the back of whoever starts anew.
            self.producer
                .purge(PurgeConfig::default().queue().inflight());
        }
        sent
    }

    async fn send_all(
        &self,
        records: &[Record],
        deliveries: &mut FuturesUnordered<DeliveryFuture>,
    ) -> Result<(), Error> {
        for record in records {
            let mut message = message(record);
            loop {
                match self.producer.send_result(message) {
                    Ok(delivery) => {
                        deliveries.push(delivery);
                        break;
                    }
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                        message = back;
                        delivered(deliveries).await?;
                    }
                    Err((error, _)) => return Err(refused(record, &error)),
                }
            }
        }
        while !deliveries.is_empty() {
            delivered(deliveries).await?;
        }
        Ok(())
    }
}

/// Waits for the broker's word on one record.
async fn delivered(deliveries: &mut FuturesUnordered<DeliveryFuture>) -> Result<(), Error> {
    match tokio::time::timeout(SILENCE_MAX, deliveries.next()).await {
        Ok(None | Some(Ok(Ok(_)))) => Ok(()),
        Ok(Some(Ok(Err((error, _))))) => Err(away(error)),
        Ok(Some(Err(_))) => Err(Error::Away("the producer was dropped".to_owned())),
        Err(_) => {
            let seconds = SILENCE_MAX.as_secs();
            Err(Error::Away(format!("it took no record for {seconds} s")))
        }
    }
}

fn message(record: &Record) -> FutureRecord<'_, String, Vec<u8>> {
    FutureRecord::to(&record.topic)
        .key(&record.key)
        .payload(&record.value)
        .timestamp(record.timestamp.timestamp_millis())
        .headers(headers(record))
}

fn refused(record: &Record, error: &KafkaError) -> Error {
    let id = record.header("ce_id").unwrap_or("-");
    Fault::Broken(format!("Kafka does not take the event {id}: {error}")).into()
}

fn away(error: KafkaError) -> Error {
    Error::Away(chain(&error))
}
