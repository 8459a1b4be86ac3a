//! The rules that an order's events are held against, without I/O: one order, what the outbox has of it, and what stands
//! in the topic.

use super::partition::partition_of;
use super::problem::{Problem, What};
use super::sorted::Seen;
use crate::domain::orders::service::OrderVersions;
use crate::events::stored::Stored;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// What is demanded.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// What happened before was not asked for; nothing: all was.
    pub(super) since: Option<DateTime<Utc>>,
    /// What happened before may have been deleted from the outbox and the topic.
    pub(super) kept_since: DateTime<Utc>,
    /// What was published later may stand behind what was read of the topic.
    pub(super) published_before: DateTime<Utc>,
    /// Whether waiting is wrong.
    pub(super) is_settled: bool,
    /// The topic.
    pub(super) topic: Topic,
}

/// The topic that was read.
#[derive(Clone, Debug)]
pub(super) enum Topic {
    /// The embedded log, which is the outbox itself.
    Log,
    /// A topic of Kafka: for each partition, the time before which its records were deleted or were not read.
    Kafka(Vec<Option<DateTime<Utc>>>),
}

impl Rules {
    /// Whether something that happened then was asked for.
    fn is_asked(&self, at: DateTime<Utc>) -> bool {
        self.since.is_none_or(|since| at >= since)
    }

    /// Whether an event of that time has to be there.
    fn is_kept(&self, at: DateTime<Utc>) -> bool {
        self.is_asked(at) && at >= self.kept_since
    }

    /// Whether the topic still has an order's records of that time.
    fn is_in_topic(&self, order: Uuid, at: DateTime<Utc>) -> bool {
        match &self.topic {
            Topic::Log => true,
            Topic::Kafka(partitions) => {
                let partition = partition_of(&order.to_string(), partitions.len());
                let since = partitions.get(partition).copied().flatten();
                since.is_none_or(|since| at >= since)
            }
        }
    }
}

/// What is known of an order.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) order: Option<OrderVersions>,
    pub(super) stored: Vec<Stored>,
    /// In the order of the topic.
    pub(super) seen: Vec<Seen>,
}

/// Where an order's versions first appear in the topic.
#[derive(Default)]
struct Appeared {
    /// The event of each version.
    events: HashMap<i32, Uuid>,
    /// Records that repeat one that came before.
    repeats: u64,
}

/// Everything that is wrong with an order, and how many of its records are repeats.
pub(super) fn check(rules: &Rules, id: Uuid, facts: &Facts) -> (Vec<Problem>, u64) {
    let mut found = Found {
        rules,
        id,
        problems: Vec::new(),
    };
    let Some(order) = &facts.order else {
        found.without_order(facts);
        return (found.problems, 0);
    };
    if order.is_imported {
        return (Vec::new(), 0);
    }
    found.places(&facts.seen);
    let appeared = found.appearances(&facts.seen);
    found.versions(order, facts, &appeared);
    found.outbox(order, facts, &appeared);
    found.topic(order, facts, &appeared);
    (found.problems, appeared.repeats)
}

struct Found<'a> {
    rules: &'a Rules,
    id: Uuid,
    problems: Vec<Problem>,
}

