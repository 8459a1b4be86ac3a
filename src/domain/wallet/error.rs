//! What callers of the ledger can do wrong.

use crate::error::{ErrorCode, Problem, Refusal};
use crate::money::Money;

/// What callers of the ledger can do wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A user's account has less than is to leave it.
    InsufficientFunds {
        /// What is to leave it.
        required: Money,
        /// What it has.
        available: Money,
    },
    /// An account would hold more than 64 bits of its asset's smallest unit.
    TooLarge,
}

impl Refusal for Error {
    fn problem(&self) -> Problem {
        match self {
            Self::InsufficientFunds {
                required,
                available,
            } => Problem::new(
                ErrorCode::InsufficientFunds,
                format!(
                    "{} {} are needed, and {} {} are available.",
                    required.amount(),
                    required.currency,
                    available.amount(),
                    available.currency
                ),
                &[],
            ),
            Self::TooLarge => Problem::new(
                ErrorCode::OutOfRange,
                "The balance would become too large.",
                &["amount"],
            ),
        }
    }
}
