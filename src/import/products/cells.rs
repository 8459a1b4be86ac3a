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
    pub(super) stock: Vec<Stock>,
}

/// The initial stock that a row gives to a warehouse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stock {
    pub(super) units: Option<i64>,
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
        stock: stock(cell(Column::Stock)?, cell(Column::Warehouse)?)?,
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

/// Units and where they are; several of both have bars between.
fn stock(units: Cell<'_>, warehouses: Cell<'_>) -> Result<Vec<Stock>, Reason> {
    let values = |cell: Cell<'_>| -> Vec<String> {
        let parts = cell.text.split(SEPARATOR).map(str::trim);
        parts.map(str::to_owned).collect()
    };
    let (counts, codes) = (values(units), values(warehouses));
    if counts.len() > 1 && counts.len() != codes.len() {
        let (counts, codes) = (counts.len(), codes.len());
        return units.wrong(format_args!("has {counts} values, and warehouse {codes}"));
    }
    if (1..codes.len()).any(|place| codes[..place].contains(&codes[place])) {
        return warehouses.wrong("names one twice");
    }
    let stock = codes.iter().enumerate().map(|(place, code)| {
        let text = counts.get(place).map_or("", String::as_str);
        let count = Cell { text, ..units };
        Ok(Stock {
            units: count.optional(|cell| cell.whole(ON_HAND_MAX))?,
            warehouse: (!code.is_empty()).then(|| code.clone()),
        })
    });
    stock.collect()
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
            (row.stock[0].units, row.catalog.product.as_deref()),
            (Some(5), Some("tea"))
        );
        let empty = read(&heading, &["A", "Tea", "1", "", "", "", ""]).unwrap();
        assert_eq!(
            (empty.catalog.categories, empty.stock[0].units),
            (None, None)
        );
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

    #[test]
    fn stock_stands_in_one_warehouse_or_in_several() {
        let of = |stock: &str, warehouse: &str| {
            let heading = ["sku", "name", "price", "stock", "warehouse"];
            let row = read(&heading, &["A", "Tea", "1", stock, warehouse])?;
            let pairs = row
                .stock
                .into_iter()
                .map(|s| (s.warehouse.unwrap_or_default(), s.units));
            Ok::<_, Reason>(pairs.collect::<Vec<_>>())
        };
        let one = |code: &str, units| (code.to_owned(), units);
        assert_eq!(of("", ""), Ok(vec![one("", None)]));
        assert_eq!(of("5", ""), Ok(vec![one("", Some(5))]));
        assert_eq!(of("5", "MAIN"), Ok(vec![one("MAIN", Some(5))]));
        let two = vec![one("MAIN", Some(5)), one("NORTH", Some(0))];
        assert_eq!(of("5|0", "MAIN | NORTH"), Ok(two));
        for (stock, warehouse, reason) in [
            ("5|6", "", "stock has 2 values, and warehouse 1"),
            ("5|6", "A|B|C", "stock has 2 values, and warehouse 3"),
            ("5|6", "A|A", "warehouse names one twice"),
            ("5|x", "A|B", "stock is not a whole number"),
        ] {
            assert_eq!(
                of(stock, warehouse),
                Err(reason.to_owned()),
                "{stock} {warehouse}"
            );
        }
    }
}
