//! `events verify`: compares orders with the outbox, and both with what stands in the topic.
//!
//! First the topic is read to its end, so that each record there has its row by the time the rows are read. What is
//! compared of a record (57 bytes) is sorted by order, through a temporary file when it is much. Then orders and rows are
//! read in windows of some hundred ids, and held against the records of the same orders. So the memory it needs does
//! not grow with their number: one run of the sort, one window, and the records of one order.
//!
//! Nothing is locked. An order that looks wrong may have changed between two reads: it is read again, until its version
//! was the same before and after its events were read, and only what is wrong then is told.

mod check;
mod partition;
mod problem;
mod sorted;

use super::Error;
use super::progress::Progress;
use crate::app::App;
use crate::domain::orders;
use crate::error::Fault;
use crate::events::reader::{Place, Reader, Start};
use crate::events::record::{Record, Settings};
use crate::events::stored::Stored;
use check::{Facts, Rules, Topic};
use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::OrderId;
use sorted::{Seen, Sorted, Sorter};
use std::collections::{HashMap, VecDeque};
use uuid::Uuid;

pub use problem::{Problem, What};

/// Orders of a window.
const WINDOW: u64 = 500;
/// How often an order is read again that changes while it is read.
const ATTEMPTS: u32 = 100;
/// How much the clocks of replicas may differ, and what was published while the topic was read.
const CLOCKS_APART: TimeDelta = TimeDelta::seconds(10);
/// Events go by age while they are compared: those that are almost old enough are not demanded.
const ALMOST_OLD: TimeDelta = TimeDelta::hours(1);

/// What is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verify {
    /// Only what happened then or later.
    pub since: Option<DateTime<Utc>>,
    /// Nothing is under way any more: events that wait or are set aside are wrong, and what was just published has to
    /// be in the topic.
    pub is_settled: bool,
}

/// What was compared and found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Orders of this shop.
    pub orders: u64,
    /// Imported orders, which have no events.
    pub imported: u64,
    /// Their events in the outbox.
    pub events: u64,
    /// Records of the topic, or places of the log.
    pub records: u64,
    /// Records that repeat one that came before.
    pub repeats: u64,
    /// Events that wait.
    pub waiting: u64,
    /// Events that were set aside.
    pub parked: u64,
    /// Events that were published by another broker than the one that is configured now.
    pub elsewhere: u64,
    /// What is wrong.
    pub problems: u64,
}

/// Compares orders and their events, and tells `report` what is wrong, by order.
///
/// # Errors
/// Kafka does not answer, the database fails, or the temporary file cannot be written.
#[tracing::instrument(name = "events.verify", skip_all)]
pub async fn verify(
    app: &App,
    options: &Verify,
    mut report: impl FnMut(&Problem) + Send,
) -> Result<Verified, Error> {
    let mut pass = Pass {
        app,
        verified: Verified::default(),
        report: &mut report,
        progress: Progress::new("records and orders compared"),
    };
    let now = app.clock().now();
    let retention = TimeDelta::days(app.config().events.retention_days);
    let (topic, mut seen) = pass.topic_read(options).await?;
    let rules = Rules {
        since: options.since,
        kept_since: now - retention + ALMOST_OLD,
        published_before: now - CLOCKS_APART,
        is_settled: options.is_settled,
        topic,
    };
    if matches!(rules.topic, Topic::Log) {
        pass.log_verify(&rules).await?;
    }
    let mut after = None;
    while let Some((upto, window)) = pass.window(after).await? {
        pass.window_verify(&rules, window, upto, &mut seen).await?;
        after = upto;
        if upto.is_none() {
            break;
        }
    }
    // Records of orders behind the last one that the database knows.
    pass.window_verify(&rules, Window::default(), None, &mut seen)
        .await?;
    Ok(pass.verified)
}

struct Pass<'a> {
    app: &'a App,
    verified: Verified,
    report: &'a mut (dyn FnMut(&Problem) + Send),
    progress: Progress,
}

/// Orders and their events, by id.
#[derive(Default)]
struct Window {
    orders: VecDeque<orders::service::OrderVersions>,
    stored: HashMap<Uuid, Vec<Stored>>,
}

