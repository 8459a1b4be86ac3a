//! What the inventory publishes, keyed by variant: the change and the state after it. Times have six digits of
//! fraction and `Z`. These topics promise ids and times, not versions: a variant has no version of its stock.

mod sample;

use crate::domain::catalog;
use crate::domain::catalog::model::AvailabilityChange;
use crate::events::contract::EventType;
use crate::events::contract::values::{Time, Word};
use crate::events::hub::{Event, Subject};
use crate::events::outbox::NewEvent;
use chrono::{DateTime, Utc};
use entity::catalog::{Availability, variant};
use entity::inventory::{MovementReason, reservation, stock, stock_movement};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

/// The aggregate's name in the outbox.
pub const AGGREGATE: &str = "variant";
/// What those subscribe to who follow the stock of variants.
pub const STOCK: &str = "stock";
/// Stock was changed by hand.
pub const ADJUSTED: &str = "tradepost.stock.adjusted.v1";
/// Stock went from one warehouse to another.
pub const TRANSFERRED: &str = "tradepost.stock.transferred.v1";
/// Fewer units can be sold than a threshold says.
pub const LOW: &str = "tradepost.stock.low.v1";
/// Something can be sold again.
pub const BACK_IN_STOCK: &str = "tradepost.stock.back_in_stock.v1";
/// An order was not paid in time and its units can be sold again.
pub const RESERVATION_EXPIRED: &str = "tradepost.reservation.expired.v1";

/// What the inventory publishes.
#[rustfmt::skip]
pub const TYPES: &[EventType] = &[
    EventType::of::<StockAdjusted>(ADJUSTED, AGGREGATE, "Staff changed the stock of a warehouse by hand.", sample::adjusted),
    EventType::of::<StockTransferred>(TRANSFERRED, AGGREGATE, "Units went from one warehouse to another.", sample::transferred),
    EventType::of::<AvailabilityCrossed>(LOW, AGGREGATE, "What can be sold fell to `shop.low_stock_threshold` or below, or to nothing.", sample::low),
    EventType::of::<AvailabilityCrossed>(BACK_IN_STOCK, AGGREGATE, "Something can be sold again.", sample::back_in_stock),
    EventType::of::<ReservationExpired>(RESERVATION_EXPIRED, AGGREGATE, "An order was not paid in time, and what it held can be sold again; one for each reservation.", sample::reservation_expired),
];

/// The body of `stock.adjusted`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockAdjusted {
    /// The movement that records the change.
    pub movement_id: Uuid,
    /// The variant.
    pub variant_id: Uuid,
    /// Its product.
    pub product_id: Uuid,
    /// Its SKU.
    pub sku: String,
    /// The warehouse.
    pub warehouse_id: Uuid,
    /// Units that came (positive) or went (negative).
    pub delta: i64,
    /// Why.
    pub reason: Word<MovementReason>,
    /// What it belongs to.
    pub reference: Option<String>,
    /// Units in the warehouse after it.
    pub on_hand: i64,
    /// Units of these that are held for orders.
    pub reserved: i64,
    /// Units in the warehouse that can be sold.
    pub available: i64,
    /// When.
    pub created_at: Time,
}

/// The body of `stock.transferred`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockTransferred {
    /// The movement out of the first warehouse.
    pub out_movement_id: Uuid,
    /// The movement into the second.
    pub in_movement_id: Uuid,
    /// The variant.
    pub variant_id: Uuid,
    /// Its product.
    pub product_id: Uuid,
    /// Its SKU.
    pub sku: String,
    /// Where the units were.
    pub from_warehouse_id: Uuid,
    /// Where they are.
    pub to_warehouse_id: Uuid,
    /// Units.
    pub quantity: i64,
    /// What it belongs to.
    pub reference: Option<String>,
    /// When.
    pub created_at: Time,
}

/// The body of `stock.low` and `stock.back_in_stock`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AvailabilityCrossed {
    /// The variant.
    pub variant_id: Uuid,
    /// Its product.
    pub product_id: Uuid,
    /// Its SKU.
    pub sku: String,
    /// What the public is told from now on.
    pub availability: Word<Availability>,
    /// What it was told before.
    pub previous_availability: Word<Availability>,
    /// Units in active warehouses that can be sold.
    pub available: i64,
    /// When.
    pub created_at: Time,
}

