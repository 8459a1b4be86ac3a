//! One connection, with an end to everything that a client may leave undone.

use super::front::Front;
use super::observe::Peer;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Requests that one HTTP/2 connection may have open.
const STREAMS_MAX: u32 = 100;
/// How often a silent HTTP/2 client is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Greatest head of a request that is read, and the most that is read ahead.
const BUFFER_MAX: usize = 64 << 10;

/// What connections of one listener share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) front: Arc<Front>,
    /// For the head of a request, and the life of a connection on which nothing happens.
    pub(super) idle_limit: Duration,
    /// Finish what runs and take no more.
    pub(super) draining: CancellationToken,
    /// Stop, whatever runs.
    pub(super) stopped: CancellationToken,
}

/// Serves a connection until it ends.
pub(super) async fn serve(shared: Shared, stream: TcpStream, peer: SocketAddr) {
    // Without this the last packet of an answer may wait for the acknowledgement of the one before.
    crate::error::swallow(stream.set_nodelay(true), "setting TCP_NODELAY");
    // The builder waits for the first bytes, which tell HTTP/1 from HTTP/2, before any of its timers runs: a client
    // that sends nothing would stay for ever.
    let mut byte = [0];
    let first = stream.peek(&mut byte);
    let spoke = tokio::select! {
        spoke = tokio::time::timeout(shared.idle_limit, first) => spoke,
        () = shared.draining.cancelled() => return,
    };
    if !matches!(spoke, Ok(Ok(1..))) {
        return;
    }
    let open = Arc::new(Open::default());
    let service = {
        let (front, open) = (shared.front, open.clone());
        service_fn(move |request: Request<Incoming>| {
            let (front, running, held) = (front.clone(), open.begin(), Held(open.clone()));
            async move {
                let answer = front.answer(request, Peer(peer), held).await;
                drop(running);
                Ok::<_, Infallible>(answer)
            }
        })
    };
    let builder = builder(shared.idle_limit);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return trace(ended),
        () = shared.draining.cancelled() => {}
        () = open.idle(shared.idle_limit) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        ended = connection.as_mut() => trace(ended),
        () = shared.stopped.cancelled() => {}
        // A client of HTTP/2 that does not take its leave.
        () = open.idle(shared.idle_limit) => {}
    }
}

fn builder(idle_limit: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(idle_limit)
        .max_buf_size(BUFFER_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(BUFFER_MAX as u32);
    builder
}

/// How a connection ended is the client's business: a broken one is no fault of ours.
fn trace(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(error = %error, "a connection broke");
    }
}

/// The requests that are open on a connection: from their head to their answer's head. The body of an answer is not
/// waited for unless it holds the connection, so a client that does not take it is cut off after at most twice the idle limit.
#[derive(Debug, Default)]
struct Open {
    requests: AtomicUsize,
    changed: Notify,
}

/// A request that is open.
#[derive(Debug)]
pub(super) struct Running(Arc<Open>);

/// The connection of a request, for answers that go on after their head.
#[derive(Clone, Debug)]
pub(super) struct Held(Arc<Open>);

impl Held {
    /// Keeps the connection as long as what is returned.
    pub(super) fn hold(&self) -> Running {
        self.0.begin()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
        self.0.changed.notify_one();
    }
}

impl Open {
    fn begin(self: &Arc<Self>) -> Running {
        self.requests.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_one();
        Running(self.clone())
    }

    /// Returns when no request was open, and none came, for `limit`. HTTP/2 has no such limit of its own.
    async fn idle(&self, limit: Duration) {
        loop {
            let changed = self.changed.notified();
            if self.requests.load(Ordering::Acquire) > 0 {
                changed.await;
            } else if tokio::time::timeout(limit, changed).await.is_err() {
                return;
            }
        }
    }
}
