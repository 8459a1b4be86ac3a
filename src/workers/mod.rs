//! Background work: supervised tasks that run on a signal and on a period, and stop when told.

use crate::cause::Cause;
use crate::error::{Fault, chain};
use crate::health::Health;
use futures::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a task that failed waits before it runs again.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// What a pass found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There may be more: run again at once.
    More,
    /// Nothing left: wait for the signal or the period.
    Idle,
}

/// The background work of one process.
#[derive(Clone, Debug, Default)]
pub struct Workers {
    tracker: TaskTracker,
    stop: CancellationToken,
    passes: Arc<Passes>,
}

/// How the tasks of [`Workers::every`] are.
#[derive(Debug, Default)]
struct Passes {
    tasks: AtomicUsize,
    /// Tasks whose last pass failed.
    failing: AtomicUsize,
}

impl Passes {
    /// Notes how a pass of a task ended.
    fn note(&self, failed: bool, failed_before: &mut bool) {
        match (*failed_before, failed) {
            (false, true) => self.failing.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.failing.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
        *failed_before = failed;
    }
}

impl Workers {
    /// Nothing runs yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells tasks that they should end.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs a future that watches [`Workers::stopping`] itself.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place where tasks are spawned"
    )]
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.tracker.track_future(future));
    }

    /// Runs `pass` again and again: at once while it makes progress, else when `wake` is notified or `period` is over.
    /// A failure or a panic is logged, and the pass runs again after a pause: background work never ends by itself.
    pub fn every<F, Fut>(
        &self,
        name: &'static str,
        period: Duration,
        wake: Arc<Notify>,
        mut pass: F,
    ) where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Progress, Fault>> + Send,
    {
        let stop = self.stop.clone();
        let passes = self.passes.clone();
        passes.tasks.fetch_add(1, Ordering::Relaxed);
        self.spawn(async move {
            let mut failing = false;
            while !stop.is_cancelled() {
                let woken = wake.notified();
                let work = Cause::begun().during(pass());
                let outcome = AssertUnwindSafe(work).catch_unwind().await;
                passes.note(!matches!(outcome, Ok(Ok(_))), &mut failing);
                let pause = match outcome {
                    Ok(Ok(Progress::More)) => continue,
                    Ok(Ok(Progress::Idle)) => period,
                    Ok(Err(fault)) => {
                        tracing::error!(
                            task = name,
                            error = chain(&fault),
                            "background work failed"
                        );
                        PAUSE_AFTER_FAILURE
                    }
                    Err(_) => {
                        tracing::error!(task = name, "background work panicked");
                        PAUSE_AFTER_FAILURE
                    }
                };
                metrics::counter!("tradepost_worker_passes_total", "task" => name).increment(1);
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = woken => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
        });
    }

    /// How the background work is, for `/readyz`.
    #[must_use]
    pub fn state(&self) -> Health {
        let tasks = self.passes.tasks.load(Ordering::Relaxed);
        let failing = self.passes.failing.load(Ordering::Relaxed);
        if tasks == 0 {
            Health::off("none in this process")
        } else if self.stop.is_cancelled() {
            Health::degraded("it is stopping")
        } else if failing > 0 {
            Health::degraded(format!(
                "{failing} of {tasks} tasks failed when they last ran"
            ))
        } else {
            Health::ok(format!("{tasks} tasks"))
        }
    }

    /// Tells all tasks to end and waits for them, at most `limit`. Returns whether all ended.
    pub async fn shut_down(&self, limit: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(limit, self.tracker.wait())
            .await
            .is_ok()
    }
}
