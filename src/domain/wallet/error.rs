//! What callers of the wallet can do wrong.

use super::model::AMOUNT_MAX;
use crate::error::{Details, ErrorCode, Problem, Refusal};
use crate::money::Money;

/// What callers of the wallet can do wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A rule of the input or of idempotency.
    Input(Problem),
    /// A user's account has less than is to leave it.
    InsufficientFunds {
        /// What is to leave it.
        required: Money,
        /// What it has.
        available: Money,
    },
    /// A user's account would have more than can be counted.
    TooLarge,
    /// The amount is 0, negative, or more than can be moved at once.
    AmountOutOfRange,
    /// Nobody knows the asset.
    AssetUnknown,
    /// The provider does not know the card.
    TokenUnknown {
        /// The part of the input that names it.
        place: &'static str,
    },
    /// There is no such user, or it is not the caller.
    UserNotFound,
    /// The amount is not set aside any more.
    HoldClosed,
    /// Less is set aside than is to be used.
    HoldTooSmall {
        /// What is to be used.
        required: Money,
        /// What is set aside.
        held: Money,
    },
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Input(problem)
    }
}

impl Refusal for Error {
    fn problem(&self) -> Problem {
        match self {
            Self::Input(problem) => problem.clone(),
            Self::InsufficientFunds {
                required,
                available,
            } => short(required, available, "available"),
            Self::HoldTooSmall { required, held } => short(required, held, "set aside"),
            Self::TooLarge => Problem::new(
                ErrorCode::OutOfRange,
                "The balance would become too large.",
                &["amount"],
            ),
            Self::AmountOutOfRange => Problem::new(
                ErrorCode::OutOfRange,
                format!("The amount is above 0 and at most {AMOUNT_MAX} of the smallest units."),
                &["amount"],
            ),
            Self::AssetUnknown => Problem::new(
                ErrorCode::NotFound,
                "There is no such asset; `assets` lists all.",
                &["asset"],
            ),
            Self::TokenUnknown { place } => Problem::new(
                ErrorCode::Invalid,
                "The provider does not know this token.",
                &[place, "card", "token"],
            ),
            Self::UserNotFound => Problem::new(
                ErrorCode::NotFound,
                "There is no such user, or it is not you.",
                &["userId"],
            ),
            Self::HoldClosed => Problem::new(
                ErrorCode::ReservationExpired,
                "The amount is not set aside any more.",
                &[],
            ),
        }
    }
}

fn short(required: &Money, available: &Money, how: &str) -> Problem {
    let (required_amount, available_amount) = (required.amount(), available.amount());
    let currency = &required.currency;
    let message = format!(
        "{required_amount} {currency} are needed, and {available_amount} {currency} are {how}."
    );
    let details = Details::InsufficientFunds {
        required: Box::new(required.clone()),
        available: Box::new(available.clone()),
    };
    Problem::new(ErrorCode::InsufficientFunds, message, &["amount"]).with(details)
}
