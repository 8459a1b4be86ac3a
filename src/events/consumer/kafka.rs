//! Records of Kafka's topics, shared among the consumers of a group by Kafka's own protocol.
//!
//! An offset is stored when its record's effect is noted, never before. The client sends what is stored every half
//! second, before partitions are given up and at the end; what it did not send comes again.

use super::Consumer;
use super::dead::Letter;
use super::inbox::Inbox;
use super::kafka_dead::DeadTopics;
use super::lanes::Stream;
use super::source::{News, Source};
use crate::config::Config;
use crate::error::{Fault, swallow};
use crate::events::kafka_reader::record;
use entity::ids::EventId;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{
    BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance, StreamConsumer,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Records that are told at a time.
const BATCH: usize = 500;
/// How long news may fail to come before the caller gets a turn.
const PATIENCE: Duration = Duration::from_millis(500);
/// How soon a topic is noticed that is made after the consumer was started.
const METADATA_MS: &str = "5000";

/// What the client's callbacks tell.
#[derive(Debug, Default)]
struct Told {
    /// Partitions that were taken from us, oldest first.
    lost: Mutex<Vec<(String, i32)>>,
    rebalanced: Notify,
}

struct Context {
    group: Arc<str>,
    told: Arc<Told>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
    }

    fn stats(&self, statistics: Statistics) {
        for (topic, found) in statistics.topics {
            // -1: not known, as for partitions of other consumers.
            let lags = found.partitions.values().map(|found| found.consumer_lag);
            let known: Vec<i64> = lags.filter(|lag| *lag >= 0).collect();
            if !known.is_empty() {
                let group = self.group.to_string();
                metrics::gauge!("tradepost_consumer_lag", "group" => group, "topic" => topic)
                    .set(known.into_iter().sum::<i64>() as f64);
            }
        }
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            let gone = partitions
                .elements()
                .into_iter()
                .map(|element| (element.topic().to_owned(), element.partition()));
            self.told
                .lost
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(gone);
            self.told.rebalanced.notify_one();
        }
    }
}

/// Topics as one consumer of a group reads them.
pub(super) struct Topics {
    inbox: Inbox,
    names: Vec<Arc<str>>,
    consumer: Arc<StreamConsumer<Context>>,
    told: Arc<Told>,
    dead: DeadTopics,
}

/// A client of a group; nothing is read yet. Like the topics, the groups of several installations on one cluster are told
/// apart by the prefix.
pub(super) fn group_client(config: &Config, group: &str) -> ClientConfig {
    let mut client = crate::events::kafka::client(config);
    client
        .set(
            "group.id",
            format!("{}.{group}", config.events.topic_prefix),
        )
        // A new group begins with the oldest record that is kept.
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.offset.store", "false")
        .set("allow.auto.create.topics", "false");
    client
}

