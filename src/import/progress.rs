//! Tells how far an import is: a bar on a terminal, log lines elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Between two log lines.
const PERIOD: Duration = Duration::from_secs(5);

/// How far an import is.
pub(super) struct Progress {
    /// On a terminal.
    bar: Option<ProgressBar>,
    read: Arc<AtomicU64>,
    total: Option<u64>,
    told: Instant,
}

impl Progress {
    /// Of a file of `total` bytes, if that is known; `read` counts.
    pub(super) fn new(read: Arc<AtomicU64>, total: Option<u64>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| bar(total));
        Self {
            bar,
            read,
            total,
            told: Instant::now(),
        }
    }

    /// So many rows are done.
    pub(super) fn rows(&mut self, rows: u64, rejected: u64) {
        let read = self.read.load(Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.set_position(read);
            bar.set_message(format!("{rows} rows, {rejected} rejected"));
        } else if self.told.elapsed() >= PERIOD {
            self.told = Instant::now();
            let percent = self
                .total
                .filter(|total| *total > 0)
                .map(|total| read * 100 / total);
            tracing::info!(rows, rejected, percent, "importing");
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

fn bar(total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total),
            "{bar:40} {percent:>3} %  {msg}  {eta}",
        ),
        None => (ProgressBar::new_spinner(), "{spinner} {msg}"),
    };
    // A template that indicatif does not know would be a mistake here; the bar then keeps its own.
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
