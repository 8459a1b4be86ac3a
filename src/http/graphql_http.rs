//! GraphQL over HTTP, as the draft of the GraphQL foundation says (graphql.github.io/graphql-over-http).
//!
//! POST with JSON for everything, GET for queries. A request that cannot be read is refused with its 4xx status in
//! both media types; one that can be read but not executed (syntax, validation, variables, limits) has 400 under
//! `application/graphql-response+json` and 200 under `application/json`; one that was executed has 200, also when some
//! fields failed.

use super::State;
use super::answer::{self, Executed, Refused, RequestId};
use super::negotiate::{self, Media};
use super::parameters::{self, Parameters};
use super::{auth, graphiql};
use crate::config::{Http, Limits};
use crate::graphql::document::{self, Operation};
use crate::graphql::engine::TOO_COMPLEX;
use crate::graphql::request::{self, IdempotencyHeader, RequestInfo};
use async_graphql::ServerError;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, OperationType};
use axum::Extension;
use axum::body::Body;
use axum::extract;
use axum::response::Response;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode, Uri};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use std::sync::Arc;
use std::time::Duration;

/// Tells what a request cost.
pub(super) const QUERY_COST: HeaderName = HeaderName::from_static("x-query-cost");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Longest idempotency key, as the argument of the same name has it.
const KEY_MAX: usize = 255;
/// Values of variables times places where variables are used. Validation copies a variable for each use, so without
/// this limit 200 KB of variables used 2,000 times keep it busy for seconds.
const VARIABLE_WORK_MAX: usize = 1_000_000;

/// What both methods need of a request.
struct Incoming {
    state: State,
    info: RequestInfo,
    id: RequestId,
    headers: HeaderMap,
    method: Method,
}

/// `POST /graphql`.
pub(super) async fn post(
    extract::State(state): extract::State<State>,
    Extension(info): Extension<RequestInfo>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let incoming = Incoming::new(state, info, headers, Method::POST);
    let Some(media) = negotiate::accepted(&incoming.headers) else {
        return not_acceptable().into_response(Media::Json, &incoming.id);
    };
    let outcome = match read_body(&incoming, body).await {
        Ok(body) => match parameters::from_body(&body) {
            Ok(parameters) => incoming.within_limit(parameters, media).await,
            Err(refused) => Err(refused),
        },
        Err(refused) => Err(refused),
    };
    outcome.unwrap_or_else(|refused| refused.into_response(media, &incoming.id))
}

/// `GET /graphql`: queries for programs, GraphiQL for browsers.
pub(super) async fn get(
    extract::State(state): extract::State<State>,
    Extension(info): Extension<RequestInfo>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    if negotiate::wants_html(&headers) && graphiql::is_on(&state.app) {
        return graphiql::page();
    }
    let incoming = Incoming::new(state, info, headers, Method::GET);
    let Some(media) = negotiate::accepted(&incoming.headers) else {
        return not_acceptable().into_response(Media::Json, &incoming.id);
    };
    let outcome = match parameters::from_address(uri.query().unwrap_or_default()) {
        Ok(parameters) => incoming.within_limit(parameters, media).await,
        Err(refused) => Err(refused),
    };
    outcome.unwrap_or_else(|refused| refused.into_response(media, &incoming.id))
}

fn not_acceptable() -> Refused {
    Refused::new(
        StatusCode::NOT_ACCEPTABLE,
        "BAD_USER_INPUT",
        "Accept must allow application/graphql-response+json or application/json.",
    )
}

