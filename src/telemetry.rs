//! Logs and metrics of the process.

use crate::config::{Log, LogFormat};
use crate::error::Fault;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Seconds: from a cached answer to the limit of a request.
const DURATION_BUCKETS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// Sends logs to standard error, so that what commands print stays clean.
///
/// # Errors
/// `log.filter` is not a tracing filter, or logs were set up before.
pub fn init(log: &Log) -> Result<(), Fault> {
    let filter = EnvFilter::try_new(&log.filter).map_err(Fault::doing("reading log.filter"))?;
    let registry = tracing_subscriber::registry().with(filter);
    // Colours are for people: files and collectors get plain text.
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => registry.with(layer).try_init(),
        LogFormat::Json => registry.with(layer.json()).try_init(),
    }
    .map_err(Fault::doing("starting the logs"))
}

/// The metrics of this process, in Prometheus' text form. The recorder is installed at the first call.
///
/// # Errors
/// Another recorder was installed before.
pub fn metrics() -> Result<PrometheusHandle, Fault> {
    static HANDLE: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut handle = HANDLE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*handle {
        return Ok(handle.clone());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets(DURATION_BUCKETS)
        .map_err(Fault::doing("setting the buckets of the metrics"))?
        .build_recorder();
    let made = recorder.handle();
    metrics::set_global_recorder(recorder)
        .map_err(|_| Fault::Broken("another metrics recorder is installed".into()))?;
    *handle = Some(made.clone());
    Ok(made)
}
