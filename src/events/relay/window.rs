//! Rows that are on their way: read, and not yet marked. No I/O; the relay's rule of order is kept here.
//!
//! **The rule.** A row goes out only when the row before it of its aggregate was acknowledged to this process, or was
//! read as published, which is marked after an acknowledgement only. Rows of an aggregate stand in a chain, and only its
//! first one flies. Since each read begins at the oldest row that waits, and sees a row only together with those that
//! were committed before it, nothing is ever behind a row that was not seen.
//!
//! A read takes several steps (ids, then their rows in pieces) while other things go on. What they change and the read
//! does not know is kept until it ends: rows that were marked meanwhile ([`Window::add`] would take them for new ones),
//! and aggregates of which a row was left out, or whose chain was broken off (the read has rows that stood behind, but
//! not the one that has to be sent first).

use super::reading::{Named, Ready};
use crate::events::record::Record;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// Rows of one aggregate that are kept; more of them are read when these are gone.
const CHAIN_MAX: usize = 64;
/// A row that flies longer than this does not count as on its way any more, so that a partition that takes nothing does
/// not stop the others.
const SLOW_AFTER: Duration = Duration::from_secs(1);
/// Slow rows beyond this count again: they are held in memory.
const SLOW_MAX: usize = 20_000;

/// Some of the 64 shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ShardSet(u64);

impl ShardSet {
    pub(super) const NONE: Self = Self(0);
    pub(super) const ALL: Self = Self(u64::MAX);

    pub(super) fn contains(self, shard: i32) -> bool {
        self.0 & Self::bit(shard) != 0
    }

    pub(super) fn insert(&mut self, shard: i32) {
        self.0 |= Self::bit(shard);
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn iter(self) -> impl Iterator<Item = i32> {
        (0..crate::events::outbox::SHARDS).filter(move |&shard| self.contains(shard))
    }

    fn bit(shard: i32) -> u64 {
        1 << (shard.unsigned_abs() % 64)
    }
}

impl FromIterator<i32> for ShardSet {
    fn from_iter<T: IntoIterator<Item = i32>>(shards: T) -> Self {
        let mut set = Self::NONE;
        shards.into_iter().for_each(|shard| set.insert(shard));
        set
    }
}

/// A row of the window.
#[derive(Debug)]
struct Held {
    row: Named,
    state: State,
    /// Of its records, until they are acknowledged.
    bytes: usize,
}

#[derive(Debug)]
enum State {
    /// In its chain, with its records.
    Queued(Result<Vec<Record>, String>),
    /// First of its chain, and handed to the broker.
    Flying(Instant),
    /// Acknowledged; out of its chain.
    Acknowledged,
    /// Being marked.
    Marking,
}

/// What a row brings when its turn comes.
pub(super) type Turn = (Named, Result<Vec<Record>, String>);

/// The rows that are on their way.
#[derive(Debug, Default)]
pub(super) struct Window {
    rows: HashMap<i64, Held>,
    /// Rows of each aggregate that are not acknowledged, in their order.
    chains: HashMap<Uuid, VecDeque<i64>>,
    /// Aggregates whose first row may go.
    turns: VecDeque<Uuid>,
    acknowledged: BTreeSet<i64>,
    flying: usize,
    bytes: usize,
    /// Rows that wait behind or are slow ones, as of the last count.
    slow: usize,
    reading: Reading,
}

/// What happened since a read began that it does not know.
#[derive(Debug, Default)]
struct Reading {
    is_underway: bool,
    marked: HashSet<i64>,
    left_out: HashSet<Uuid>,
    /// Had enough rows here, so that one was not taken.
    full: HashSet<Uuid>,
}

impl Window {
    /// Rows that are here, which a read finds too.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Rows that count against the limit.
    pub(super) fn load(&self) -> usize {
        self.rows.len() - self.slow.min(SLOW_MAX).min(self.rows.len())
    }

    /// Bytes of records that are not acknowledged.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Rows that the broker has not answered for.
    pub(super) fn flying(&self) -> usize {
        self.flying
    }

