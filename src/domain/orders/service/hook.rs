//! Points between the steps of a checkout where a test can let it fail, or the process end.

use crate::config::Config;
use crate::domain::payments::service::hook::end_of_process;
use crate::error::Fault;
use std::sync::Arc;

/// A moment of a checkout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// All rows of a new order are written, and not committed.
    Placing,
    /// The payment was written down; nobody was asked yet.
    Begun,
    /// The payment is driven next.
    BeforePayment,
    /// What became of the payment is known, and the order does not say so yet.
    AfterPayment,
    /// The order is paid and its stock has gone out, and that is not committed.
    Committing,
    /// The order says what became of its payment.
    Settled,
    /// The compensation was decided and written down.
    Compensating,
    /// The money is on its way back, and the order does not say so yet.
    AfterReturn,
    /// A refund was written down; nobody was asked yet.
    RefundBegun,
    /// What became of a refund is known, and the order does not say so yet.
    AfterRefund,
}

impl Point {
    /// Every point.
    pub const ALL: &'static [Self] = &[
        Self::Placing,
        Self::Begun,
        Self::BeforePayment,
        Self::AfterPayment,
        Self::Committing,
        Self::Settled,
        Self::Compensating,
        Self::AfterReturn,
        Self::RefundBegun,
        Self::AfterRefund,
    ];

    /// What it is called in the setting `checkout.fault_point`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Placing => "placing",
            Self::Begun => "begun",
            Self::BeforePayment => "before_payment",
            Self::AfterPayment => "after_payment",
            Self::Committing => "committing",
            Self::Settled => "settled",
            Self::Compensating => "compensating",
            Self::AfterReturn => "after_return",
            Self::RefundBegun => "refund_begun",
            Self::AfterRefund => "after_refund",
        }
    }
}

/// What a test does at a point.
type Act = dyn Fn(Point) -> Result<(), Fault> + Send + Sync;

/// Called at each point; does nothing outside of tests.
#[derive(Clone, Default)]
pub struct Hook(Option<Arc<Act>>);

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hook")
    }
}

impl Hook {
    /// A hook that may fail at a point.
    #[must_use]
    pub fn new(act: impl Fn(Point) -> Result<(), Fault> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(act)))
    }

    /// The hook of a process: see [`end_of_process`].
    #[must_use]
    pub fn of(config: &Config) -> Self {
        end_of_process(config).map_or_else(Self::default, |end| {
            Self::new(move |point| {
                end(point.name());
                Ok(())
            })
        })
    }

    pub(super) fn at(&self, point: Point) -> Result<(), Fault> {
        self.0.as_ref().map_or(Ok(()), |act| act(point))
    }
}
