//! HTTP: the server, GraphQL over it, GraphiQL, health and metrics.
//!
//! A new address is a line of `router` (for everybody) or of `admin_router` (for operators, on
//! `http.admin_address`). Everything that holds for all of them is in `observe`.

mod answer;
mod auth;
mod connection;
mod contract;
mod front;
mod graphiql;
mod graphql_http;
pub mod health;
mod kept;
mod negotiate;
mod observe;
mod operation;
mod parameters;
mod persisted;
mod prepare;
pub mod server;
mod session;
mod sse;
mod streams;
mod webhooks;
mod ws;

pub use server::Server;

use crate::app::App;
use crate::config::Config;
use crate::graphql::engine::Engine;
use crate::graphql::schema;
use crate::health::State as Condition;
use answer::{Refused, RequestId};
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router, extract, middleware};
use health::{Checks, Report};
use http::header::{
    AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, RETRY_AFTER,
};
use http::{Method, StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;
use negotiate::Media;
use persisted::Persisted;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use streams::Streams;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may remember what CORS allows.
const PREFLIGHT_KEEP: Duration = Duration::from_secs(3_600);

/// What handlers share; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct State(Arc<Shared>);

impl Deref for State {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// The parts of [`State`].
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) app: App,
    pub(crate) engine: Engine,
    persisted: Persisted,
    health: Checks,
    streams: Streams,
    /// The text of the schema, printed once.
    sdl: Arc<str>,
    contract: contract::Texts,
    meters: observe::Meters,
}

impl State {
    fn new(app: App, engine: Engine, health: Checks, streams: Streams) -> Self {
        let persisted = Persisted::new(app.config().http.persisted_bytes_max);
        Self(Arc::new(Shared {
            app,
            engine,
            persisted,
            health,
            streams,
            sdl: schema::sdl().into(),
            contract: contract::Texts::default(),
            meters: observe::Meters::default(),
        }))
    }
}

/// The addresses for everybody.
pub(crate) fn router(state: State) -> Router {
    let mut router = Router::new()
        .route(
            front::GRAPHQL,
            get(graphql_http::get)
                .post(graphql_http::post_routed)
                .fallback(wrong_method),
        )
        .route("/schema.graphql", get(schema_text))
        .route("/asyncapi.yaml", get(contract::asyncapi))
        .route("/events/schemas", get(contract::list))
        .route("/events/schemas/{file}", get(contract::schema))
        .route("/webhooks/payments/{provider}", post(webhooks::payments))
        .route("/.well-known/jwks.json", get(jwks))
        .route("/livez", get(live))
        .route("/readyz", get(ready));
    if graphiql::is_on(&state.app) {
        router = router
            .route("/", get(async || graphiql::page()))
            .route("/graphiql/{name}", get(graphiql::file))
            .route("/favicon.svg", get(graphiql::favicon));
    }
    let cors = cors(state.app.config());
    router
        .fallback(not_found)
        // The handler of GraphQL has its own limit, from the configuration, and no other one reads a body.
        .layer(DefaultBodyLimit::disable())
        .layer(cors)
        .layer(middleware::from_fn_with_state(
            state.clone(),
            observe::layer,
        ))
        .with_state(state)
}

/// The addresses for operators.
pub(crate) fn admin_router(state: State, metrics: PrometheusHandle) -> Router {
    Router::new()
        .route(
            "/metrics",
            get(async move || {
                (
                    [(CONTENT_TYPE, "text/plain; version=0.0.4")],
                    metrics.render(),
                )
            }),
        )
        .route("/livez", get(live))
        .route("/readyz", get(ready_in_full))
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(
            state.clone(),
            observe::layer,
        ))
        .with_state(state)
}

async fn schema_text(extract::State(state): extract::State<State>) -> Response {
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    (headers, state.sdl.to_string()).into_response()
}

/// The public key of access tokens, for whoever wants to verify them without asking.
async fn jwks(extract::State(state): extract::State<State>) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/jwk-set+json"),
        (CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, state.app.accounts().jwks().to_owned()).into_response()
}

/// The process answers; nothing more is looked at, so that a broken database does not get it restarted.
async fn live() -> &'static str {
    "ok"
}

/// For load balancers: the status says it all, and strangers learn nothing about the parts.
async fn ready(extract::State(state): extract::State<State>) -> Response {
    let report = state.health.report().await;
    let text = match report.state {
        Condition::Off | Condition::Ok => "ok",
        Condition::Degraded => "degraded",
        Condition::Down => "unavailable",
    };
    (readiness(&report), text).into_response()
}

async fn ready_in_full(extract::State(state): extract::State<State>) -> Response {
    let report = state.health.report().await;
    (readiness(&report), Json(report)).into_response()
}

fn readiness(report: &Report) -> StatusCode {
    if report.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

async fn not_found(Extension(id): Extension<RequestId>) -> Response {
    Refused::new(
        StatusCode::NOT_FOUND,
        "NOT_FOUND",
        "Nothing is served at this address; GraphQL is at /graphql.",
    )
    .into_response(Media::Json, &id)
}

async fn wrong_method(Extension(id): Extension<RequestId>) -> Response {
    Refused::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "BAD_USER_INPUT",
        "GraphQL is asked by POST, and by GET for queries.",
    )
    .header(
        http::header::ALLOW,
        HeaderValue::from_static("GET, HEAD, POST"),
    )
    .into_response(Media::Json, &id)
}

/// Browsers of the configured origins may ask, and in development those of this machine. No cookie is ever sent, for
/// none is ever read.
fn cors(config: &Config) -> CorsLayer {
    let settings = config.clone();
    let allowed = AllowOrigin::predicate(move |origin, _| {
        origin
            .to_str()
            .is_ok_and(|origin| is_allowed(&settings, origin))
    });
    let header = HeaderName::from_static;
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            header("idempotency-key"),
            observe::TRACE_PARENT,
        ])
        .expose_headers([
            observe::REQUEST_ID,
            graphql_http::QUERY_COST,
            header("ratelimit"),
            RETRY_AFTER,
            ETAG,
            AGE,
        ])
        .max_age(PREFLIGHT_KEEP)
}

/// Whether pages of an origin may ask.
fn is_allowed(config: &Config, origin: &str) -> bool {
    let mut known = config.http.cors_origins.iter();
    known.any(|known| known == origin || known == "*")
        || (!config.production() && is_localhost(origin))
}

/// Whether an origin is this machine, at any port.
fn is_localhost(origin: &str) -> bool {
    let Some((_, host)) = origin.split_once("://") else {
        return false;
    };
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| {
        host.strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    })
}
