//! Reads published events, from Kafka's topics or from the embedded log. It belongs to no group and remembers nothing.

use super::Events;
#[cfg(feature = "kafka")]
use super::kafka_reader;
use super::record::{self, Record, Settings};
use crate::config::Config;
use crate::error::Fault;
use chrono::{DateTime, Utc};
use entity::events::outbox_event;
use std::time::Duration;

/// Rows of the log that are read at a time.
const PAGE: u64 = 500;
/// How often a follower looks at the embedded log.
const POLL: Duration = Duration::from_millis(200);

/// Why the broker's records cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka does not answer in time, or not as it should.
    #[error("Kafka does not answer: {0}; `tradepost doctor` looks at it")]
    Away(String),
    /// A topic that was asked for is not there.
    #[error("there is no topic {0}")]
    NoTopic(String),
    /// Ours.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the oldest record that is kept.
    Beginning,
    /// With what happened then or later; some older records may come too.
    Since(DateTime<Utc>),
    /// Behind the newest.
    End,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the embedded log.
    Log(i64),
    /// In a partition of its topic: the partition and the offset.
    Partition(i32, i64),
}

/// A reader of some topics.
pub struct Reader {
    from: From,
}

enum From {
    Log(Log),
    #[cfg(feature = "kafka")]
    Kafka(Box<kafka_reader::Reader>),
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens the topics that exist; the embedded log has all that records of it would be sent to.
    ///
    /// # Errors
    /// Kafka does not answer within seconds, or the database fails.
    pub async fn open(
        events: &Events,
        config: &Config,
        topics: &[String],
        start: Start,
    ) -> Result<Self, Error> {
        if !config.kafka.brokers.is_empty() {
            return Self::open_kafka(config, topics, start).await;
        }
        let position = match start {
            Start::End => events.log_last().await?,
            Start::Beginning | Start::Since(_) => 0,
        };
        Ok(Self {
            from: From::Log(Log {
                events: events.clone(),
                settings: Settings::of(config),
                topics: topics.to_vec(),
                position,
                page: Vec::new().into_iter(),
                is_last_page: false,
            }),
        })
    }

    #[cfg(feature = "kafka")]
    async fn open_kafka(config: &Config, topics: &[String], start: Start) -> Result<Self, Error> {
        let reader = kafka_reader::Reader::open(config, topics, start).await?;
        Ok(Self {
            from: From::Kafka(Box::new(reader)),
        })
    }

    #[cfg(not(feature = "kafka"))]
    #[expect(
        clippy::unused_async,
        reason = "the form with Kafka waits for its records"
    )]
    async fn open_kafka(_: &Config, _: &[String], _: Start) -> Result<Self, Error> {
        let reason = "this program was built without the feature `kafka`";
        Err(Fault::Broken(reason.into()).into())
    }

    /// The next record. Without `follow` there is none after those that were there at the start.
    ///
    /// # Errors
    /// Kafka does not answer (only without `follow`: a follower waits), or the database fails.
    pub async fn next(&mut self, follow: bool) -> Result<Option<(Record, Place)>, Error> {
        match &mut self.from {
            From::Log(log) => Ok(log.next(follow).await?),
            #[cfg(feature = "kafka")]
            From::Kafka(reader) => reader.next(follow).await,
        }
    }

    /// Whether a topic is there.
    #[must_use]
    pub fn has(&self, topic: &str) -> bool {
        match &self.from {
            From::Log(log) => log.settings.topics().iter().any(|known| known == topic),
            #[cfg(feature = "kafka")]
            From::Kafka(reader) => !reader.partitions_of(topic).is_empty(),
        }
    }

    /// The partitions of a topic; nothing when it is not there, or there is no Kafka.
    #[must_use]
    pub fn partitions(&self, topic: &str) -> Vec<Partition> {
        match &self.from {
            From::Log(_) => Vec::new(),
            #[cfg(feature = "kafka")]
            From::Kafka(reader) => reader.partitions_of(topic),
        }
    }
}

/// A partition when its reader was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub id: i32,
    /// The oldest offset that is kept: above 0, what was before it has been deleted.
    pub low: i64,
    /// Where the reader began.
    pub start: i64,
    /// The offset behind the newest record.
    pub high: i64,
}

/// The outbox by `log_position`, never by id: ids are given before transactions commit, so a reader that remembered the
/// last id would miss rows.
struct Log {
    events: Events,
    settings: Settings,
    topics: Vec<String>,
    position: i64,
    page: std::vec::IntoIter<outbox_event::Model>,
    is_last_page: bool,
}

impl Log {
    async fn next(&mut self, follow: bool) -> Result<Option<(Record, Place)>, Fault> {
        loop {
            for row in self.page.by_ref() {
                self.position = row.log_position.unwrap_or(self.position);
                let record =
                    record::main(&self.settings, &row).map_err(Fault::doing("reading an event"))?;
                if self.topics.contains(&record.topic) {
                    return Ok(Some((record, Place::Log(self.position))));
                }
            }
            if self.is_last_page {
                if !follow {
                    return Ok(None);
                }
                tokio::time::sleep(POLL).await;
            }
            let rows = self.events.log_behind(self.position, PAGE).await?;
            self.is_last_page = (rows.len() as u64) < PAGE;
            self.page = rows.into_iter();
        }
    }
}
