//! The types of orders.

use super::super::loaders::{
    FulfillmentsOfOrder, HistoryOfOrder, LinesOfOrder, NotesOfOrder, OrderKey, OrdersLoader,
    RequestOfOrder,
};
use super::super::snapshot::{Lines, Snapshot};
use super::{OrderFulfillment, OrderNote, OrderRequest};
use crate::domain::accounts::graphql::{PostalAddress, User};
use crate::domain::accounts::loaders::UserLoader;
use crate::domain::catalog;
use crate::domain::catalog::graphql::{Product, ProductVariant};
use crate::domain::payments::graphql::{Payment, Refund};
use crate::domain::payments::loaders::{PaymentsLoader, PaymentsOfOrder, RefundsOfOrder};
use crate::graphql::authorization::is;
use crate::graphql::error::ApiError;
use crate::graphql::loading;
use crate::graphql::scalars::{Money, Time, id, int};
use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use entity::accounts::Role;
use entity::ids::{OrderId, UserId};
use entity::orders::{order, order_history, order_line};

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

/// Where the payment of an order stands. New values may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::orders::PaymentStatus")]
pub enum PaymentStatus {
    /// Nothing was paid.
    Unpaid,
    /// A payment is under way.
    Pending,
    /// The amount is promised by the provider, not taken yet.
    Authorized,
    /// Paid in full.
    Paid,
    /// A part was paid back.
    PartlyRefunded,
    /// All was paid back.
    Refunded,
}

/// How an order came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::orders::OrderOrigin")]
pub enum OrderOrigin {
    /// Made through this shop.
    Live,
    /// Imported with its history.
    Import,
}

/// What an order costs.
#[derive(Clone, Debug, SimpleObject)]
pub struct OrderCost {
    /// Sum of the lines.
    pub subtotal: Money,
    /// What is to be paid.
    pub total: Money,
    /// What was paid back.
    pub refunded: Money,
}

/// An order. It is seen by the customer who made it and by staff. With lines that were told, it is as it was after one of
/// its changes.
#[derive(Clone, Debug)]
pub struct Order(order::Model, Option<Lines>);

impl From<order::Model> for Order {
    fn from(row: order::Model) -> Self {
        Self(row, None)
    }
}

impl From<Snapshot> for Order {
    fn from(snapshot: Snapshot) -> Self {
        Self(snapshot.order, Some(snapshot.lines))
    }
}

/// An order. It is seen by the customer who made it and by staff.
#[Object]
impl Order {
    /// Id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// Number for people, as `ORD-2026-000001`. Numbers have gaps and are not in the order of time.
    async fn number(&self) -> &str {
        &self.0.number
    }

    /// Where the order stands.
    async fn status(&self) -> OrderStatus {
        self.0.status.into()
    }

    /// Where its payment stands.
    async fn payment_status(&self) -> PaymentStatus {
        self.0.payment_status.into()
    }

    /// How it came to be.
    async fn origin(&self) -> OrderOrigin {
        self.0.origin.into()
    }

