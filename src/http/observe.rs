//! What every request has, whatever it asks for: an id, a span, a line in the log, metrics, and an answer even when
//! the program panics.

use super::State;
use super::answer::{Executed, Refused, RequestId};
use super::negotiate::{self, Media};
use crate::cause::Cause;
use crate::graphql::request::RequestInfo;
use axum::body::Body;
use axum::extract;
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt as _;
use http::header::{HeaderName, HeaderValue, REFERRER_POLICY, USER_AGENT, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, Request};
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::time::Instant;
use tracing::Instrument as _;
use uuid::Uuid;

/// The header with the id of a request, in both directions.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header with the caller's trace context.
pub(super) const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
/// Longest id that is taken from a client.
const ID_MAX: usize = 128;
/// Longest name of a client that is kept.
const USER_AGENT_MAX: usize = 255;
/// Longest name of an operation in a log line.
const NAME_MAX: usize = 100;

/// The other end of the connection, put into the request by the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Wraps the whole router.
pub(super) async fn observe(
    extract::State(state): extract::State<State>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    let info = info(&state, &request);
    let id = RequestId(info.request_id.clone());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let media = negotiate::accepted(request.headers()).unwrap_or(Media::Json);
    let trace_parent = request.headers().get(TRACE_PARENT);
    let trace_parent = trace_parent.and_then(|header| header.to_str().ok());
    let cause = Cause::of_request(&id.0, trace_parent);
    let span = tracing::info_span!("request", request.id = id.0);
    request.extensions_mut().insert(info);
    request.extensions_mut().insert(id.clone());

    let running = InFlight::begin();
    let work = AssertUnwindSafe(cause.during(next.run(request))).catch_unwind();
    let mut response = match work.instrument(span.clone()).await {
        Ok(response) => response,
        Err(_) => {
            metrics::counter!("tradepost_panics_total").increment(1);
            span.in_scope(|| tracing::error!("a request panicked"));
            Refused::internal().into_response(media, &id)
        }
    };
    let elapsed = running.since.elapsed();
    drop(running);

    let executed = response.extensions_mut().remove::<Executed>();
    let status = response.status().as_u16();
    measure(executed.as_ref(), status, elapsed);
    let operation: String = executed
        .and_then(|executed| executed.name)
        .map(|name| name.chars().take(NAME_MAX).collect())
        .unwrap_or_default();
    span.in_scope(|| {
        let ms = elapsed.as_micros() as f64 / 1_000.0;
        tracing::info!(%method, path, status, ms, operation, "answered");
    });
    complete(response.headers_mut(), &id);
    response
}

fn info(state: &State, request: &Request<Body>) -> RequestInfo {
    let headers = request.headers();
    let given = headers
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .filter(|id| (1..=ID_MAX).contains(&id.len()))
        .filter(|id| id.bytes().all(|byte| byte.is_ascii_graphic()));
    let user_agent = headers
        .get(USER_AGENT)
        .and_then(|name| name.to_str().ok())
        .map(|name| name.chars().take(USER_AGENT_MAX).collect());
    RequestInfo {
        request_id: given.map_or_else(|| state.app.clock().id::<Uuid>().to_string(), str::to_owned),
        ip: request.extensions().get::<Peer>().map(|peer| peer.0.ip()),
        user_agent,
    }
}

/// What is in every answer.
fn complete(headers: &mut HeaderMap, id: &RequestId) {
    if let Ok(id) = HeaderValue::from_str(&id.0) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

fn measure(executed: Option<&Executed>, status: u16, elapsed: Duration) {
    let kind = executed.map_or("none", |executed| executed.kind);
    metrics::counter!(
        "tradepost_http_requests_total",
        "operation" => kind,
        "status" => status.to_string()
    )
    .increment(1);
    metrics::histogram!("tradepost_http_request_duration_seconds", "operation" => kind)
        .record(elapsed.as_secs_f64());
}

/// Counts a request while it is worked on, also when its client goes away.
struct InFlight {
    since: Instant,
}

impl InFlight {
    fn begin() -> Self {
        metrics::gauge!("tradepost_http_requests_in_flight").increment(1);
        Self {
            since: Instant::now(),
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        metrics::gauge!("tradepost_http_requests_in_flight").decrement(1);
    }
}
