//! What the cells of a row say, each for itself.

use super::columns::{Column, Columns};
use crate::domain::catalog::model::{
    CATEGORIES_MAX, DESCRIPTION_MAX, NAME_MAX, PRODUCT_NAME_MAX, PriceError, REFERENCE_MAX,
    is_slug, price_minor,
};
use crate::domain::catalog::service::import::Row as CatalogRow;
use crate::domain::inventory::service::ON_HAND_MAX;
use csv::ByteRecord;
use entity::catalog::ProductStatus;
use rust_decimal::Decimal;

/// Between the slugs of categories.
const SEPARATOR: char = '|';
/// Digits of a price that are looked at; no price that can be taken has more.
const PRICE_DIGITS_MAX: usize = 25;

/// A row whose cells are all right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) catalog: CatalogRow,
    pub(super) stock: Option<i64>,
    pub(super) warehouse: Option<String>,
}

/// Why a row is refused, for people.
pub(super) type Reason = String;

/// Reads the cells of a row.
pub(super) fn parse(columns: &Columns, record: &ByteRecord, currency: &str) -> Result<Row, Reason> {
    if record.len() != columns.names.len() {
        return Err(wrong_count(columns, record));
    }
    let cell = |column| Cell::of(columns, record, column);
    let categories = cell(Column::Categories)?.optional(Cell::slugs)?;
    let catalog = CatalogRow {
        sku: cell(Column::Sku)?.needed(REFERENCE_MAX)?,
        name: cell(Column::Name)?.needed(PRODUCT_NAME_MAX)?,
        price_minor: cell(Column::Price)?.price(currency)?,
        description: cell(Column::Description)?.optional(|cell| cell.prose(DESCRIPTION_MAX))?,
        // Nothing but separators is as good as empty.
        categories: categories.filter(|slugs| !slugs.is_empty()),
        status: cell(Column::Status)?.optional(Cell::status)?,
        external_reference: cell(Column::ExternalReference)?
            .optional(|cell| cell.line(REFERENCE_MAX))?,
        product: cell(Column::Product)?.optional(|cell| cell.slug(PRODUCT_NAME_MAX))?,
        variant: cell(Column::Variant)?.optional(|cell| cell.line(NAME_MAX))?,
    };
    Ok(Row {
        catalog,
        stock: cell(Column::Stock)?.optional(Cell::units)?,
        warehouse: cell(Column::Warehouse)?.optional(|cell| Ok(cell.text.to_owned()))?,
    })
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
struct Cell<'a> {
    column: &'static str,
    text: &'a str,
}

