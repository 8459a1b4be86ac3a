//! What callers of the inventory can do wrong.

use crate::error::{Details, ErrorCode, Problem, Refusal};
use entity::ids::VariantId;

/// What callers of the inventory can do wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A rule of the input or of idempotency.
    Input(Problem),
    /// No variant has this id.
    VariantNotFound,
    /// No warehouse has the id in this field.
    WarehouseNotFound(&'static str),
    /// The warehouse in this field is not active.
    WarehouseInactive(&'static str),
    /// Another warehouse has this code.
    CodeTaken,
    /// The warehouse changed since `expectedVersion`.
    VersionStale {
        /// The version now.
        version: i32,
    },
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
    /// A transfer names the same warehouse twice.
    SameWarehouse,
    /// Fewer units are there, and not reserved, than a transfer asks for.
    InsufficientStock {
        /// What is short.
        variant_id: VariantId,
        /// Units that were asked for.
        requested: i64,
        /// Units that can be taken.
        available: i64,
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
            Self::VariantNotFound => Problem::new(
                ErrorCode::NotFound,
                "No variant has this id.",
                &["variantId"],
            ),
            Self::WarehouseNotFound(field) => {
                Problem::new(ErrorCode::NotFound, "No warehouse has this id.", &[field])
            }
            Self::WarehouseInactive(field) => Problem::new(
                ErrorCode::WarehouseInactive,
                "The warehouse is not active.",
                &[field],
            ),
            Self::CodeTaken => Problem::new(
                ErrorCode::AlreadyExists,
                "Another warehouse has this code.",
                &["code"],
            ),
            Self::VersionStale { version } => Problem::new(
                ErrorCode::VersionStale,
                format!("The warehouse changed meanwhile: its version is {version}."),
                &["expectedVersion"],
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
            Self::SameWarehouse => Problem::new(
                ErrorCode::SameWarehouse,
                "Stock goes from one warehouse to another one.",
                &["toWarehouseId"],
            ),
            &Self::InsufficientStock {
                variant_id,
                requested,
                available,
            } => Problem::new(
                ErrorCode::InsufficientStock,
                format!(
                    "Only {available} can be taken; the rest is not there or reserved for orders."
                ),
                &["quantity"],
            )
            .with(Details::InsufficientStock {
                variant_id,
                requested,
            }),
        }
    }
}
