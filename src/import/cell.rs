//! One cell of a row, and what any column can ask of it.

use super::columns::{Column, Columns};
use crate::domain::catalog::model::{PriceError, price_minor};
use csv::ByteRecord;
use rust_decimal::Decimal;

/// Digits of a price that are looked at; no price that can be taken has more.
const PRICE_DIGITS_MAX: usize = 25;

/// Why a row is refused, for people.
pub(super) type Reason = String;

/// Refuses a row with another number of cells than the first line has.
pub(super) fn check_count(columns: &Columns, record: &ByteRecord) -> Result<(), Reason> {
    if record.len() == columns.names.len() {
        Ok(())
    } else {
        Err(wrong_count(columns, record))
    }
}

/// A quotation mark that is not closed takes the lines after it into its cell: then that is what must be said.
fn wrong_count(columns: &Columns, record: &ByteRecord) -> Reason {
    let (found, expected) = (record.len(), columns.names.len());
    let lines = record
        .as_slice()
        .iter()
        .filter(|byte| **byte == b'\n')
        .count();
    let mut reason = format!("the row has {found} columns instead of {expected}");
    if lines > 0 {
        reason.push_str(&format!(
            " and {} lines: is a quotation mark not closed?",
            lines + 1
        ));
    }
    reason
}

/// A cell without surrounding blanks; a missing one is empty.
#[derive(Clone, Copy)]
pub(super) struct Cell<'a> {
    pub(super) column: &'static str,
    pub(super) text: &'a str,
}

impl<'a> Cell<'a> {
    /// The cell of a row.
    pub(super) fn of(
        columns: &Columns,
        record: &'a ByteRecord,
        column: impl Column,
    ) -> Result<Self, Reason> {
        let bytes = columns
            .place(column)
            .and_then(|place| record.get(place))
            .unwrap_or_default();
        let column = column.name();
        let text = std::str::from_utf8(bytes).map_err(|_| format!("{column} is not UTF-8 text"))?;
        Ok(Self {
            column,
            text: text.trim(),
        })
    }

    /// The reason that begins with the column's name.
    pub(super) fn wrong<T>(self, what: impl std::fmt::Display) -> Result<T, Reason> {
        Err(format!("{} {what}", self.column))
    }

    /// Nothing for an empty cell.
    pub(super) fn optional<T>(
        self,
        read: impl FnOnce(Self) -> Result<T, Reason>,
    ) -> Result<Option<T>, Reason> {
        if self.text.is_empty() {
            Ok(None)
        } else {
            read(self).map(Some)
        }
    }

    /// Text of one line that must be there.
    pub(super) fn needed(self, max: u64) -> Result<String, Reason> {
        if self.text.is_empty() {
            self.wrong("is empty")
        } else {
            self.line(max)
        }
    }

    /// Text of several lines.
    pub(super) fn prose(self, max: u64) -> Result<String, Reason> {
        if self.text.chars().count() as u64 > max {
            return self.wrong(format_args!("is longer than {max} characters"));
        }
        if self.text.contains('\0') {
            return self.wrong("has a NUL character");
        }
        Ok(self.text.to_owned())
    }

    /// Text of one line.
    pub(super) fn line(self, max: u64) -> Result<String, Reason> {
        if self.text.chars().any(char::is_control) {
            return self.wrong("has a line break or another control character");
        }
        self.prose(max)
    }

    /// A whole number from 0 to `max`.
    pub(super) fn whole(self, max: i64) -> Result<i64, Reason> {
        if self.text.starts_with('-') && is_number(&self.text[1..]) {
            return self.wrong("is below zero");
        }
        if !is_number(self.text) || self.text.contains('.') {
            return self.wrong("is not a whole number");
        }
        match self.text.parse() {
            Ok(number) if number <= max => Ok(number),
            _ => self.wrong(format_args!("is more than {max}")),
        }
    }

    /// An amount of 0 or more in minor units; nothing is rounded.
    pub(super) fn price(self, currency: &str) -> Result<i64, Reason> {
        if self.text.is_empty() {
            return self.wrong("is empty");
        }
        let (negative, digits) = match self.text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, self.text),
        };
        if !is_number(digits) {
            return self.wrong("is not a decimal number like 12.50");
        }
        let is_zero = digits.bytes().all(|byte| matches!(byte, b'0' | b'.'));
        if negative && !is_zero {
            return self.wrong("is below zero");
        }
        if digits.len() > PRICE_DIGITS_MAX {
            return self.wrong("has too many digits");
        }
        let Ok(decimal) = Decimal::from_str_exact(digits) else {
            return self.wrong("is too large");
        };
        match price_minor(decimal, currency) {
            Ok(minor) => Ok(minor),
            Err(PriceError::Precision(scale)) => self.wrong(format_args!(
                "has more decimals than the {scale} of {currency}"
            )),
            Err(PriceError::OutOfRange) => self.wrong("is too large"),
        }
    }
}

/// Digits with at most one point among them. The decimal type takes more: underscores, a plus sign.
fn is_number(text: &str) -> bool {
    let points = text.bytes().filter(|byte| *byte == b'.').count();
    text.bytes().any(|byte| byte.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
        && points <= 1
}
