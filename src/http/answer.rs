//! Answers: what GraphQL found, or why a request was refused.

use super::negotiate::Media;
use crate::error::{Fault, chain};
use async_graphql::{Response as GraphqlResponse, ServerError, Value};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Longest message that reaches a client: some of the library's quote what the client sent.
const MESSAGE_MAX: usize = 500;

/// The id of a request, put into its extensions by `observe`.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) Arc<str>);

/// What the access log and the metrics say of a GraphQL request; in the answer's extensions.
#[derive(Clone, Debug)]
pub(super) struct Executed {
    pub(super) kind: &'static str,
    pub(super) name: Option<String>,
}

/// The answer to a request that was executed, and its body apart.
pub(super) struct Answer {
    pub(super) response: Response,
    pub(super) body: Bytes,
    /// It has no errors, and no resolver added a header.
    pub(super) is_plain: bool,
}

/// Which status a refusal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// This one.
    Always(StatusCode),
    /// The request could be read but not executed: 400, and 200 in `application/json`.
    Unexecuted,
}

/// Why a request is not executed, or not to its end.
#[derive(Debug)]
pub(super) struct Refused {
    when: When,
    errors: Vec<ServerError>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refused {
    /// A refusal with this status in both forms.
    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let error = ServerError::new(message, None);
        Self {
            when: When::Always(status),
            errors: vec![crate::graphql::engine::with_code(error, code)],
            headers: Vec::new(),
        }
    }

    /// A request that cannot be read.
    pub(super) fn unreadable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", message)
    }

    /// A request that could be read; the errors have their codes.
    pub(super) fn unexecuted(errors: Vec<ServerError>) -> Self {
        Self {
            when: When::Unexecuted,
            errors,
            headers: Vec::new(),
        }
    }

    /// The same for one error.
    pub(super) fn unexecutable(code: &str, message: impl Into<String>) -> Self {
        Self {
            when: When::Unexecuted,
            ..Self::new(StatusCode::BAD_REQUEST, code, message)
        }
    }

    /// The service cannot answer now.
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SERVICE_UNAVAILABLE",
            message,
        )
        .extension("retryAfterMs", 1_000)
        .header(http::header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// What went wrong on our side, logged here.
    pub(super) fn fault(fault: &Fault) -> Self {
        tracing::error!(error = chain(fault), "a request failed");
        match fault {
            Fault::Db(_) | Fault::Timeout(_) => {
                Self::unavailable("The service cannot answer at the moment; try again soon.")
            }
            _ => Self::internal(),
        }
    }

    /// What went wrong on our side and is in the logs already.
    pub(super) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", INTERNAL)
    }

    /// The same with a further extension in each error.
    pub(super) fn extension(mut self, name: &str, value: impl Into<Value> + Clone) -> Self {
        for error in &mut self.errors {
            error
                .extensions
                .get_or_insert_default()
                .set(name, value.clone());
        }
        self
    }

    /// The same with a header.
    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Whether the request could be read.
    pub(super) fn is_unexecuted(&self) -> bool {
        self.when == When::Unexecuted
    }

    /// The errors as they are.
    pub(super) fn errors(&self) -> &[ServerError] {
        &self.errors
    }

    /// The errors alone, for transports without a status.
    pub(super) fn into_errors(mut self, id: &RequestId) -> Vec<ServerError> {
        finish(&mut self.errors, id);
        self.errors
    }

    /// The answer.
    pub(super) fn into_response(mut self, media: Media, id: &RequestId) -> Response {
        finish(&mut self.errors, id);
        let status = match (self.when, media) {
            (When::Always(status), _) => status,
            (When::Unexecuted, Media::GraphqlResponse) => StatusCode::BAD_REQUEST,
            (When::Unexecuted, Media::Json) => StatusCode::OK,
        };
        let parts = Parts {
            errors: &self.errors,
            data: None,
            extensions: &BTreeMap::new(),
        };
        let mut response = parts.into_response(status, media);
        response.headers_mut().extend(self.headers);
        response
    }
}

