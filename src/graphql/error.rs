//! Errors as GraphQL shows them: user errors in payloads, everything else at the top.

use crate::domain::catalog::graphql::ProductVariant;
use crate::domain::catalog::loaders::{CatalogLoader, VariantKey};
use crate::domain::orders::graphql::OrderStatus;
use crate::error::{Details, Fault, Problem, chain};
use crate::events::hub::Ended;
use crate::graphql::loading;
use crate::graphql::scalars::Money;
use crate::page::BadCursor;
use async_graphql::{ComplexObject, Context, Enum, ErrorExtensions, Interface, SimpleObject};
use entity::ids::VariantId;
use std::sync::Arc;

/// What kind of mistake a user error is. New values may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "crate::error::ErrorCode")]
pub enum ErrorCode {
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
}

/// Something in the request that its sender can mend.
#[derive(Clone, Debug, Interface)]
#[graphql(
    field(name = "code", ty = "&ErrorCode", desc = "What kind of mistake it is."),
    field(
        name = "message",
        ty = "&String",
        desc = "A sentence for people, in English."
    ),
    field(
        name = "path",
        ty = "&Option<Vec<String>>",
        desc = "Where in the input, as `[\"input\", \"lines\", \"1\", \"quantity\"]`."
    ),
    field(
        name = "retryable",
        ty = "&bool",
        desc = "Whether the same request may succeed later."
    )
)]
pub enum UserError {
    /// A mistake without further facts.
    Input(InputError),
    /// Too little stock.
    InsufficientStock(InsufficientStockError),
    /// A change that the state does not allow.
    InvalidTransition(InvalidTransitionError),
    /// Too little money.
    InsufficientFunds(InsufficientFundsError),
}

/// A mistake in the input.
#[derive(Clone, Debug, SimpleObject)]
pub struct InputError {
    /// What kind of mistake it is.
    pub code: ErrorCode,
    /// A sentence for people, in English.
    pub message: String,
    /// Where in the input, as `["input", "lines", "1", "quantity"]`.
    pub path: Option<Vec<String>>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
}

/// Less can be bought than was asked for.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct InsufficientStockError {
    /// `INSUFFICIENT_STOCK`.
    pub code: ErrorCode,
    /// A sentence for people, in English.
    pub message: String,
    /// Where in the input, as `["input", "lines", "1", "quantity"]`.
    pub path: Option<Vec<String>>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// Units that were asked for.
    pub requested: i32,
    #[graphql(skip)]
    variant_id: VariantId,
}

#[ComplexObject]
impl InsufficientStockError {
    /// The variant that is short.
    async fn variant(&self, ctx: &Context<'_>) -> Result<ProductVariant, ApiError> {
        // It was for sale a moment ago, so whoever asked for it may see it.
        let loader = loading::of::<CatalogLoader>(ctx);
        let row = loader.load_one(VariantKey(self.variant_id)).await?;
        row.map(ProductVariant::from)
            .ok_or_else(|| Fault::Broken(format!("variant {} is gone", self.variant_id)).into())
    }
}

/// An account has less than is needed.
#[derive(Clone, Debug, SimpleObject)]
pub struct InsufficientFundsError {
    /// `INSUFFICIENT_FUNDS`.
    pub code: ErrorCode,
    /// A sentence for people, in English.
    pub message: String,
    /// Where in the input.
    pub path: Option<Vec<String>>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// What is needed.
    pub required: Money,
    /// What there is.
    pub available: Money,
}

/// A change that the order's state does not allow.
#[derive(Clone, Debug, SimpleObject)]
pub struct InvalidTransitionError {
    /// `INVALID_TRANSITION`.
    pub code: ErrorCode,
    /// A sentence for people, in English.
    pub message: String,
    /// Where in the input.
    pub path: Option<Vec<String>>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// The state the order is in.
    pub from: OrderStatus,
    /// The state that was asked for.
    pub to: OrderStatus,
    /// The states that can follow now.
    pub allowed: Vec<OrderStatus>,
}

/// Arguments that stand beside `input`.
const BESIDE_INPUT: &[&str] = &["id", "orderId", "cartToken", "idempotencyKey"];

