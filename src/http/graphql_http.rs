//! GraphQL over HTTP, as the draft of the GraphQL foundation says (graphql.github.io/graphql-over-http).
//!
//! POST with JSON for everything, GET for queries. A request that cannot be read is refused with its 4xx status in
//! both media types; one that can be read but not executed (syntax, validation, variables, limits) has 400 under
//! `application/graphql-response+json` and 200 under `application/json`; one that was executed has 200, also when some
//! fields failed.

use super::State;
use super::answer::{self, Executed, Refused, RequestId};
use super::connection::Held;
use super::negotiate::{self, Media, Wanted};
use super::parameters::{self, Parameters};
use super::prepare::Ready;
use super::session::Session;
use super::{auth, graphiql, kept, sse, ws};
use crate::cache::responses::RequestKey;
use crate::cache::trace::Trace;
use crate::config::{Http, Limits};
use crate::graphql::authorization;
use crate::graphql::document::Operation;
use crate::graphql::request::{self, IdempotencyHeader, RequestInfo};
use async_graphql::parser::types::OperationType;
use axum::BoxError;
use axum::Extension;
use axum::body::{Body, HttpBody};
use axum::extract;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, ETAG, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode, Uri};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Tells what a request cost.
pub(super) const QUERY_COST: HeaderName = HeaderName::from_static("x-query-cost");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Longest idempotency key, as the argument of the same name has it.
const KEY_MAX: usize = 255;

/// What both methods need of a request.
struct Incoming {
    state: State,
    info: RequestInfo,
    id: RequestId,
    headers: HeaderMap,
    method: Method,
}

/// `POST /graphql` of pages of browsers, through the router.
pub(super) async fn post_routed(
    extract::State(state): extract::State<State>,
    Extension(info): Extension<RequestInfo>,
    held: Option<Extension<Held>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let held = held.map(|Extension(held)| held);
    post(&state, info, held, headers, body).await
}

/// `POST /graphql`.
pub(super) async fn post<B>(
    state: &State,
    info: RequestInfo,
    held: Option<Held>,
    headers: HeaderMap,
    body: B,
) -> Response
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let wanted = Wanted::of(&headers);
    let incoming = Incoming::new(state.clone(), info, headers, Method::POST);
    if wanted.events {
        let parameters = read_body(&incoming, body).await;
        let parameters = parameters.and_then(|body| parameters::from_body(&body));
        return incoming.stream(parameters, held).await;
    }
    let Some(media) = wanted.media else {
        return not_acceptable().into_response(Media::Json, &incoming.id);
    };
    let outcome = match read_body(&incoming, body).await {
        Ok(body) => {
            let read = || parameters::from_body(&body);
            incoming.find_or_answer(body.clone(), media, read).await
        }
        Err(refused) => Err(refused),
    };
    outcome.unwrap_or_else(|refused| refused.into_response(media, &incoming.id))
}

/// `GET /graphql`: queries for programs, GraphiQL for browsers, WebSockets and event streams.
pub(super) async fn get(
    extract::State(state): extract::State<State>,
    Extension(info): Extension<RequestInfo>,
    held: Option<Extension<Held>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    if negotiate::wants_websocket(&headers) {
        return ws::open(state, info, &headers, upgrade);
    }
    let wanted = Wanted::of(&headers);
    if wanted.events {
        let incoming = Incoming::new(state, info, headers, Method::GET);
        let parameters = parameters::from_address(uri.query().unwrap_or_default());
        let held = held.map(|Extension(held)| held);
        return incoming.stream(parameters, held).await;
    }
    if wanted.html && graphiql::is_on(&state.app) {
        return graphiql::page();
    }
    let incoming = Incoming::new(state, info, headers, Method::GET);
    let Some(media) = wanted.media else {
        return not_acceptable().into_response(Media::Json, &incoming.id);
    };
    let query = uri.query().unwrap_or_default();
    let bytes = Bytes::copy_from_slice(query.as_bytes());
    let read = || parameters::from_address(query);
    let outcome = incoming.find_or_answer(bytes, media, read).await;
    let mut response = outcome.unwrap_or_else(|refused| refused.into_response(media, &incoming.id));
    if !response.headers().contains_key(ETAG) {
        kept::for_one(&mut response);
    }
    response
}

