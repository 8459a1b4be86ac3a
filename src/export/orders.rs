//! `export orders`: what was sold, in the columns of `import orders`.
//!
//! Imported orders keep the source and the ids of the system they came from; orders of this shop get [`SOURCE`], their
//! number and the id of their user. Orders that are not paid, or were cancelled, are no history to hand on and are left out.

use super::output::Output;
use crate::app::App;
use crate::clock::to_text;
use crate::error::Fault;
use crate::money;
use entity::orders::{order, order_line};
use std::path::Path;

/// Orders of a page.
const PAGE: u64 = 500;
/// The source of orders that were made through this program.
pub const SOURCE: &str = "tradepost";
const COLUMNS: [&str; 9] = [
    "source",
    "order",
    "ordered_at",
    "customer_reference",
    "sku",
    "name",
    "quantity",
    "unit_price",
    "currency",
];

/// What an export wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows: one a line of an order.
    pub rows: u64,
    /// Orders.
    pub orders: u64,
}

/// Writes the orders to a file, or to standard output for `-`: all sales, or those of one source.
///
/// # Errors
/// The file cannot be written, or the database fails.
#[tracing::instrument(name = "export.orders", skip_all)]
pub async fn run(app: &App, file: &Path, source: Option<&str>) -> Result<Report, Fault> {
    let mut output = Output::begin(file, &COLUMNS).await?;
    let mut report = Report::default();
    let mut after = None;
    loop {
        let page = app.orders().orders_export(after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some((last.created_at, last.id));
        let wanted = page.iter().filter(|(order, _)| {
            let of = order.source.as_deref().unwrap_or(SOURCE);
            source.is_none_or(|source| source == of)
        });
        let mut rows = Vec::new();
        for (order, lines) in wanted {
            report.orders += 1;
            rows.extend(lines.iter().map(|line| cells(order, line)));
        }
        report.rows += rows.len() as u64;
        output.rows(rows.into_iter()).await?;
    }
    output.end().await?;
    Ok(report)
}

fn cells(order: &order::Model, line: &order_line::Model) -> [String; COLUMNS.len()] {
    let user = order.user_id.map(|id| id.to_string());
    [
        order.source.clone().unwrap_or_else(|| SOURCE.to_owned()),
        order
            .external_reference
            .clone()
            .unwrap_or_else(|| order.number.clone()),
        to_text(order.created_at),
        order
            .customer_reference
            .clone()
            .or(user)
            .unwrap_or_default(),
        line.sku.clone(),
        line.name.clone(),
        line.quantity.to_string(),
        money::to_decimal(line.unit_price_minor, &order.currency).to_string(),
        order.currency.clone(),
    ]
}
