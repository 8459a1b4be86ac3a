//! What callers of the inventory can do wrong.

use crate::error::{ErrorCode, Problem, Refusal};

/// What callers of the inventory can do wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A rule of the input or of idempotency.
    Input(Problem),
    /// No variant has this id.
    VariantNotFound,
    /// No warehouse has this id.
    WarehouseNotFound,
    /// The stock is not what the caller expected.
    QuantityStale {
        /// Units on hand now.
        on_hand: i64,
    },
    /// The change would take more than is there and not reserved.
    TooFew {
        /// Units that can be taken.
        available: i64,
    },
    /// The change would make more than fits.
    TooMany,
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
            Self::VariantNotFound => Problem::new(
                ErrorCode::NotFound,
                "No variant has this id.",
                &["variantId"],
            ),
            Self::WarehouseNotFound => Problem::new(
                ErrorCode::NotFound,
                "No warehouse has this id.",
                &["warehouseId"],
            ),
            Self::QuantityStale { on_hand } => Problem::new(
                ErrorCode::VersionStale,
                format!("The stock changed meanwhile: {on_hand} are on hand."),
                &["expectedQuantity"],
            ),
            Self::TooFew { available } => Problem::new(
                ErrorCode::OutOfRange,
                format!(
                    "Only {available} can be taken; the rest is not there or reserved for orders."
                ),
                &["delta"],
            ),
            Self::TooMany => Problem::new(
                ErrorCode::OutOfRange,
                "The stock would become too large.",
                &["delta"],
            ),
        }
    }
}