/// Reads a JSON body within its limits of size and time.
async fn read_body(incoming: &Incoming, body: Body) -> Result<Bytes, Refused> {
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
pub(super) async fn read_limited(
    headers: &HeaderMap,
    settings: &Http,
    body: Body,
) -> Result<Bytes, Refused> {
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
    let body = Limited::new(body, settings.body_bytes_max).collect();
    let limit = Duration::from_millis(settings.body_timeout_ms);
    match tokio::time::timeout(limit, body).await {
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

/// A request that may be executed.
struct Ready {
    document: ExecutableDocument,
    operation: Operation,
    parameters: Parameters,
    text: Arc<str>,
    remember: Option<super::persisted::Hash>,
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

    /// Answers, within the limit for a request.
    async fn within_limit(
        &self,
        parameters: Parameters,
        media: Media,
    ) -> Result<Response, Refused> {
        let limit = Duration::from_millis(self.state.app.config().http.request_timeout_ms);
        match tokio::time::timeout(limit, Box::pin(self.answer(parameters, media))).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Refused::unavailable(
                "The request took too long and was stopped; try again.",
            )),
        }
    }

    async fn answer(&self, parameters: Parameters, media: Media) -> Result<Response, Refused> {
        let ready = self.read_document(parameters)?;
        let executed = Executed {
            kind: kind(ready.operation.kind),
            name: ready.operation.name.clone(),
        };
        let mut response = match self.execute(ready, media).await {
            Ok(response) => response,
            Err(refused) => refused.into_response(media, &self.id),
        };
        response.extensions_mut().insert(executed);
        Ok(response)
    }

    /// Everything that can be told before anybody is asked who they are.
    fn read_document(&self, mut parameters: Parameters) -> Result<Ready, Refused> {
        let limits = self.state.engine.limits();
        let found = self.state.persisted.find(&mut parameters)?;
        let scan = document::scan(&found.text, limits).map_err(refuse)?;
        check_variable_work(scan, &parameters)?;
        let document = parse_query(&*found.text).map_err(|error| {
            let error: ServerError = error.into();
            Refused::unexecuted(vec![crate::graphql::engine::with_code(
                error,
                "BAD_USER_INPUT",
            )])
        })?;
        let name = parameters.operation_name.as_deref();
        let operation = document::inspect(&document, name, limits).map_err(refuse)?;
        if self.method == Method::GET && operation.kind != OperationType::Query {
            return Err(Refused::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "BAD_USER_INPUT",
                "Only queries can be sent by GET: send this by POST.",
            )
            .header(ALLOW, HeaderValue::from_static("POST")));
        }
        if operation.kind == OperationType::Subscription {
            return Err(Refused::unexecutable(
                "BAD_USER_INPUT",
                "Subscriptions are not answered here.",
            ));
        }
        Ok(Ready {
            document,
            operation,
            parameters,
            text: found.text,
            remember: found.remember,
        })
    }

    async fn execute(&self, ready: Ready, media: Media) -> Result<Response, Refused> {
        let State {
            app,
            engine,
            persisted,
            ..
        } = &self.state;
        let viewer = auth::viewer_of(app, &self.headers, &ready.operation).await?;
        let idempotency = idempotency_key(&self.headers, &ready.operation)?;
        let name = ready.parameters.operation_name;
        let variables = ready.parameters.variables;
        let cost = engine
            .check(ready.document.clone(), name.as_deref(), variables.clone())
            .await
            .map_err(Refused::unexecuted)?;
        if let Some(hash) = ready.remember {
            persisted.remember(hash, ready.text);
        }
        let mut request = async_graphql::Request::new("").variables(variables);
        request.operation_name = name;
        request.set_parsed_query(ready.document);
        let request = request::prepare(request, app, viewer, self.info.clone(), idempotency);
        let found = engine.execute_checked(request).await;
        let mut response = answer::executed(found, media, &self.id);
        if let Some(cost) = cost_header(cost, engine.limits()) {
            response.headers_mut().insert(QUERY_COST, cost);
        }
        Ok(response)
    }
}

fn refuse(why: document::Refusal) -> Refused {
    match why {
        document::Refusal::TooComplex(message) => Refused::unexecutable(TOO_COMPLEX, message),
        document::Refusal::Invalid(message) => Refused::unexecutable("BAD_USER_INPUT", message),
    }
}

fn check_variable_work(scan: document::Scan, parameters: &Parameters) -> Result<(), Refused> {
    if scan.variables.saturating_mul(parameters.variable_values) <= VARIABLE_WORK_MAX {
        return Ok(());
    }
    Err(Refused::unexecutable(
        TOO_COMPLEX,
        "The variables are too large for how often the document uses them.",
    ))
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

const fn kind(kind: OperationType) -> &'static str {
    match kind {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    }
}
