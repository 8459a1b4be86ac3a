//! What can be wrong with events, a line each.

use uuid::Uuid;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The order, if it can be told.
    pub order: Option<Uuid>,
    /// What.
    pub what: What,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.order {
            Some(order) => write!(f, "order {order}: {}", self.what),
            None => write!(f, "{}", self.what),
        }
    }
}

/// What is wrong. Versions are the order's; `event` is the id of an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum What {
    #[error("version {version} has no event")]
    NoEvent { version: i32 },
    #[error("version {version} has no row of history")]
    NoHistory { version: i32 },
    #[error("event {event} of version {version} is of no order that is there")]
    NoOrder { version: i32, event: Uuid },
    #[error(
        "event {event} is of version {version}, which the order at version {current} never had"
    )]
    UnknownVersion {
        version: i32,
        event: Uuid,
        current: i32,
    },
    #[error("event {event} has no version")]
    NoVersion { event: Uuid },
    #[error("event {event} of version {version} waits to be published")]
    Waits { version: i32, event: Uuid },
    #[error("event {event} of version {version} is set aside")]
    Parked { version: i32, event: Uuid },
    #[error("event {event} of version {version} was published and is not in the topic")]
    NotInTopic { version: i32, event: Uuid },
    #[error("event {event} of version {version} is in the topic and not in the outbox")]
    NotInOutbox { version: i32, event: Uuid },
    #[error("version {version} is missing in the topic between others")]
    Gap { version: i32 },
    #[error("event {event} of version {version} first appears behind version {behind}")]
    OutOfOrder {
        version: i32,
        event: Uuid,
        behind: i32,
    },
    #[error("version {version} comes with the id {event}; it was {first}")]
    OtherId {
        version: i32,
        event: Uuid,
        first: Uuid,
    },
    #[error("event {event} at {partition}@{offset} has another key than its order's id")]
    WrongKey {
        event: Uuid,
        partition: i32,
        offset: i64,
    },
    #[error(
        "event {event} at {partition}@{offset} belongs in partition {belongs} (were partitions added since?)"
    )]
    WrongPartition {
        event: Uuid,
        partition: i32,
        offset: i64,
        belongs: i32,
    },
    #[error("the record at {partition}@{offset} is no event: it has no {header}")]
    NoEventHeader {
        partition: i32,
        offset: i64,
        header: &'static str,
    },
    #[error("the log has {missing} gaps between {first} and {last}")]
    LogGaps { first: i64, last: i64, missing: u64 },
}
