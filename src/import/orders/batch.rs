//! The rows of an orders file as whole orders, in batches.

use super::groups::Groups;
use super::row::{self, Row, Rules};
use crate::domain::orders::service::import::ImportedOrder;
use crate::error::Fault;
use crate::import::cell::Reason;
use crate::import::digest::Digest;
use crate::import::reader::{BATCH_BYTES, Raw, Sink, Source};

/// Rows after which a batch ends with its order: one transaction.
const ROWS: usize = 1_000;

/// Some whole orders of a file.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// All their rows.
    pub(super) raw: Vec<Raw>,
    /// The places in `raw` of rows that are refused, and why.
    pub(super) refused: Vec<(usize, Reason)>,
    /// What the others say.
    pub(super) orders: Vec<ImportedOrder>,
    /// The places in `raw` of the lines of each order.
    pub(super) places: Vec<Vec<usize>>,
    bytes: u64,
}

/// The order that is being read.
struct Open {
    key: Digest,
    order: Option<ImportedOrder>,
    places: Vec<usize>,
    /// The row that named the customer.
    customer_row: u64,
    /// The first row that was refused.
    refused_row: Option<u64>,
}

impl Open {
    fn new(key: Digest) -> Self {
        Self {
            key,
            order: None,
            places: Vec::new(),
            customer_row: 0,
            refused_row: None,
        }
    }

    /// Takes a row in, or says which one it contradicts.
    fn take(&mut self, number: u64, place: usize, row: Row) -> Result<(), Reason> {
        let order = self.order.get_or_insert_with(|| ImportedOrder {
            source: row.source,
            external_reference: row.order,
            customer_reference: None,
            lines: Vec::new(),
        });
        match (&order.customer_reference, row.customer_reference) {
            (_, None) => {}
            (None, reference) => {
                order.customer_reference = reference;
                self.customer_row = number;
            }
            (Some(known), Some(reference)) if *known == reference => {}
            _ => {
                let row = self.customer_row;
                return Err(format!(
                    "customer_reference differs from row {row}, which has the same order"
                ));
            }
        }
        order.lines.push(row.line);
        self.places.push(place);
        Ok(())
    }
}

/// Reads a file into batches of whole orders. With `whole` an order of which one row is refused is refused as a whole.
pub(super) fn read(
    mut source: Source,
    rules: &Rules,
    groups: &Groups,
    whole: bool,
    sink: &Sink<Batch>,
) -> Result<(), Fault> {
    let mut batch = Batch::default();
    let mut open: Option<Open> = None;
    while let Some(raw) = source.row()? {
        let key = row::key(&source.columns, &raw.record, rules);
        let ends = matches!((&open, &key), (Some(open), Some(key)) if open.key != *key);
        if ends {
            batch.close(open.take(), whole);
            let full = batch.raw.len() >= ROWS || batch.bytes >= BATCH_BYTES;
            if full && !sink.put(std::mem::take(&mut batch)) {
                return Ok(());
            }
        }
        let (number, place) = (raw.number, batch.raw.len());
        let row = row::parse(&source.columns, &raw.record, rules);
        batch.bytes += raw.record.as_slice().len() as u64;
        batch.raw.push(raw);
        let Some(key) = key else {
            // It belongs to no order, so that it ends none; its cells say why.
            let reason = row.err().unwrap_or_default();
            batch.refused.push((place, reason));
            continue;
        };
        let open = open.get_or_insert_with(|| Open::new(key));
        let taken = groups
            .check(&key)
            .and(row)
            .and_then(|row| open.take(number, place, row));
        if let Err(reason) = taken {
            open.refused_row.get_or_insert(number);
            batch.refused.push((place, reason));
        }
    }
    batch.close(open, whole);
    if !batch.raw.is_empty() && !sink.put(batch) {
        tracing::debug!("the last rows are not wanted any more");
    }
    Ok(())
}

impl Batch {
    /// The order's last row was read.
    fn close(&mut self, open: Option<Open>, whole: bool) {
        let Some(open) = open else { return };
        let Some(order) = open.order else { return };
        match open.refused_row {
            Some(row) if whole => {
                let reason = format!("row {row} of the same order is refused");
                let refused = open.places.into_iter().map(|place| (place, reason.clone()));
                self.refused.extend(refused);
            }
            _ if open.places.is_empty() => {}
            _ => {
                self.orders.push(order);
                self.places.push(open.places);
            }
        }
    }
}