impl<'a> Cell<'a> {
    fn of(columns: &Columns, record: &'a ByteRecord, column: Column) -> Result<Self, Reason> {
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

    fn wrong<T>(self, what: impl std::fmt::Display) -> Result<T, Reason> {
        Err(format!("{} {what}", self.column))
    }

    fn optional<T>(
        self,
        read: impl FnOnce(Self) -> Result<T, Reason>,
    ) -> Result<Option<T>, Reason> {
        if self.text.is_empty() {
            Ok(None)
        } else {
            read(self).map(Some)
        }
    }

    fn needed(self, max: u64) -> Result<String, Reason> {
        if self.text.is_empty() {
            self.wrong("is empty")
        } else {
            self.line(max)
        }
    }

    /// Text of several lines.
    fn prose(self, max: u64) -> Result<String, Reason> {
        if self.text.chars().count() as u64 > max {
            return self.wrong(format_args!("is longer than {max} characters"));
        }
        if self.text.contains('\0') {
            return self.wrong("has a NUL character");
        }
        Ok(self.text.to_owned())
    }

    /// Text of one line.
    fn line(self, max: u64) -> Result<String, Reason> {
        if self.text.chars().any(char::is_control) {
            return self.wrong("has a line break or another control character");
        }
        self.prose(max)
    }

    fn slug(self, max: u64) -> Result<String, Reason> {
        if is_slug(self.text) {
            self.line(max)
        } else {
            self.wrong("is not a slug: lower case letters, digits and single hyphens between them")
        }
    }

    fn slugs(self) -> Result<Vec<String>, Reason> {
        let parts = self
            .text
            .split(SEPARATOR)
            .map(str::trim)
            .filter(|text| !text.is_empty());
        let slugs: Vec<String> = parts
            .map(|text| Self { text, ..self }.slug(NAME_MAX))
            .collect::<Result<_, _>>()?;
        if slugs.len() as u64 > CATEGORIES_MAX {
            return self.wrong(format_args!("has more than {CATEGORIES_MAX} slugs"));
        }
        Ok(slugs)
    }

    fn status(self) -> Result<ProductStatus, Reason> {
        let known = ProductStatus::ALL.iter().copied();
        let mut found = known.filter(|status| status.as_str().eq_ignore_ascii_case(self.text));
        match found.next() {
            Some(status) => Ok(status),
            None => self.wrong("is not DRAFT, ACTIVE or ARCHIVED"),
        }
    }

    fn units(self) -> Result<i64, Reason> {
        if self.text.starts_with('-') && is_number(&self.text[1..]) {
            return self.wrong("is below zero");
        }
        if !is_number(self.text) || self.text.contains('.') {
            return self.wrong("is not a whole number");
        }
        match self.text.parse() {
            Ok(units) if units <= ON_HAND_MAX => Ok(units),
            _ => self.wrong(format_args!("is more than {ON_HAND_MAX}")),
        }
    }

    fn price(self, currency: &str) -> Result<i64, Reason> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(heading: &[&str], cells: &[&str]) -> Result<Row, Reason> {
        let columns = Columns::of(&ByteRecord::from(heading.to_vec())).unwrap();
        parse(&columns, &ByteRecord::from(cells.to_vec()), "GBP")
    }

    fn price(text: &str) -> Result<i64, Reason> {
        read(&["sku", "name", "price"], &["A", "Tea", text]).map(|row| row.catalog.price_minor)
    }

    #[test]
    fn prices_are_decimals_of_the_currency() {
        for (text, minor) in [
            ("12.50", 1250),
            (" 3 ", 300),
            ("0", 0),
            ("-0.00", 0),
            ("18.0", 1800),
            (".5", 50),
        ] {
            assert_eq!(price(text), Ok(minor), "{text}");
        }
        for (text, reason) in [
            ("", "price is empty"),
            ("0.001", "price has more decimals than the 2 of GBP"),
            ("-1", "price is below zero"),
            ("1,50", "price is not a decimal number like 12.50"),
            ("1e3", "price is not a decimal number like 12.50"),
            ("1_000", "price is not a decimal number like 12.50"),
            ("£3", "price is not a decimal number like 12.50"),
            (".", "price is not a decimal number like 12.50"),
            ("10000000000.01", "price is too large"),
            ("99999999999999999999999.9", "price is too large"),
            (
                "99999999999999999999999999999999",
                "price has too many digits",
            ),
        ] {
            assert_eq!(price(text), Err(reason.to_owned()), "{text}");
        }
    }

    #[test]
    fn optional_cells_are_read_or_named() {
        let heading = [
            "sku",
            "name",
            "price",
            "categories",
            "status",
            "stock",
            "product",
        ];
        let row = read(
            &heading,
            &["A", "Tea", "1", "tea| green-tea |", "draft", "5", "tea"],
        )
        .unwrap();
        assert_eq!(
            row.catalog.categories,
            Some(vec!["tea".to_owned(), "green-tea".to_owned()])
        );
        assert_eq!(row.catalog.status, Some(ProductStatus::Draft));
        assert_eq!(
            (row.stock, row.catalog.product.as_deref()),
            (Some(5), Some("tea"))
        );
        let empty = read(&heading, &["A", "Tea", "1", "", "", "", ""]).unwrap();
        assert_eq!((empty.catalog.categories, empty.stock), (None, None));
        for (cells, reason) in [
            (
                ["A", "Tea", "1", "Tea", "", "", ""],
                "categories is not a slug",
            ),
            (["A", "Tea", "1", "", "SOLD", "", ""], "status is not"),
            (
                ["A", "Tea", "1", "", "", "1.5", ""],
                "stock is not a whole number",
            ),
            (["A", "Tea", "1", "", "", "-1", ""], "stock is below zero"),
            (
                ["A", "Tea", "1", "", "", "9999999999999", ""],
                "stock is more than",
            ),
            (
                ["A", "Tea", "1", "", "", "", "Green Tea"],
                "product is not a slug",
            ),
            ([" ", "Tea", "1", "", "", "", ""], "sku is empty"),
            (["A", "", "1", "", "", "", ""], "name is empty"),
            (["A", "Te\na", "1", "", "", "", ""], "name has a line break"),
        ] {
            let error = read(&heading, &cells).unwrap_err();
            assert!(error.starts_with(reason), "{error}");
        }
        let long = "x".repeat(65);
        let error = read(&["sku", "name", "price"], &[&long, "Tea", "1"]).unwrap_err();
        assert_eq!(error, "sku is longer than 64 characters");
        let short = read(&["sku", "name", "price"], &["A", "Tea"]).unwrap_err();
        assert_eq!(short, "the row has 2 columns instead of 3");
    }
}
