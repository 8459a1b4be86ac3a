//! One event of each type, as the contract shows them: an order of two blue mugs.

use super::{
    CANCELLED, CREATED, EXPIRED, FAILED, FULFILLED, Line, Money, NewEvent, OrderBody, PAID,
    PAYMENT_FAILED, REFUNDED, SNAPSHOT, STOCK_GONE, STOCK_UPDATE_FAILED, Time, UPDATED, Word,
    published,
};
use crate::events::contract::sample::{LINE, ORDER, PRODUCT, USER, VARIANT, at};
use entity::orders::{OrderStatus, PaymentStatus};
use entity::payments::DeclineReason;

const CURRENCY: &str = "GBP";

/// The order as it was made.
fn first() -> OrderBody {
    OrderBody {
        order_id: ORDER,
        number: "ORD-2025-000001".to_owned(),
        version: 1,
        status: Word(OrderStatus::AwaitingPayment),
        previous_status: None,
        payment_status: Word(PaymentStatus::Unpaid),
        user_id: Some(USER),
        total: Money::new(15_000, CURRENCY),
        refunded: Money::new(0, CURRENCY),
        failure: None,
        lines: vec![Line {
            line_id: LINE,
            product_id: PRODUCT,
            variant_id: VARIANT,
            sku: "MUG-BLUE".to_owned(),
            name: "Mug, blue".to_owned(),
            quantity: 2,
            fulfilled_quantity: 0,
            refunded_quantity: 0,
            unit_price: Money::new(7_500, CURRENCY),
            total: Money::new(15_000, CURRENCY),
        }],
        created_at: Time(at(0)),
        updated_at: Time(at(0)),
    }
}

/// The order in a later version.
fn later(version: i32, from: OrderStatus, to: OrderStatus, payment: PaymentStatus) -> OrderBody {
    OrderBody {
        version,
        status: Word(to),
        previous_status: Some(Word(from)),
        payment_status: Word(payment),
        updated_at: Time(at(60 * i64::from(version - 1))),
        ..first()
    }
}

pub(super) fn snapshot() -> NewEvent {
    published(SNAPSHOT, &first())
}

pub(super) fn created() -> NewEvent {
    published(CREATED, &first())
}

pub(super) fn updated() -> NewEvent {
    use OrderStatus::{AwaitingPayment, Pending};
    published(
        UPDATED,
        &later(2, AwaitingPayment, Pending, PaymentStatus::Pending),
    )
}

pub(super) fn payment_failed() -> NewEvent {
    use OrderStatus::{AwaitingPayment, Pending};
    let body = OrderBody {
        failure: Some(DeclineReason::CardDeclined.as_str().to_owned()),
        ..later(3, Pending, AwaitingPayment, PaymentStatus::Unpaid)
    };
    published(PAYMENT_FAILED, &body)
}

pub(super) fn paid() -> NewEvent {
    use OrderStatus::{Paid, Pending};
    published(PAID, &later(3, Pending, Paid, PaymentStatus::Paid))
}

pub(super) fn fulfilled() -> NewEvent {
    use OrderStatus::{Fulfilled, Paid};
    let mut body = later(4, Paid, Fulfilled, PaymentStatus::Paid);
    body.lines[0].fulfilled_quantity = 2;
    published(FULFILLED, &body)
}

pub(super) fn refunded() -> NewEvent {
    use OrderStatus::Fulfilled;
    let mut body = later(5, Fulfilled, Fulfilled, PaymentStatus::PartlyRefunded);
    body.refunded = Money::new(7_500, CURRENCY);
    body.lines[0].fulfilled_quantity = 2;
    body.lines[0].refunded_quantity = 1;
    published(REFUNDED, &body)
}

pub(super) fn cancelled() -> NewEvent {
    use OrderStatus::{AwaitingPayment, Cancelled};
    published(
        CANCELLED,
        &later(2, AwaitingPayment, Cancelled, PaymentStatus::Unpaid),
    )
}

pub(super) fn expired() -> NewEvent {
    use OrderStatus::{AwaitingPayment, Expired};
    published(
        EXPIRED,
        &later(2, AwaitingPayment, Expired, PaymentStatus::Unpaid),
    )
}

pub(super) fn failed() -> NewEvent {
    use OrderStatus::{Failed, Pending};
    published(FAILED, &later(3, Pending, Failed, PaymentStatus::Unpaid))
}

pub(super) fn stock_update_failed() -> NewEvent {
    use OrderStatus::Pending;
    let body = OrderBody {
        failure: Some(STOCK_GONE.to_owned()),
        ..later(3, Pending, Pending, PaymentStatus::Pending)
    };
    published(STOCK_UPDATE_FAILED, &body)
}
