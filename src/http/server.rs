//! The accept loop. `axum::serve` has no deadlines for what clients leave half-sent, and no limit on connections.

use super::connection::{self, Shared};
use super::front::Front;
use super::health::Checks;
use super::streams::Streams;
use super::{State, admin_router, router};
use crate::app::App;
use crate::error::{Fault, chain};
use crate::graphql::engine::Engine;
use crate::telemetry;
use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections to the admin address: people and a scraper.
const ADMIN_CONNECTIONS_MAX: usize = 64;
/// How long the loop rests when no connection can be accepted, as when the process has no file left.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(50);
/// How often samples of histograms are put together; nobody may ever ask for them.
const METRICS_PERIOD: Duration = Duration::from_secs(5);

/// A server that is bound and not yet serving.
#[derive(Debug)]
pub struct Server {
    app: App,
    main: Listener,
    admin: Option<Listener>,
    /// Cancelled when it takes no more requests; the health check says so.
    draining: CancellationToken,
    /// Cancelled when what is still open is cut off.
    stopped: CancellationToken,
    streams: Streams,
}

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    front: Front,
    connections_max: usize,
}

impl Server {
    /// Binds `server.address` and, unless it is empty, `http.admin_address`. Port 0 takes a free one.
    ///
    /// # Errors
    /// An address is taken or not ours, or the metrics cannot be kept.
    pub async fn bind(app: App, engine: Engine) -> Result<Self, Fault> {
        let (draining, stopped) = (CancellationToken::new(), CancellationToken::new());
        let config = app.config();
        let admin = match config.http.admin_address.as_str() {
            "" => None,
            address => {
                let address: SocketAddr = address
                    .parse()
                    .map_err(Fault::doing("reading http.admin_address"))?;
                Some((address, telemetry::metrics()?))
            }
        };
        let health = Checks::new(app.clone(), draining.clone());
        let streams = Streams::new(&app, draining.clone(), stopped.clone());
        // Looks up its metrics, so it comes after what keeps them.
        let state = State::new(app.clone(), engine, health, streams.clone());
        let admin = match admin {
            None => None,
            Some((address, metrics)) => {
                keep_metrics(&app, metrics.clone());
                let front = Front::of_router(admin_router(state.clone(), metrics));
                Some(Listener::bind(address, front, ADMIN_CONNECTIONS_MAX).await?)
            }
        };
        let front = Front::new(state.clone(), router(state));
        let connections_max = config.http.connections_max;
        let main = Listener::bind(config.server.address, front, connections_max).await?;
        Ok(Self {
            app,
            main,
            admin,
            draining,
            stopped,
            streams,
        })
    }

    /// A server of other routes with this program's accept loop: what benchmarks compare the program with.
    ///
    /// # Errors
    /// The address is taken or not ours.
    pub async fn of_router(app: App, router: Router) -> Result<Self, Fault> {
        let config = app.config();
        let connections_max = config.http.connections_max;
        let front = Front::of_router(router);
        let main = Listener::bind(config.server.address, front, connections_max).await?;
        let (draining, stopped) = (CancellationToken::new(), CancellationToken::new());
        let streams = Streams::new(&app, draining.clone(), stopped.clone());
        Ok(Self {
            app,
            main,
            admin: None,
            draining,
            stopped,
            streams,
        })
    }

    /// Where GraphQL is served.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.main.address
    }

    /// Where operators look, if that is on.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|admin| admin.address)
    }

    /// Serves until `shutdown` is cancelled; then finishes the requests that are open, for at most
    /// `server.shutdown_limit_ms`, and closes what is left. Operators can look as long as that takes.
    pub async fn serve(self, shutdown: CancellationToken) {
        let (draining, stopped, streams) = (self.draining, self.stopped, self.streams);
        streams.start(&self.app);
        self.app.hub().start(self.app.workers());
        let shared = |listener: &Listener, draining: &CancellationToken| Shared {
            front: Arc::new(listener.front.clone()),
            idle_limit: Duration::from_millis(self.app.config().http.header_read_timeout_ms),
            draining: draining.clone(),
            stopped: stopped.clone(),
        };
        let (connections, looks) = (TaskTracker::new(), TaskTracker::new());
        let main = {
            let shared = shared(&self.main, &draining);
            self.main
                .accept(self.app.clone(), shared, connections.clone())
        };
        let admin = async {
            match self.admin {
                Some(admin) => {
                    let shared = shared(&admin, &stopped);
                    admin.accept(self.app.clone(), shared, looks.clone()).await;
                }
                None => std::future::pending().await,
            }
        };
        let limit = Duration::from_millis(self.app.config().server.shutdown_limit_ms);
        let serving = async {
            tokio::select! {
                () = main => {}
                () = shutdown.cancelled() => {}
            }
            draining.cancel();
            drain(&connections, &streams, limit).await;
            stopped.cancel();
            connections.wait().await;
            streams.drained().await;
        };
        tokio::select! {
            () = serving => {}
            () = admin => {}
        }
        looks.close();
        looks.wait().await;
    }
}

async fn drain(connections: &TaskTracker, streams: &Streams, limit: Duration) {
    connections.close();
    let all = async { tokio::join!(connections.wait(), streams.drained()) };
    let drained = tokio::time::timeout(limit, all).await;
    if drained.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "requests were still open at the end of server.shutdown_limit_ms"
        );
    }
}

/// Histograms keep every sample until somebody looks.
fn keep_metrics(app: &App, metrics: PrometheusHandle) {
    let stopping = app.workers().stopping();
    app.workers().spawn(async move {
        let mut ticks = tokio::time::interval(METRICS_PERIOD);
        while stopping.run_until_cancelled(ticks.tick()).await.is_some() {
            metrics.run_upkeep();
        }
    });
}

impl Listener {
    async fn bind(
        address: SocketAddr,
        front: Front,
        connections_max: usize,
    ) -> Result<Self, Fault> {
        let doing = || Fault::doing(format!("binding {address}"));
        let socket = TcpListener::bind(address).await.map_err(doing())?;
        let address = socket.local_addr().map_err(doing())?;
        Ok(Self {
            socket,
            address,
            front,
            connections_max,
        })
    }

    /// Accepts connections for ever. With all permits taken, further clients wait in the system's queue.
    async fn accept(self, app: App, shared: Shared, connections: TaskTracker) {
        let permits = Arc::new(Semaphore::new(self.connections_max));
        // The semaphore is never closed.
        while let Ok(permit) = permits.clone().acquire_owned().await {
            let (stream, peer) = self.next().await;
            let serving = connection::serve(shared.clone(), stream, peer);
            app.workers().spawn(connections.track_future(async move {
                metrics::gauge!("tradepost_http_connections_open").increment(1);
                Box::pin(serving).await;
                metrics::gauge!("tradepost_http_connections_open").decrement(1);
                drop(permit);
            }));
        }
    }

    async fn next(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.socket.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    tracing::warn!(error = chain(&error), "a connection was not accepted");
                    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                }
            }
        }
    }
}
