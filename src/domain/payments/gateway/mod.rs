//! What the program asks of payment providers, whoever they are.
//!
//! A provider is idempotent by our key: the same question again changes nothing and answers how things stand. Every
//! answer is a [`Snapshot`] of the payment after the question, so that answers of different questions are read alike.

pub mod signature;
pub mod simulated;

use crate::error::Fault;
use entity::payments::DeclineReason;
use futures::future::BoxFuture;

/// A payment that a provider is asked to promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge<'a> {
    /// Our name for the payment: all later questions name it.
    pub reference: &'a str,
    /// Our idempotency key of this question.
    pub key: &'a str,
    /// What the customer's card is known by at the provider.
    pub token: Token<'a>,
    /// Minor units.
    pub amount_minor: i64,
    /// Currency.
    pub currency: &'a str,
}

/// A card's token; never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token<'a>(pub &'a str);

impl std::fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// How a payment stands at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snapshot {
    /// It has never heard of it.
    NotFound,
    /// It has not decided yet.
    Processing,
    /// It promised the amount.
    Authorized,
    /// It took the amount.
    Captured,
    /// It refused.
    Declined(DeclineReason),
    /// It was called off.
    Voided,
}

/// How a refund stands at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefundSnapshot {
    /// It has never heard of it.
    NotFound,
    /// It has not decided yet.
    Processing,
    /// The money went back.
    Succeeded,
    /// It refused, and says why.
    Failed(String),
}

/// Why a question has no answer.
#[derive(Debug)]
pub enum CallError {
    /// Certainly nothing was done: the same question may be asked again.
    NotDone(String),
    /// It may have been done or not.
    Unknown(String),
}

impl From<Fault> for CallError {
    /// The simulated provider's memory is a database, whose failures do not tell what was done.
    fn from(fault: Fault) -> Self {
        Self::Unknown(crate::error::chain(&fault))
    }
}

/// What a webhook tells: that there is news of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Our name for the payment.
    pub reference: String,
    /// What happened, for the logs.
    pub event: String,
}

/// The answer to a question.
pub type Answer<T> = Result<T, CallError>;

/// A payment provider. The time limit of a question is the caller's.
pub trait Provider: std::fmt::Debug + Send + Sync {
    /// Its name in rows and in the address of its webhooks.
    fn name(&self) -> &'static str;

    /// Whether it can know this token.
    fn accepts(&self, token: &str) -> bool;

    /// Promises an amount.
    fn authorize<'a>(&'a self, charge: Charge<'a>) -> BoxFuture<'a, Answer<Snapshot>>;

    /// Takes what was promised.
    fn capture<'a>(
        &'a self,
        reference: &'a str,
        key: &'a str,
        amount_minor: i64,
    ) -> BoxFuture<'a, Answer<Snapshot>>;

    /// Calls a payment off before its amount is taken. One that it has never heard of is called off for ever: a question
    /// that comes later finds it VOIDED.
    fn void<'a>(&'a self, reference: &'a str, key: &'a str) -> BoxFuture<'a, Answer<Snapshot>>;

    /// Pays back a part or all of what was taken.
    fn refund<'a>(
        &'a self,
        reference: &'a str,
        key: &'a str,
        amount_minor: i64,
    ) -> BoxFuture<'a, Answer<RefundSnapshot>>;

    /// How a payment stands.
    fn status<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Answer<Snapshot>>;

    /// How the refund that was asked for with this key stands.
    fn refund_status<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Answer<RefundSnapshot>>;

    /// Reads the body of a webhook whose signature is right; nothing when it is not one of this provider.
    fn webhook(&self, body: &[u8]) -> Option<Notice>;
}
