//! Orders of a file in the columns of `tradepost import orders`.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use std::collections::HashMap;
use std::path::Path;

/// Why a file of orders cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("reading the orders: {0}")]
    Csv(#[from] csv::Error),
    /// A column is missing.
    #[error("there is no column {0}")]
    Column(&'static str),
    /// A value is not what its column holds.
    #[error("row {0}: {1} is {2:?}")]
    Value(usize, &'static str, String),
}

/// One order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its id in the file.
    pub reference: String,
    /// When it was made: seconds of some clock.
    pub at: i64,
    /// Whose it is; rows without a customer are one customer's.
    pub customer: String,
    /// SKU and units of each line.
    pub lines: Vec<(String, i64)>,
}

/// Reads the orders of a file, in the order of time. Rows of an order stand together.
///
/// # Errors
/// It is not such a file.
pub fn read(path: &Path) -> Result<Vec<Order>, Error> {
    let mut reader = csv::Reader::from_path(path)?;
    let heading = reader.headers()?.clone();
    let places: HashMap<&str, usize> = heading.iter().zip(0..).collect();
    let place = |name| places.get(name).copied().ok_or(Error::Column(name));
    let (order, at) = (place("order")?, place("ordered_at")?);
    let (sku, quantity) = (place("sku")?, place("quantity")?);
    let customer = places.get("customer_reference").copied();
    let mut orders: Vec<Order> = Vec::new();
    for (number, row) in (2..).zip(reader.records()) {
        let row = row?;
        let cell = |place: usize| row.get(place).unwrap_or_default().trim();
        let wrong = |name, place| Error::Value(number, name, cell(place).to_owned());
        let reference = cell(order);
        let moment = seconds(cell(at)).ok_or_else(|| wrong("ordered_at", at))?;
        if orders.last().is_none_or(|last| last.reference != reference) {
            orders.push(Order {
                reference: reference.to_owned(),
                at: moment,
                customer: customer.map(cell).unwrap_or_default().to_owned(),
                lines: Vec::new(),
            });
        }
        let units = cell(quantity)
            .parse()
            .map_err(|_| wrong("quantity", quantity))?;
        if let Some(last) = orders.last_mut() {
            last.at = last.at.min(moment);
            last.lines.push((cell(sku).to_owned(), units));
        }
    }
    orders.sort_by_key(|order| order.at);
    Ok(orders)
}

/// Only differences count, so that local times need no zone.
fn seconds(text: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp());
    }
    let text = text.replace('T', " ");
    let forms = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];
    let time = forms
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok())
        .or_else(|| {
            NaiveDate::parse_from_str(&text, "%Y-%m-%d")
                .ok()?
                .and_hms_opt(0, 0, 0)
        });
    time.map(|time| time.and_utc().timestamp())
}
