//! Orders in the schema.

use async_graphql::Enum;

/// Where an order stands. New values may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::orders::OrderStatus")]
pub enum OrderStatus {
    /// Its stock is reserved; no payment is under way.
    AwaitingPayment,
    /// A payment is under way or its outcome is not known yet.
    Pending,
    /// It is paid.
    Paid,
    /// A part of it was sent.
    PartlyFulfilled,
    /// All of it was sent.
    Fulfilled,
    /// It was cancelled; its stock was given back.
    Cancelled,
    /// It was not paid in time; its stock was given back.
    Expired,
    /// It could not be completed and was undone.
    Failed,
}
