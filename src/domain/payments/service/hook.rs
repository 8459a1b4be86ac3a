//! Points between the steps of a payment where a test can let it fail, as if the process had ended there.

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

    pub(super) fn at(&self, point: Point) -> Result<(), Fault> {
        self.0.as_ref().map_or(Ok(()), |act| act(point))
    }
}
