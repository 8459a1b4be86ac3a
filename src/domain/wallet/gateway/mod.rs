//! What a wallet asks of the provider that brings money in and takes it out, whoever that is. The app connects it with
//! the payment providers, which the wallet does not know.

use futures::future::BoxFuture;

/// Money that is to come in from a card, or to go out to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer<'a> {
    /// Our name for it, unique: the provider does it once, however often it is asked.
    pub reference: &'a str,
    /// Minor units, above 0.
    pub amount_minor: i64,
    /// The asset's code.
    pub asset: &'a str,
}

/// How a transfer stands at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// The money moved.
    Done,
    /// The provider refused it.
    Declined,
    /// The card has too little.
    InsufficientFunds,
    /// It was called off, and nothing moved.
    CalledOff,
    /// Nobody knows yet: it has to be asked again.
    Open,
}

/// A provider of transfers. It keeps the time limits of its questions itself, and never fails: what is not known is
/// [`Moved::Open`].
pub trait Funding: std::fmt::Debug + Send + Sync {
    /// Whether it can know this token.
    fn accepts(&self, token: &str) -> bool;

    /// Moves the money.
    fn transfer<'a>(&'a self, transfer: Transfer<'a>, token: &'a str) -> BoxFuture<'a, Moved>;

    /// Finishes a transfer whose outcome is not known: carries on with what the provider has begun, and calls off for
    /// ever what it has never heard of.
    fn settle<'a>(&'a self, transfer: Transfer<'a>) -> BoxFuture<'a, Moved>;
}
