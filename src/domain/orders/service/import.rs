//! Orders of another system, written as they were there: fulfilled, paid outside, of no user, without stock, ledger
//! entries or events.
//!
//! An order is known by (source, external reference). What is there already is compared and never changed; a line that
//! is not as it was is refused, so that nobody believes that a changed file had an effect.

use super::super::store;
use super::Service;
use crate::db::error::{Kind, kind};
use crate::domain::catalog::model::{SellableVariant, sku_fold};
use crate::error::Fault;
use crate::money;
use chrono::{DateTime, Datelike as _, Utc};
use entity::ids::OrderId;
use entity::orders::{OrderOrigin, OrderStatus, PaymentStatus, order, order_history, order_line};
use std::collections::{BTreeMap, HashMap};

/// How often a batch is planned anew when another import writes the same orders.
const RACES: u32 = 5;
/// Characters of a reason in the history.
const REASON_MAX: usize = 200;

/// An order of another system.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportedOrder {
    /// The system.
    pub source: String,
    /// Its id there.
    pub external_reference: String,
    /// Its customer's id there.
    pub customer_reference: Option<String>,
    /// Its lines; at least one.
    pub lines: Vec<ImportedLine>,
}

/// A line of such an order.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportedLine {
    /// SKU as it was written there.
    pub sku: String,
    /// Name in that line; else the catalogue's.
    pub name: Option<String>,
    /// Units, 1 or more.
    pub quantity: i64,
    /// Price of a unit in minor units of the shop's currency.
    pub unit_price_minor: i64,
    /// When this line was ordered; the earliest line dates the order.
    pub ordered_at: DateTime<Utc>,
}

/// How orders are imported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mode {
    /// Checks everything and writes nothing.
    pub dry_run: bool,
    /// Refuses an order as a whole when one of its lines is refused.
    pub whole_orders: bool,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Of the order.
    pub change: Change,
    /// The places of lines that were not taken, and why.
    pub refused: Vec<(usize, Refusal)>,
}

/// What became of an order as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Created {
        /// Sum of its lines.
        total_minor: i64,
    },
    /// It is there already, as it is said to be.
    Unchanged,
    /// None of it was taken, or it is there and is different.
    Refused,
}

/// Why a line was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The catalogue does not have it.
    #[error("no product has the sku {0}: import the products first")]
    UnknownSku(String),
    /// The sum does not fit.
    #[error("the total of its order is too large")]
    TooLarge,
    /// Another line of the order was refused, and orders are wanted whole.
    #[error("another row of the same order is refused")]
    NotWhole,
    /// The order is there with another date.
    #[error("the order was imported already, with the date {0}; imported orders are not changed")]
    OtherDate(String),
    /// The order is there with another customer.
    #[error(
        "the order was imported already, with the customer reference {0:?}; imported orders are not changed"
    )]
    OtherCustomer(String),
    /// The order is there without such a line.
    #[error("the order was imported already, without such a row; imported orders are not changed")]
    OtherLine,
    /// The order is there with further lines.
    #[error("the order was imported already, with {0} more rows; imported orders are not changed")]
    LinesMissing(usize),
}

/// An order that is there, with its lines.
type Known = (order::Model, Vec<order_line::Model>);

/// A new order as rows.
#[derive(Debug)]
struct NewRows {
    order: order::Model,
    lines: Vec<order_line::Model>,
    history: order_history::Model,
}

impl Service {
    /// Imports some orders: one transaction, and a number of statements that does not grow with the orders. No order
    /// stands twice in `orders`.
    ///
    /// # Errors
    /// The database fails; what is wrong with an order stands in its place.
    #[tracing::instrument(name = "orders.import", skip_all)]
    pub async fn orders_import(
        &self,
        orders: &[ImportedOrder],
        mode: Mode,
    ) -> Result<Vec<Outcome>, Fault> {
        let skus = orders.iter().flat_map(|order| &order.lines);
        let skus = skus.map(|line| line.sku.as_str());
        let variants = self.catalog.variants_of_skus(skus).await?;
        let mut race = 1;
        loop {
            let known = self.imported_read(orders).await?;
            let mut new = Vec::new();
            let outcomes = orders
                .iter()
                .map(|order| {
                    let key = (order.source.as_str(), order.external_reference.as_str());
                    match known.get(&(key.0.to_owned(), key.1.to_owned())) {
                        Some(known) => compare(order, known, &variants),
                        None => self.imported_plan(order, &variants, mode, &mut new),
                    }
                })
                .collect();
            if mode.dry_run || new.is_empty() {
                return Ok(outcomes);
            }
            self.imported_number(&mut new).await?;
            match self.imported_write(&new).await {
                Err(Fault::Db(error))
                    if race < RACES && matches!(kind(&error), Kind::Unique(_)) =>
                {
                    race += 1;
                }
                Err(fault) => return Err(fault),
                Ok(()) => return Ok(outcomes),
            }
        }
    }

