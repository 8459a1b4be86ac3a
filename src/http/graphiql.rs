//! GraphiQL and its files, which `build.rs` puts into the program.

use crate::app::App;
use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sha2::{Digest as _, Sha256};
use std::sync::OnceLock;

/// A file of the folder `graphiql`.
struct File {
    /// As it is asked for, without the folder.
    name: &'static str,
    /// Whether it is stored, and sent, compressed. All browsers take gzip.
    gzip: bool,
    bytes: &'static [u8],
    etag: OnceLock<String>,
}

include!(concat!(env!("OUT_DIR"), "/graphiql.rs"));

/// What this program's own GraphiQL needs. Monaco sets styles of its own and has its fonts in its style sheet.
const BUNDLE_POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The same for the page that loads pinned files, with their hashes, from a public host.
const FALLBACK_POLICY: &str = "default-src 'none'; script-src 'self' https://unpkg.com; style-src 'self' 'unsafe-inline' https://unpkg.com; font-src 'self' data: https://unpkg.com; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// For programs that were built without the folder.
const NO_PAGE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tradepost</title><p>This program was built without GraphiQL. GraphQL is served at <code>/graphql</code>; its schema is at <a href=\"/schema.graphql\">/schema.graphql</a>.</p></html>";

/// Whether GraphiQL is served: said by `http.graphiql`, else in development.
pub(super) fn is_on(app: &App) -> bool {
    let config = app.config();
    config.http.graphiql.is_on(!config.production())
}

/// The page: the bundle's when the program has it, else the one that loads from a public host.
pub(super) fn page() -> Response {
    let bundled = find("graphiql.js").is_some();
    let (page, policy) = if bundled {
        (find("index.html"), BUNDLE_POLICY)
    } else {
        (find("fallback.html"), FALLBACK_POLICY)
    };
    let body = page.map_or(NO_PAGE.as_bytes(), |page| page.bytes);
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, policy),
        (CACHE_CONTROL, "no-cache"),
        (http::header::VARY, "accept"),
    ];
    (headers, Body::from(body)).into_response()
}

/// `/graphiql/{name}`.
pub(super) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match find(&name).filter(|file| !file.name.ends_with(".html")) {
        Some(file) => serve(file, &headers),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `/favicon.svg`.
pub(super) async fn favicon(headers: HeaderMap) -> Response {
    file(Path("favicon.svg".to_owned()), headers).await
}

fn find(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

fn serve(file: &'static File, headers: &HeaderMap) -> Response {
    let etag = file.etag.get_or_init(|| {
        let hash = Sha256::digest(file.bytes);
        let hex: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("\"{hex}\"")
    });
    let unchanged = headers
        .get(IF_NONE_MATCH)
        .and_then(|known| known.to_str().ok())
        .is_some_and(|known| known.split(',').any(|known| known.trim() == etag));
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Body::from(file.bytes).into_response();
        set(&mut response, CONTENT_TYPE, media_type(file.name));
        if file.gzip {
            set(&mut response, CONTENT_ENCODING, "gzip");
        }
        response
    };
    // The names do not change with the content, so a copy is used only after asking.
    set(&mut response, CACHE_CONTROL, "public, no-cache");
    if let Ok(etag) = HeaderValue::from_str(etag) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}

fn set(response: &mut Response, name: HeaderName, value: &'static str) {
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("html") => "text/html; charset=utf-8",
        _ => "application/octet-stream",
    }
}
