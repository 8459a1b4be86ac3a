//! What every request has, whatever it asks for: an id, a span, a line in the log, metrics, and an answer even when
//! the program panics.

use super::State;
use super::answer::{Executed, Refused, RequestId};
use super::front::GRAPHQL;
use super::negotiate::{Media, Wanted};
use crate::cause::Cause;
use crate::graphql::request::RequestInfo;
use axum::body::Body;
use axum::extract;
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt as _;
use http::header::{HeaderName, HeaderValue, REFERRER_POLICY, USER_AGENT, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, Method, Request, request};
use metrics::{Counter, Gauge, Histogram};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
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
/// What a request can be; the first one is for those that executed nothing.
const KINDS: [&str; 4] = ["none", "query", "mutation", "subscription"];

/// The other end of the connection, put into the request by the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// What is told of a request.
#[derive(Debug)]
pub(super) struct Asked {
    id: RequestId,
    info: RequestInfo,
    method: Method,
    path: Cow<'static, str>,
    /// The form of the answer when there is no other.
    media: Media,
    cause: Cause,
}

impl Asked {
    /// Of the head of a request.
    pub(super) fn of(state: &State, head: &request::Parts, peer: Option<Peer>) -> Self {
        let headers = &head.headers;
        let info = info(state, headers, peer);
        let trace_parent = headers.get(TRACE_PARENT);
        let trace_parent = trace_parent.and_then(|header| header.to_str().ok());
        Self {
            id: RequestId(Arc::clone(&info.request_id)),
            cause: Cause::of_request(&info.request_id, trace_parent),
            info,
            method: head.method.clone(),
            path: match head.uri.path() {
                GRAPHQL => GRAPHQL.into(),
                path => path.to_owned().into(),
            },
            media: Wanted::of(headers).media.unwrap_or(Media::Json),
        }
    }

    /// Where it comes from.
    pub(super) fn info(&self) -> RequestInfo {
        self.info.clone()
    }
}

/// Wraps the whole router.
pub(super) async fn layer(
    extract::State(state): extract::State<State>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let (mut head, body) = request.into_parts();
    let asked = Asked::of(&state, &head, head.extensions.get::<Peer>().copied());
    head.extensions.insert(asked.info());
    head.extensions.insert(asked.id.clone());
    let answer = next.run(Request::from_parts(head, body));
    observe(&state, asked, answer).await
}

/// The answer, whatever happens while it is made, with what every answer has.
pub(super) async fn observe(
    state: &State,
    asked: Asked,
    answer: impl Future<Output = Response>,
) -> Response {
    let Asked {
        id,
        method,
        path,
        media,
        cause,
        ..
    } = asked;
    let span = tracing::info_span!("request", request.id = &*id.0);
    let running = InFlight::begin(&state.meters);
    let work = AssertUnwindSafe(cause.during(answer)).catch_unwind();
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
    let kind = executed.as_ref().map_or(KINDS[0], |executed| executed.kind);
    state.meters.count(kind, status, elapsed);
    if tracing::enabled!(tracing::Level::INFO) {
        let operation: String = executed
            .and_then(|executed| executed.name)
            .map(|name| name.chars().take(NAME_MAX).collect())
            .unwrap_or_default();
        span.in_scope(|| {
            let ms = elapsed.as_micros() as f64 / 1_000.0;
            tracing::info!(%method, %path, status, ms, operation, "answered");
        });
    }
    complete(response.headers_mut(), &id);
    response
}

fn info(state: &State, headers: &HeaderMap, peer: Option<Peer>) -> RequestInfo {
    let given = headers
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .filter(|id| (1..=ID_MAX).contains(&id.len()))
        .filter(|id| id.bytes().all(|byte| byte.is_ascii_graphic()));
    let user_agent = headers
        .get(USER_AGENT)
        .and_then(|name| name.to_str().ok())
        .map(|name| name[..name.len().min(USER_AGENT_MAX)].to_owned());
    RequestInfo {
        request_id: given.map_or_else(|| fresh_id(state), Arc::from),
        ip: peer.map(|peer| peer.0.ip()),
        user_agent,
    }
}

fn fresh_id(state: &State) -> Arc<str> {
    let id: Uuid = state.app.clock().id();
    let text = &mut Uuid::encode_buffer();
    Arc::from(&*id.hyphenated().encode_lower(text))
}

/// What is in every answer.
fn complete(headers: &mut HeaderMap, id: &RequestId) {
    if let Ok(id) = HeaderValue::from_str(&id.0) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

/// The metrics of requests; what is raised at each of them is looked up once.
#[derive(Clone)]
pub(super) struct Meters {
    in_flight: Gauge,
    /// Of those that were answered with 200, by kind.
    answered: [Counter; KINDS.len()],
    durations: [Histogram; KINDS.len()],
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            in_flight: metrics::gauge!("tradepost_http_requests_in_flight"),
            answered: KINDS.map(|kind| counter(kind, 200)),
            durations: KINDS.map(|kind| {
                metrics::histogram!("tradepost_http_request_duration_seconds", "operation" => kind)
            }),
        }
    }
}

impl std::fmt::Debug for Meters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}

impl Meters {
    fn count(&self, kind: &'static str, status: u16, elapsed: Duration) {
        let place = KINDS.iter().position(|known| *known == kind).unwrap_or(0);
        if status == 200 {
            self.answered[place].increment(1);
        } else {
            counter(kind, status).increment(1);
        }
        self.durations[place].record(elapsed.as_secs_f64());
    }
}

fn counter(kind: &'static str, status: u16) -> Counter {
    metrics::counter!(
        "tradepost_http_requests_total",
        "operation" => kind,
        "status" => status.to_string()
    )
}

/// Counts a request while it is worked on, also when its client goes away.
struct InFlight<'a> {
    gauge: &'a Gauge,
    since: Instant,
}

impl<'a> InFlight<'a> {
    fn begin(meters: &'a Meters) -> Self {
        meters.in_flight.increment(1);
        Self {
            gauge: &meters.in_flight,
            since: Instant::now(),
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.gauge.decrement(1);
    }
}