    /// Which of the orders are there, by (source, external reference).
    async fn imported_read(
        &self,
        orders: &[ImportedOrder],
    ) -> Result<HashMap<(String, String), Known>, Fault> {
        let mut references: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for order in orders {
            references
                .entry(&order.source)
                .or_default()
                .push(&order.external_reference);
        }
        let references = &references;
        let (orders, lines) = self
            .db
            .read("orders.imported", async |c| {
                let mut orders = Vec::new();
                for (source, references) in references {
                    orders.extend(
                        store::import::orders_by_references(&*c, source, references).await?,
                    );
                }
                let ids: Vec<OrderId> = orders.iter().map(|order| order.id).collect();
                let lines = store::import::lines_of(&*c, &ids).await?;
                Ok::<_, Fault>((orders, lines))
            })
            .await?;
        let mut by_order: HashMap<OrderId, Vec<order_line::Model>> = HashMap::new();
        for line in lines {
            by_order.entry(line.order_id).or_default().push(line);
        }
        let known = orders.into_iter().filter_map(|order| {
            let key = (order.source.clone()?, order.external_reference.clone()?);
            let lines = by_order.remove(&order.id).unwrap_or_default();
            Some((key, (order, lines)))
        });
        Ok(known.collect())
    }

    /// Plans a new order; its number comes later.
    fn imported_plan(
        &self,
        order: &ImportedOrder,
        variants: &HashMap<String, SellableVariant>,
        mode: Mode,
        new: &mut Vec<NewRows>,
    ) -> Outcome {
        let mut refused = Vec::new();
        let mut kept = Vec::new();
        for (place, line) in order.lines.iter().enumerate() {
            match variants.get(&sku_fold(&line.sku)) {
                Some(variant) => kept.push((line, variant)),
                None => refused.push((place, Refusal::UnknownSku(line.sku.clone()))),
            }
        }
        let Some(date) = kept.iter().map(|(line, _)| line.ordered_at).min() else {
            return Outcome::refused(refused);
        };
        if mode.whole_orders && !refused.is_empty() {
            return Outcome::refused_all(order, refused, &Refusal::NotWhole);
        }
        let Some(rows) = self.imported_rows(order, &kept, date) else {
            return Outcome::refused_all(order, refused, &Refusal::TooLarge);
        };
        let total_minor = rows.order.total_minor;
        new.push(rows);
        Outcome {
            change: Change::Created { total_minor },
            refused,
        }
    }

    /// The rows of an order, or nothing when its total does not fit.
    fn imported_rows(
        &self,
        imported: &ImportedOrder,
        kept: &[(&ImportedLine, &SellableVariant)],
        date: DateTime<Utc>,
    ) -> Option<NewRows> {
        let (id, now) = (self.clock.id(), self.clock.now());
        let mut total_minor = 0_i64;
        let mut lines = Vec::with_capacity(kept.len());
        for (position, (line, variant)) in kept.iter().enumerate() {
            let line_minor = money::line_total(line.quantity, line.unit_price_minor)?;
            total_minor = total_minor.checked_add(line_minor)?;
            lines.push(order_line::Model {
                id: self.clock.id(),
                order_id: id,
                position: i32::try_from(position).ok()?,
                product_id: variant.product_id,
                variant_id: variant.variant_id,
                sku: line.sku.clone(),
                name: line.name.clone().unwrap_or_else(|| variant.name.clone()),
                quantity: line.quantity,
                unit_price_minor: line.unit_price_minor,
                total_minor: line_minor,
                fulfilled: line.quantity,
                refunded: 0,
                dropped: 0,
                restocked: 0,
            });
        }
        let order = order::Model {
            id,
            number: String::new(),
            user_id: None,
            status: OrderStatus::Fulfilled,
            payment_status: PaymentStatus::Paid,
            origin: OrderOrigin::Import,
            source: Some(imported.source.clone()),
            external_reference: Some(imported.external_reference.clone()),
            customer_reference: imported.customer_reference.clone(),
            client_reference: None,
            note: None,
            shipping_address: None,
            billing_address: None,
            cancel_reason: None,
            subtotal_minor: total_minor,
            total_minor,
            refunded_minor: 0,
            currency: self.shop.currency.clone(),
            reservation_expires_at: None,
            reservation_extended_at: None,
            version: 1,
            created_at: date,
            updated_at: now,
            paid_at: Some(date),
            cancelled_at: None,
            fulfilled_at: Some(date),
        };
        let reason = format!("imported from {}", imported.source);
        let history = order_history::Model {
            id: self.clock.id(),
            order_id: id,
            version: 1,
            from_status: None,
            to_status: order.status,
            actor_id: None,
            reason: Some(reason.chars().take(REASON_MAX).collect()),
            created_at: now,
        };
        Some(NewRows {
            order,
            lines,
            history,
        })
    }