impl Pass<'_> {
    fn problem(&mut self, problem: &Problem) {
        self.verified.problems += 1;
        (self.report)(problem);
    }

    /// What stands in the topic, sorted by order. The embedded log is the outbox and is not read apart.
    async fn topic_read(&mut self, options: &Verify) -> Result<(Topic, Sorted), Error> {
        let mut sorter = Sorter::new();
        let config = self.app.config();
        if config.kafka.brokers.is_empty() {
            return Ok((Topic::Log, sorter.finish().map_err(file_fault)?));
        }
        let name = Settings::of(config).orders_topic();
        let start = options.since.map_or(Start::Beginning, Start::Since);
        let topics = std::slice::from_ref(&name);
        let mut reader = Reader::open(self.app.events(), config, topics, start).await?;
        let partitions = reader.partitions(&name);
        let mut first: HashMap<i32, DateTime<Utc>> = HashMap::new();
        while let Some((record, place)) = reader.next(false).await? {
            let Place::Partition(partition, offset) = place else {
                continue;
            };
            self.verified.records += 1;
            self.progress.add(1);
            first.entry(partition).or_insert(record.timestamp);
            match seen(&record, partition, offset) {
                Ok(seen) => sorter.push(seen).map_err(file_fault)?,
                Err(header) => self.problem(&Problem {
                    order: None,
                    what: What::NoEventHeader {
                        partition,
                        offset,
                        header,
                    },
                }),
            }
        }
        let kept_since = partitions.iter().map(|partition| {
            let is_cut = partition.low > 0 && partition.start == partition.low;
            // Of a partition that is empty by now, nothing is demanded.
            is_cut.then(|| {
                let first = first.get(&partition.id).copied();
                first.unwrap_or(DateTime::<Utc>::MAX_UTC)
            })
        });
        Ok((
            Topic::Kafka(kept_since.collect()),
            sorter.finish().map_err(file_fault)?,
        ))
    }

    /// Places in the log are dense.
    async fn log_verify(&mut self, rules: &Rules) -> Result<(), Error> {
        let since = rules
            .since
            .map_or(rules.kept_since, |since| since.max(rules.kept_since));
        let Some(span) = self.app.events().log_span(since).await? else {
            return Ok(());
        };
        let places = (span.last - span.first + 1).unsigned_abs();
        if places != span.places {
            self.problem(&Problem {
                order: None,
                what: What::LogGaps {
                    first: span.first,
                    last: span.last,
                    missing: places.saturating_sub(span.places),
                },
            });
        }
        Ok(())
    }

    /// The next orders and events behind an id, and the last id of them; that is nothing when all the rest is there.
    async fn window(&self, after: Option<Uuid>) -> Result<Option<(Option<Uuid>, Window)>, Error> {
        let (orders, events) = (self.app.orders(), self.app.events());
        let ids = orders.order_ids_behind(after.map(OrderId), WINDOW).await?;
        let aggregates = events.aggregates_behind(after, WINDOW).await?;
        // A list that is full ends the window where it ends; the other one may go on behind.
        let full = |len: usize| len as u64 >= WINDOW;
        let ends = [
            ids.last().filter(|_| full(ids.len())).map(|id| id.0),
            aggregates
                .last()
                .filter(|_| full(aggregates.len()))
                .copied(),
        ];
        let upto = ends.into_iter().flatten().min();
        if ids.is_empty() && aggregates.is_empty() {
            return Ok(None);
        }
        let found = orders
            .versions_between(after.map(OrderId), upto.map(OrderId))
            .await?;
        let rows = events
            .stored_between(orders::events::AGGREGATE, after, upto)
            .await?;
        let mut stored: HashMap<Uuid, Vec<Stored>> = HashMap::new();
        for row in rows {
            stored.entry(row.aggregate_id).or_default().push(row);
        }
        let window = Window {
            orders: found.into(),
            stored,
        };
        Ok(Some((upto, window)))
    }

    /// Holds a window against the records of the topic, up to an id, or all that are left.
    async fn window_verify(
        &mut self,
        rules: &Rules,
        mut window: Window,
        upto: Option<Uuid>,
        seen: &mut Sorted,
    ) -> Result<(), Error> {
        let mut orphans: Vec<Uuid> = {
            let known: std::collections::HashSet<Uuid> =
                window.orders.iter().map(|order| order.id.0).collect();
            let rows = window.stored.keys().copied();
            rows.filter(|id| !known.contains(id)).collect()
        };
        orphans.sort_unstable();
        let mut orphans = VecDeque::from(orphans);
        loop {
            let in_topic = seen
                .next_order()
                .filter(|id| upto.is_none_or(|upto| *id <= upto));
            let next = [
                window.orders.front().map(|order| order.id.0),
                orphans.front().copied(),
                in_topic,
            ];
            let Some(id) = next.into_iter().flatten().min() else {
                return Ok(());
            };
            let order = window.orders.pop_front_if(|order| order.id.0 == id);
            orphans.pop_front_if(|orphan| *orphan == id);
            let records = if in_topic == Some(id) {
                seen.take_order().map_err(file_fault)?
            } else {
                Vec::new()
            };
            let facts = Facts {
                order,
                stored: window.stored.remove(&id).unwrap_or_default(),
                seen: records,
            };
            self.order_verify(rules, id, facts).await?;
        }
    }

    async fn order_verify(&mut self, rules: &Rules, id: Uuid, facts: Facts) -> Result<(), Error> {
        let mut facts = complete(rules, facts);
        let (mut problems, mut repeats) = check::check(rules, id, &facts);
        if !problems.is_empty() {
            facts = complete(rules, self.facts_again(id, facts).await?);
            (problems, repeats) = check::check(rules, id, &facts);
        }
        self.count(rules, &facts, repeats);
        self.progress.add(1);
        for problem in &problems {
            self.problem(problem);
        }
        Ok(())
    }

    /// An order's facts that belong together: its version was the same before and after its events were read.
    async fn facts_again(&self, id: Uuid, facts: Facts) -> Result<Facts, Error> {
        let (orders, events) = (self.app.orders(), self.app.events());
        let mut facts = facts;
        for _ in 0..ATTEMPTS {
            let before = orders.order_versions(OrderId(id)).await?;
            facts.stored = events.stored_of(orders::events::AGGREGATE, id).await?;
            facts.order = orders.order_versions(OrderId(id)).await?;
            if before.map(|order| order.version) == facts.order.as_ref().map(|order| order.version)
            {
                break;
            }
        }
        Ok(facts)
    }

    fn count(&mut self, rules: &Rules, facts: &Facts, repeats: u64) {
        let verified = &mut self.verified;
        match &facts.order {
            Some(order) if order.is_imported => verified.imported += 1,
            Some(_) => verified.orders += 1,
            None => {}
        }
        verified.repeats += repeats;
        if matches!(rules.topic, Topic::Log) {
            verified.records += facts.seen.len() as u64;
        }
        for row in &facts.stored {
            verified.events += 1;
            match (row.published_at, row.is_parked) {
                (None, true) => verified.parked += 1,
                (None, false) => verified.waiting += 1,
                (Some(_), _) => {
                    let is_elsewhere = check::is_elsewhere(&rules.topic, row);
                    verified.elsewhere += u64::from(is_elsewhere);
                }
            }
        }
    }
}

