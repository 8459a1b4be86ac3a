//! What callers of orders can do wrong.

use super::model;
use crate::error::{Details, ErrorCode, Failure, Problem, Refusal};
use entity::ids::VariantId;
use entity::orders::OrderStatus;

/// What callers of orders can do wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A rule of the input or of idempotency.
    Input(Problem),
    /// No order has this id, or it is another user's.
    NotFound,
    /// A line names nothing that is for sale.
    LineNotFound {
        /// Place of the line.
        line: usize,
        /// Which field names it.
        field: &'static str,
    },
    /// A line names a product that has several variants.
    VariantRequired {
        /// Place of the line.
        line: usize,
    },
    /// Fewer units can be bought than a line asks for.
    InsufficientStock {
        /// Place of the line.
        line: usize,
        /// What is short.
        variant_id: VariantId,
        /// Units that the line asks for.
        requested: i64,
    },
    /// The order's sum does not fit.
    TooLarge,
    /// The user has an order with this client reference.
    ClientReferenceTaken,
    /// The order's state does not allow the change.
    InvalidTransition {
        /// The state now.
        from: OrderStatus,
        /// The state asked for.
        to: OrderStatus,
    },
    /// The order is paid already.
    AlreadyPaid,
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Input(problem)
    }
}

impl Error {
    /// The mistakes of an input, as a use case reports them.
    #[must_use]
    pub fn inputs(problems: Vec<Problem>) -> Failure<Self> {
        Failure::Refused(problems.into_iter().map(Self::Input).collect())
    }
}

impl Refusal for Error {
    fn problem(&self) -> Problem {
        match self {
            Self::Input(problem) => problem.clone(),
            Self::NotFound => Problem::new(
                ErrorCode::NotFound,
                "You have no order with this id.",
                &["id"],
            ),
            Self::LineNotFound { line, field } => {
                let path = ["lines", &line.to_string(), field];
                Problem::new(
                    ErrorCode::NotFound,
                    "Nothing with this reference is for sale.",
                    &path,
                )
            }
            Self::VariantRequired { line } => Problem::new(
                ErrorCode::VariantRequired,
                "This product has several variants: say which one by variantId or sku.",
                &["lines", &line.to_string(), "productId"],
            ),
            &Self::InsufficientStock {
                line,
                variant_id,
                requested,
            } => Problem::new(
                ErrorCode::InsufficientStock,
                format!("Fewer than {requested} can be bought."),
                &["lines", &line.to_string(), "quantity"],
            )
            .with(Details::InsufficientStock {
                variant_id,
                requested,
            }),
            Self::TooLarge => Problem::new(
                ErrorCode::OutOfRange,
                "The order's total is too large.",
                &["lines"],
            ),
            Self::ClientReferenceTaken => Problem::new(
                ErrorCode::AlreadyExists,
                "You have an order with this client reference.",
                &["clientReference"],
            ),
            &Self::InvalidTransition { from, to } => Problem::new(
                ErrorCode::InvalidTransition,
                format!("An order that is {from} cannot become {to}."),
                &["id"],
            )
            .with(Details::InvalidTransition {
                from,
                to,
                allowed: model::allowed(from).to_vec(),
            }),
            Self::AlreadyPaid => Problem::new(
                ErrorCode::AlreadyPaid,
                "The order is paid already.",
                &["id"],
            ),
        }
    }
}
