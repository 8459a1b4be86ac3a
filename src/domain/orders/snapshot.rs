//! An order as it was after one of its changes, for those who follow it.
//!
//! A subscriber is shown each change in its order. What is read from the tables when a change is shown may be newer:
//! so what the change's event says goes over it, and what happened later is taken away. The rest of the order (parties,
//! notes, payments, parcels) is shown as it is now. `docs/decisions/0280-subscriptions-show-every-version.md`.

use super::model::Filter;
use crate::error::Fault;
use crate::events::hub::Event;
use crate::money;
use chrono::{DateTime, Utc};
use entity::ids::{OrderLineId, ProductId};
use entity::orders::{OrderStatus, PaymentStatus, order, order_line};
use rust_decimal::Decimal;
use serde::Deserialize;
use std::sync::Arc;

/// What an event says of an order that changes while the order lives.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    version: i32,
    status: OrderStatus,
    payment_status: PaymentStatus,
    total: Amount,
    refunded: Amount,
    #[serde(default)]
    lines: Vec<ToldLine>,
    updated_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Amount {
    amount: String,
}

/// What an event says of a line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToldLine {
    line_id: OrderLineId,
    product_id: ProductId,
    fulfilled_quantity: i64,
    refunded_quantity: i64,
}

/// An order after one of its changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The order.
    pub order: order::Model,
    /// What its lines were.
    pub lines: Lines,
}

/// What the lines of an order were after one of its changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines(Arc<[ToldLine]>);

impl Lines {
    /// Puts what was sent and refunded then into lines that were read later.
    pub fn turn_back(&self, lines: &mut [order_line::Model]) {
        for line in lines {
            if let Some(told) = self.0.iter().find(|told| told.line_id == line.id) {
                line.fulfilled = told.fulfilled_quantity;
                line.refunded = told.refunded_quantity;
            }
        }
    }
}

impl Snapshot {
    /// The order after the change of an event; `order` was read later.
    ///
    /// # Errors
    /// [`Fault::Broken`] when the event is not one of an order.
    pub fn new(mut order: order::Model, event: &Event) -> Result<Self, Fault> {
        let told = Told::deserialize(&event.payload).map_err(Fault::doing(format!(
            "reading the event {} of an order",
            event.id
        )))?;
        let minor = |amount: &Amount| {
            let amount: Decimal = amount
                .amount
                .parse()
                .map_err(Fault::doing("reading an amount of an order's event"))?;
            money::to_minor(amount, &order.currency)
                .map_err(Fault::doing("reading an amount of an order's event"))
        };
        let (total_minor, refunded_minor) = (minor(&told.total)?, minor(&told.refunded)?);
        let until = |time: Option<DateTime<Utc>>| time.filter(|time| *time <= told.updated_at);
        if told.version < order.version {
            order.paid_at = until(order.paid_at);
            order.fulfilled_at = until(order.fulfilled_at);
            order.cancelled_at = until(order.cancelled_at);
            order.reservation_extended_at = until(order.reservation_extended_at);
            if order.cancelled_at.is_none() {
                order.cancel_reason = None;
            }
        }
        order.version = told.version;
        order.status = told.status;
        order.payment_status = told.payment_status;
        order.total_minor = total_minor;
        order.refunded_minor = refunded_minor;
        order.updated_at = told.updated_at;
        Ok(Self {
            order,
            lines: Lines(told.lines.into()),
        })
    }

    /// Whether a list under this filter would have the order, as it was then.
    #[must_use]
    pub fn matches(&self, filter: &Filter) -> bool {
        let order = &self.order;
        let is = |wanted: &Option<String>, value: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| value == Some(wanted))
        };
        let has_product = |product_id: ProductId| {
            self.lines
                .0
                .iter()
                .any(|line| line.product_id == product_id)
        };
        filter
            .statuses
            .as_ref()
            .is_none_or(|statuses| statuses.contains(&order.status))
            && filter
                .user_id
                .is_none_or(|user_id| order.user_id == Some(user_id))
            && filter.product_id.is_none_or(has_product)
            && is(&filter.number, Some(&order.number))
            && is(&filter.client_reference, order.client_reference.as_deref())
            && is(
                &filter.external_reference,
                order.external_reference.as_deref(),
            )
            && is(
                &filter.customer_reference,
                order.customer_reference.as_deref(),
            )
            && filter
                .created_from
                .is_none_or(|from| order.created_at >= from)
            && filter.created_to.is_none_or(|to| order.created_at <= to)
            && filter
                .total_from_minor
                .is_none_or(|from| order.total_minor >= from)
            && filter
                .total_to_minor
                .is_none_or(|to| order.total_minor <= to)
    }
}