    /// Rows that were acknowledged and are not being marked.
    pub(super) fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// Whether a first row of a chain may go.
    pub(super) fn has_turns(&self) -> bool {
        !self.turns.is_empty()
    }

    /// A read begins.
    pub(super) fn read_begins(&mut self) {
        self.reading = Reading {
            is_underway: true,
            ..Reading::default()
        };
    }

    /// The read has ended, with or without rows.
    pub(super) fn read_ends(&mut self) {
        self.reading = Reading::default();
    }

    /// Of rows that were found, in the order of their ids, those to fetch; and how many others were left for later
    /// because their aggregate has enough here.
    pub(super) fn wanted(&self, found: &[(i64, Uuid)]) -> (Vec<i64>, usize) {
        let (mut wanted, mut left) = (Vec::new(), 0);
        let mut lengths: HashMap<Uuid, usize> = HashMap::new();
        for &(id, aggregate) in found {
            if self.is_known(id, aggregate) {
                continue;
            }
            let length = lengths
                .entry(aggregate)
                .or_insert_with(|| self.chains.get(&aggregate).map_or(0, VecDeque::len));
            if *length < CHAIN_MAX {
                *length += 1;
                wanted.push(id);
            } else {
                left += 1;
            }
        }
        (wanted, left)
    }

    /// Of these aggregates the read that is underway takes no rows any more: one of them is not taken.
    pub(super) fn leave_out(&mut self, aggregates: impl IntoIterator<Item = Uuid>) {
        self.reading.left_out.extend(aggregates);
    }

    /// Takes rows of the read that is underway, in the order of their ids. Returns how many were new, and how many were
    /// left for later.
    pub(super) fn add(&mut self, rows: Vec<Ready>) -> (usize, usize) {
        let (mut added, mut left) = (0, 0);
        for Ready { row, records } in rows {
            let (id, aggregate) = (row.id, row.aggregate_id);
            if self.is_known(id, aggregate) {
                continue;
            }
            if self.reading.full.contains(&aggregate) {
                left += 1;
                continue;
            }
            let chain = self.chains.entry(aggregate).or_default();
            if chain.len() >= CHAIN_MAX {
                // Nothing behind it either, or it would be overtaken.
                self.reading.full.insert(aggregate);
                left += 1;
                continue;
            }
            if chain.is_empty() {
                self.turns.push_back(aggregate);
            }
            chain.push_back(id);
            let bytes: usize = records.iter().flatten().map(size).sum();
            self.bytes += bytes;
            let state = State::Queued(records);
            self.rows.insert(id, Held { row, state, bytes });
            added += 1;
        }
        (added, left)
    }

    fn is_known(&self, id: i64, aggregate: Uuid) -> bool {
        self.rows.contains_key(&id)
            || self.reading.marked.contains(&id)
            || self.reading.left_out.contains(&aggregate)
    }

    /// The next first row of a chain; it flies from now on.
    pub(super) fn turn(&mut self, now: Instant) -> Option<Turn> {
        while let Some(aggregate) = self.turns.pop_front() {
            let Some(first) = self.chains.get(&aggregate).and_then(VecDeque::front) else {
                continue;
            };
            let Some(held) = self.rows.get_mut(first) else {
                continue;
            };
            if !matches!(held.state, State::Queued(_)) {
                continue;
            }
            let before = std::mem::replace(&mut held.state, State::Flying(now));
            if let State::Queued(records) = before {
                self.flying += 1;
                return Some((held.row.clone(), records));
            }
        }
        None
    }

    /// The broker has all of a row: the next one of its aggregate may go.
    pub(super) fn acknowledge(&mut self, id: i64) -> Option<&Named> {
        let held = self.rows.get_mut(&id)?;
        if !matches!(held.state, State::Flying(_)) {
            return None;
        }
        held.state = State::Acknowledged;
        self.bytes -= std::mem::take(&mut held.bytes);
        self.flying -= 1;
        self.acknowledged.insert(id);
        let aggregate = held.row.aggregate_id;
        if let Entry::Occupied(mut chain) = self.chains.entry(aggregate) {
            chain.get_mut().retain(|&other| other != id);
            if chain.get().is_empty() {
                chain.remove();
            } else {
                self.turns.push_back(aggregate);
            }
        }
        self.rows.get(&id).map(|held| &held.row)
    }

