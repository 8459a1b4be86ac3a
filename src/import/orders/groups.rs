//! The first look at a file: do the rows of each order stand together?
//!
//! Orders are written while the file is read, so that an order that goes on further down must be known before its first
//! row is written. Only hashes of the orders are kept, about 40 bytes each.

use super::row::{self, Rules};
use crate::error::Fault;
use crate::import::cell::Reason;
use crate::import::digest::Digest;
use crate::import::reader::Source;
use std::collections::HashMap;

/// Rows of an order: an order is written as a whole, and memory must hold it.
const ROWS_MAX: u64 = 10_000;

/// Why no row of an order can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// Its rows stand apart: where it begins, and where it goes on.
    Apart { first: u64, again: u64 },
    /// It has too many rows.
    Long,
}

/// The orders of a file that cannot be taken.
#[derive(Debug, Default)]
pub(super) struct Groups {
    broken: HashMap<Digest, Broken>,
}

/// The order whose rows are being looked at.
struct Current {
    key: Digest,
    rows: u64,
}

impl Groups {
    /// Reads a whole file.
    pub(super) fn of(mut source: Source, rules: &Rules) -> Result<Self, Fault> {
        let mut groups = Self::default();
        let mut begins: HashMap<Digest, u64> = HashMap::new();
        let mut current: Option<Current> = None;
        while let Some(raw) = source.row()? {
            let Some(key) = row::key(&source.columns, &raw.record, rules) else {
                continue;
            };
            match &mut current {
                Some(current) if current.key == key => {
                    current.rows += 1;
                    if current.rows > ROWS_MAX {
                        groups.broken.insert(key, Broken::Long);
                    }
                }
                _ => {
                    if let Some(first) = begins.insert(key, raw.number) {
                        let again = raw.number;
                        groups.broken.insert(key, Broken::Apart { first, again });
                    }
                    current = Some(Current { key, rows: 1 });
                }
            }
        }
        Ok(groups)
    }

    /// Refuses a row of an order that cannot be taken.
    pub(super) fn check(&self, key: &Digest) -> Result<(), Reason> {
        match self.broken.get(key) {
            None => Ok(()),
            Some(Broken::Apart { first, again }) => Err(format!(
                "the rows of its order stand apart, in row {first} and again in row {again}: sort the file by order"
            )),
            Some(Broken::Long) => Err(format!("its order has more than {ROWS_MAX} rows")),
        }
    }
}
