//! What orders publish: the order after the change, with all that a consumer needs to act.
//!
//! Amounts are decimal strings with all the decimals of their currency, times have six digits of fraction and `Z`. A new
//! field is optional in its schema ([`crate::events::contract`]): rows that wait in the outbox do not have it.

mod sample;

use crate::domain::inventory;
use crate::events::contract::EventType;
use crate::events::contract::values::{Money, Time, Word, words};
use crate::events::hub::{Event, Subject};
use crate::events::outbox::NewEvent;
use crate::events::record::STATES;
use entity::orders::{OrderStatus, PaymentStatus, order, order_line};
use entity::payments::DeclineReason;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use std::collections::BTreeSet;
use uuid::Uuid;

/// The aggregate's name in the outbox, and what those subscribe to who follow orders by their ids.
pub const AGGREGATE: &str = "order";
/// What those subscribe to who follow the orders of a user.
pub const ORDERS_OF_USER: &str = "orders_of_user";

/// The type of the event that a change of state writes.
#[must_use]
pub const fn event_type(to: OrderStatus) -> &'static str {
    match to {
        OrderStatus::Paid => PAID,
        OrderStatus::Cancelled => CANCELLED,
        OrderStatus::Expired => EXPIRED,
        OrderStatus::Failed => FAILED,
        OrderStatus::Fulfilled | OrderStatus::PartlyFulfilled => FULFILLED,
        OrderStatus::AwaitingPayment | OrderStatus::Pending => UPDATED,
    }
}

/// The type of the first event of an order.
pub const CREATED: &str = "tradepost.order.created.v1";
/// A change that has no type of its own.
pub const UPDATED: &str = "tradepost.order.updated.v1";
/// A payment was refused; the order can be paid again until its reservation ends.
pub const PAYMENT_FAILED: &str = "tradepost.order.payment_failed.v1";
const PAID: &str = "tradepost.order.paid.v1";
const FULFILLED: &str = "tradepost.order.fulfilled.v1";
/// Money went back.
pub const REFUNDED: &str = "tradepost.order.refunded.v1";
const CANCELLED: &str = "tradepost.order.cancelled.v1";
const EXPIRED: &str = "tradepost.order.expired.v1";
const FAILED: &str = "tradepost.order.failed.v1";
/// The stock of a paid order could not go out: the money goes back, and the order will be cancelled.
pub const STOCK_UPDATE_FAILED: &str = "tradepost.stock.update_failed.v1";

/// The state of an order on the topic of states, which is no change: for teams that start late.
pub const SNAPSHOT: &str = "tradepost.order.snapshot.v1";
/// Why the stock of a paid order could not go out: others have it.
pub const STOCK_GONE: &str = "STOCK_GONE";
/// Why the stock of a paid order could not go out: it breaks its own rules.
pub const STOCK_BROKEN: &str = "STOCK_BROKEN";

/// What orders publish: each raises the version of the order by one.
#[rustfmt::skip]
pub const TYPES: &[EventType] = &[
    EventType::of::<OrderBody>(CREATED, AGGREGATE, "An order was made: AWAITING_PAYMENT, or PENDING when it is paid in the same call.", sample::created),
    EventType::of::<OrderBody>(UPDATED, AGGREGATE, "A payment began (AWAITING_PAYMENT → PENDING), the time to pay was extended, or a note was added.", sample::updated),
    EventType::of::<OrderBody>(PAYMENT_FAILED, AGGREGATE, "PENDING → AWAITING_PAYMENT: the payment was refused, and `failure` says why. It can be paid again.", sample::payment_failed),
    EventType::of::<OrderBody>(PAID, AGGREGATE, "→ PAID: the money was taken and the stock went out.", sample::paid),
    EventType::of::<OrderBody>(FULFILLED, AGGREGATE, "→ PARTLY_FULFILLED or FULFILLED: a parcel was sent.", sample::fulfilled),
    EventType::of::<OrderBody>(REFUNDED, AGGREGATE, "Money went back; `refunded` is the sum of all refunds. The state mostly stays.", sample::refunded),
    EventType::of::<OrderBody>(CANCELLED, AGGREGATE, "→ CANCELLED; what was paid goes back, which an order.refunded tells.", sample::cancelled),
    EventType::of::<OrderBody>(EXPIRED, AGGREGATE, "AWAITING_PAYMENT → EXPIRED: it was not paid in time.", sample::expired),
    EventType::of::<OrderBody>(FAILED, AGGREGATE, "PENDING → FAILED: it could not be completed, and nothing is kept of its payment.", sample::failed),
    EventType::of::<OrderBody>(STOCK_UPDATE_FAILED, AGGREGATE, "Still PENDING: it was paid, but its stock could not go out, and `failure` says why. The money goes back, and order.cancelled follows.", sample::stock_update_failed),
    EventType::of::<OrderBody>(SNAPSHOT, AGGREGATE, "The state of an order, sent by `events snapshot`: no change, but where to begin.", sample::snapshot).on(STATES),
];