    /// A row was not sent: it and all that stand behind it are forgotten here, and read again.
    pub(super) fn break_off(&mut self, id: i64) -> Option<Named> {
        let row = self.rows.get(&id)?.row.clone();
        let Some(chain) = self.chains.remove(&row.aggregate_id) else {
            return Some(row);
        };
        for member in chain {
            if let Some(held) = self.rows.remove(&member) {
                self.bytes -= held.bytes;
                if matches!(held.state, State::Flying(_)) {
                    self.flying -= 1;
                }
            }
        }
        if self.reading.is_underway {
            self.reading.left_out.insert(row.aggregate_id);
        }
        Some(row)
    }

    /// Forgets what waits here of other shards than these. Returns those of them that rows still fly of.
    pub(super) fn keep_only(&mut self, shards: ShardSet) -> ShardSet {
        let mut fly = ShardSet::NONE;
        let mut kept: HashMap<Uuid, VecDeque<i64>> = HashMap::new();
        for (aggregate, chain) in std::mem::take(&mut self.chains) {
            let first = chain.front().and_then(|id| self.rows.get(id));
            if first.is_some_and(|held| shards.contains(held.row.shard)) {
                kept.insert(aggregate, chain);
                continue;
            }
            let mut left = VecDeque::new();
            for id in chain {
                match self.rows.get(&id) {
                    Some(held) if matches!(held.state, State::Flying(_)) => {
                        fly.insert(held.row.shard);
                        left.push_back(id);
                    }
                    _ => {
                        let gone = self.rows.remove(&id);
                        self.bytes -= gone.map_or(0, |held| held.bytes);
                    }
                }
            }
            if !left.is_empty() {
                kept.insert(aggregate, left);
            }
            if self.reading.is_underway {
                self.reading.left_out.insert(aggregate);
            }
        }
        self.chains = kept;
        fly
    }

    /// Some of the acknowledged rows, the oldest first, which are being marked from now on.
    pub(super) fn take_acknowledged(&mut self, most: usize) -> Vec<i64> {
        let mut taken = Vec::with_capacity(most.min(self.acknowledged.len()));
        while taken.len() < most {
            let Some(id) = self.acknowledged.pop_first() else {
                break;
            };
            if let Some(held) = self.rows.get_mut(&id) {
                held.state = State::Marking;
            }
            taken.push(id);
        }
        taken
    }

    /// These rows are marked, and done.
    pub(super) fn marked(&mut self, ids: &[i64]) {
        for id in ids {
            self.rows.remove(id);
        }
        if self.reading.is_underway {
            self.reading.marked.extend(ids);
        }
    }

    /// Nobody knows whether rows that were being marked are: they are marked again.
    pub(super) fn mark_again(&mut self) {
        for (id, held) in &mut self.rows {
            if matches!(held.state, State::Marking) {
                held.state = State::Acknowledged;
                self.acknowledged.insert(*id);
            }
        }
    }

    /// The shards that rows are here of.
    pub(super) fn shards(&self) -> ShardSet {
        self.rows.values().map(|held| held.row.shard).collect()
    }

    /// Counts the rows that have been flying for long, and those behind them.
    pub(super) fn count_slow(&mut self, now: Instant) {
        let is_slow = |id: &i64| match self.rows.get(id).map(|held| &held.state) {
            Some(State::Flying(since)) => now.duration_since(*since) > SLOW_AFTER,
            _ => false,
        };
        let slow = self.chains.values();
        let slow = slow.filter(|chain| chain.front().is_some_and(is_slow));
        self.slow = slow.map(VecDeque::len).sum();
    }
}

/// What a record takes at least.
fn size(record: &Record) -> usize {
    let headers = record.headers.iter();
    let headers: usize = headers.map(|(name, value)| name.len() + value.len()).sum();
    record.value.len() + headers
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
