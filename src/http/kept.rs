//! Answers that are kept, and what tells browsers and CDNs that they may keep them too.
//!
//! The key is the request as it came: the method, the form of the answer, and the bytes of the body or the query
//! string. Whoever sends a token is looked at before, also for an answer that everybody may have.

use super::answer::{self, Executed};
use super::negotiate::Media;
use crate::app::App;
use crate::cache::responses::{Kept, RequestKey};
use axum::response::Response;
use bytes::Bytes;
use http::header::{
    ACCEPT, AGE, AUTHORIZATION, CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, Method, StatusCode};
use sha2::{Digest as _, Sha256};

/// The key of a request.
pub(super) fn key(method: &Method, media: Media, bytes: Bytes) -> RequestKey {
    let form = match (method == Method::GET, media) {
        (false, Media::Json) => 0,
        (false, Media::GraphqlResponse) => 1,
        (true, Media::Json) => 2,
        (true, Media::GraphqlResponse) => 3,
    };
    RequestKey::new(form, bytes)
}

/// The name of a body: its SHA-256, cut to half.
pub(super) fn etag(body: &[u8]) -> Option<HeaderValue> {
    let hash = Sha256::digest(body);
    let mut text = String::with_capacity(34);
    text.push('"');
    for byte in hash.iter().take(16) {
        text.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
        text.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
    }
    text.push('"');
    HeaderValue::from_str(&text).ok()
}

/// The answer that was kept.
pub(super) fn respond(
    app: &App,
    kept: &Kept,
    method: &Method,
    headers: &HeaderMap,
    media: Media,
) -> Response {
    let mut response = answer::with_body(StatusCode::OK, kept.body.clone(), media);
    response
        .headers_mut()
        .insert(super::graphql_http::QUERY_COST, kept.cost.clone());
    if method == Method::GET {
        let age_s = kept.age_s(app.cache().clock_us());
        response.headers_mut().insert(AGE, age_s.into());
        response = for_everybody(app, response, &kept.etag, headers);
    }
    response.extensions_mut().insert(Executed {
        kind: "query",
        name: kept.operation.clone(),
    });
    response
}

/// Says that everybody may keep the answer to a GET, and answers 304 to those who have it.
pub(super) fn for_everybody(
    app: &App,
    mut response: Response,
    etag: &HeaderValue,
    asked: &HeaderMap,
) -> Response {
    if is_known(asked, etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = axum::body::Body::empty();
        response.headers_mut().remove(http::header::CONTENT_TYPE);
    }
    let headers = response.headers_mut();
    headers.insert(ETAG, etag.clone());
    let control = match app.config().cache.public_max_age_s {
        0 => HeaderValue::from_static("public, no-cache"),
        seconds => HeaderValue::from_str(&format!("public, max-age={seconds}"))
            .unwrap_or(HeaderValue::from_static("public, no-cache")),
    };
    headers.insert(CACHE_CONTROL, control);
    varies(headers);
    response
}

/// Says of the answer to a GET that nobody may keep it.
pub(super) fn for_one(response: &mut Response) {
    let headers = response.headers_mut();
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("private, no-store"));
    varies(headers);
}

/// The form is chosen by `Accept`, and a bad token is refused whatever is asked for.
fn varies(headers: &mut HeaderMap) {
    for name in [ACCEPT, AUTHORIZATION] {
        headers.append(VARY, name.into());
    }
}

/// Whether the client has this body already. Weak comparison, as for every GET (RFC 9110, 13.1.2).
pub(super) fn is_known(asked: &HeaderMap, etag: &HeaderValue) -> bool {
    asked.get_all(IF_NONE_MATCH).iter().any(|known| {
        let known = known.to_str().unwrap_or_default();
        known
            .split(',')
            .map(str::trim)
            .any(|one| one == "*" || one.trim_start_matches("W/").as_bytes() == etag.as_bytes())
    })
}
