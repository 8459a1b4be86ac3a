//! `events replay`: sends stored events again, under the ids they have.
//!
//! They go to `<topic>.replay`, marked by the header `ce_replay`, so that only who wants them reads them; `live` sends
//! them to the topics where they came first. Only what was published is sent again, in the order in which it was
//! written: an event that waits could otherwise appear before those in front of it. Rows are not touched.

use super::progress::Progress;
use super::target::Target;
use super::{Error, Selection};
use crate::app::App;
use crate::domain::orders::model::Scope;
use crate::domain::orders::service::OrderReference;
use crate::error::Fault;
use crate::events::record::{self, Record, Settings};
use crate::events::sender::Keep;
use entity::events::outbox_event;
use entity::ids::OrderId;
use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use uuid::Uuid;

/// Events of a step.
const PAGE: u64 = 500;
/// The header of a record that was sent again.
const MARK: &str = "ce_replay";
/// What the name of a topic ends with that takes what is sent again.
const SUFFIX: &str = ".replay";

/// What is sent again, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// Which events; those that wait are not among them.
    pub selection: Selection,
    /// To the topics where they came first.
    pub live: bool,
    /// Print them, one JSON object a line, instead of sending them. Without Kafka they are always printed.
    pub print: bool,
    /// Only count.
    pub dry_run: bool,
}

/// What was sent again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Events.
    pub events: u64,
    /// Records of each topic.
    pub records: HashMap<String, u64>,
}

/// Sends stored events again.
///
/// # Errors
/// There is no such order or nothing of it is kept, the period is empty, `live` without Kafka, Kafka does not answer, or
/// the database fails. Some events may have been sent then; sending them once more repeats their ids.
#[tracing::instrument(name = "events.replay", skip_all)]
pub async fn replay(app: &App, replay: &Replay, out: &mut impl Write) -> Result<Replayed, Error> {
    let selection = &replay.selection;
    if let (Some(from), Some(to)) = (selection.from, selection.to)
        && from > to
    {
        return Err(Error::EmptyPeriod);
    }
    if replay.live && app.config().kafka.brokers.is_empty() {
        return Err(Error::NeedsKafka);
    }
    let mut target = Target::of(app, replay.print)?;
    let settings = Settings::of(app.config());
    let (mut replayed, mut after) = (Replayed::default(), 0);
    let mut progress = Progress::new("events sent again");
    loop {
        let rows = app
            .events()
            .published_behind(selection, after, PAGE)
            .await?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        let rows: Vec<_> = rows
            .into_iter()
            .filter(|row| selection.has(&row.event_type))
            .collect();
        let records = records(app, &settings, &rows, replay.live).await?;
        replayed.events += rows.len() as u64;
        for record in &records {
            *replayed.records.entry(record.topic.clone()).or_default() += 1;
        }
        if !replay.dry_run {
            let topics: BTreeSet<&str> = records.iter().map(|r| r.topic.as_str()).collect();
            for topic in topics {
                target.topic_ensure(topic, Keep::Days).await?;
            }
            target.put(&records, out).await?;
        }
        progress.add(rows.len());
    }
    match selection.aggregate {
        Some(order) if replayed.events == 0 => Err(nothing_of(app, order).await?),
        _ => Ok(replayed),
    }
}

/// The records of rows with their mark, in their order.
async fn records(
    app: &App,
    settings: &Settings,
    rows: &[outbox_event::Model],
    live: bool,
) -> Result<Vec<Record>, Error> {
    let users: Vec<Uuid> = rows
        .iter()
        .filter_map(|row| settings.wants_email_of(row))
        .collect();
    let emails = app.events().emails(&users).await?;
    let mut records = Vec::with_capacity(rows.len());
    for row in rows {
        let email = settings
            .wants_email_of(row)
            .and_then(|user| emails.get(&user));
        let of_row =
            record::records(settings, row, email.map(String::as_str)).map_err(|error| {
                Fault::doing(format!("making the records of {}", row.event_id))(error)
            })?;
        for mut record in of_row {
            record.headers.push((MARK.to_owned(), b"true".to_vec()));
            if !live {
                record.topic.push_str(SUFFIX);
            }
            records.push(record);
        }
    }
    Ok(records)
}

/// Why nothing of an order was found.
async fn nothing_of(app: &App, order: Uuid) -> Result<Error, Fault> {
    let reference = OrderReference::Id(OrderId(order));
    let found = app.orders().order_by(Scope::All, &reference).await?;
    Ok(match found {
        Some(_) => Error::NothingKept(order),
        None => Error::NoOrder(order),
    })
}
