//! `export products`: the catalogue and its stock, in the columns of `import products`.
//!
//! Variants that were taken out of sale are left out and counted, since an import cannot bring them back. Images, options
//! of variants and the tree above a category have no columns.

use super::output::Output;
use crate::app::App;
use crate::domain::catalog::service::export::ExportedProduct;
use crate::error::Fault;
use crate::money;
use entity::catalog::variant;
use entity::ids::{ProductId, VariantId, WarehouseId};
use entity::inventory::stock;
use std::collections::HashMap;
use std::path::Path;

/// Products of a page.
const PAGE: u64 = 200;
/// Between several values of a cell.
const SEPARATOR: &str = "|";
const COLUMNS: [&str; 11] = [
    "sku",
    "name",
    "price",
    "description",
    "categories",
    "status",
    "stock",
    "warehouse",
    "external_reference",
    "product",
    "variant",
];

/// What an export wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows: one a variant.
    pub rows: u64,
    /// Variants that were left out, because they were taken out of sale.
    pub archived: u64,
}

/// Writes all products to a file, or to standard output for `-`.
///
/// # Errors
/// The file cannot be written, or the database fails.
#[tracing::instrument(name = "export.products", skip_all)]
pub async fn run(app: &App, file: &Path) -> Result<Report, Fault> {
    let warehouses = app.inventory().warehouses_all().await?;
    let codes: HashMap<WarehouseId, String> = warehouses
        .into_iter()
        .map(|row| (row.id, row.code))
        .collect();
    let mut output = Output::begin(file, &COLUMNS).await?;
    let mut report = Report::default();
    let mut after: Option<ProductId> = None;
    loop {
        let page = app.catalog().products_export(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.product.id);
        let variants: Vec<VariantId> = page
            .iter()
            .flat_map(|product| &product.variants)
            .map(|variant| variant.id)
            .collect();
        let mut stock: HashMap<VariantId, Vec<stock::Model>> = HashMap::new();
        for row in app.inventory().stock_of(&variants).await? {
            stock.entry(row.variant_id).or_default().push(row);
        }
        let mut rows = Vec::new();
        for product in &page {
            let live = product
                .variants
                .iter()
                .filter(|variant| variant.archived_at.is_none());
            let before = rows.len();
            rows.extend(live.map(|variant| {
                let stock = stock.get(&variant.id).map_or(&[][..], Vec::as_slice);
                cells(product, variant, stock, &codes)
            }));
            report.archived += (product.variants.len() + before - rows.len()) as u64;
        }
        report.rows += rows.len() as u64;
        output.rows(rows.into_iter()).await?;
    }
    output.end().await?;
    Ok(report)
}

fn cells(
    of: &ExportedProduct,
    variant: &variant::Model,
    stock: &[stock::Model],
    codes: &HashMap<WarehouseId, String>,
) -> [String; COLUMNS.len()] {
    let product = &of.product;
    let mut stock: Vec<(&str, i64)> = stock
        .iter()
        .filter_map(|row| Some((codes.get(&row.warehouse_id)?.as_str(), row.on_hand)))
        .collect();
    stock.sort_unstable();
    let units: Vec<String> = stock.iter().map(|(_, units)| units.to_string()).collect();
    let codes: Vec<&str> = stock.iter().map(|(code, _)| *code).collect();
    [
        variant.sku.clone(),
        product.name.clone(),
        money::to_decimal(variant.price_minor, &variant.currency).to_string(),
        product.description.clone(),
        of.categories.join(SEPARATOR),
        product.status.as_str().to_owned(),
        units.join(SEPARATOR),
        codes.join(SEPARATOR),
        product.external_reference.clone().unwrap_or_default(),
        product.slug.clone(),
        variant.name.clone(),
    ]
}
