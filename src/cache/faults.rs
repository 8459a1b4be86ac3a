//! Places where tests make the cache slow, or take a safeguard out to see that it is needed.
//!
//! They are always compiled in, so that what is tested is what is shipped; without tests nobody sets them, and asking is
//! one comparison.

use futures::future::BoxFuture;
use std::sync::Arc;

/// A step of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The database is about to be asked.
    BeforeLoad,
    /// The database has answered and nothing is kept yet.
    AfterLoad,
    /// A change was committed and is not told to Redis yet.
    BeforeForget,
}

/// What a test does at a step.
type Hook = Arc<dyn Fn(Step) -> BoxFuture<'static, ()> + Send + Sync>;

/// What a test wants to go wrong; nothing by default.
#[derive(Clone, Default)]
pub struct Faults {
    hook: Option<Hook>,
    pub(super) keep_stale: bool,
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faults")
            .field("hook", &self.hook.is_some())
            .field("keep_stale", &self.keep_stale)
            .finish()
    }
}

impl Faults {
    /// Waits for `hook` at each step.
    #[must_use]
    pub fn at_steps(
        mut self,
        hook: impl Fn(Step) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        self.hook = Some(Arc::new(hook));
        self
    }

    /// Takes out the refusal of values that a change overtook while they were loaded.
    #[must_use]
    pub fn without_refusal(mut self) -> Self {
        self.keep_stale = true;
        self
    }

    pub(super) async fn reach(&self, step: Step) {
        if let Some(hook) = &self.hook {
            hook(step).await;
        }
    }
}
