//! The rows of a products file in batches.

use super::cells::{self, Stock};
use super::seen::Seen;
use crate::domain::catalog::service::import::Row;
use crate::error::Fault;
use crate::import::cell::Reason;
use crate::import::reader::{BATCH_BYTES, Raw, Sink, Source};

/// Rows of a batch: one transaction.
const ROWS: usize = 500;

/// Some rows of a file.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// All of them.
    pub(super) raw: Vec<Raw>,
    /// The places in `raw` of rows that are refused, and why.
    pub(super) refused: Vec<(usize, Reason)>,
    /// The places in `raw` of the others.
    pub(super) places: Vec<usize>,
    /// What the others say.
    pub(super) rows: Vec<Row>,
    /// Their stock.
    pub(super) stock: Vec<Vec<Stock>>,
    bytes: u64,
}

impl Batch {
    fn push(&mut self, raw: Raw, row: Result<cells::Row, Reason>) {
        let place = self.raw.len();
        self.bytes += raw.record.as_slice().len() as u64;
        self.raw.push(raw);
        match row {
            Ok(row) => {
                self.places.push(place);
                self.rows.push(row.catalog);
                self.stock.push(row.stock);
            }
            Err(reason) => self.refused.push((place, reason)),
        }
    }
}

/// Reads a file into batches.
pub(super) fn read(mut source: Source, currency: &str, sink: &Sink<Batch>) -> Result<(), Fault> {
    let mut seen = Seen::default();
    let mut batch = Batch::default();
    while let Some(raw) = source.row()? {
        let row = cells::parse(&source.columns, &raw.record, currency)
            .and_then(|row| seen.row(raw.number, &row).map(|()| row));
        batch.push(raw, row);
        let full = batch.raw.len() >= ROWS || batch.bytes >= BATCH_BYTES;
        if full && !sink.put(std::mem::take(&mut batch)) {
            return Ok(());
        }
    }
    if !batch.raw.is_empty() && !sink.put(batch) {
        tracing::debug!("the last rows are not wanted any more");
    }
    Ok(())
}