/// GET changes nothing.
pub(super) fn only_queries() -> Refused {
    Refused::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "BAD_USER_INPUT",
        "Only queries can be sent by GET: send this by POST.",
    )
    .header(ALLOW, HeaderValue::from_static("POST"))
}

fn not_acceptable() -> Refused {
    Refused::new(
        StatusCode::NOT_ACCEPTABLE,
        "BAD_USER_INPUT",
        "Accept must allow application/graphql-response+json, application/json or text/event-stream.",
    )
}

/// Reads a JSON body within its limits of size and time.
async fn read_body<B>(incoming: &Incoming, body: B) -> Result<Bytes, Refused>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    if !negotiate::has_json_body(&incoming.headers) {
        return Err(Refused::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "BAD_USER_INPUT",
            "The body must be application/json in UTF-8, not compressed.",
        ));
    }
    read_limited(&incoming.headers, &incoming.state.app.config().http, body).await
}

/// Reads a body within its limits of size and time.
pub(super) async fn read_limited<B>(
    headers: &HeaderMap,
    settings: &Http,
    body: B,
) -> Result<Bytes, Refused>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let too_large = || {
        Refused::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "BAD_USER_INPUT",
            format!("The body is larger than {} bytes.", settings.body_bytes_max),
        )
    };
    let declared = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > settings.body_bytes_max) {
        return Err(too_large());
    }
    let mut body = pin!(Limited::new(body, settings.body_bytes_max).collect());
    let limit = Duration::from_millis(settings.body_timeout_ms);
    // Most bodies come with their head: no clock has to be set for them.
    let read = match futures::poll!(body.as_mut()) {
        Poll::Ready(read) => Ok(read),
        Poll::Pending => tokio::time::timeout(limit, body).await,
    };
    match read {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Refused::unreadable("The body ended before its end.")),
        Err(_) => Err(Refused::new(
            StatusCode::REQUEST_TIMEOUT,
            "BAD_USER_INPUT",
            "The body did not arrive in time.",
        )
        .header(http::header::CONNECTION, HeaderValue::from_static("close"))),
    }
}

impl Incoming {
    fn new(state: State, info: RequestInfo, headers: HeaderMap, method: Method) -> Self {
        let id = RequestId(info.request_id.clone());
        Self {
            state,
            info,
            id,
            headers,
            method,
        }
    }

    /// Answers with an event stream.
    async fn stream(self, parameters: Result<Parameters, Refused>, held: Option<Held>) -> Response {
        let opened = async {
            let session = Session::of_headers(&self.state.app, &self.headers).await?;
            let parameters = parameters?;
            sse::open(
                &self.state,
                self.info.clone(),
                session,
                parameters,
                self.method == Method::GET,
                held.map(|held| held.hold()),
            )
        };
        let opened = opened.await;
        opened.unwrap_or_else(|refused| refused.into_response(Media::Json, &self.id))
    }

