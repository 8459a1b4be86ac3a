//! What rows of one file must not say twice, or differently.

use super::cells::Row;
use crate::domain::catalog::model::{VARIANTS_MAX, sku_fold};
use crate::import::cell::Reason;
use crate::import::digest::{Digest, digest};
use std::collections::HashMap;

/// Values of a product that its rows repeat.
const VALUES: [&str; 5] = [
    "name",
    "description",
    "status",
    "categories",
    "external_reference",
];

/// What the rows of a file said so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    skus: HashMap<Digest, u32>,
    products: HashMap<Digest, Product>,
}

/// A product with a name of its own in the column `product`.
#[derive(Debug, Default)]
struct Product {
    rows: u64,
    /// Hash of each of [`VALUES`] that was given, and the first row that gave it.
    values: [Option<(Digest, u32)>; VALUES.len()],
}

/// The hash of each value that a row gives of its product.
fn values(row: &Row) -> [Option<Digest>; VALUES.len()] {
    let row = &row.catalog;
    let categories = row.categories.as_ref().map(|slugs| {
        let mut slugs: Vec<&str> = slugs.iter().map(String::as_str).collect();
        slugs.sort_unstable();
        slugs.dedup();
        digest(&slugs)
    });
    [
        Some(digest(&[&row.name])),
        row.description.as_ref().map(|text| digest(&[text])),
        row.status.map(|status| digest(&[status.as_str()])),
        categories,
        row.external_reference.as_ref().map(|text| digest(&[text])),
    ]
}

impl Seen {
    /// Remembers a row, or says which earlier one it contradicts; then it leaves no trace.
    pub(super) fn row(&mut self, number: u64, row: &Row) -> Result<(), Reason> {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let sku = digest(&[&sku_fold(&row.catalog.sku)]);
        if let Some(earlier) = self.skus.get(&sku) {
            return Err(format!("sku stands in row {earlier} already"));
        }
        let product = row
            .catalog
            .product
            .as_ref()
            .map(|slug| digest(&["product", slug]));
        if let Some(slug) = product {
            self.products.entry(slug).or_default().row(number, row)?;
        }
        self.skus.insert(sku, number);
        Ok(())
    }
}

impl Product {
    fn row(&mut self, number: u32, row: &Row) -> Result<(), Reason> {
        if self.rows >= VARIANTS_MAX {
            return Err(format!("a product has at most {VARIANTS_MAX} variants"));
        }
        let values = values(row);
        for ((known, value), name) in self.values.iter().zip(&values).zip(VALUES) {
            if let (Some((known, earlier)), Some(value)) = (known, value)
                && known != value
            {
                return Err(format!(
                    "{name} differs from row {earlier}, which has the same product"
                ));
            }
        }
        for (known, value) in self.values.iter_mut().zip(values) {
            *known = known.or(value.map(|value| (value, number)));
        }
        self.rows += 1;
        Ok(())
    }
}