impl Found<'_> {
    fn push(&mut self, what: What) {
        self.problems.push(Problem {
            order: Some(self.id),
            what,
        });
    }

    /// Events of an order that is not there.
    fn without_order(&mut self, facts: &Facts) {
        let mut events = BTreeMap::new();
        for row in &facts.stored {
            events.insert(row.event_id.0, (row.version.unwrap_or(0), row.created_at));
        }
        for seen in &facts.seen {
            events.insert(seen.event, (seen.version, time(seen)));
        }
        for (event, (version, at)) in events {
            if self.rules.is_asked(at) {
                self.push(What::NoOrder { version, event });
            }
        }
    }

    /// Keys and partitions.
    fn places(&mut self, seen: &[Seen]) {
        let Topic::Kafka(partitions) = &self.rules.topic else {
            return;
        };
        let belongs = partition_of(&self.id.to_string(), partitions.len());
        let belongs = i32::try_from(belongs).unwrap_or(i32::MAX);
        for seen in seen {
            if !seen.is_keyed {
                self.push(What::WrongKey {
                    event: seen.event,
                    partition: seen.partition,
                    offset: seen.offset,
                });
            } else if seen.partition != belongs {
                self.push(What::WrongPartition {
                    event: seen.event,
                    partition: seen.partition,
                    offset: seen.offset,
                    belongs,
                });
            }
        }
    }

    /// Goes through the topic: the first appearance of each version in order, a repeat with the id that came before.
    fn appearances(&mut self, seen: &[Seen]) -> Appeared {
        let mut appeared = Appeared::default();
        let mut last = 0;
        for seen in seen {
            let (version, event) = (seen.version, seen.event);
            if version <= 0 {
                self.push(What::NoVersion { event });
                continue;
            }
            match appeared.events.get(&version) {
                Some(first) if *first == event => appeared.repeats += 1,
                Some(&first) => self.push(What::OtherId {
                    version,
                    event,
                    first,
                }),
                None => {
                    appeared.events.insert(version, event);
                    // The first appearance of an old version may lie before what is kept or was read.
                    if version < last && self.rules.is_kept(time(seen)) {
                        self.push(What::OutOfOrder {
                            version,
                            event,
                            behind: last,
                        });
                    }
                    last = last.max(version);
                }
            }
        }
        appeared
    }

    /// Each version of the order has its row of history and its event.
    fn versions(&mut self, order: &OrderVersions, facts: &Facts, appeared: &Appeared) {
        let history: BTreeMap<i32, DateTime<Utc>> = order.history.iter().copied().collect();
        let stored: HashMap<i32, &Stored> = facts
            .stored
            .iter()
            .filter_map(|row| Some((row.version?, row)))
            .collect();
        for version in 1..=order.version {
            // A version without a row of history happened at the latest when the next one did, or just now.
            let later = history.range(version..).next().map(|(_, at)| *at);
            let event = stored.get(&version).map(|row| row.created_at);
            let at = event.or(later).unwrap_or(self.rules.published_before);
            if !history.contains_key(&version) && self.rules.is_asked(at) {
                self.push(What::NoHistory { version });
            }
            if event.is_none() && self.rules.is_kept(at) {
                self.push(match appeared.events.get(&version) {
                    Some(&event) => What::NotInOutbox { version, event },
                    None => What::NoEvent { version },
                });
            }
        }
    }

    /// Each event of the outbox is of a version that the order had, and stands in the topic once it was published.
    fn outbox(&mut self, order: &OrderVersions, facts: &Facts, appeared: &Appeared) {
        for row in &facts.stored {
            let event = row.event_id.0;
            let Some(version) = row.version else {
                if self.rules.is_asked(row.created_at) {
                    self.push(What::NoVersion { event });
                }
                continue;
            };
            if !(1..=order.version).contains(&version) && self.rules.is_asked(row.created_at) {
                self.push(What::UnknownVersion {
                    version,
                    event,
                    current: order.version,
                });
            }
            match appeared.events.get(&version) {
                Some(&in_topic) if in_topic == event => {}
                Some(&in_topic) => self.push(What::OtherId {
                    version,
                    event: in_topic,
                    first: event,
                }),
                None => self.absent(row, version),
            }
        }
    }

    /// An event of the outbox that does not stand in the topic.
    fn absent(&mut self, row: &Stored, version: i32) {
        let event = row.event_id.0;
        let Some(published_at) = row.published_at else {
            if self.rules.is_settled && self.rules.is_asked(row.created_at) {
                self.push(if row.is_parked {
                    What::Parked { version, event }
                } else {
                    What::Waits { version, event }
                });
            }
            return;
        };
        let is_demanded = !is_elsewhere(&self.rules.topic, row)
            && self.rules.is_kept(row.created_at)
            && self.rules.is_in_topic(self.id, row.created_at)
            && (self.rules.is_settled || published_at < self.rules.published_before);
        if is_demanded {
            self.push(What::NotInTopic { version, event });
        }
    }

    /// Records of versions that neither the order nor the outbox has, and gaps between records.
    fn topic(&mut self, order: &OrderVersions, facts: &Facts, appeared: &Appeared) {
        let stored: Vec<i32> = facts.stored.iter().filter_map(|row| row.version).collect();
        let mut told = Vec::new();
        for seen in &facts.seen {
            let is_known = (..=order.version).contains(&seen.version)
                || stored.contains(&seen.version)
                || told.contains(&seen.event);
            if !is_known && self.rules.is_asked(time(seen)) {
                told.push(seen.event);
                self.push(What::UnknownVersion {
                    version: seen.version,
                    event: seen.event,
                    current: order.version,
                });
            }
        }
        let (first, last) = (appeared.events.keys().min(), appeared.events.keys().max());
        let (Some(&first), Some(&last)) = (first, last) else {
            return;
        };
        let last_at = facts.seen.iter().map(time).max();
        for version in first..last.min(order.version) {
            // What the outbox has or must have was told above.
            let is_gap = !appeared.events.contains_key(&version) && !stored.contains(&version);
            let at = order.history.iter().find(|(of, _)| *of == version);
            let is_told = at.is_some_and(|(_, at)| self.rules.is_kept(*at));
            if is_gap && !is_told && last_at.is_some_and(|at| self.rules.is_asked(at)) {
                self.push(What::Gap { version });
            }
        }
    }
}

/// Whether an event was published by another broker than the one that is configured now.
pub(super) fn is_elsewhere(topic: &Topic, row: &Stored) -> bool {
    let is_in_log = row.log_position.is_some();
    row.published_at.is_some() && is_in_log != matches!(topic, Topic::Log)
}

fn time(seen: &Seen) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(seen.time_ms).unwrap_or_default()
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
