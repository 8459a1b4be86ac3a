//! `events snapshot`: sends the state of every order, for a team that starts late.
//!
//! A record is an order at its newest version, with the body of its events. Its topic is compacted: it keeps the newest
//! state of each order, whenever it was sent. How a reader joins it with the stream stands in `docs/events.md`.

use super::Error;
use super::progress::Progress;
use super::target::Target;
use crate::app::App;
use crate::error::Fault;
use crate::events::outbox::{self, NewEvent};
use crate::events::record::{self, Record, Settings};
use crate::events::sender::Keep;
use entity::ids::OrderId;
use std::io::Write;

/// Orders of a step.
const PAGE: u64 = 500;

/// Which orders are sent, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Imported orders too, which have no events.
    pub with_imported: bool,
    /// Print them, one JSON object a line, instead of sending them. Without Kafka they are always printed.
    pub print: bool,
}

/// What was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshotted {
    /// Orders.
    pub orders: u64,
    /// The topic they were sent to; nothing when they were printed.
    pub topic: Option<String>,
}

/// Sends the state of every order.
///
/// # Errors
/// Kafka does not answer, the database fails, or `out` cannot be written. A second run sends all of them again.
#[tracing::instrument(name = "events.snapshot", skip_all)]
pub async fn snapshot(
    app: &App,
    snapshot: &Snapshot,
    out: &mut impl Write,
) -> Result<Snapshotted, Error> {
    let settings = Settings::of(app.config());
    let topic = settings.orders_state_topic();
    let mut target = Target::of(app, snapshot.print)?;
    target.topic_ensure(&topic, Keep::Newest).await?;
    let mut progress = Progress::new("orders sent");
    let (mut orders, mut after) = (0, None);
    loop {
        let page = app
            .orders()
            .orders_snapshot(after, snapshot.with_imported, PAGE)
            .await?;
        let Some(last) = page.last() else { break };
        after = Some(OrderId(last.aggregate_id));
        let records: Result<Vec<Record>, Error> = page
            .into_iter()
            .map(|state| record_of(app, &settings, &topic, state))
            .collect();
        let records = records?;
        target.put(&records, out).await?;
        orders += records.len() as u64;
        progress.add(records.len());
    }
    Ok(Snapshotted {
        orders,
        topic: matches!(target, Target::Kafka(_)).then_some(topic),
    })
}

/// The record of a state: as an event's, on the topic of states.
fn record_of(
    app: &App,
    settings: &Settings,
    topic: &str,
    state: NewEvent,
) -> Result<Record, Error> {
    let row = outbox::unwritten(app.clock(), state);
    let record = record::main(settings, &row).map_err(Fault::doing("making a record"))?;
    Ok(Record {
        topic: topic.to_owned(),
        ..record
    })
}