    /// Answers with what was kept for these bytes, or reads them and answers within the limit for a request.
    async fn find_or_answer(
        &self,
        bytes: Bytes,
        media: Media,
        read: impl FnOnce() -> Result<Parameters, Refused>,
    ) -> Result<Response, Refused> {
        let app = &self.state.app;
        let key = kept::key(&self.method, media, bytes);
        if let Some(found) = app.cache().answer(&key) {
            auth::viewer_of_token(app, &self.headers).await?;
            return Ok(kept::respond(
                app,
                &found,
                &self.method,
                &self.headers,
                media,
            ));
        }
        let parameters = read()?;
        let limit = Duration::from_millis(app.config().http.request_timeout_ms);
        let answer = Box::pin(self.answer(parameters, media, key));
        match tokio::time::timeout(limit, answer).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Refused::unavailable(
                "The request took too long and was stopped; try again.",
            )),
        }
    }

    async fn answer(
        &self,
        parameters: Parameters,
        media: Media,
        key: RequestKey,
    ) -> Result<Response, Refused> {
        let ready = self.read_document(parameters)?;
        let operation = ready.operation();
        let executed = Executed {
            kind: kind(operation.kind),
            name: operation.name.clone(),
        };
        let mut response = match self.execute(ready, media, key).await {
            Ok(response) => response,
            Err(refused) => refused.into_response(media, &self.id),
        };
        response.extensions_mut().insert(executed);
        Ok(response)
    }

    /// What can be told before anybody is asked who they are.
    fn read_document(&self, parameters: Parameters) -> Result<Ready, Refused> {
        let ready = Ready::read(&self.state, parameters)?;
        let kind = ready.operation().kind;
        if self.method == Method::GET && kind != OperationType::Query {
            return Err(only_queries());
        }
        if kind == OperationType::Subscription {
            return Err(Refused::unexecutable(
                "BAD_USER_INPUT",
                "Subscriptions are answered over WebSocket (graphql-transport-ws), or with `Accept: text/event-stream`.",
            ));
        }
        Ok(ready)
    }

    async fn execute(
        &self,
        ready: Ready,
        media: Media,
        key: RequestKey,
    ) -> Result<Response, Refused> {
        let (app, engine) = (&self.state.app, &self.state.engine);
        let operation = ready.operation();
        let trace = Trace::new(app.cache().moment());
        let viewer = auth::viewer_of(app, &self.headers, operation).await?;
        let idempotency = idempotency_key(&self.headers, operation)?;
        let cost = ready.check(&self.state).await?;
        let (request, document) = ready.into_request();
        let operation = &document.operation;
        let request = request::prepare(request, viewer, self.info.clone(), idempotency);
        let found = trace
            .during(engine.execute_checked(&document, request))
            .await;
        let answer = answer::executed(found, media, &self.id);
        let mut response = answer.response;
        let Some(cost) = cost_header(cost, engine.limits()) else {
            return Ok(response);
        };
        response.headers_mut().insert(QUERY_COST, cost.clone());
        let is_for_all = operation.kind == OperationType::Query
            && answer.is_plain
            && trace.may_be_kept()
            && authorization::may_be_shared(&operation.root_fields);
        // Who asks by GET is told the answer's name even if it is not kept here.
        if !is_for_all || (self.method == Method::POST && !app.cache().keeps_answers()) {
            return Ok(response);
        }
        let Some(etag) = kept::etag(&answer.body) else {
            return Ok(response);
        };
        let head = (etag.clone(), cost, operation.name.clone());
        app.cache().keep_answer(&key, &trace, &answer.body, head);
        if self.method == Method::GET {
            response = kept::for_everybody(app, response, &etag, &self.headers);
        }
        Ok(response)
    }
}

/// The key of the header, for the one mutation that it can mean.
fn idempotency_key(
    headers: &HeaderMap,
    operation: &Operation,
) -> Result<IdempotencyHeader, Refused> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(IdempotencyHeader(None));
    };
    if operation.kind != OperationType::Mutation {
        return Ok(IdempotencyHeader(None));
    }
    if operation.root_fields.len() != 1 {
        return Err(Refused::unreadable(
            "The header Idempotency-Key is for requests with one mutation: use the argument idempotencyKey of each.",
        ));
    }
    match value.to_str() {
        Ok(key) if (1..=KEY_MAX).contains(&key.len()) && values.next().is_none() => {
            Ok(IdempotencyHeader(Some(key.to_owned())))
        }
        _ => Err(Refused::unreadable(format!(
            "The header Idempotency-Key must be 1 to {KEY_MAX} visible ASCII characters."
        ))),
    }
}

fn cost_header(cost: usize, limits: &Limits) -> Option<HeaderValue> {
    format!("requested={cost}, max={}", limits.complexity)
        .parse()
        .ok()
}

pub(super) const fn kind(kind: OperationType) -> &'static str {
    match kind {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    }
}
