//! How far the outbox was read, when ids are given before commits.
//!
//! A transaction takes its ids when it inserts, and commits later, maybe after one with greater ids. So what lies below
//! the greatest id that was seen is not all seen: the ids between that were missing are remembered, and looked for until
//! they appear, or until no transaction can be open any more that has them. A transaction that was rolled back leaves a
//! gap for ever.

use std::ops::RangeInclusive;
use std::time::Duration;
use tokio::time::Instant;

/// Missing ids that lie next to each other and were missed at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap {
    first: i64,
    last: i64,
    since: Instant,
}

/// What was read of the outbox.
#[derive(Debug)]
pub(super) struct Cursor {
    /// The greatest id that was seen.
    high: i64,
    /// Missing ids below it, in their order.
    gaps: Vec<Gap>,
    /// How long a transaction can be open.
    longest: Duration,
}

impl Cursor {
    /// Begins behind the greatest of the last ids, given in any order. What is missing among them may be committed yet.
    pub(super) fn new(mut last_ids: Vec<i64>, longest: Duration, now: Instant) -> Self {
        last_ids.sort_unstable();
        let mut cursor = Self {
            high: last_ids.first().copied().unwrap_or(0),
            gaps: Vec::new(),
            longest,
        };
        cursor.advance(last_ids.into_iter(), now);
        cursor
    }

    pub(super) fn high(&self) -> i64 {
        self.high
    }

    /// How many gaps there are.
    pub(super) fn gaps(&self) -> usize {
        self.gaps.len()
    }

    /// Ids above the greatest one, in their order, were seen.
    pub(super) fn advance(&mut self, ids: impl Iterator<Item = i64>, now: Instant) {
        for id in ids.filter(|id| *id > 0) {
            if id > self.high + 1 {
                self.gaps.push(Gap {
                    first: self.high + 1,
                    last: id - 1,
                    since: now,
                });
            }
            self.high = self.high.max(id);
        }
    }

    /// Ids to look for again; gaps that are too old are forgotten.
    pub(super) fn missing(&mut self, now: Instant) -> Vec<(i64, i64)> {
        let longest = self.longest;
        self.gaps
            .retain(|gap| now.saturating_duration_since(gap.since) <= longest);
        self.gaps.iter().map(|gap| (gap.first, gap.last)).collect()
    }

    /// An id that was missing was seen.
    pub(super) fn found(&mut self, id: i64) {
        let Some(at) = self
            .gaps
            .iter()
            .position(|gap| (gap.first..=gap.last).contains(&id))
        else {
            return;
        };
        let gap = self.gaps.remove(at);
        let rest: [RangeInclusive<i64>; 2] = [gap.first..=id - 1, id + 1..=gap.last];
        let rest = rest.into_iter().filter(|range| !range.is_empty());
        self.gaps.splice(
            at..at,
            rest.map(|range| Gap {
                first: *range.start(),
                last: *range.end(),
                since: gap.since,
            }),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(10);

    #[test]
    fn what_was_missing_is_looked_for_until_it_is_found_or_too_old() {
        let now = Instant::now();
        let mut cursor = Cursor::new(vec![7, 5, 4], LONGEST, now);
        assert_eq!(cursor.high(), 7);
        assert_eq!(cursor.missing(now), [(6, 6)], "it may be committed yet");
        cursor.advance([8, 12, 13].into_iter(), now + LONGEST / 2);
        assert_eq!(cursor.missing(now + LONGEST / 2), [(6, 6), (9, 11)]);
        cursor.found(10);
        assert_eq!(cursor.missing(now + LONGEST), [(6, 6), (9, 9), (11, 11)]);
        cursor.found(9);
        cursor.found(9);
        let later = now + LONGEST + Duration::from_millis(1);
        assert_eq!(cursor.missing(later), [(11, 11)], "6 was rolled back");
        cursor.found(11);
        assert_eq!(cursor.missing(later), []);
        assert_eq!((cursor.high(), cursor.gaps()), (13, 0));
    }

    #[test]
    fn an_empty_outbox_and_ids_that_jump_are_one_gap() {
        let now = Instant::now();
        let mut cursor = Cursor::new(Vec::new(), LONGEST, now);
        cursor.advance([50_000].into_iter(), now);
        assert_eq!(cursor.missing(now), [(1, 49_999)]);
        cursor.found(1);
        cursor.found(49_999);
        assert_eq!(cursor.missing(now), [(2, 49_998)]);
    }
}
