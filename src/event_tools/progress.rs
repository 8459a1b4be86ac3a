//! Tells how far a command is: a spinner on a terminal, log lines elsewhere.

use indicatif::ProgressBar;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// Between two tellings.
const PERIOD: Duration = Duration::from_secs(5);
/// Between two turns of the spinner, which cost time too.
const TURN: Duration = Duration::from_millis(100);

/// How far a command is.
pub(super) struct Progress {
    what: &'static str,
    bar: Option<ProgressBar>,
    done: u64,
    told: Instant,
}

impl Progress {
    /// Of something that has no known end (`events sent`).
    pub(super) fn new(what: &'static str) -> Self {
        let bar = std::io::stderr()
            .is_terminal()
            .then(ProgressBar::new_spinner);
        Self {
            what,
            bar,
            done: 0,
            told: Instant::now(),
        }
    }

    /// So many more are done.
    pub(super) fn add(&mut self, more: usize) {
        self.done += more as u64;
        let period = if self.bar.is_some() { TURN } else { PERIOD };
        if self.told.elapsed() < period {
            return;
        }
        self.told = Instant::now();
        let (done, what) = (self.done, self.what);
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{done} {what}"));
            bar.tick();
        } else {
            tracing::info!("{done} {what}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
