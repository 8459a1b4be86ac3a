//! Planning: an order as the rows it will be, before anything is written.

use super::error::Error;
use super::events;
use crate::clock::Clock;
use crate::domain::catalog::model::SellableVariant;
use crate::domain::inventory::model::{Allocation, Available, Need, allocate};
use crate::events::outbox::NewEvent;
use crate::money;
use chrono::{DateTime, Utc};
use entity::accounts::Address;
use entity::ids::{OrderId, UserId};
use entity::inventory::{ReservationStatus, reservation};
use entity::orders::{
    OrderOrigin, OrderStatus, PaymentStatus, order, order_history, order_line, order_request,
};

/// An order that was asked for, with what its lines turned out to be.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The id it will have.
    pub id: OrderId,
    /// Its number.
    pub number: String,
    /// Who orders.
    pub user_id: UserId,
    /// The lines: what and how many.
    pub lines: Vec<(SellableVariant, i64)>,
    /// The client's own name for it.
    pub client_reference: Option<String>,
    /// A note of the customer.
    pub note: Option<String>,
    /// Where it is sent.
    pub shipping_address: Option<Address>,
    /// Who is billed.
    pub billing_address: Option<Address>,
    /// Whether its payment starts in the same transaction.
    pub is_paying: bool,
    /// Where it came from.
    pub request: order_request::Model,
    /// The currency.
    pub currency: String,
    /// When.
    pub now: DateTime<Utc>,
    /// Until when its stock is held.
    pub expires_at: DateTime<Utc>,
}

/// The rows of an order, ready to be written.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The order.
    pub order: order::Model,
    /// Its lines.
    pub lines: Vec<order_line::Model>,
    /// Its first row of history.
    pub history: order_history::Model,
    /// Where it came from.
    pub request: order_request::Model,
    /// What it holds.
    pub reservations: Vec<reservation::Model>,
    /// The units to take.
    pub allocations: Vec<Allocation>,
    /// `order.created`.
    pub event: NewEvent,
}

/// Plans an order on the stock that an unlocked read saw. Nothing is written.
///
/// # Errors
/// Every line that is short, or a total that does not fit.
pub fn plan(clock: &Clock, wanted: &Wanted, stock: &[Available]) -> Result<Plan, Vec<Error>> {
    let lines = lines(clock, wanted).ok_or_else(|| vec![Error::TooLarge])?;
    let total = lines
        .iter()
        .try_fold(0_i64, |sum, line| sum.checked_add(line.total_minor));
    let total = total.ok_or_else(|| vec![Error::TooLarge])?;
    let needs: Vec<Need> = lines
        .iter()
        .map(|line| Need {
            variant_id: line.variant_id,
            units: line.quantity,
        })
        .collect();
    let allocations = allocate(&needs, stock).map_err(|short| {
        let error = |line: usize| Error::InsufficientStock {
            line,
            variant_id: needs[line].variant_id,
            requested: needs[line].units,
        };
        short.into_iter().map(error).collect::<Vec<_>>()
    })?;
    let order = order(wanted, total);
    let reservations = allocations
        .iter()
        .map(|allocation| reservation::Model {
            id: clock.id(),
            order_id: wanted.id,
            order_line_id: lines[allocation.need].id,
            variant_id: allocation.variant_id,
            warehouse_id: allocation.warehouse_id,
            quantity: allocation.units,
            returned: 0,
            status: ReservationStatus::Active,
            expires_at: wanted.expires_at,
            created_at: wanted.now,
            updated_at: wanted.now,
        })
        .collect();
    let history = order_history::Model {
        id: clock.id(),
        order_id: wanted.id,
        version: 1,
        from_status: None,
        to_status: order.status,
        actor_id: Some(wanted.user_id),
        reason: None,
        created_at: wanted.now,
    };
    let event = events::event(&order, &lines, &events::Told::default());
    Ok(Plan {
        order,
        lines,
        history,
        request: wanted.request.clone(),
        reservations,
        allocations,
        event,
    })
}

fn order(wanted: &Wanted, total_minor: i64) -> order::Model {
    let (status, payment_status) = if wanted.is_paying {
        (OrderStatus::Pending, PaymentStatus::Pending)
    } else {
        (OrderStatus::AwaitingPayment, PaymentStatus::Unpaid)
    };
    order::Model {
        id: wanted.id,
        number: wanted.number.clone(),
        user_id: Some(wanted.user_id),
        status,
        payment_status,
        origin: OrderOrigin::Live,
        source: None,
        external_reference: None,
        customer_reference: None,
        client_reference: wanted.client_reference.clone(),
        note: wanted.note.clone(),
        shipping_address: wanted.shipping_address.clone(),
        billing_address: wanted.billing_address.clone(),
        cancel_reason: None,
        subtotal_minor: total_minor,
        total_minor,
        refunded_minor: 0,
        currency: wanted.currency.clone(),
        reservation_expires_at: Some(wanted.expires_at),
        reservation_extended_at: None,
        version: 1,
        created_at: wanted.now,
        updated_at: wanted.now,
        paid_at: None,
        cancelled_at: None,
        fulfilled_at: None,
    }
}

/// The lines, or nothing when an amount does not fit.
fn lines(clock: &Clock, wanted: &Wanted) -> Option<Vec<order_line::Model>> {
    wanted
        .lines
        .iter()
        .enumerate()
        .map(|(position, (variant, quantity))| {
            Some(order_line::Model {
                id: clock.id(),
                order_id: wanted.id,
                position: i32::try_from(position).ok()?,
                product_id: variant.product_id,
                variant_id: variant.variant_id,
                sku: variant.sku.clone(),
                name: variant.name.clone(),
                quantity: *quantity,
                unit_price_minor: variant.unit_price_minor,
                total_minor: money::line_total(*quantity, variant.unit_price_minor)?,
                fulfilled: 0,
                refunded: 0,
                dropped: 0,
                restocked: 0,
            })
        })
        .collect()
}
