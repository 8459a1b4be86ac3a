//! What orders publish: the order after the change, with all that a consumer needs to act.
//!
//! Amounts are decimal strings with all the decimals of their currency, times have six digits of fraction and `Z`.

use crate::clock;
use crate::events::outbox::NewEvent;
use crate::money;
use entity::orders::{OrderStatus, order, order_line};
use serde::Serialize;
use uuid::Uuid;

/// The aggregate's name in the outbox.
pub const AGGREGATE: &str = "order";

/// The type of the event that a change of state writes.
#[must_use]
pub const fn event_type(to: OrderStatus) -> &'static str {
    match to {
        OrderStatus::Paid => "tradepost.order.paid.v1",
        OrderStatus::Cancelled => "tradepost.order.cancelled.v1",
        OrderStatus::Expired => "tradepost.order.expired.v1",
        OrderStatus::Failed => "tradepost.order.failed.v1",
        OrderStatus::Fulfilled | OrderStatus::PartlyFulfilled => "tradepost.order.fulfilled.v1",
        OrderStatus::AwaitingPayment | OrderStatus::Pending => UPDATED,
    }
}

/// A change that has no type of its own.
pub const UPDATED: &str = "tradepost.order.updated.v1";
/// A payment was refused; the order can be paid again until its reservation ends.
pub const PAYMENT_FAILED: &str = "tradepost.order.payment_failed.v1";
/// Money went back.
pub const REFUNDED: &str = "tradepost.order.refunded.v1";
/// The stock of a paid order could not go out: the money goes back, and the order will be cancelled.
pub const STOCK_UPDATE_FAILED: &str = "tradepost.stock.update_failed.v1";

/// The type of the first event of an order.
pub const CREATED: &str = "tradepost.order.created.v1";
/// The state of an order on the topic of states, which is no change: for teams that start late.
pub const SNAPSHOT: &str = "tradepost.order.snapshot.v1";

/// An amount in an event.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Amount {
    /// Decimal with all the decimals of the currency (`"150.00"`).
    pub amount: String,
    /// The currency.
    pub currency_code: String,
}

impl Amount {
    fn new(minor: i64, currency: &str) -> Self {
        Self {
            amount: money::to_decimal(minor, currency).to_string(),
            currency_code: currency.to_owned(),
        }
    }
}

/// A line of an order in an event.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The line.
    pub line_id: Uuid,
    /// The product.
    pub product_id: Uuid,
    /// The variant.
    pub variant_id: Uuid,
    /// Its SKU when it was sold.
    pub sku: String,
    /// Its name when it was sold.
    pub name: String,
    /// Units.
    pub quantity: i64,
    /// Units that were sent.
    pub fulfilled_quantity: i64,
    /// Units that were paid back.
    pub refunded_quantity: i64,
    /// Price of one unit.
    pub unit_price: Amount,
    /// Quantity × unit price.
    pub total: Amount,
}

/// The body of every order event: the order after the change.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderBody {
    /// The order.
    pub order_id: Uuid,
    /// Its number for people.
    pub number: String,
    /// Its version: 1, 2, 3 … without gaps.
    pub version: i32,
    /// Its state.
    pub status: &'static str,
    /// The state before, in all events but the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_status: Option<&'static str>,
    /// The state of its payment.
    pub payment_status: &'static str,
    /// Who ordered.
    pub user_id: Option<Uuid>,
    /// What is to be paid.
    pub total: Amount,
    /// What was paid back.
    pub refunded: Amount,
    /// Why the payment was refused or the stock could not go out, as a code; only in those two events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The lines.
    pub lines: Vec<Line>,
    /// When it was made.
    pub created_at: String,
    /// When this change was made.
    pub updated_at: String,
}

/// What an event tells beside the order.
#[derive(Clone, Debug, Default)]
pub struct Told<'a> {
    /// The state before; none for `order.created`.
    pub previous: Option<OrderStatus>,
    /// Its type, where the new state alone does not give it.
    pub event_type: Option<&'static str>,
    /// A code of what failed.
    pub failure: Option<&'a str>,
}

/// The event of an order after a change.
#[must_use]
pub fn event(order: &order::Model, lines: &[order_line::Model], told: &Told<'_>) -> NewEvent {
    let event_type = match (told.event_type, told.previous) {
        (Some(event_type), _) => event_type,
        (None, Some(_)) => event_type(order.status),
        (None, None) => CREATED,
    };
    new_event(order, event_type, &body(order, lines, told))
}

/// The state of an order as an event of its newest version.
#[must_use]
pub fn snapshot(order: &order::Model, lines: &[order_line::Model]) -> NewEvent {
    new_event(order, SNAPSHOT, &body(order, lines, &Told::default()))
}

fn new_event(order: &order::Model, event_type: &'static str, body: &OrderBody) -> NewEvent {
    NewEvent {
        aggregate_type: AGGREGATE,
        aggregate_id: order.id.0,
        aggregate_version: Some(order.version),
        event_type,
        payload: serde_json::json!(body),
        created_at: order.updated_at,
    }
}

fn body(order: &order::Model, lines: &[order_line::Model], told: &Told<'_>) -> OrderBody {
    let currency = order.currency.as_str();
    OrderBody {
        order_id: order.id.0,
        number: order.number.clone(),
        version: order.version,
        status: order.status.as_str(),
        previous_status: told.previous.map(OrderStatus::as_str),
        payment_status: order.payment_status.as_str(),
        user_id: order.user_id.map(|id| id.0),
        total: Amount::new(order.total_minor, currency),
        refunded: Amount::new(order.refunded_minor, currency),
        failure: told.failure.map(str::to_owned),
        lines: lines
            .iter()
            .map(|line| Line {
                line_id: line.id.0,
                product_id: line.product_id.0,
                variant_id: line.variant_id.0,
                sku: line.sku.clone(),
                name: line.name.clone(),
                quantity: line.quantity,
                fulfilled_quantity: line.fulfilled,
                refunded_quantity: line.refunded,
                unit_price: Amount::new(line.unit_price_minor, currency),
                total: Amount::new(line.total_minor, currency),
            })
            .collect(),
        created_at: clock::to_text(order.created_at),
        updated_at: clock::to_text(order.updated_at),
    }
}