    /// The system it was imported from; nothing for orders made through this shop.
    async fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }

    /// Its id in that system.
    async fn external_reference(&self) -> Option<&str> {
        self.0.external_reference.as_deref()
    }

    /// The customer's id in that system.
    async fn customer_reference(&self) -> Option<&str> {
        self.0.customer_reference.as_deref()
    }

    /// What was bought, in the order in which it was asked for.
    #[graphql(complexity = "5 * child_complexity")]
    async fn lines(&self, ctx: &Context<'_>) -> Result<Vec<OrderLine>, ApiError> {
        let loader = loading::of::<OrdersLoader>(ctx);
        let mut rows = loader
            .load_one(LinesOfOrder(self.0.id))
            .await?
            .unwrap_or_default();
        if let Some(told) = &self.1 {
            told.turn_back(&mut rows);
        }
        let currency = self.0.currency.as_str();
        Ok(rows
            .into_iter()
            .map(|row| OrderLine::new(row, currency))
            .collect())
    }

    /// What it costs.
    async fn cost(&self) -> OrderCost {
        OrderCost {
            subtotal: Money::new(self.0.subtotal_minor, &self.0.currency),
            total: Money::new(self.0.total_minor, &self.0.currency),
            refunded: Money::new(self.0.refunded_minor, &self.0.currency),
        }
    }

    /// Where it is sent, as it was said when it was made.
    async fn shipping_address(&self) -> Option<PostalAddress> {
        self.0.shipping_address.clone().map(PostalAddress::from)
    }

    /// Who is billed, as it was said when it was made.
    async fn billing_address(&self) -> Option<PostalAddress> {
        self.0.billing_address.clone().map(PostalAddress::from)
    }

    /// Tries to pay it, oldest first.
    #[graphql(complexity = "3 * child_complexity")]
    async fn payments(&self, ctx: &Context<'_>) -> Result<Vec<Payment>, ApiError> {
        let loader = loading::of::<PaymentsLoader>(ctx);
        let rows = loader.load_one(PaymentsOfOrder(self.0.id)).await?;
        Ok(rows
            .unwrap_or_default()
            .into_iter()
            .map(Payment::from)
            .collect())
    }

    /// What goes back of what was paid, oldest first.
    #[graphql(complexity = "3 * child_complexity")]
    async fn refunds(&self, ctx: &Context<'_>) -> Result<Vec<Refund>, ApiError> {
        let loader = loading::of::<PaymentsLoader>(ctx);
        let rows = loader.load_one(RefundsOfOrder(self.0.id)).await?;
        Ok(rows
            .unwrap_or_default()
            .into_iter()
            .map(Refund::from)
            .collect())
    }

    /// What was sent, oldest parcel first.
    #[graphql(complexity = "3 * child_complexity")]
    async fn fulfillments(&self, ctx: &Context<'_>) -> Result<Vec<OrderFulfillment>, ApiError> {
        let loader = loading::of::<OrdersLoader>(ctx);
        let rows = loader.load_one(FulfillmentsOfOrder(self.0.id)).await?;
        Ok(rows
            .unwrap_or_default()
            .into_iter()
            .map(OrderFulfillment::from)
            .collect())
    }

    /// What staff wrote about it, oldest first. Empty for customers.
    #[graphql(complexity = "3 * child_complexity")]
    async fn notes(&self, ctx: &Context<'_>) -> Result<Vec<OrderNote>, ApiError> {
        if !is(ctx, Role::Staff) {
            return Ok(Vec::new());
        }
        let loader = loading::of::<OrdersLoader>(ctx);
        let rows = loader.load_one(NotesOfOrder(self.0.id)).await?;
        Ok(rows
            .unwrap_or_default()
            .into_iter()
            .map(OrderNote::from)
            .collect())
    }

    /// Where the request for it came from. Nothing for customers, and when it has been forgotten, after 90 days.
    async fn request(&self, ctx: &Context<'_>) -> Result<Option<OrderRequest>, ApiError> {
        if !is(ctx, Role::Staff) {
            return Ok(None);
        }
        let loader = loading::of::<OrdersLoader>(ctx);
        let row = loader.load_one(RequestOfOrder(self.0.id)).await?;
        Ok(row.map(OrderRequest::from))
    }

    /// Who ordered; nobody for imported orders.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>, ApiError> {
        user_by_id(ctx, self.0.user_id).await
    }

    /// Your own name for the order, as it was given when it was made.
    async fn client_reference(&self) -> Option<&str> {
        self.0.client_reference.as_deref()
    }

    /// A note of the customer.
    async fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }

    /// Why it was cancelled, if somebody said so.
    async fn cancel_reason(&self) -> Option<&str> {
        self.0.cancel_reason.as_deref()
    }

    /// Until when its stock is held while it is not paid; then it becomes EXPIRED.
    async fn reservation_expires_at(&self) -> Option<Time> {
        self.0.reservation_expires_at.map(Time::from)
    }

    /// When that time was extended by `reservationExtend`, which can be done once.
    async fn reservation_extended_at(&self) -> Option<Time> {
        self.0.reservation_extended_at.map(Time::from)
    }

    /// What happened to it, first change first.
    #[graphql(complexity = "5 * child_complexity")]
    async fn history(&self, ctx: &Context<'_>) -> Result<Vec<OrderHistoryEntry>, ApiError> {
        let loader = loading::of::<OrdersLoader>(ctx);
        let rows = loader
            .load_one(HistoryOfOrder(self.0.id))
            .await?
            .unwrap_or_default();
        // For subscribers, it ends with the change that they are shown.
        let rows = rows.into_iter().filter(|row| row.version <= self.0.version);
        Ok(rows.map(OrderHistoryEntry).collect())
    }

    /// Raised by one by each change; events carry the same number.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// When it was made.
    async fn created_at(&self) -> Time {
        self.0.created_at.into()
    }

    /// When it changed last.
    async fn updated_at(&self) -> Time {
        self.0.updated_at.into()
    }

    /// When it was paid.
    async fn paid_at(&self) -> Option<Time> {
        self.0.paid_at.map(Time::from)
    }

    /// When it was cancelled.
    async fn cancelled_at(&self) -> Option<Time> {
        self.0.cancelled_at.map(Time::from)
    }

    /// When the last of it was sent.
    async fn fulfilled_at(&self) -> Option<Time> {
        self.0.fulfilled_at.map(Time::from)
    }
}

