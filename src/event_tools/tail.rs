//! `events tail`: prints events as they are published.

use super::{Error, line};
use crate::app::App;
use crate::error::Fault;
use crate::events::reader::{self, Place, Reader, Start};
use crate::events::record::{Record, Settings};
use chrono::{DateTime, Utc};
use std::io::Write;

/// Which events are shown, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// Only types that contain this (`order.created`).
    pub event_type: Option<String>,
    /// Only events of this aggregate.
    pub aggregate: Option<uuid::Uuid>,
    /// Only what happened then or later, from the first of it that is kept.
    pub since: Option<DateTime<Utc>>,
    /// From the oldest event that is kept, else from now on.
    pub from_beginning: bool,
    /// Go on until the future is dropped, else end with the last event that is there now.
    pub follow: bool,
    /// One JSON object a line (CloudEvents' JSON format), else one line for people.
    pub json: bool,
    /// Another topic of Kafka than the main ones: what was resent, states, dead letters.
    pub topic: Option<String>,
}

impl Tail {
    fn shows(&self, record: &Record) -> bool {
        let of_type = self.event_type.as_deref().is_none_or(|wanted| {
            record
                .header("ce_type")
                .is_some_and(|found| found.contains(wanted))
        });
        // Records have their time in milliseconds.
        let is_late = self
            .since
            .is_none_or(|since| record.timestamp.timestamp_millis() >= since.timestamp_millis());
        of_type && is_late && self.aggregate.is_none_or(|id| record.key == id.to_string())
    }

    fn print(&self, out: &mut impl Write, record: &Record, place: &Place) -> Result<(), Fault> {
        if !self.shows(record) {
            return Ok(());
        }
        let line = if self.json {
            line::json(record, Some(place))
        } else {
            line::human(record, place)
        };
        writeln!(out, "{line}")
            .and_then(|()| out.flush())
            .map_err(Fault::doing("printing an event"))
    }
}

/// Prints events as they are published.
///
/// # Errors
/// Kafka does not answer or lacks the topic, the log cannot be read, or `out` cannot be written.
pub async fn tail(app: &App, tail: &Tail, out: &mut impl Write) -> Result<(), Error> {
    let start = match (tail.since, tail.from_beginning) {
        (Some(since), _) => Start::Since(since),
        (None, true) => Start::Beginning,
        (None, false) => Start::End,
    };
    let topics = match &tail.topic {
        Some(topic) => vec![topic.clone()],
        None => Settings::of(app.config()).topics(),
    };
    let mut reader = Reader::open(app.events(), app.config(), &topics, start).await?;
    if let Some(topic) = &tail.topic
        && !reader.has(topic)
    {
        return Err(reader::Error::NoTopic(topic.clone()).into());
    }
    while let Some((record, place)) = reader.next(tail.follow).await? {
        tail.print(out, &record, &place)?;
    }
    Ok(())
}
