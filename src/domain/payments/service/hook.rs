//! Points between the steps of a payment where a test can let it fail, or the process end.

use crate::config::Config;
use crate::error::Fault;
use entity::payments::ProviderOperation;
use std::sync::Arc;

/// A moment of a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// The provider is asked next.
    Before(ProviderOperation),
    /// The provider has answered, and nothing was written down.
    Answered(ProviderOperation),
    /// The answer was written down.
    Settled(ProviderOperation),
}

impl Point {
    /// What it is called in the setting `checkout.fault_point`: `before_authorize`, `answered_refund` and so on.
    #[must_use]
    pub fn name(self) -> String {
        let (moment, operation) = match self {
            Self::Before(operation) => ("before", operation),
            Self::Answered(operation) => ("answered", operation),
            Self::Settled(operation) => ("settled", operation),
        };
        format!("{moment}_{}", operation.as_str().to_lowercase())
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
                end(&point.name());
                Ok(())
            })
        })
    }

    pub(super) fn at(&self, point: Point) -> Result<(), Fault> {
        self.0.as_ref().map_or(Ok(()), |act| act(point))
    }
}

/// In development a process ends at the point that `checkout.fault_point` names, as by kill -9. Never in production.
#[must_use]
pub fn end_of_process(config: &Config) -> Option<impl Fn(&str) + Send + Sync + 'static> {
    let name = config.checkout.fault_point.clone();
    let is_set = !name.is_empty() && !config.production();
    is_set.then_some(move |point: &str| {
        if point == name {
            tracing::warn!(point, "the process ends here, as checkout.fault_point says");
            std::process::abort();
        }
    })
}
