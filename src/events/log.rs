//! What the commands `events tail` and `events list` show.
//!
//! In the embedded form the log is the outbox by `log_position`, never by id: ids are given before transactions
//! commit, so a reader that remembered the last id would miss rows. With Kafka the topics are read.

use super::record::{self, Record, Settings};
use super::store;
use crate::app::App;
use crate::clock::to_text;
use crate::error::Fault;
use entity::events::outbox_event;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::time::Duration;

/// Rows of the log that are read at a time.
const PAGE: u64 = 500;
/// Events that `list` shows at most.
const LIST_MAX: u64 = 1_000;
/// How often a follower looks at the embedded log.
const POLL: Duration = Duration::from_millis(200);

/// Which events are shown, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// Only types that contain this (`order.created`).
    pub event_type: Option<String>,
    /// Only events of this aggregate.
    pub aggregate: Option<uuid::Uuid>,
    /// From the oldest event that is kept, else from now on.
    pub from_beginning: bool,
    /// Go on until the future is dropped, else end with the last event that is there now.
    pub follow: bool,
    /// One JSON object a line (CloudEvents' JSON format), else one line for people.
    pub json: bool,
}

impl Tail {
    fn shows(&self, record: &Record) -> bool {
        let of_type = self.event_type.as_deref().is_none_or(|wanted| {
            record
                .header("ce_type")
                .is_some_and(|found| found.contains(wanted))
        });
        of_type && self.aggregate.is_none_or(|id| record.key == id.to_string())
    }

    fn print(&self, out: &mut impl Write, record: &Record, place: &Place) -> Result<(), Fault> {
        if !self.shows(record) {
            return Ok(());
        }
        let line = if self.json {
            json_line(record, place)
        } else {
            human_line(record, place)
        };
        writeln!(out, "{line}")
            .and_then(|()| out.flush())
            .map_err(Fault::doing("printing an event"))
    }
}

/// Where a record stands.
pub(super) enum Place {
    /// In the embedded log.
    Log(i64),
    /// In a partition of a topic.
    #[cfg_attr(
        not(feature = "kafka"),
        expect(dead_code, reason = "made by the Kafka client only")
    )]
    Partition(i32, i64),
}

