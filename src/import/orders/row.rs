//! What the cells of a row say, each for itself.

use super::columns::Column;
use crate::domain::catalog::model::{PRODUCT_NAME_MAX, REFERENCE_MAX};
use crate::domain::orders::service::import::ImportedLine;
use crate::import::cell::{Cell, Reason, check_count};
use crate::import::columns::Columns;
use crate::import::digest::{Digest, digest};
use chrono::{
    DateTime, Datelike as _, MappedLocalTime, NaiveDate, NaiveDateTime, SubsecRound as _,
    TimeZone as _, Utc,
};
use chrono_tz::Tz;
use csv::ByteRecord;

/// Units of a line: what the API can show.
const QUANTITY_MAX: i64 = i32::MAX as i64;
/// The first year of an order; earlier ones are slips of the pen.
const YEAR_MIN: i32 = 1900;
/// How a local time can be written.
const LOCAL_FORMS: [&str; 4] = [
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
];

/// What holds for all rows of a file.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// The system of rows that do not name one.
    pub(super) source: Option<String>,
    /// The zone of times that do not name one.
    pub(super) zone: Tz,
    /// The shop's currency.
    pub(super) currency: String,
    /// No order is later.
    pub(super) latest: DateTime<Utc>,
}

/// A row whose cells are all right.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) source: String,
    pub(super) order: String,
    pub(super) customer_reference: Option<String>,
    pub(super) line: ImportedLine,
}

/// Which order a row belongs to, be it right or not; nothing when the row does not say so.
pub(super) fn key(columns: &Columns, record: &ByteRecord, rules: &Rules) -> Option<Digest> {
    let source = source(columns, record, rules).ok()?;
    let order = Cell::of(columns, record, Column::Order).ok()?;
    (!order.text.is_empty()).then(|| digest(&[&source, order.text]))
}

fn source(columns: &Columns, record: &ByteRecord, rules: &Rules) -> Result<String, Reason> {
    let cell = Cell::of(columns, record, Column::Source)?;
    match (cell.text, &rules.source) {
        ("", Some(source)) => Ok(source.clone()),
        ("", None) => cell.wrong("is empty, and --source says nothing"),
        _ => cell.needed(REFERENCE_MAX),
    }
}

/// Reads the cells of a row.
pub(super) fn parse(columns: &Columns, record: &ByteRecord, rules: &Rules) -> Result<Row, Reason> {
    check_count(columns, record)?;
    let cell = |column| Cell::of(columns, record, column);
    let currency = cell(Column::Currency)?;
    if !currency.text.is_empty() && currency.text != rules.currency {
        return currency.wrong(format_args!(
            "is not the shop's, which is {}",
            rules.currency
        ));
    }
    let quantity = cell(Column::Quantity)?.whole(QUANTITY_MAX)?;
    if quantity == 0 {
        return cell(Column::Quantity)?.wrong("is 0");
    }
    Ok(Row {
        source: source(columns, record, rules)?,
        order: cell(Column::Order)?.needed(REFERENCE_MAX)?,
        customer_reference: cell(Column::CustomerReference)?
            .optional(|cell| cell.line(REFERENCE_MAX))?,
        line: ImportedLine {
            sku: cell(Column::Sku)?.needed(REFERENCE_MAX)?,
            name: cell(Column::Name)?.optional(|cell| cell.line(PRODUCT_NAME_MAX))?,
            quantity,
            unit_price_minor: cell(Column::UnitPrice)?.price(&rules.currency)?,
            ordered_at: moment(cell(Column::OrderedAt)?, rules)?,
        },
    })
}

/// A time with its offset, or a local one of the zone.
fn moment(cell: Cell<'_>, rules: &Rules) -> Result<DateTime<Utc>, Reason> {
    if cell.text.is_empty() {
        return cell.wrong("is empty");
    }
    let time = match DateTime::parse_from_rfc3339(cell.text) {
        Ok(time) => time.to_utc(),
        Err(_) => {
            let Some(local) = local(cell.text) else {
                return cell
                    .wrong("is not a time like 2026-11-21 14:30:00 or 2026-11-21T14:30:00Z");
            };
            match rules.zone.from_local_datetime(&local) {
                MappedLocalTime::Single(time) => time.to_utc(),
                // The hour that clocks show twice: the first of the two.
                MappedLocalTime::Ambiguous(first, _) => first.to_utc(),
                MappedLocalTime::None => {
                    let zone = rules.zone;
                    return cell.wrong(format_args!("is a time that clocks skipped in {zone}"));
                }
            }
        }
    };
    if time > rules.latest {
        return cell.wrong("lies in the future");
    }
    if time.year() < YEAR_MIN {
        return cell.wrong(format_args!("lies before {YEAR_MIN}"));
    }
    Ok(time.trunc_subsecs(6))
}

