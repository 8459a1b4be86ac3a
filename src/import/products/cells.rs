//! What the cells of a row say, each for itself.

use super::columns::Column;
use crate::domain::catalog::model::{
    CATEGORIES_MAX, DESCRIPTION_MAX, NAME_MAX, PRODUCT_NAME_MAX, REFERENCE_MAX, is_slug,
};
use crate::domain::catalog::service::import::Row as CatalogRow;
use crate::domain::inventory::service::ON_HAND_MAX;
use crate::import::cell::{Cell, Reason, check_count};
use crate::import::columns::Columns;
use csv::ByteRecord;
use entity::catalog::ProductStatus;

/// Between the slugs of categories.
const SEPARATOR: char = '|';

/// A row whose cells are all right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) catalog: CatalogRow,
    pub(super) stock: Option<i64>,
    pub(super) warehouse: Option<String>,
}

/// Reads the cells of a row.
pub(super) fn parse(columns: &Columns, record: &ByteRecord, currency: &str) -> Result<Row, Reason> {
    check_count(columns, record)?;
    let cell = |column| Cell::of(columns, record, column);
    let categories = cell(Column::Categories)?.optional(slugs)?;
    let catalog = CatalogRow {
        sku: cell(Column::Sku)?.needed(REFERENCE_MAX)?,
        name: cell(Column::Name)?.needed(PRODUCT_NAME_MAX)?,
        price_minor: cell(Column::Price)?.price(currency)?,
        description: cell(Column::Description)?.optional(|cell| cell.prose(DESCRIPTION_MAX))?,
        // Nothing but separators is as good as empty.
        categories: categories.filter(|slugs| !slugs.is_empty()),
        status: cell(Column::Status)?.optional(status)?,
        external_reference: cell(Column::ExternalReference)?
            .optional(|cell| cell.line(REFERENCE_MAX))?,
        product: cell(Column::Product)?.optional(|cell| slug(cell, PRODUCT_NAME_MAX))?,
        variant: cell(Column::Variant)?.optional(|cell| cell.line(NAME_MAX))?,
    };
    Ok(Row {
        catalog,
        stock: cell(Column::Stock)?.optional(|cell| cell.whole(ON_HAND_MAX))?,
        warehouse: cell(Column::Warehouse)?.optional(|cell| Ok(cell.text.to_owned()))?,
    })
}

/// Text of small letters, digits and single hyphens.
fn slug(cell: Cell<'_>, max: u64) -> Result<String, Reason> {
    if is_slug(cell.text) {
        cell.line(max)
    } else {
        cell.wrong("is not a slug: lower case letters, digits and single hyphens between them")
    }
}

fn slugs(cell: Cell<'_>) -> Result<Vec<String>, Reason> {
    let parts = cell
        .text
        .split(SEPARATOR)
        .map(str::trim)
        .filter(|text| !text.is_empty());
    let slugs: Vec<String> = parts
        .map(|text| slug(Cell { text, ..cell }, NAME_MAX))
        .collect::<Result<_, _>>()?;
    if slugs.len() as u64 > CATEGORIES_MAX {
        return cell.wrong(format_args!("has more than {CATEGORIES_MAX} slugs"));
    }
    Ok(slugs)
}

fn status(cell: Cell<'_>) -> Result<ProductStatus, Reason> {
    let known = ProductStatus::ALL.iter().copied();
    let mut found = known.filter(|status| status.as_str().eq_ignore_ascii_case(cell.text));
    match found.next() {
        Some(status) => Ok(status),
        None => cell.wrong("is not DRAFT, ACTIVE or ARCHIVED"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(heading: &[&str], cells: &[&str]) -> Result<Row, Reason> {
        let columns = Columns::of::<Column>(&ByteRecord::from(heading.to_vec())).unwrap();
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
