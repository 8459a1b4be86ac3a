//! The commands `tradepost events …`: what operators look at and repair events with, on Kafka and on the embedded log.
//!
//! A command has a file with one shape: what it is asked for (`Tail`, `Replay` …), one function of the same name that does
//! it with an [`App`](crate::app::App), and what it says at its end. Lines go to the `out` that it is given, so that tests
//! read them too. What is asked of the outbox stands in `events::stored`, what is read of topics in `events::reader`.

mod line;
mod list;
mod progress;
mod replay;
mod snapshot;
mod tail;
mod target;
mod unpark;
pub mod verify;

use crate::error::Fault;
use crate::events::reader;
use uuid::Uuid;

pub use crate::events::stored::{Selection, Waiting};
pub use list::{List, Listed, list};
pub use replay::{Replay, Replayed, replay};
pub use snapshot::{Snapshot, Snapshotted, snapshot};
pub use tail::{Tail, tail};
pub use unpark::unpark;
pub use verify::verify;

/// Why a command cannot do what it was asked for, and what can be done about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka does not answer, or lacks a topic.
    #[error(transparent)]
    Broker(reader::Error),
    /// No order has this id.
    #[error("there is no order {0}; its id stands in the list of orders and in each of its events")]
    NoOrder(Uuid),
    /// Nothing of an order is kept any more.
    #[error(
        "no published event of order {0} is kept: they go after events.retention_days; `tradepost events snapshot` sends the state"
    )]
    NothingKept(Uuid),
    /// No event with this id was set aside.
    #[error(
        "no event {0} is set aside; `tradepost events list --parked` shows the ids of those that are"
    )]
    NotParked(Uuid),
    /// A period that ends before it begins.
    #[error("the period ends before it begins")]
    EmptyPeriod,
    /// A command that needs Kafka.
    #[error(
        "without Kafka there is no topic to send to: the embedded log holds each event once, and readers read it again by place (`tradepost events tail --since TIME`)"
    )]
    NeedsKafka,
    /// Ours.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<reader::Error> for Error {
    fn from(error: reader::Error) -> Self {
        match error {
            reader::Error::Fault(fault) => Self::Fault(fault),
            error => Self::Broker(error),
        }
    }
}
