//! The end of the process: SIGTERM or Ctrl-C, then an orderly stop with a limit.
//!
//! ```no_run
//! # async fn example(app: tradepost::app::App) -> Result<(), tradepost::error::Fault> {
//! use tradepost::{graphql::schema, http::Server, shutdown};
//!
//! let shutdown = shutdown::on_signal(app.workers())?;
//! let server = Server::bind(app.clone(), schema::build(&app)).await?;
//! // … start the workers, print the addresses …
//! server.serve(shutdown).await;
//! let limit = std::time::Duration::from_millis(app.config().server.shutdown_limit_ms);
//! app.workers().shut_down(limit).await;
//! # Ok(())
//! # }
//! ```

use crate::error::Fault;
use crate::workers::Workers;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code of a process that was told twice to stop: 128 and the number of SIGINT.
const TOLD_TWICE: i32 = 130;

/// Listens for SIGTERM and Ctrl-C from now on; the token is cancelled by the first of them. The second one ends the
/// process at once.
///
/// # Errors
/// The system does not let us listen.
pub fn on_signal(workers: &Workers) -> Result<CancellationToken, Fault> {
    let doing = Fault::doing::<std::io::Error>;
    let mut terminate = signal(SignalKind::terminate()).map_err(doing("listening for SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(doing("listening for Ctrl-C"))?;
    let token = CancellationToken::new();
    let (cancel, stopping) = (token.clone(), workers.stopping());
    workers.spawn(async move {
        for told_before in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                // The orderly stop has come to its end.
                () = stopping.cancelled() => return,
            }
            if told_before {
                tracing::warn!("told twice to stop: ending at once");
                std::process::exit(TOLD_TWICE);
            }
            tracing::info!("stopping; a second signal ends the process at once");
            cancel.cancel();
        }
    });
    Ok(token)
}
