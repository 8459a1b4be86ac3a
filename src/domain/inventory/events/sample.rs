//! One event of each type, as the contract shows them: blue mugs come, go and run low.

use super::{
    ADJUSTED, Availability, AvailabilityCrossed, BACK_IN_STOCK, LOW, MovementReason, NewEvent,
    RESERVATION_EXPIRED, ReservationExpired, StockAdjusted, StockTransferred, TRANSFERRED, Time,
    Word, event,
};
use crate::events::contract::sample::{
    LINE, ORDER, OTHER_WAREHOUSE, PRODUCT, VARIANT, WAREHOUSE, at, id,
};

const SKU: &str = "MUG-BLUE";

pub(super) fn adjusted() -> NewEvent {
    let body = StockAdjusted {
        movement_id: id(16),
        variant_id: VARIANT,
        product_id: PRODUCT,
        sku: SKU.to_owned(),
        warehouse_id: WAREHOUSE,
        delta: -3,
        reason: Word(MovementReason::Counted),
        reference: Some("count of November".to_owned()),
        on_hand: 21,
        reserved: 2,
        available: 19,
        created_at: Time(at(0)),
    };
    event(ADJUSTED, VARIANT, &body, at(0))
}

pub(super) fn transferred() -> NewEvent {
    let body = StockTransferred {
        out_movement_id: id(17),
        in_movement_id: id(18),
        variant_id: VARIANT,
        product_id: PRODUCT,
        sku: SKU.to_owned(),
        from_warehouse_id: WAREHOUSE,
        to_warehouse_id: OTHER_WAREHOUSE,
        quantity: 5,
        reference: None,
        created_at: Time(at(0)),
    };
    event(TRANSFERRED, VARIANT, &body, at(0))
}

fn availability(from: Availability, to: Availability, available: i64) -> AvailabilityCrossed {
    AvailabilityCrossed {
        variant_id: VARIANT,
        product_id: PRODUCT,
        sku: SKU.to_owned(),
        availability: Word(to),
        previous_availability: Word(from),
        available,
        created_at: Time(at(0)),
    }
}

pub(super) fn low() -> NewEvent {
    let body = availability(Availability::InStock, Availability::LowStock, 4);
    event(LOW, VARIANT, &body, at(0))
}

pub(super) fn back_in_stock() -> NewEvent {
    let body = availability(Availability::OutOfStock, Availability::InStock, 40);
    event(BACK_IN_STOCK, VARIANT, &body, at(0))
}

pub(super) fn reservation_expired() -> NewEvent {
    let body = ReservationExpired {
        reservation_id: id(19),
        order_id: ORDER,
        order_line_id: LINE,
        variant_id: VARIANT,
        warehouse_id: WAREHOUSE,
        quantity: 2,
        expires_at: Time(at(900)),
        created_at: Time(at(901)),
    };
    event(RESERVATION_EXPIRED, VARIANT, &body, at(901))
}