/// The body of `reservation.expired`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReservationExpired {
    /// The reservation.
    pub reservation_id: Uuid,
    /// The order that was not paid.
    pub order_id: Uuid,
    /// Its line.
    pub order_line_id: Uuid,
    /// The variant.
    pub variant_id: Uuid,
    /// The warehouse.
    pub warehouse_id: Uuid,
    /// Units that can be sold again.
    pub quantity: i64,
    /// Until when they were held.
    pub expires_at: Time,
    /// When they were given back.
    pub created_at: Time,
}

/// Stock was changed by hand; `stock` is the row after it.
#[must_use]
pub fn adjusted(
    variant: &variant::Model,
    movement: &stock_movement::Model,
    stock: &stock::Model,
) -> NewEvent {
    let body = StockAdjusted {
        movement_id: movement.id.0,
        variant_id: variant.id.0,
        product_id: variant.product_id.0,
        sku: variant.sku.clone(),
        warehouse_id: movement.warehouse_id.0,
        delta: movement.delta,
        reason: Word(movement.reason),
        reference: movement.reference.clone(),
        on_hand: stock.on_hand,
        reserved: stock.reserved,
        available: stock.on_hand - stock.reserved,
        created_at: Time(movement.created_at),
    };
    event(ADJUSTED, variant.id.0, &body, movement.created_at)
}

/// Stock went from one warehouse to another, by these two movements.
#[must_use]
pub fn transferred(
    variant: &variant::Model,
    out: &stock_movement::Model,
    into: &stock_movement::Model,
) -> NewEvent {
    let body = StockTransferred {
        out_movement_id: out.id.0,
        in_movement_id: into.id.0,
        variant_id: variant.id.0,
        product_id: variant.product_id.0,
        sku: variant.sku.clone(),
        from_warehouse_id: out.warehouse_id.0,
        to_warehouse_id: into.warehouse_id.0,
        quantity: into.delta,
        reference: out.reference.clone(),
        created_at: Time(out.created_at),
    };
    event(TRANSFERRED, variant.id.0, &body, out.created_at)
}

/// What the public is told changed: `stock.low` on the way down, `stock.back_in_stock` when something can be sold
/// again; nothing on the way up from few to many.
#[must_use]
pub fn crossed(
    change: &AvailabilityChange,
    available: i64,
    now: DateTime<Utc>,
) -> Option<NewEvent> {
    use Availability::{InStock, LowStock, OutOfStock};
    let event_type = match (change.from, change.to) {
        (OutOfStock, LowStock | InStock) => BACK_IN_STOCK,
        (InStock, LowStock | OutOfStock) | (LowStock, OutOfStock) => LOW,
        (LowStock, InStock)
        | (InStock, InStock)
        | (LowStock, LowStock)
        | (OutOfStock, OutOfStock) => {
            return None;
        }
    };
    let body = AvailabilityCrossed {
        variant_id: change.variant_id.0,
        product_id: change.product_id.0,
        sku: change.sku.clone(),
        availability: Word(change.to),
        previous_availability: Word(change.from),
        available,
        created_at: Time(now),
    };
    Some(event(event_type, change.variant_id.0, &body, now))
}

/// An order was not paid in time.
#[must_use]
pub fn reservation_expired(row: &reservation::Model, now: DateTime<Utc>) -> NewEvent {
    let body = ReservationExpired {
        reservation_id: row.id.0,
        order_id: row.order_id.0,
        order_line_id: row.order_line_id.0,
        variant_id: row.variant_id.0,
        warehouse_id: row.warehouse_id.0,
        quantity: row.quantity,
        expires_at: Time(row.expires_at),
        created_at: Time(now),
    };
    event(RESERVATION_EXPIRED, row.variant_id.0, &body, now)
}

fn event(
    event_type: &'static str,
    variant_id: Uuid,
    body: &impl Serialize,
    now: DateTime<Utc>,
) -> NewEvent {
    NewEvent {
        aggregate_type: AGGREGATE,
        aggregate_id: variant_id,
        aggregate_version: None,
        event_type,
        payload: serde_json::json!(body),
        created_at: now,
    }
}

/// What an event of the inventory is about: the variant's stock, and its product when the public sees the change.
#[must_use]
pub fn subjects(event: &Event) -> Vec<Subject> {
    if event.aggregate_type != AGGREGATE {
        return Vec::new();
    }
    let stock = Subject {
        kind: STOCK,
        id: event.aggregate_id,
    };
    let is_public = [LOW, BACK_IN_STOCK].contains(&event.event_type.as_str());
    let product = event.payload["productId"]
        .as_str()
        .filter(|_| is_public)
        .and_then(|text| text.parse().ok());
    let product = product.map(|id| Subject {
        kind: catalog::service::PRODUCT,
        id,
    });
    std::iter::once(stock).chain(product).collect()
}
