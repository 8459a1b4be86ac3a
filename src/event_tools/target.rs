//! Where `replay` and `snapshot` put their records: topics of Kafka, or lines.

use super::{Error, line};
use crate::app::App;
use crate::error::Fault;
use crate::events::record::Record;
use crate::events::sender::{Keep, Sender};
use std::io::Write;

/// Where records go.
pub(super) enum Target {
    /// Into their topics.
    Kafka(Sender),
    /// To `out`, one JSON object a line.
    Lines,
}

impl Target {
    /// Kafka if it is configured and lines were not asked for.
    pub(super) fn of(app: &App, lines: bool) -> Result<Self, Error> {
        Ok(if lines || app.config().kafka.brokers.is_empty() {
            Self::Lines
        } else {
            Self::Kafka(Sender::new(app.config())?)
        })
    }

    /// Makes sure that a topic is there.
    pub(super) async fn topic_ensure(&mut self, topic: &str, keep: Keep) -> Result<(), Error> {
        if let Self::Kafka(sender) = self {
            sender.topic_ensure(topic, keep).await?;
        }
        Ok(())
    }

    /// Puts records, those of a key in their order, and returns when they are there.
    pub(super) async fn put(&self, records: &[Record], out: &mut impl Write) -> Result<(), Error> {
        match self {
            Self::Kafka(sender) => sender.send(records).await?,
            Self::Lines => {
                for record in records {
                    writeln!(out, "{}", line::json(record, None))
                        .map_err(Fault::doing("printing an event"))?;
                }
                out.flush().map_err(Fault::doing("printing events"))?;
            }
        }
        Ok(())
    }
}
