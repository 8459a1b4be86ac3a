//! Which record is handled next, and how far a group has come: no I/O, no clock of its own.
//!
//! Records of one key are handled one after another; one that has to wait keeps the later ones of its key waiting and
//! nobody else. What is done is done for good only in order: the mark of a stream is the oldest place that is not done,
//! so after a crash nothing is left out, and what was done behind the mark comes again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use tokio::time::Instant;

/// A partition of a topic; the embedded log has partition 0 only.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Stream {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
}

/// A record that is handled now.
#[derive(Debug)]
pub(super) struct Ticket<T> {
    pub(super) stream: Stream,
    pub(super) offset: i64,
    pub(super) record: Arc<T>,
    /// How often it failed by its own fault.
    pub(super) failures: u32,
    /// How often it had to wait for something else, in a row.
    pub(super) waits: u32,
    /// The life of the stream it was taken in: what is told of it later is not heard.
    life: u64,
}

#[derive(Debug)]
struct Entry<T> {
    key: String,
    record: Arc<T>,
    failures: u32,
    waits: u32,
}

#[derive(Debug)]
struct Lane<T> {
    life: u64,
    /// What is not done, by its offset.
    entries: BTreeMap<i64, Entry<T>>,
    /// Offsets of each key that are not done, oldest first.
    keys: HashMap<String, VecDeque<i64>>,
    /// Behind the newest record that was taken.
    next: i64,
    /// The mark that was committed last.
    committed: i64,
    /// Something was done since then.
    is_touched: bool,
}

impl<T> Lane<T> {
    fn mark(&self) -> i64 {
        self.entries
            .first_key_value()
            .map_or(self.next, |(offset, _)| *offset)
    }
}

/// A place in the queue of what can be handled; it counts only in the life of its stream.
type Place = (Stream, i64, u64);

/// The records of a consumer that are not done.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    lanes: HashMap<Stream, Lane<T>>,
    ready: VecDeque<Place>,
    waiting: BTreeMap<(Instant, u64), Place>,
    /// Counts lives and waits, so that each has a number of its own.
    counter: u64,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self {
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            waiting: BTreeMap::new(),
            counter: 0,
        }
    }
}

impl<T> Lanes<T> {
    fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn lane(&mut self, stream: &Stream, first: i64) -> &mut Lane<T> {
        let life = self.count();
        self.lanes.entry(stream.clone()).or_insert_with(|| Lane {
            life,
            entries: BTreeMap::new(),
            keys: HashMap::new(),
            next: first,
            committed: first,
            is_touched: false,
        })
    }

    /// Takes a record that was read. One that was taken before is passed over.
    pub(super) fn push(&mut self, stream: &Stream, offset: i64, key: String, record: T) {
        let lane = self.lane(stream, offset);
        if offset < lane.next {
            return;
        }
        lane.next = offset + 1;
        let of_key = lane.keys.entry(key.clone()).or_default();
        of_key.push_back(offset);
        let is_first = of_key.len() == 1;
        let entry = Entry {
            key,
            record: Arc::new(record),
            failures: 0,
            waits: 0,
        };
        lane.entries.insert(offset, entry);
        let life = lane.life;
        if is_first {
            self.ready.push_back((stream.clone(), offset, life));
        }
    }

    /// Notes that a stream has nothing more below `next`.
    pub(super) fn advance(&mut self, stream: &Stream, next: i64) {
        let lane = self.lane(stream, next);
        lane.next = lane.next.max(next);
    }

    /// The next record to handle, if one is due.
    pub(super) fn take(&mut self, now: Instant) -> Option<Ticket<T>> {
        while let Some((&at, _)) = self.waiting.first_key_value() {
            if at.0 > now {
                break;
            }
            if let Some((_, place)) = self.waiting.pop_first() {
                self.ready.push_back(place);
            }
        }
        while let Some((stream, offset, life)) = self.ready.pop_front() {
            let Some(lane) = self.lanes.get(&stream).filter(|lane| lane.life == life) else {
                continue;
            };
            if let Some(entry) = lane.entries.get(&offset) {
                return Some(Ticket {
                    record: Arc::clone(&entry.record),
                    failures: entry.failures,
                    waits: entry.waits,
                    stream,
                    offset,
                    life,
                });
            }
        }
        None
    }

