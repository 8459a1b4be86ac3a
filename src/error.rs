//! Errors of every layer: what the caller can act on ([`Problem`]), and what went wrong on our side ([`Fault`]).
//!
//! A domain has one enum of what its callers can do wrong; it implements [`Refusal`]. Everything else is a
//! [`Fault`]: it is logged once, with its sources, where it leaves the program (`graphql/error.rs`), and the client
//! gets a code, a safe sentence and the request id.

use crate::money::Money;
use entity::ids::VariantId;
use entity::orders::OrderStatus;
use sea_orm::DbErr;

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $variant:ident),+ $(,)?) => {
        /// What kind of mistake a user error is; clients branch on it, and new values may be added.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum ErrorCode { $($(#[doc = $doc])+ $variant,)+ }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// What it means, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+),)+ }
            }
        }
    };
}

error_codes!(
    /// A value that must be given is missing or empty.
    Required,
    /// A value has the wrong form.
    Invalid,
    /// A text or list is longer than allowed.
    TooLong,
    /// A number is outside its range.
    OutOfRange,
    /// What was named does not exist, or is not yours.
    NotFound,
    /// Another one has this e-mail, phone, slug, SKU or reference.
    AlreadyExists,
    /// The state does not allow this change.
    InvalidTransition,
    /// Less can be bought than was asked for.
    InsufficientStock,
    /// The product has several variants: say which one.
    VariantRequired,
    /// Another currency than the shop's.
    CurrencyMismatch,
    /// Products or other categories stand in the category.
    CategoryInUse,
    /// The warehouse is not active.
    WarehouseInactive,
    /// A transfer names the same warehouse twice.
    SameWarehouse,
    /// The order is paid already.
    AlreadyPaid,
    /// A payment or a refund is under way: wait until it is known.
    PaymentPending,
    /// The payment was refused; nothing was taken.
    PaymentDeclined,
    /// What was set aside is not any more: the order was not paid in time, or its time was over.
    ReservationExpired,
    /// There is nothing in the cart.
    EmptyCart,
    /// The total is not the expected one.
    PriceChanged,
    /// The account has less than is needed.
    InsufficientFunds,
    /// More would be paid back than was paid.
    RefundExceedsCapture,
    /// The object was changed since `expectedVersion`, or the stock since `expectedQuantity`.
    VersionStale,
    /// More decimals than the currency has.
    Precision,
    /// The idempotency key was used with other input.
    IdempotencyKeyReused,
    /// The first request with this idempotency key has not finished yet: try again.
    IdempotencyInProgress,
    /// Too much waits already: try again later.
    Overloaded,
    /// No user has this identifier and password.
    InvalidCredentials,
    /// The password is too easy to guess.
    WeakPassword,
    /// The refresh token is unknown, used, expired or of an ended session.
    TokenInvalid,
);

/// Facts that a problem carries beside its code.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Details {
    /// None.
    None,
    /// Which variant is short and how much was asked for.
    InsufficientStock {
        /// The variant.
        variant_id: VariantId,
        /// Units that were asked for.
        requested: i64,
    },
    /// How much is needed and how much there is.
    InsufficientFunds {
        /// What is needed.
        required: Box<Money>,
        /// What there is.
        available: Box<Money>,
    },
    /// Which change of state was refused.
    InvalidTransition {
        /// The state now.
        from: OrderStatus,
        /// The state that was asked for.
        to: OrderStatus,
        /// The states that can follow.
        allowed: Vec<OrderStatus>,
    },
}

/// What a caller did wrong, in the form every layer above the domains understands.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Problem {
    /// Kind.
    pub code: ErrorCode,
    /// A sentence for people.
    pub message: String,
    /// Where in the input, as `["lines", "1", "quantity"]`, relative to the use case's input.
    pub path: Vec<String>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// Further facts.
    pub details: Details,
}