pub(super) async fn user_by_id(
    ctx: &Context<'_>,
    user_id: Option<UserId>,
) -> Result<Option<User>, ApiError> {
    let Some(user_id) = user_id else {
        return Ok(None);
    };
    let loader = loading::of::<UserLoader>(ctx);
    Ok(loader.load_one(user_id).await?.map(User::from))
}

/// An order that something belongs to which the viewer may see.
///
/// # Errors
/// A fault.
pub async fn order_by_id(ctx: &Context<'_>, id: OrderId) -> Result<Option<Order>, ApiError> {
    let loader = loading::of::<OrdersLoader>(ctx);
    Ok(loader.load_one(OrderKey(id)).await?.map(Order::from))
}

/// The lines of an order that something belongs to which the viewer may see.
///
/// # Errors
/// A fault.
pub async fn lines_of_order(
    ctx: &Context<'_>,
    id: OrderId,
    currency: &str,
) -> Result<Vec<OrderLine>, ApiError> {
    let loader = loading::of::<OrdersLoader>(ctx);
    let rows = loader.load_one(LinesOfOrder(id)).await?.unwrap_or_default();
    Ok(rows
        .into_iter()
        .map(|row| OrderLine::new(row, currency))
        .collect())
}

/// A line of an order: a copy of what was sold, which later changes of the catalogue do not touch.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct OrderLine {
    /// Id.
    pub id: ID,
    /// The variant's SKU when it was sold.
    pub sku: String,
    /// The name when it was sold.
    pub name: String,
    /// Units.
    pub quantity: i32,
    /// Units that were sent.
    pub fulfilled_quantity: i32,
    /// Units that were paid back.
    pub refunded_quantity: i32,
    /// Price of one unit when it was sold.
    pub unit_price: Money,
    /// Quantity × unit price.
    pub total: Money,
    #[graphql(skip)]
    row: order_line::Model,
}

impl OrderLine {
    fn new(row: order_line::Model, currency: &str) -> Self {
        Self {
            id: id(row.id),
            sku: row.sku.clone(),
            name: row.name.clone(),
            quantity: int(row.quantity),
            fulfilled_quantity: int(row.fulfilled),
            refunded_quantity: int(row.refunded),
            unit_price: Money::new(row.unit_price_minor, currency),
            total: Money::new(row.total_minor, currency),
            row,
        }
    }
}

#[async_graphql::ComplexObject]
impl OrderLine {
    /// The product as it is now; nothing when it is no longer for sale and you are not staff.
    async fn product(&self, ctx: &Context<'_>) -> Result<Option<Product>, ApiError> {
        catalog::graphql::product(ctx, self.row.product_id).await
    }

    /// The variant as it is now; nothing when it is no longer for sale and you are not staff.
    async fn variant(&self, ctx: &Context<'_>) -> Result<Option<ProductVariant>, ApiError> {
        catalog::graphql::variant(ctx, self.row.variant_id).await
    }
}

/// A change of an order.
#[derive(Clone, Debug)]
pub struct OrderHistoryEntry(order_history::Model);

/// A change of an order.
#[Object]
impl OrderHistoryEntry {
    /// The version that it made.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// The state before; none for the first.
    async fn from_status(&self) -> Option<OrderStatus> {
        self.0.from_status.map(OrderStatus::from)
    }

    /// The state after.
    async fn to_status(&self) -> OrderStatus {
        self.0.to_status.into()
    }

    /// Who did it, if a person did.
    async fn actor(&self, ctx: &Context<'_>) -> Result<Option<User>, ApiError> {
        user_by_id(ctx, self.0.actor_id).await
    }

    /// Why, if it was said.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// When.
    async fn created_at(&self) -> Time {
        self.0.created_at.into()
    }
}