    /// When a record is due that waits now.
    pub(super) fn due(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(&(at, _), _)| at)
    }

    /// Notes that a record is done: the next one of its key can be handled.
    pub(super) fn done(&mut self, ticket: &Ticket<T>) {
        let Some(lane) = self.lane_of(ticket) else {
            return;
        };
        let Some(entry) = lane.entries.remove(&ticket.offset) else {
            return;
        };
        lane.is_touched = true;
        let Some(of_key) = lane.keys.get_mut(&entry.key) else {
            return;
        };
        of_key.pop_front();
        match of_key.front().copied() {
            Some(next) => {
                self.ready
                    .push_back((ticket.stream.clone(), next, ticket.life));
            }
            None => {
                lane.keys.remove(&entry.key);
            }
        }
    }

    /// Notes that a record is handled again, not before `at`.
    pub(super) fn later(&mut self, ticket: &Ticket<T>, at: Instant, is_failure: bool) {
        let Some(lane) = self.lane_of(ticket) else {
            return;
        };
        let Some(entry) = lane.entries.get_mut(&ticket.offset) else {
            return;
        };
        if is_failure {
            entry.failures += 1;
            entry.waits = 0;
        } else {
            entry.waits += 1;
        }
        let number = self.count();
        self.waiting.insert(
            (at, number),
            (ticket.stream.clone(), ticket.offset, ticket.life),
        );
    }

    fn lane_of(&mut self, ticket: &Ticket<T>) -> Option<&mut Lane<T>> {
        self.lanes
            .get_mut(&ticket.stream)
            .filter(|lane| lane.life == ticket.life)
    }

    /// Records of a stream that are not done.
    pub(super) fn count_of(&self, stream: &Stream) -> usize {
        self.lanes.get(stream).map_or(0, |lane| lane.entries.len())
    }

    /// How far a stream was read ahead of its mark.
    pub(super) fn ahead_of(&self, stream: &Stream) -> i64 {
        self.lanes
            .get(stream)
            .map_or(0, |lane| lane.next - lane.mark())
    }

    /// The streams that are ours.
    pub(super) fn streams(&self) -> Vec<Stream> {
        self.lanes.keys().cloned().collect()
    }

    /// Marks that moved since they were committed: what is below each is done. With `all` also those that moved without
    /// anything having been done.
    pub(super) fn marks(&self, all: bool) -> Vec<(Stream, i64)> {
        self.lanes
            .iter()
            .filter(|(_, lane)| (lane.is_touched || all) && lane.mark() > lane.committed)
            .map(|(stream, lane)| (stream.clone(), lane.mark()))
            .collect()
    }

    /// Notes that a mark was committed.
    pub(super) fn committed(&mut self, stream: &Stream, mark: i64) {
        if let Some(lane) = self.lanes.get_mut(stream) {
            lane.committed = lane.committed.max(mark);
            lane.is_touched = lane.mark() > lane.committed;
        }
    }

    /// Forgets a stream that is another consumer's now.
    pub(super) fn forget(&mut self, stream: &Stream) {
        self.lanes.remove(stream);
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.lanes.clear();
        self.ready.clear();
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn stream() -> Stream {
        Stream {
            topic: "orders".into(),
            partition: 0,
        }
    }

    /// Records of these keys from offset 10 on.
    fn lanes(keys: &[&str]) -> Lanes<&'static str> {
        let mut lanes = Lanes::default();
        for (offset, key) in (10..).zip(keys) {
            lanes.push(&stream(), offset, (*key).to_owned(), "record");
        }
        lanes
    }

    fn offset(ticket: Option<Ticket<&'static str>>) -> Option<i64> {
        ticket.map(|ticket| ticket.offset)
    }

    #[tokio::test]
    async fn records_of_one_key_come_one_after_another_and_others_beside_them() {
        let now = Instant::now();
        let mut lanes = lanes(&["a", "a", "b"]);
        let first = lanes.take(now).unwrap();
        assert_eq!(first.offset, 10);
        assert_eq!(offset(lanes.take(now)), Some(12));
        assert_eq!(offset(lanes.take(now)), None);
        lanes.done(&first);
        assert_eq!(offset(lanes.take(now)), Some(11));
    }

    #[tokio::test]
    async fn the_mark_is_the_oldest_place_that_is_not_done() {
        let now = Instant::now();
        let mut lanes = lanes(&["a", "b", "c"]);
        let (first, second) = (lanes.take(now).unwrap(), lanes.take(now).unwrap());
        lanes.done(&second);
        assert_eq!(lanes.marks(true), []);
        lanes.done(&first);
        assert_eq!(lanes.marks(false), [(stream(), 12)]);
        lanes.committed(&stream(), 12);
        assert_eq!(lanes.marks(true), []);
        // A stream can move on without a record of ours.
        let third = lanes.take(now).unwrap();
        lanes.done(&third);
        lanes.advance(&stream(), 40);
        assert_eq!(lanes.marks(false), [(stream(), 40)]);
    }

    #[tokio::test]
    async fn one_that_waits_keeps_only_its_key_waiting() {
        let now = Instant::now();
        let mut lanes = lanes(&["a", "a", "b"]);
        let first = lanes.take(now).unwrap();
        let due = now + Duration::from_secs(1);
        lanes.later(&first, due, true);
        let other = lanes.take(now).unwrap();
        assert_eq!(other.offset, 12);
        lanes.done(&other);
        assert_eq!(offset(lanes.take(now)), None);
        assert_eq!(lanes.due(), Some(due));
        let again = lanes.take(due).unwrap();
        assert_eq!((again.offset, again.failures, again.waits), (10, 1, 0));
        lanes.later(&again, due, false);
        let again = lanes.take(due).unwrap();
        assert_eq!((again.offset, again.failures, again.waits), (10, 1, 1));
        assert_eq!(lanes.marks(true), []);
    }

    #[tokio::test]
    async fn what_is_told_of_a_lost_stream_is_not_heard() {
        let now = Instant::now();
        let mut lanes = lanes(&["a", "b"]);
        let lost = lanes.take(now).unwrap();
        lanes.forget(&stream());
        assert_eq!(offset(lanes.take(now)), None);
        // It comes back at its committed place: the same record again.
        lanes.push(&stream(), 10, "a".to_owned(), "record");
        lanes.done(&lost);
        assert_eq!(lanes.marks(true), []);
        assert_eq!(offset(lanes.take(now)), Some(10));
        lanes.push(&stream(), 10, "a".to_owned(), "a repeat of the read");
        assert_eq!(lanes.count_of(&stream()), 1);
    }
}
