//! What callers of orders can do wrong.

use super::model;
use crate::domain::wallet::model::Short;
use crate::error::{Details, ErrorCode, Failure, Problem, Refusal};
use entity::ids::VariantId;
use entity::orders::OrderStatus;
use entity::payments::DeclineReason;

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
    /// A change of an order that was made.
    Change(ChangeError),
    /// The checkout of a cart, or where an order is sent.
    Checkout(CheckoutError),
    /// The way to pay cannot be used.
    Payment(Problem),
}

/// What can go wrong with an order that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeError {
    /// A payment or a refund of the order is under way.
    PaymentPending,
    /// The payment was refused; the order stands beside this.
    PaymentDeclined {
        /// Why.
        reason: DeclineReason,
    },
    /// The wallet that was to pay has too little; the order stands beside this.
    WalletShort(Short),
    /// The order was not paid in time.
    ReservationExpired,
    /// Its time to pay was extended before.
    AlreadyExtended,
    /// The order was imported: its payment and its parcels are elsewhere.
    Imported,
    /// The order was paid outside of the shop.
    PaidOutside,
    /// A line is not the order's.
    OrderLineNotFound {
        /// Place of the line.
        line: usize,
    },
    /// A line stands there twice.
    OrderLineRepeated {
        /// Place of the line.
        line: usize,
    },
    /// More units of a line than are left.
    TooManyUnits {
        /// Place of the line; nothing when no line was named.
        line: Option<usize>,
        /// Units that are left.
        left: i64,
    },
    /// More money than was paid and has not gone back.
    RefundExceedsCapture {
        /// Place of the line; nothing when no line was named.
        line: Option<usize>,
    },
}

/// What can go wrong with a cart or an address on the way to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckoutError {
    /// The cart has nothing in it.
    EmptyCart,
    /// A line of the cart is not for sale any more.
    LineGone {
        /// What it was.
        variant_id: VariantId,
    },
    /// A line of the cart asks for more than there is.
    LineShort {
        /// What is short.
        variant_id: VariantId,
        /// Units that it asks for.
        requested: i64,
    },
    /// The total is not the one that the customer saw.
    PriceChanged {
        /// What it is, as text with its currency.
        total: String,
    },
    /// The address book has no such address.
    AddressNotFound {
        /// Which argument names it.
        field: &'static str,
    },
}

impl From<ChangeError> for Error {
    fn from(error: ChangeError) -> Self {
        Self::Change(error)
    }
}

impl From<CheckoutError> for Error {
    fn from(error: CheckoutError) -> Self {
        Self::Checkout(error)
    }
}

impl From<ChangeError> for Failure<Error> {
    fn from(error: ChangeError) -> Self {
        Error::Change(error).into()
    }
}

impl From<CheckoutError> for Failure<Error> {
    fn from(error: CheckoutError) -> Self {
        Error::Checkout(error).into()
    }
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
            Self::Change(error) => error.problem(),
            Self::Checkout(error) => error.problem(),
            Self::Payment(problem) => problem.clone(),
        }
    }
}

impl Refusal for ChangeError {
    fn problem(&self) -> Problem {
        let at_line = |line: Option<usize>, field: &str| match line {
            Some(line) => vec!["lines".to_owned(), line.to_string(), field.to_owned()],
            None => Vec::new(),
        };
        let below = |code, message: String, path: Vec<String>| Problem {
            path,
            ..Problem::new(code, message, &[])
        };
        let of_order = |code, message: &str| Problem::new(code, message, &["id"]);
        match self {
            Self::PaymentPending => of_order(
                ErrorCode::PaymentPending,
                "A payment or a refund of the order is under way; try again when it is known.",
            )
            .retryable(),
            Self::PaymentDeclined { reason } => Problem::new(
                ErrorCode::PaymentDeclined,
                format!(
                    "The payment was refused ({reason}); nothing was taken. Pay again, or in another way."
                ),
                &[],
            ),
            Self::WalletShort(Short {
                required,
                available,
            }) => Problem::new(
                ErrorCode::InsufficientFunds,
                format!(
                    "{} {} are needed, and the wallet has {}. Nothing was taken; pay again, or in another way.",
                    required.amount(),
                    required.currency,
                    available.amount()
                ),
                &[],
            )
            .with(Details::InsufficientFunds {
                required: Box::new(required.clone()),
                available: Box::new(available.clone()),
            }),
            Self::ReservationExpired => of_order(
                ErrorCode::ReservationExpired,
                "The order was not paid in time; its stock was given back. Order again.",
            ),
            Self::AlreadyExtended => of_order(
                ErrorCode::OutOfRange,
                "The time to pay was extended before, which can be done once.",
            ),
            Self::Imported => of_order(
                ErrorCode::Invalid,
                "The order was imported from another system and cannot be changed here.",
            ),
            Self::PaidOutside => of_order(
                ErrorCode::RefundExceedsCapture,
                "The order was paid outside of the shop; only staff can cancel it, and what was paid goes back outside too.",
            ),
            Self::OrderLineNotFound { line } => below(
                ErrorCode::NotFound,
                "The order has no line with this id.".to_owned(),
                at_line(Some(*line), "lineId"),
            ),
            Self::OrderLineRepeated { line } => below(
                ErrorCode::Invalid,
                "This line stands here twice.".to_owned(),
                at_line(Some(*line), "lineId"),
            ),
            Self::TooManyUnits { line, left } => below(
                ErrorCode::OutOfRange,
                format!("Only {left} units are left to be sent."),
                at_line(*line, "quantity"),
            ),
            Self::RefundExceedsCapture { line } => below(
                ErrorCode::RefundExceedsCapture,
                "More would be paid back than was paid and has not gone back.".to_owned(),
                at_line(*line, "quantity"),
            ),
        }
    }
}

impl Refusal for CheckoutError {
    fn problem(&self) -> Problem {
        match self {
            Self::EmptyCart => {
                Problem::new(ErrorCode::EmptyCart, "There is nothing in your cart.", &[])
            }
            Self::LineGone { variant_id } => Problem::new(
                ErrorCode::NotFound,
                format!("Variant {variant_id} in your cart is not for sale any more; take it out."),
                &[],
            ),
            &Self::LineShort {
                variant_id,
                requested,
            } => Problem::new(
                ErrorCode::InsufficientStock,
                format!("Fewer than {requested} can be bought."),
                &[],
            )
            .with(Details::InsufficientStock {
                variant_id,
                requested,
            }),
            Self::PriceChanged { total } => Problem::new(
                ErrorCode::PriceChanged,
                format!("The total is {total} now."),
                &["expectedTotal"],
            ),
            Self::AddressNotFound { field } => Problem::new(
                ErrorCode::NotFound,
                "Your address book has no such address.",
                &[field, "id"],
            ),
        }
    }
}