fn local(text: &str) -> Option<NaiveDateTime> {
    LOCAL_FORMS
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .or_else(|| {
            let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
            day.and_hms_opt(0, 0, 0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules {
            source: None,
            zone: chrono_tz::Europe::London,
            currency: "GBP".to_owned(),
            latest: "2026-11-21T00:00:00Z".parse().unwrap(),
        }
    }

    fn read(heading: &[&str], cells: &[&str]) -> Result<Row, Reason> {
        let columns = Columns::of::<Column>(&ByteRecord::from(heading.to_vec())).unwrap();
        parse(&columns, &ByteRecord::from(cells.to_vec()), &rules())
    }

    fn at(text: &str) -> Result<String, Reason> {
        let heading = [
            "source",
            "order",
            "ordered_at",
            "sku",
            "quantity",
            "unit_price",
        ];
        read(&heading, &["old", "1", text, "A", "1", "1"])
            .map(|row| crate::clock::to_text(row.line.ordered_at))
    }

    #[test]
    fn times_are_those_of_the_zone_unless_they_say_another() {
        for (text, utc) in [
            ("2010-12-01 08:26:00", "2010-12-01T08:26:00.000000Z"),
            ("2011-06-30 20:08", "2011-06-30T19:08:00.000000Z"),
            ("2011-06-30T20:08:00.25", "2011-06-30T19:08:00.250000Z"),
            ("2011-06-30", "2011-06-29T23:00:00.000000Z"),
            ("2011-06-30T20:08:00Z", "2011-06-30T20:08:00.000000Z"),
            ("2011-06-30T20:08:00+02:00", "2011-06-30T18:08:00.000000Z"),
            // Clocks showed 01:30 twice that night; the first time it was still summer.
            ("2010-10-31 01:30:00", "2010-10-31T00:30:00.000000Z"),
        ] {
            assert_eq!(at(text).as_deref(), Ok(utc), "{text}");
        }
        for (text, reason) in [
            ("", "ordered_at is empty"),
            ("01/12/2010", "ordered_at is not a time like"),
            (
                "2011-03-27 01:30:00",
                "ordered_at is a time that clocks skipped in Europe/London",
            ),
            ("2026-11-22", "ordered_at lies in the future"),
            ("0011-06-30", "ordered_at lies before 1900"),
        ] {
            let error = at(text).unwrap_err();
            assert!(error.starts_with(reason), "{text}: {error}");
        }
    }

    #[test]
    fn every_cell_is_read_or_named() {
        let heading = [
            "source",
            "order",
            "ordered_at",
            "sku",
            "quantity",
            "unit_price",
            "name",
            "customer_reference",
            "currency",
        ];
        let good = [
            "old",
            "17",
            "2011-01-01",
            "A",
            "3",
            "1.50",
            "Tea",
            "c-9",
            "GBP",
        ];
        let row = read(&heading, &good).unwrap();
        assert_eq!((row.source.as_str(), row.order.as_str()), ("old", "17"));
        assert_eq!(row.customer_reference.as_deref(), Some("c-9"));
        assert_eq!((row.line.quantity, row.line.unit_price_minor), (3, 150));
        assert_eq!(row.line.name.as_deref(), Some("Tea"));
        for (place, text, reason) in [
            (0, "", "source is empty, and --source says nothing"),
            (1, "", "order is empty"),
            (3, "", "sku is empty"),
            (4, "0", "quantity is 0"),
            (4, "-2", "quantity is below zero"),
            (4, "2147483648", "quantity is more than 2147483647"),
            (5, "0.001", "unit_price has more decimals than the 2 of GBP"),
            (5, "-1", "unit_price is below zero"),
            (6, "Te\na", "name has a line break"),
            (8, "EUR", "currency is not the shop's, which is GBP"),
        ] {
            let mut cells = good;
            cells[place] = text;
            let error = read(&heading, &cells).unwrap_err();
            assert!(error.starts_with(reason), "{error}");
        }
    }
}
