//! Dead letters: records that a group could not handle, kept with the reason until somebody has mended it.
//!
//! With Kafka they are on the topic `<topic>.<group>.dlq`, the facts in headers beside the record's own; which of them
//! were replayed is said by the offsets of the group `<prefix>.<group>.dlq`. Without Kafka they are rows of `dead_letters`.

use super::event::Event;
use super::inbox::Inbox;
use super::{Consumer, Setback, store};
use crate::clock::to_text;
use crate::error::Fault;
use crate::events::record::Record;
use chrono::{DateTime, Utc};
use entity::events::consumers::dead_letter;
use entity::ids::EventId;
use serde_json::{Value, json};
use std::sync::Arc;

/// Dead letters that are read at a time.
const PAGE: u64 = 100;

/// A record that could not be handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The group that could not handle it.
    pub group: String,
    /// The record as it was read; its topic is the original one.
    pub record: Arc<Record>,
    /// The original partition; 0 in the embedded log.
    pub partition: i32,
    /// The original offset; the place in the embedded log.
    pub offset: i64,
    /// Why it was not handled.
    pub error: String,
    /// How often that was tried.
    pub attempts: i32,
    /// When that was given up.
    pub failed_at: DateTime<Utc>,
}

impl Letter {
    /// `TIME  TYPE  KEY  TOPIC/PARTITION@OFFSET  event ID  attempts N  REASON`.
    #[must_use]
    pub fn line(&self) -> String {
        let of = |name| self.record.header(name).unwrap_or("-");
        format!(
            "{}  {}  {}  {}/{}@{}  event {}  attempts {}  {}",
            to_text(self.failed_at),
            of("ce_type"),
            self.record.key,
            self.record.topic,
            self.partition,
            self.offset,
            of("ce_id"),
            self.attempts,
            self.error
        )
    }

    /// The same as JSON, with the body.
    #[must_use]
    pub fn json(&self) -> Value {
        let body: Value = serde_json::from_slice(&self.record.value)
            .unwrap_or_else(|_| String::from_utf8_lossy(&self.record.value).into());
        json!({
            "failedAt": to_text(self.failed_at), "group": self.group, "type": self.record.header("ce_type"),
            "id": self.record.header("ce_id"), "key": self.record.key, "topic": self.record.topic,
            "partition": self.partition, "offset": self.offset, "attempts": self.attempts, "error": self.error,
            "body": body,
        })
    }
}

/// What became of the dead letters that were handled again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Their effect is there now, or was there before.
    pub handled: u64,
    /// They failed again, and stay where they are with their new reason.
    pub dead: u64,
    /// What is away, if the replay ended because of that; the rest stays as it is.
    pub waits_for: Option<String>,
}

/// A dead letter and where it lies.
pub(super) struct Grave {
    pub(super) letter: Letter,
    pub(super) place: Place,
}

/// Where a dead letter lies.
pub(super) enum Place {
    /// A row of the table.
    Row(i64),
    /// On a topic of its own.
    #[cfg(feature = "kafka")]
    Topic(String, i32, i64),
}

/// The dead letters of a group, one after another.
enum Graves {
    Table {
        inbox: Inbox,
        after: i64,
        read: Vec<dead_letter::Model>,
    },
    #[cfg(feature = "kafka")]
    Topics(Box<super::kafka_dead::Graves>),
}

impl Graves {
    async fn next(&mut self) -> Result<Option<Grave>, Fault> {
        match self {
            Self::Table { inbox, after, read } => {
                if read.is_empty() {
                    let (group, from) = (&*inbox.group, *after);
                    *read = inbox
                        .db
                        .read("dead_letters.after", async |c| {
                            Ok::<_, Fault>(store::letters_after(&*c, group, from, PAGE).await?)
                        })
                        .await?;
                    read.reverse();
                }
                let row = read.pop();
                *after = row.as_ref().map_or(*after, |row| row.id);
                Ok(row.map(grave))
            }
            #[cfg(feature = "kafka")]
            Self::Topics(graves) => graves.next().await,
        }
    }

    /// Takes a letter out; `event` is remembered as handled.
    async fn handled(&self, grave: &Grave, event: Option<EventId>) -> Result<(), Fault> {
        let events: Vec<EventId> = event.into_iter().collect();
        let events = &events;
        match (self, &grave.place) {
            (Self::Table { inbox, .. }, Place::Row(id)) => {
                let deleting = inbox.write(async |tx| {
                    inbox.insert_in(&tx, events).await?;
                    Ok(store::letters_delete(&*tx, &[*id]).await?)
                });
                deleting.await
            }
            #[cfg(feature = "kafka")]
            (Self::Topics(graves), place) => graves.handled(place, events).await,
            #[cfg(feature = "kafka")]
            (Self::Table { .. }, Place::Topic(..)) => Ok(()),
        }
    }