impl Problem {
    /// A problem that only another input can mend.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>, path: &[&str]) -> Self {
        Self {
            code,
            message: message.into(),
            path: path.iter().map(|&part| part.to_owned()).collect(),
            retryable: false,
            details: Details::None,
        }
    }

    /// The same, worth another try.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }

    /// The same with facts.
    #[must_use]
    pub fn with(mut self, details: Details) -> Self {
        self.details = details;
        self
    }
}

/// A domain's enum of what its callers can do wrong.
pub trait Refusal: std::fmt::Debug + Send + Sync + 'static {
    /// The problem as every layer above understands it.
    fn problem(&self) -> Problem;
}

impl Refusal for Problem {
    fn problem(&self) -> Problem {
        self.clone()
    }
}

/// What went wrong on our side. `Display` says what was being done, never the source.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The database refused or did not answer.
    #[error("the database failed")]
    Db(#[from] DbErr),
    /// A read or a transaction took longer than `database.statement_timeout_ms`.
    #[error("{0} took longer than its limit")]
    Timeout(&'static str),
    /// The connection was lost while committing: the transaction may have happened.
    #[error("the outcome of the commit of {0} is not known")]
    CommitUnknown(&'static str, #[source] DbErr),
    /// Anything else.
    #[error("{0}")]
    Other(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another request with the same idempotency key is being worked on elsewhere.
    #[error("the idempotency key is taken")]
    KeyTaken,
    /// The program broke one of its own rules.
    #[error("{0}")]
    Broken(String),
}

impl Fault {
    /// Wraps an error with what was being done.
    pub fn doing<E: std::error::Error + Send + Sync + 'static>(
        what: impl Into<String>,
    ) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |source| Self::Other(what, Box::new(source))
    }

    /// The same fault for another of those who waited for one piece of work. What callers tell apart stays what it is.
    #[must_use]
    pub fn again(&self) -> Self {
        match self {
            Self::Db(error) => Self::Db(error.clone()),
            Self::Timeout(name) => Self::Timeout(name),
            fault => Self::Broken(chain(fault)),
        }
    }
}

/// How a use case can fail.
#[derive(Debug)]
pub enum Failure<E> {
    /// The caller can mend it; all mistakes that were found.
    Refused(Vec<E>),
    /// Ours.
    Fault(Fault),
}

impl<E: Refusal> From<E> for Failure<E> {
    fn from(error: E) -> Self {
        Self::Refused(vec![error])
    }
}

impl<E> From<Vec<E>> for Failure<E> {
    fn from(errors: Vec<E>) -> Self {
        Self::Refused(errors)
    }
}

impl<E> From<Fault> for Failure<E> {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl<E> From<DbErr> for Failure<E> {
    fn from(error: DbErr) -> Self {
        Self::Fault(Fault::Db(error))
    }
}

impl<E> Failure<E> {
    /// The same failure with another domain's errors.
    pub fn map<F>(self, f: impl FnMut(E) -> F) -> Failure<F> {
        match self {
            Self::Refused(errors) => Failure::Refused(errors.into_iter().map(f).collect()),
            Self::Fault(fault) => Failure::Fault(fault),
        }
    }
}

/// Lets `Db::write` see whether an error comes from the database and is worth another attempt.
pub trait DbCause {
    /// The database's error, if that is what it is.
    fn db_err(&self) -> Option<&DbErr>;
}

impl DbCause for DbErr {
    fn db_err(&self) -> Option<&DbErr> {
        Some(self)
    }
}

impl DbCause for Fault {
    fn db_err(&self) -> Option<&DbErr> {
        match self {
            Self::Db(error) => Some(error),
            _ => None,
        }
    }
}

impl<E> DbCause for Failure<E> {
    fn db_err(&self) -> Option<&DbErr> {
        match self {
            Self::Fault(fault) => fault.db_err(),
            Self::Refused(_) => None,
        }
    }
}

/// An error with all its sources in one line, for logs.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

/// Logs an error that is swallowed on purpose, with where that happened.
#[track_caller]
pub fn swallow<T, E: std::error::Error + 'static>(result: Result<T, E>, what: &str) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            let at = std::panic::Location::caller();
            tracing::warn!(error = chain(&error), %at, "{what}");
            None
        }
    }
}