impl Topics {
    pub(super) fn subscribe(consumer: &Consumer) -> Result<Self, Fault> {
        let doing = || Fault::doing::<KafkaError>("subscribing to Kafka's topics");
        let (config, inbox) = (&consumer.config, consumer.inbox.clone());
        let told = Arc::new(Told::default());
        let context = Context {
            group: Arc::clone(&inbox.group),
            told: Arc::clone(&told),
        };
        let client: StreamConsumer<Context> = group_client(config, &inbox.group)
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "500")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", config.consumer.session_ms.to_string())
            .set(
                "heartbeat.interval.ms",
                (config.consumer.session_ms / 4).max(1).to_string(),
            )
            .set("topic.metadata.refresh.interval.ms", METADATA_MS)
            .set("statistics.interval.ms", "5000")
            .create_with_context(context)
            .map_err(doing())?;
        let names: Vec<&str> = consumer.topics.iter().map(|name| &**name).collect();
        client.subscribe(&names).map_err(doing())?;
        Ok(Self {
            dead: DeadTopics::new(config, &inbox.group),
            inbox,
            names: consumer.topics.clone(),
            consumer: Arc::new(client),
            told,
        })
    }

    fn stream(&self, topic: &str, partition: i32) -> Stream {
        let known = self.names.iter().find(|name| ***name == *topic);
        Stream {
            topic: known.map_or_else(|| Arc::from(topic), Arc::clone),
            partition,
        }
    }

    /// What was taken from us since this was asked last.
    fn lost(&self) -> Vec<News> {
        let mut lost = self
            .told
            .lost
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        lost.drain(..)
            .map(|(topic, partition)| News::Lost(self.stream(&topic, partition)))
            .collect()
    }

    /// Notes a record, behind what was lost before it came: callbacks run while the client is asked for it.
    fn hear(&self, news: &mut Vec<News>, message: &BorrowedMessage<'_>) {
        news.extend(self.lost());
        let stream = self.stream(message.topic(), message.partition());
        news.push(News::Record(stream, message.offset(), record(message)));
    }

    async fn news(&self) -> Result<Vec<News>, Fault> {
        let first = tokio::select! {
            first = self.consumer.recv() => first,
            () = self.told.rebalanced.notified() => return Ok(self.lost()),
            () = tokio::time::sleep(PATIENCE) => return Ok(self.lost()),
        };
        let mut news = Vec::new();
        match first {
            Ok(message) => self.hear(&mut news, &message),
            Err(error) => {
                let topic_is_missing =
                    error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnknownTopicOrPartition);
                if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
                    return Err(Fault::doing("reading from Kafka")(error));
                }
                // The client goes on by itself, also when the topic is made.
                if topic_is_missing {
                    tracing::debug!(%error, "waiting for the topic");
                } else {
                    tracing::warn!(%error, "reading from Kafka");
                }
                tokio::time::sleep(PATIENCE).await;
                return Ok(self.lost());
            }
        }
        while news.len() < BATCH {
            match self.consumer.recv().now_or_never() {
                Some(Ok(message)) => self.hear(&mut news, &message),
                // An error that matters is told again.
                Some(Err(_)) | None => break,
            }
        }
        news.extend(self.lost());
        Ok(news)
    }

    fn list(partitions: &[(Stream, i64)]) -> TopicPartitionList {
        let places: HashMap<(String, i32), Offset> = partitions
            .iter()
            .map(|(stream, mark)| {
                let place = (stream.topic.to_string(), stream.partition);
                (place, Offset::Offset(*mark))
            })
            .collect();
        TopicPartitionList::from_topic_map(&places).unwrap_or_default()
    }
}

impl Source for Topics {
    fn next(&self) -> BoxFuture<'_, Result<Vec<News>, Fault>> {
        self.news().boxed()
    }

    fn pause(&self, stream: &Stream, is_paused: bool) {
        let partition = Self::list(&[(stream.clone(), 0)]);
        let done = if is_paused {
            self.consumer.pause(&partition)
        } else {
            self.consumer.resume(&partition)
        };
        swallow(done, "pausing a partition");
    }

    fn commit<'a>(
        &'a self,
        marks: &'a [(Stream, i64)],
        handled: &'a [EventId],
    ) -> BoxFuture<'a, Result<bool, Fault>> {
        async move {
            if !handled.is_empty() {
                self.inbox
                    .write(async |tx| self.inbox.insert_in(&tx, handled).await)
                    .await?;
            }
            if !marks.is_empty()
                && let Err(error) = self.consumer.store_offsets(&Self::list(marks))
            {
                // The partition was taken from us meanwhile; its records come again at their new consumer.
                tracing::debug!(%error, "offsets cannot be stored");
            }
            Ok(true)
        }
        .boxed()
    }

    fn bury<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<(), Fault>> {
        self.dead.write(letter).boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async {
            let consumer = Arc::clone(&self.consumer);
            // It waits for the broker; a thread of the runtime must not.
            let committing = tokio::task::spawn_blocking(move || {
                consumer.commit_consumer_state(CommitMode::Sync)
            });
            match committing.await {
                // Nothing was stored since the last time.
                Ok(Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset))) | Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "committing the last offsets"),
                Err(error) => tracing::warn!(%error, "committing the last offsets"),
            }
        }
        .boxed()
    }
}