/// Prints events as they are published.
///
/// # Errors
/// The log cannot be read, or `out` cannot be written.
pub async fn tail(app: &App, tail: &Tail, out: &mut impl Write) -> Result<(), Fault> {
    let settings = Settings::of(app.config());
    if !app.config().kafka.brokers.is_empty() {
        return tail_kafka(app, &settings, tail, out).await;
    }
    let mut position = if tail.from_beginning {
        0
    } else {
        let last = app.db().read("outbox.log_last", async |c| {
            Ok::<_, Fault>(store::log_last(&*c).await?)
        });
        last.await?
    };
    loop {
        let rows = app
            .db()
            .read("outbox.log", async |c| {
                Ok::<_, Fault>(store::log_after(&*c, position, PAGE).await?)
            })
            .await?;
        for row in &rows {
            position = row.log_position.unwrap_or(position);
            let record = record::main(&settings, row).map_err(Fault::doing("reading an event"))?;
            tail.print(out, &record, &Place::Log(position))?;
        }
        if (rows.len() as u64) < PAGE {
            if !tail.follow {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

#[cfg(feature = "kafka")]
async fn tail_kafka(
    app: &App,
    settings: &Settings,
    tail: &Tail,
    out: &mut impl Write,
) -> Result<(), Fault> {
    let mut reader =
        super::kafka_reader::Reader::open(app.config(), &settings.topics(), tail.from_beginning)
            .await?;
    while let Some((record, place)) = reader.next(tail.follow).await? {
        tail.print(out, &record, &place)?;
    }
    Ok(())
}

#[cfg(not(feature = "kafka"))]
#[expect(
    clippy::unused_async,
    reason = "the form with Kafka waits for its records"
)]
async fn tail_kafka(_: &App, _: &Settings, _: &Tail, _: &mut impl Write) -> Result<(), Fault> {
    Err(Fault::Broken(
        "this program was built without the feature `kafka`".into(),
    ))
}

/// Which unpublished events are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Those that the relay will send.
    Pending,
    /// Those that were set aside after too many failures.
    Parked,
}

/// Prints events that were not published, oldest first, at most 1,000. Returns how many it printed.
///
/// # Errors
/// The database fails, or `out` cannot be written.
pub async fn list(
    app: &App,
    waiting: Waiting,
    json: bool,
    out: &mut impl Write,
) -> Result<usize, Fault> {
    let parked = waiting == Waiting::Parked;
    let rows = app
        .db()
        .read("outbox.waiting", async |c| {
            Ok::<_, Fault>(store::waiting(&*c, parked, LIST_MAX).await?)
        })
        .await?;
    for row in &rows {
        let line = if json {
            waiting_json(row).to_string()
        } else {
            waiting_line(row)
        };
        writeln!(out, "{line}").map_err(Fault::doing("printing an event"))?;
    }
    out.flush().map_err(Fault::doing("printing events"))?;
    Ok(rows.len())
}

fn waiting_json(row: &outbox_event::Model) -> Value {
    json!({
        "id": row.event_id, "type": row.event_type, "aggregateType": row.aggregate_type,
        "aggregateId": row.aggregate_id, "aggregateVersion": row.aggregate_version,
        "createdAt": to_text(row.created_at), "attempts": row.attempts, "lastError": row.last_error,
        "parkedAt": row.parked_at.map(to_text),
    })
}

fn waiting_line(row: &outbox_event::Model) -> String {
    let version = row
        .aggregate_version
        .map(|version| format!(" v{version}"))
        .unwrap_or_default();
    let mut line = format!(
        "{}  {}{version}  {} {}  event {}  attempts {}",
        to_text(row.created_at),
        row.event_type,
        row.aggregate_type,
        row.aggregate_id,
        row.event_id,
        row.attempts,
    );
    if let Some(error) = &row.last_error {
        line.push_str("  last error: ");
        line.push_str(error);
    }
    line
}

/// `TIME  TYPE vVERSION  KEY  PLACE  BODY`.
fn human_line(record: &Record, place: &Place) -> String {
    let of = |name| record.header(name).unwrap_or("-");
    let version = record
        .header("ce_aggregateversion")
        .map(|version| format!(" v{version}"))
        .unwrap_or_default();
    let place = match place {
        Place::Log(position) => format!("#{position}"),
        Place::Partition(partition, offset) => format!("{}/{partition}@{offset}", record.topic),
    };
    format!(
        "{}  {}{version}  {}  {place}  {}",
        of("ce_time"),
        of("ce_type"),
        record.key,
        String::from_utf8_lossy(&record.value)
    )
}

/// CloudEvents' JSON format: the attributes, then `data`; where it stands is an extension.
fn json_line(record: &Record, place: &Place) -> String {
    let mut event = Map::new();
    for (name, value) in &record.headers {
        let value = String::from_utf8_lossy(value).into_owned();
        match name.strip_prefix("ce_") {
            Some(attribute) => event.insert(attribute.to_owned(), value.into()),
            None if name == "content-type" => event.insert("datacontenttype".into(), value.into()),
            None => None,
        };
    }
    match place {
        Place::Log(position) => {
            event.insert("logposition".into(), (*position).into());
        }
        Place::Partition(partition, offset) => {
            event.insert("kafkatopic".into(), record.topic.clone().into());
            event.insert("kafkapartition".into(), (*partition).into());
            event.insert("kafkaoffset".into(), (*offset).into());
        }
    }
    // A body that is no JSON is somebody else's record; it is shown as text.
    let data = serde_json::from_slice(&record.value)
        .unwrap_or_else(|_| String::from_utf8_lossy(&record.value).into_owned().into());
    event.insert("data".into(), data);
    Value::Object(event).to_string()
}