impl UserError {
    /// A problem whose path is put below `prefix`, unless it names an argument that stands beside the input.
    #[must_use]
    pub fn new(problem: Problem, prefix: &[&str]) -> Self {
        let beside = problem
            .path
            .first()
            .is_some_and(|name| BESIDE_INPUT.contains(&name.as_str()));
        let prefix = if beside { &[] } else { prefix };
        let path: Vec<String> = prefix
            .iter()
            .map(|&part| part.to_owned())
            .chain(problem.path)
            .collect();
        let path = if path.is_empty() { None } else { Some(path) };
        let (code, message, retryable) = (problem.code.into(), problem.message, problem.retryable);
        match problem.details {
            Details::None => Self::Input(InputError {
                code,
                message,
                path,
                retryable,
            }),
            Details::InsufficientStock {
                variant_id,
                requested,
            } => {
                let requested = super::scalars::int(requested);
                Self::InsufficientStock(InsufficientStockError {
                    code,
                    message,
                    path,
                    retryable,
                    requested,
                    variant_id,
                })
            }
            Details::InsufficientFunds {
                required,
                available,
            } => Self::InsufficientFunds(InsufficientFundsError {
                code,
                message,
                path,
                retryable,
                required: Money::new(required.minor, &required.currency),
                available: Money::new(available.minor, &available.currency),
            }),
            Details::InvalidTransition { from, to, allowed } => {
                let allowed = allowed.into_iter().map(OrderStatus::from).collect();
                let (from, to) = (from.into(), to.into());
                Self::InvalidTransition(InvalidTransitionError {
                    code,
                    message,
                    path,
                    retryable,
                    from,
                    to,
                    allowed,
                })
            }
        }
    }
}

/// Something worth knowing that did not stop the request.
#[derive(Clone, Debug, SimpleObject)]
pub struct Warning {
    /// A sentence for people, in English.
    pub message: String,
    /// Where in the input.
    pub path: Option<Vec<String>>,
}

/// Why a field has no value. It has no `Display` on purpose: only the conversion below may make a GraphQL error of it.
#[derive(Debug)]
pub enum ApiError {
    /// Log in first.
    Unauthenticated,
    /// Your role may not.
    Forbidden,
    /// An argument of a query is not usable.
    BadUserInput(String),
    /// Another reason, which clients can tell apart.
    Because {
        /// `extensions.code`.
        code: &'static str,
        /// `extensions.reason`.
        reason: &'static str,
        /// A sentence for people.
        message: String,
    },
    /// Ours.
    Fault(Fault),
    /// Ours, shared by all that waited for the same batch.
    SharedFault(Arc<Fault>),
}

impl ApiError {
    /// An error with a reason that clients can tell apart.
    #[must_use]
    pub fn because(code: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self::Because {
            code,
            reason,
            message: message.into(),
        }
    }
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Ended> for ApiError {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Slow => Self::because(
                "RATE_LIMITED",
                "SLOW_SUBSCRIBER",
                "More events waited for you than are kept: read faster, or subscribe to less.",
            ),
            Ended::Fault(fault) => fault.into(),
        }
    }
}

impl From<Arc<Fault>> for ApiError {
    fn from(fault: Arc<Fault>) -> Self {
        Self::SharedFault(fault)
    }
}

impl From<BadCursor> for ApiError {
    fn from(error: BadCursor) -> Self {
        Self::BadUserInput(error.to_string())
    }
}

impl From<crate::db::page::Error> for ApiError {
    fn from(error: crate::db::page::Error) -> Self {
        match error {
            crate::db::page::Error::Cursor(error) => error.into(),
            crate::db::page::Error::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<ApiError> for async_graphql::Error {
    fn from(error: ApiError) -> Self {
        let mut because = None;
        let (code, message) = match error {
            ApiError::Unauthenticated => (
                "UNAUTHENTICATED",
                "Log in first: this field needs a session.".to_owned(),
            ),
            ApiError::Forbidden => ("FORBIDDEN", "Your role may not use this field.".to_owned()),
            ApiError::BadUserInput(message) => ("BAD_USER_INPUT", message),
            ApiError::Because {
                code,
                reason,
                message,
            } => {
                because = Some(reason);
                (code, message)
            }
            ApiError::Fault(fault) => faulty(&fault),
            ApiError::SharedFault(fault) => faulty(&fault),
        };
        Self::new(message).extend_with(|_, extensions| {
            extensions.set("code", code);
            if let Some(reason) = because {
                extensions.set("reason", reason);
            }
        })
    }
}

/// Logs a fault, once, and tells the client what it may know.
fn faulty(fault: &Fault) -> (&'static str, String) {
    tracing::error!(error = chain(fault), "a field failed");
    if is_unavailable(fault) {
        (
            "SERVICE_UNAVAILABLE",
            "The service cannot answer at the moment; try again soon.".to_owned(),
        )
    } else {
        (
            "INTERNAL",
            "Something went wrong on our side; the request id names it in our logs.".to_owned(),
        )
    }
}

fn is_unavailable(fault: &Fault) -> bool {
    match fault {
        Fault::Timeout(_) | Fault::CommitUnknown(..) => true,
        Fault::Db(error) => {
            matches!(
                crate::db::error::kind(error),
                crate::db::error::Kind::Unavailable | crate::db::error::Kind::Retry
            )
        }
        _ => false,
    }
}
