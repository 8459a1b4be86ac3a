//! What callers of payments can do wrong.

use crate::error::{ErrorCode, Problem, Refusal};

/// What callers of payments can do wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The provider cannot know the token.
    TokenInvalid,
    /// The amount is not more than nothing.
    AmountTooSmall,
    /// A wallet pays in the currency of what is bought; nothing is exchanged.
    CurrencyMismatch {
        /// That currency.
        expected: String,
    },
}

impl Refusal for Error {
    fn problem(&self) -> Problem {
        match self {
            Self::CurrencyMismatch { expected } => Problem::new(
                ErrorCode::CurrencyMismatch,
                format!("This is paid in {expected}; nothing is exchanged."),
                &["wallet", "asset"],
            ),
            Self::TokenInvalid => Problem::new(
                ErrorCode::Invalid,
                "No card has this token.",
                &["card", "token"],
            ),
            Self::AmountTooSmall => Problem::new(
                ErrorCode::OutOfRange,
                "There is nothing to pay.",
                &["amount"],
            ),
        }
    }
}

/// A refund that would exceed what was taken and did not go back yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefundExceedsCapture {
    /// Minor units that can still go back.
    pub left_minor: i64,
}

impl Refusal for RefundExceedsCapture {
    fn problem(&self) -> Problem {
        Problem::new(
            ErrorCode::RefundExceedsCapture,
            "More would be paid back than was paid.",
            &["amount"],
        )
    }
}