/// In the embedded form, what the log has of the order: the places of its rows.
fn complete(rules: &Rules, mut facts: Facts) -> Facts {
    if !matches!(rules.topic, Topic::Log) {
        return facts;
    }
    let seen = facts.stored.iter().filter_map(|row| {
        Some(Seen {
            order: row.aggregate_id,
            partition: 0,
            offset: row.log_position?,
            event: row.event_id.0,
            version: row.version.unwrap_or(0),
            time_ms: row.created_at.timestamp_millis(),
            is_keyed: true,
        })
    });
    facts.seen = seen.collect();
    facts.seen.sort_unstable();
    facts
}

/// What is compared of a record, or the header that it lacks.
fn seen(record: &Record, partition: i32, offset: i64) -> Result<Seen, &'static str> {
    let id = |name: &'static str| {
        let value = record.header(name).and_then(|text| text.parse().ok());
        value.ok_or(name)
    };
    let order: Uuid = id("ce_subject")?;
    let version = record.header("ce_aggregateversion");
    Ok(Seen {
        order,
        partition,
        offset,
        event: id("ce_id")?,
        version: version.and_then(|text| text.parse().ok()).unwrap_or(0),
        time_ms: record.timestamp.timestamp_millis(),
        is_keyed: record.key == order.to_string(),
    })
}

fn file_fault(error: std::io::Error) -> Error {
    Fault::doing("sorting records in a temporary file")(error).into()
}