    /// Leaves a letter where it is, with a new reason.
    async fn again(&self, grave: &Grave) -> Result<(), Fault> {
        let letter = &grave.letter;
        match self {
            Self::Table { inbox, .. } => {
                inbox
                    .db
                    .write("dead_letters.again", async |tx| {
                        Ok::<_, Fault>(store::letter_set(&*tx, letter).await?)
                    })
                    .await
            }
            #[cfg(feature = "kafka")]
            Self::Topics(graves) => graves.again(grave).await,
        }
    }
}

fn grave(row: dead_letter::Model) -> Grave {
    let headers: Vec<(String, String)> = serde_json::from_value(row.headers).unwrap_or_default();
    Grave {
        place: Place::Row(row.id),
        letter: Letter {
            group: row.consumer_group,
            record: Arc::new(Record {
                topic: row.topic,
                key: row.record_key,
                headers: headers
                    .into_iter()
                    .map(|(name, value)| (name, value.into_bytes()))
                    .collect(),
                value: row.body.to_string().into_bytes(),
                timestamp: row.created_at,
            }),
            partition: 0,
            offset: row.log_position,
            error: row.error,
            attempts: row.attempts,
            failed_at: row.failed_at,
        },
    }
}

impl Consumer {
    async fn graves(&self) -> Result<Graves, Fault> {
        #[cfg(feature = "kafka")]
        if !self.config.kafka.brokers.is_empty() {
            let open = super::kafka_dead::Graves::open(&self.config, &self.inbox, &self.topics);
            return Ok(Graves::Topics(Box::new(open.await?)));
        }
        Ok(Graves::Table {
            inbox: self.inbox.clone(),
            after: 0,
            read: Vec::new(),
        })
    }

    /// Tells the group's dead letters, oldest first, those apart that were replayed. They stay where they are.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn dead_letters(&self, mut told: impl FnMut(Letter)) -> Result<(), Fault> {
        let mut graves = self.graves().await?;
        while let Some(grave) = graves.next().await? {
            told(grave.letter);
        }
        Ok(())
    }

    /// Handles each of the group's dead letters once more. One that fails again stays, with its new reason. When
    /// something is away that the function needs, the replay ends.
    ///
    /// # Errors
    /// They cannot be read, or it cannot be noted what became of one.
    pub async fn dead_letters_replay<F, Fut>(&self, handler: F) -> Result<Replayed, Fault>
    where
        F: Fn(Event) -> Fut,
        Fut: Future<Output = Result<(), Setback>>,
    {
        let mut graves = self.graves().await?;
        let mut replayed = Replayed::default();
        while let Some(mut grave) = graves.next().await? {
            let letter = &grave.letter;
            let event = Event::read(Arc::clone(&letter.record), letter.partition, letter.offset);
            let handled = match event {
                Ok(event) => self.replay(event, &handler).await,
                Err(reason) => Err(Setback::Dead(reason)),
            };
            match handled {
                Ok(event) => {
                    graves.handled(&grave, event).await?;
                    replayed.handled += 1;
                }
                Err(Setback::Wait(reason)) => {
                    replayed.waits_for = Some(reason);
                    return Ok(replayed);
                }
                Err(Setback::Retry(reason) | Setback::Dead(reason)) => {
                    grave.letter.error = reason;
                    grave.letter.attempts = grave.letter.attempts.saturating_add(1);
                    grave.letter.failed_at = self.inbox.clock.now();
                    graves.again(&grave).await?;
                    replayed.dead += 1;
                }
            }
        }
        Ok(replayed)
    }

    /// Handles an event unless that was done; returns it if it is to be remembered.
    async fn replay<F, Fut>(&self, event: Event, handler: &F) -> Result<Option<EventId>, Setback>
    where
        F: Fn(Event) -> Fut,
        Fut: Future<Output = Result<(), Setback>>,
    {
        let id = event.id;
        if !self.remembers {
            return handler(event).await.map(|()| None);
        }
        if self.inbox.contains(id).await? {
            return Ok(None);
        }
        handler(event).await.map(|()| Some(EventId(id)))
    }
}
