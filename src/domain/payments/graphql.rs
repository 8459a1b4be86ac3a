//! Payments and refunds as customers and staff see them, below their orders.

use super::loaders::{PaymentsLoader, RefundsOfPayment};
use crate::graphql::error::ApiError;
use crate::graphql::loading;
use crate::graphql::scalars::{Money, Time, id};
use async_graphql::{Context, Enum, ID, Object};
use entity::payments::{payment, refund};

/// How an order is paid. New values may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::payments::PaymentMethod")]
pub enum PaymentMethod {
    /// By card, through a payment provider.
    Card,
    /// From the wallet of the user.
    Wallet,
}

/// Where a payment stands. New values may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::payments::PaymentState")]
pub enum PaymentState {
    /// The provider has not answered yet.
    Pending,
    /// The provider may or may not have done it; it is asked again by itself.
    Unknown,
    /// The amount is promised, not taken yet.
    Authorized,
    /// The amount was taken.
    Captured,
    /// It was refused; nothing was taken.
    Declined,
    /// It was called off before the amount was taken.
    Voided,
}

/// Why a payment was refused. New values may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::payments::DeclineReason")]
pub enum DeclineReason {
    /// The bank said no.
    CardDeclined,
    /// Too little money.
    InsufficientFunds,
    /// It was interrupted before the provider had it; nothing was taken. Pay again.
    Abandoned,
}

/// Where a refund stands. New values may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::payments::RefundState")]
pub enum RefundState {
    /// The provider has not answered yet.
    Pending,
    /// The provider may or may not have done it; it is asked again by itself.
    Unknown,
    /// The money went back.
    Succeeded,
    /// The provider refused it.
    Failed,
}

/// A payment of an order: one try to pay it.
#[derive(Clone, Debug)]
pub struct Payment(payment::Model);

impl From<payment::Model> for Payment {
    fn from(row: payment::Model) -> Self {
        Self(row)
    }
}

/// A payment of an order: one try to pay it.
#[Object]
impl Payment {
    /// Id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// Where it stands.
    async fn status(&self) -> PaymentState {
        self.0.state.into()
    }

    /// How it is paid.
    async fn method(&self) -> PaymentMethod {
        self.0.method.into()
    }

    /// What the card is known by at the provider, with its middle masked: `tok_…ok`. Of a wallet, the asset.
    async fn masked_token(&self) -> &str {
        &self.0.masked_token
    }

    /// Who takes the money, as `simulated` or `wallet`.
    async fn provider(&self) -> &str {
        &self.0.provider
    }

    /// What is to be paid.
    async fn amount(&self) -> Money {
        Money::new(self.0.amount_minor, &self.0.currency)
    }

    /// What was taken.
    async fn captured_amount(&self) -> Money {
        Money::new(self.0.captured_minor, &self.0.currency)
    }

    /// What went back.
    async fn refunded_amount(&self) -> Money {
        Money::new(self.0.refunded_minor, &self.0.currency)
    }

    /// Why it was refused, when it is DECLINED.
    async fn decline_code(&self) -> Option<DeclineReason> {
        self.0.decline_reason.map(DeclineReason::from)
    }

    /// What goes back of it, first refund first.
    #[graphql(complexity = "5 * child_complexity")]
    async fn refunds(&self, ctx: &Context<'_>) -> Result<Vec<Refund>, ApiError> {
        let loader = loading::of::<PaymentsLoader>(ctx);
        let rows = loader
            .load_one(RefundsOfPayment(self.0.id))
            .await?
            .unwrap_or_default();
        Ok(rows.into_iter().map(Refund).collect())
    }

    /// When it was made.
    async fn created_at(&self) -> Time {
        self.0.created_at.into()
    }

    /// When it changed last.
    async fn updated_at(&self) -> Time {
        self.0.updated_at.into()
    }

    /// When the amount was taken.
    async fn captured_at(&self) -> Option<Time> {
        self.0.captured_at.map(Time::from)
    }
}

/// A refund of a part or the whole of a payment.
#[derive(Clone, Debug)]
pub struct Refund(refund::Model);

impl From<refund::Model> for Refund {
    fn from(row: refund::Model) -> Self {
        Self(row)
    }
}

/// A refund of a part or the whole of a payment.
#[Object]
impl Refund {
    /// Id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// Where it stands.
    async fn status(&self) -> RefundState {
        self.0.state.into()
    }

    /// What goes back.
    async fn amount(&self) -> Money {
        Money::new(self.0.amount_minor, &self.0.currency)
    }

    /// Why, if it was said.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// Why the provider refused it, when it FAILED.
    async fn failure(&self) -> Option<&str> {
        self.0.failure.as_deref()
    }

    /// When it was made.
    async fn created_at(&self) -> Time {
        self.0.created_at.into()
    }

    /// When it changed last.
    async fn updated_at(&self) -> Time {
        self.0.updated_at.into()
    }

    /// When the money went back.
    async fn refunded_at(&self) -> Option<Time> {
        self.0.refunded_at.map(Time::from)
    }
}
