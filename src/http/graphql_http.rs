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
use super::{auth, graphiql, kept};
use crate::cache::responses::RequestKey;
use crate::cache::trace::Trace;
use crate::config::{Http, Limits};
use crate::graphql::authorization;
use crate::graphql::document::{self, Operation};
use crate::graphql::documents::Document;
use crate::graphql::engine::TOO_COMPLEX;
use crate::graphql::request::{self, IdempotencyHeader, RequestInfo};
use async_graphql::ServerError;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::OperationType;
use axum::Extension;
use axum::body::Body;
use axum::extract;
use axum::response::Response;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, ETAG, HeaderName, HeaderValue};
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
        Ok(body) => {
            let read = || parameters::from_body(&body);
            incoming.find_or_answer(body.clone(), media, read).await
        }
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
    document: Arc<Document>,
    /// It was found valid before.
    known: bool,
    parameters: Parameters,
    text: Arc<str>,
    remember: Option<super::persisted::Hash>,
    /// What its answer would be kept under.
    key: RequestKey,
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
        let ready = self.read_document(parameters, key)?;
        let operation = &ready.document.operation;
        let executed = Executed {
            kind: kind(operation.kind),
            name: operation.name.clone(),
        };
        let mut response = match self.execute(ready, media).await {
            Ok(response) => response,
            Err(refused) => refused.into_response(media, &self.id),
        };
        response.extensions_mut().insert(executed);
        Ok(response)
    }

    /// Everything that can be told before anybody is asked who they are.
    fn read_document(&self, mut parameters: Parameters, key: RequestKey) -> Result<Ready, Refused> {
        let engine = &self.state.engine;
        let found = self.state.persisted.find(&mut parameters)?;
        let name = parameters.operation_name.as_deref();
        let known = engine.documents().find(&found.text, name);
        let (document, known) = match known {
            Some(document) => (document, true),
            None => (Arc::new(parse(&found.text, name, engine.limits())?), false),
        };
        check_variable_work(document.scan, &parameters)?;
        let operation = &document.operation;
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
            known,
            parameters,
            text: found.text,
            remember: found.remember,
            key,
        })
    }

    /// Validates what was not found valid before, and returns what the request costs.
    async fn check(&self, ready: &Ready) -> Result<usize, Refused> {
        let engine = &self.state.engine;
        let name = ready.parameters.operation_name.as_deref();
        let variables = &ready.parameters.variables;
        let case = engine.documents().case(&ready.text, name, variables);
        if ready.known
            && let Some(cost) = engine.documents().cost(case)
        {
            return Ok(cost);
        }
        let (parsed, values) = (ready.document.parsed.clone(), variables.clone());
        let checked = if ready.known {
            engine.check_values(parsed, name, values).await
        } else {
            engine.check(parsed, name, values).await
        };
        let cost = checked.map_err(Refused::unexecuted)?;
        if !ready.known {
            engine.documents().keep(&ready.text, name, &ready.document);
            if let Some(hash) = ready.remember {
                let text = Arc::clone(&ready.text);
                self.state.persisted.remember(hash, text);
            }
        }
        engine.documents().keep_cost(case, cost);
        Ok(cost)
    }

    async fn execute(&self, ready: Ready, media: Media) -> Result<Response, Refused> {
        let State { app, engine, .. } = &self.state;
        let operation = &ready.document.operation;
        let trace = Trace::new(app.cache().moment());
        let viewer = auth::viewer_of(app, &self.headers, operation).await?;
        let idempotency = idempotency_key(&self.headers, operation)?;
        let cost = self.check(&ready).await?;
        let mut request = async_graphql::Request::new("").variables(ready.parameters.variables);
        request.operation_name = ready.parameters.operation_name;
        request.set_parsed_query(ready.document.parsed.clone());
        let request = request::prepare(request, app, viewer, self.info.clone(), idempotency);
        let found = trace.during(engine.execute_checked(request)).await;
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
        if !is_for_all {
            return Ok(response);
        }
        let Some(etag) = kept::etag(&answer.body) else {
            return Ok(response);
        };
        let head = (etag.clone(), cost, operation.name.clone());
        app.cache()
            .keep_answer(&ready.key, &trace, &answer.body, head);
        if self.method == Method::GET {
            response = kept::for_everybody(app, response, &etag, &self.headers);
        }
        Ok(response)
    }
}

/// Reads a document and finds the operation that is asked for.
fn parse(text: &str, name: Option<&str>, limits: &Limits) -> Result<Document, Refused> {
    let scan = document::scan(text, limits).map_err(refuse)?;
    let parsed = parse_query(text).map_err(|error| {
        let error: ServerError = error.into();
        Refused::unexecuted(vec![crate::graphql::engine::with_code(
            error,
            "BAD_USER_INPUT",
        )])
    })?;
    let operation = document::inspect(&parsed, name, limits).map_err(refuse)?;
    Ok(Document {
        parsed,
        scan,
        operation,
    })
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