const INTERNAL: &str = "Something went wrong on our side; the request id names it in our logs.";

/// The answer to a request that was executed: 200, also when some fields failed.
pub(super) fn executed(mut found: GraphqlResponse, media: Media, id: &RequestId) -> Answer {
    for error in &mut found.errors {
        explain(error);
    }
    finish(&mut found.errors, id);
    let parts = Parts {
        errors: &found.errors,
        data: Some(&found.data),
        extensions: &found.extensions,
    };
    let is_plain = found.errors.is_empty() && found.http_headers.is_empty();
    let (status, body) = parts.write(StatusCode::OK);
    let mut response = with_body(status, body.clone(), media);
    copy_headers(&found.http_headers, response.headers_mut());
    Answer {
        response,
        body,
        is_plain: is_plain && status == StatusCode::OK,
    }
}

/// What was found, for transports without a status.
pub(super) struct Written {
    /// As JSON.
    pub(super) text: Bytes,
    /// The errors, when there are no data.
    pub(super) no_data: Option<Vec<ServerError>>,
}

/// Writes what was found.
pub(super) fn written(mut found: GraphqlResponse, id: &RequestId) -> Written {
    for error in &mut found.errors {
        explain(error);
    }
    finish(&mut found.errors, id);
    let parts = Parts {
        errors: &found.errors,
        data: Some(&found.data),
        extensions: &found.extensions,
    };
    let text = parts.write(StatusCode::OK).1;
    let has_data = found.data != Value::Null || found.errors.is_empty();
    Written {
        text,
        no_data: (!has_data).then_some(found.errors),
    }
}

/// A response with a body of ours.
pub(super) fn with_body(status: StatusCode, body: Bytes, media: Media) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media.content_type()));
    response
}

/// Gives a code to errors that come from the library and not from a resolver. The ones about arguments are the
/// client's to mend; any other is a mistake of ours, whose text is not for clients.
fn explain(error: &mut ServerError) {
    let coded = error
        .extensions
        .as_ref()
        .is_some_and(|extensions| extensions.get("code").is_some());
    if coded {
        return;
    }
    let about_input = ["Failed to parse", "Expected input type", "Invalid value"]
        .iter()
        .any(|start| error.message.starts_with(start));
    let code = if about_input {
        "BAD_USER_INPUT"
    } else {
        tracing::error!(error = error.message, path = ?error.path, "a field failed without a code");
        INTERNAL.clone_into(&mut error.message);
        "INTERNAL"
    };
    error.extensions.get_or_insert_default().set("code", code);
}

/// Every error names the request, and none is endless.
fn finish(errors: &mut [ServerError], id: &RequestId) {
    for error in errors {
        if let Some((end, _)) = error.message.char_indices().nth(MESSAGE_MAX) {
            error.message.truncate(end);
            error.message.push('…');
        }
        error
            .extensions
            .get_or_insert_default()
            .set("requestId", &*id.0);
    }
}

/// Headers that resolvers appended, but none that describe the body.
fn copy_headers(from: &HeaderMap, to: &mut HeaderMap) {
    for (name, value) in from {
        if !name.as_str().starts_with("content-") {
            to.append(name.clone(), value.clone());
        }
    }
}

/// The body. A request error has no `data`, not even null: only then do clients know that nothing was executed.
#[derive(Serialize)]
struct Parts<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    extensions: &'a BTreeMap<String, Value>,
}

impl Parts<'_> {
    fn write(&self, status: StatusCode) -> (StatusCode, Bytes) {
        match serde_json::to_vec(self) {
            Ok(body) => (status, body.into()),
            Err(error) => {
                tracing::error!(error = chain(&error), "an answer cannot be written as JSON");
                (StatusCode::INTERNAL_SERVER_ERROR, Bytes::new())
            }
        }
    }

    fn into_response(self, status: StatusCode, media: Media) -> Response {
        let (status, body) = self.write(status);
        with_body(status, body, media)
    }
}