    /// Gives new orders numbers of the years of their dates.
    async fn imported_number(&self, new: &mut [NewRows]) -> Result<(), Fault> {
        let mut years: BTreeMap<i32, Vec<&mut order::Model>> = BTreeMap::new();
        for rows in new {
            let year = rows.order.created_at.year();
            years.entry(year).or_default().push(&mut rows.order);
        }
        for (year, orders) in years {
            let numbers = self.numbers.of_year(year, orders.len()).await?;
            for (order, number) in orders.into_iter().zip(numbers) {
                order.number = number;
            }
        }
        Ok(())
    }

    async fn imported_write(&self, new: &[NewRows]) -> Result<(), Fault> {
        self.db
            .write("orders.import", async |tx| {
                store::import::orders_insert(&*tx, new.iter().map(|rows| &rows.order)).await?;
                let lines = new.iter().flat_map(|rows| &rows.lines);
                store::import::lines_insert(&*tx, lines).await?;
                let history = new.iter().map(|rows| &rows.history);
                store::import::history_insert(&*tx, history).await?;
                Ok::<_, Fault>(())
            })
            .await
    }
}

impl Outcome {
    fn refused(refused: Vec<(usize, Refusal)>) -> Self {
        Self {
            change: Change::Refused,
            refused,
        }
    }

    /// All lines are refused: those that were not before, for this reason.
    fn refused_all(
        order: &ImportedOrder,
        mut refused: Vec<(usize, Refusal)>,
        reason: &Refusal,
    ) -> Self {
        let others: Vec<usize> = (0..order.lines.len())
            .filter(|place| !refused.iter().any(|(known, _)| known == place))
            .collect();
        refused.extend(others.into_iter().map(|place| (place, reason.clone())));
        Self::refused(refused)
    }
}

/// Compares an order with what is there. Lines may stand in another order, and equal ones are counted.
fn compare(
    order: &ImportedOrder,
    (known, lines): &Known,
    variants: &HashMap<String, SellableVariant>,
) -> Outcome {
    let is_known = |line: &&ImportedLine| variants.contains_key(&sku_fold(&line.sku));
    let date = order.lines.iter().filter(is_known);
    if date.map(|line| line.ordered_at).min() != Some(known.created_at) {
        let date = crate::clock::to_text(known.created_at);
        return Outcome::refused_all(order, Vec::new(), &Refusal::OtherDate(date));
    }
    if order.customer_reference != known.customer_reference {
        let reference = known.customer_reference.clone().unwrap_or_default();
        return Outcome::refused_all(order, Vec::new(), &Refusal::OtherCustomer(reference));
    }
    let mut left: HashMap<(&str, i64, i64), Vec<&order_line::Model>> = HashMap::new();
    for line in lines {
        let key = (line.sku.as_str(), line.quantity, line.unit_price_minor);
        left.entry(key).or_default().push(line);
    }
    let mut refused = Vec::new();
    let mut found = 0;
    let mut different = 0;
    for (place, line) in order.lines.iter().enumerate() {
        if !is_known(&line) {
            refused.push((place, Refusal::UnknownSku(line.sku.clone())));
            continue;
        }
        let key = (line.sku.as_str(), line.quantity, line.unit_price_minor);
        let same = left.get_mut(&key).and_then(|lines| {
            let name = line.name.as_deref();
            let same = lines
                .iter()
                .position(|known| name.is_none_or(|name| name == known.name));
            same.map(|place| lines.swap_remove(place))
        });
        match same {
            Some(_) => found += 1,
            None => {
                different += 1;
                refused.push((place, Refusal::OtherLine));
            }
        }
    }
    // What a changed line was before is no line that is missing.
    let missing = (lines.len() - found).saturating_sub(different);
    if missing > 0 {
        match refused.iter_mut().find(|(place, _)| *place == 0) {
            Some((_, reason)) => *reason = Refusal::LinesMissing(missing),
            None => refused.push((0, Refusal::LinesMissing(missing))),
        }
    }
    let change = if different == 0 && missing == 0 {
        Change::Unchanged
    } else {
        Change::Refused
    };
    Outcome { change, refused }
}