/// A line of an order in an event.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "OrderLine")]
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
    pub unit_price: Money,
    /// Quantity × unit price.
    pub total: Money,
}

/// The body of every order event: the order after the change.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderBody {
    /// The order.
    pub order_id: Uuid,
    /// Its number for people.
    pub number: String,
    /// Its version: 1, 2, 3 … without gaps.
    pub version: i32,
    /// Its state.
    pub status: Word<OrderStatus>,
    /// The state before, in all events but the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Word<OrderStatus>")]
    pub previous_status: Option<Word<OrderStatus>>,
    /// The state of its payment.
    pub payment_status: Word<PaymentStatus>,
    /// Who ordered.
    pub user_id: Option<Uuid>,
    /// What is to be paid.
    pub total: Money,
    /// What was paid back.
    pub refunded: Money,
    /// Why the payment was refused or the stock could not go out, as a code; only in those two events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "failures")]
    pub failure: Option<String>,
    /// The lines.
    pub lines: Vec<Line>,
    /// When it was made.
    pub created_at: Time,
    /// When this change was made.
    pub updated_at: Time,
}

/// The codes of [`OrderBody::failure`].
fn failures(_: &mut SchemaGenerator) -> Schema {
    let declined = DeclineReason::ALL.iter().map(|reason| reason.as_str());
    let known: Vec<&str> = declined.chain([STOCK_GONE, STOCK_BROKEN]).collect();
    words(&known)
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
    published(event_type, &body(order, lines, told))
}

/// The state of an order as an event of its newest version.
#[must_use]
pub fn snapshot(order: &order::Model, lines: &[order_line::Model]) -> NewEvent {
    published(SNAPSHOT, &body(order, lines, &Told::default()))
}

fn published(event_type: &'static str, body: &OrderBody) -> NewEvent {
    NewEvent {
        aggregate_type: AGGREGATE,
        aggregate_id: body.order_id,
        aggregate_version: Some(body.version),
        event_type,
        payload: serde_json::json!(body),
        created_at: body.updated_at.0,
    }
}

fn body(order: &order::Model, lines: &[order_line::Model], told: &Told<'_>) -> OrderBody {
    let currency = order.currency.as_str();
    OrderBody {
        order_id: order.id.0,
        number: order.number.clone(),
        version: order.version,
        status: Word(order.status),
        previous_status: told.previous.map(Word),
        payment_status: Word(order.payment_status),
        user_id: order.user_id.map(|id| id.0),
        total: Money::new(order.total_minor, currency),
        refunded: Money::new(order.refunded_minor, currency),
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
                unit_price: Money::new(line.unit_price_minor, currency),
                total: Money::new(line.total_minor, currency),
            })
            .collect(),
        created_at: Time(order.created_at),
        updated_at: Time(order.updated_at),
    }
}

/// What an order's event is about: the order, its user's orders, and the stock of its variants, which orders change
/// without events of the inventory.
#[must_use]
pub fn subjects(event: &Event) -> Vec<Subject> {
    if event.aggregate_type != AGGREGATE {
        return Vec::new();
    }
    let id = |value: &serde_json::Value| value.as_str().and_then(|text| text.parse().ok());
    let subject = |kind, id: Option<Uuid>| Some(Subject { kind, id: id? });
    let lines = event.payload["lines"].as_array();
    let variants: BTreeSet<Uuid> = lines
        .into_iter()
        .flatten()
        .filter_map(|line| id(&line["variantId"]))
        .collect();
    let stock = variants.into_iter().map(Some);
    [
        subject(AGGREGATE, Some(event.aggregate_id)),
        subject(ORDERS_OF_USER, id(&event.payload["userId"])),
    ]
    .into_iter()
    .chain(stock.map(|id| subject(inventory::events::STOCK, id)))
    .flatten()
    .collect()
}
