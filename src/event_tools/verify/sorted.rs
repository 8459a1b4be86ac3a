//! Sorts what stands in a topic by order, in little memory: runs are sorted in memory and laid in a temporary file, and
//! read back together.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use uuid::Uuid;

/// Records of a run: 16 MB.
const RUN: usize = 250_000;
/// Records of a run that are read back at a time: a quarter of a gigabyte is sorted with 4,000 runs, a billion records.
const PIECE: usize = 1_000;
/// Bytes of a record in the file.
const BYTES: usize = 57;

/// A record of the topic as far as it is compared. Its order is that of the orders' ids, and in one that of the topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seen {
    pub(super) order: Uuid,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) event: Uuid,
    /// 0 when the record has none.
    pub(super) version: i32,
    pub(super) time_ms: i64,
    /// Whether its key is the order's id.
    pub(super) is_keyed: bool,
}

impl Seen {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.order.as_bytes());
        out.extend_from_slice(self.event.as_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.time_ms.to_le_bytes());
        out.extend_from_slice(&self.partition.to_le_bytes());
        out.extend_from_slice(&self.version.to_le_bytes());
        out.push(u8::from(self.is_keyed));
    }

    fn read(mut from: &[u8]) -> io::Result<Self> {
        fn take<const N: usize>(from: &mut &[u8]) -> io::Result<[u8; N]> {
            let mut bytes = [0; N];
            from.read_exact(&mut bytes)?;
            Ok(bytes)
        }
        Ok(Self {
            order: Uuid::from_bytes(take(&mut from)?),
            event: Uuid::from_bytes(take(&mut from)?),
            offset: i64::from_le_bytes(take(&mut from)?),
            time_ms: i64::from_le_bytes(take(&mut from)?),
            partition: i32::from_le_bytes(take(&mut from)?),
            version: i32::from_le_bytes(take(&mut from)?),
            is_keyed: take::<1>(&mut from)? == [1],
        })
    }
}

/// Takes records in any order.
pub(super) struct Sorter {
    run: Vec<Seen>,
    run_max: usize,
    file: Option<File>,
    /// Records of each run in the file, which lie one behind the other.
    runs: Vec<usize>,
}

impl Sorter {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self::with_runs_of(RUN)
    }

    fn with_runs_of(run_max: usize) -> Self {
        Self {
            run: Vec::new(),
            run_max,
            file: None,
            runs: Vec::new(),
        }
    }

    /// Takes one.
    pub(super) fn push(&mut self, seen: Seen) -> io::Result<()> {
        self.run.push(seen);
        if self.run.len() < self.run_max {
            return Ok(());
        }
        self.run.sort_unstable();
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        for piece in self.run.chunks(PIECE) {
            let mut bytes = Vec::with_capacity(piece.len() * BYTES);
            for seen in piece {
                seen.write(&mut bytes);
            }
            file.write_all(&bytes)?;
        }
        self.runs.push(self.run.len());
        self.run.clear();
        Ok(())
    }

    /// All of them, sorted.
    pub(super) fn finish(mut self) -> io::Result<Sorted> {
        self.run.sort_unstable();
        let mut sorted = Sorted {
            file: self.file,
            runs: Vec::with_capacity(self.runs.len() + 1),
            first: BinaryHeap::new(),
        };
        let mut start = 0;
        for records in self.runs {
            sorted.runs.push(Run {
                at: start,
                left: records,
                piece: Vec::new().into_iter(),
            });
            start += (records * BYTES) as u64;
        }
        // What was not laid in the file is a run that is all there.
        sorted.runs.push(Run {
            at: start,
            left: 0,
            piece: self.run.into_iter(),
        });
        for run in 0..sorted.runs.len() {
            sorted.refill(run)?;
        }
        Ok(sorted)
    }
}

struct Run {
    at: u64,
    left: usize,
    piece: std::vec::IntoIter<Seen>,
}

/// Gives records in their order.
pub(super) struct Sorted {
    file: Option<File>,
    runs: Vec<Run>,
    /// The first record of each run that is not at its end.
    first: BinaryHeap<Reverse<(Seen, usize)>>,
}

impl Sorted {
    /// Brings the next record of a run among the first ones.
    fn refill(&mut self, run: usize) -> io::Result<()> {
        let of = &mut self.runs[run];
        if of.piece.len() == 0
            && of.left > 0
            && let Some(file) = &mut self.file
        {
            let records = of.left.min(PIECE);
            let mut bytes = vec![0; records * BYTES];
            file.seek(SeekFrom::Start(of.at))?;
            file.read_exact(&mut bytes)?;
            let piece: io::Result<Vec<Seen>> = bytes.chunks(BYTES).map(Seen::read).collect();
            of.piece = piece?.into_iter();
            of.at += bytes.len() as u64;
            of.left -= records;
        }
        if let Some(seen) = of.piece.next() {
            self.first.push(Reverse((seen, run)));
        }
        Ok(())
    }

    /// The order of the next record.
    pub(super) fn next_order(&self) -> Option<Uuid> {
        self.first.peek().map(|Reverse((seen, _))| seen.order)
    }

    /// The records of the next order.
    pub(super) fn take_order(&mut self) -> io::Result<Vec<Seen>> {
        let mut taken = Vec::new();
        let Some(order) = self.next_order() else {
            return Ok(taken);
        };
        while self.next_order() == Some(order) {
            if let Some(Reverse((seen, run))) = self.first.pop() {
                taken.push(seen);
                self.refill(run)?;
            }
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(number: u64) -> Seen {
        let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Seen {
            order: Uuid::from_u64_pair(0, spread % 99_977),
            partition: i32::try_from(spread % 3).unwrap(),
            offset: i64::try_from(number).unwrap(),
            event: Uuid::from_u64_pair(1, number),
            version: i32::try_from(number % 5).unwrap(),
            time_ms: -i64::try_from(number).unwrap(),
            is_keyed: number.is_multiple_of(2),
        }
    }

    #[test]
    fn what_is_sorted_through_a_file_is_what_is_sorted_in_memory() {
        for (count, run) in [(0, 10), (9, 10), (10, 10), (12_345, 2_500)] {
            let mut expected: Vec<Seen> = (0..count).map(seen).collect();
            let mut sorter = Sorter::with_runs_of(run);
            for seen in &expected {
                sorter.push(seen.clone()).unwrap();
            }
            expected.sort_unstable();
            let mut sorted = sorter.finish().unwrap();
            let mut found = Vec::new();
            while let Some(order) = sorted.next_order() {
                let of_order = sorted.take_order().unwrap();
                assert!(of_order.iter().all(|seen| seen.order == order));
                found.extend(of_order);
            }
            assert_eq!(found, expected, "{count} in runs of {run}");
        }
    }

    /// The most memory that the process has had so far.
    fn peak_kb() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    #[test]
    #[ignore = "long: runs with scripts/test --full, alone"]
    fn ten_million_records_are_sorted_in_little_memory() {
        const COUNT: u64 = 10_000_000;
        let before = peak_kb();
        let mut sorter = Sorter::new();
        for number in 0..COUNT {
            sorter.push(seen(number)).unwrap();
        }
        let mut sorted = sorter.finish().unwrap();
        let (mut found, mut last) = (0, None);
        while let Some(order) = sorted.next_order() {
            assert!(last < Some(order));
            last = Some(order);
            found += sorted.take_order().unwrap().len() as u64;
        }
        assert_eq!(found, COUNT);
        let grown = peak_kb() - before;
        println!("{COUNT} records were sorted in {grown} kB");
        assert!(grown < 64_000, "{grown} kB");
    }
}
