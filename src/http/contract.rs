//! The contract of the events: `/asyncapi.yaml`, `/events/schemas` and `/events/schemas/{ce_type}.json`. Everybody may
//! read and keep them: they are the same for all, and change with a release or with the settings only.

use super::State;
use super::answer::{Refused, RequestId};
use super::kept;
use super::negotiate::Media;
use crate::contract;
use crate::events::record::Settings;
use axum::Extension;
use axum::extract::{self, Path};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

const YAML: &str = "application/yaml; charset=utf-8";
const JSON: &str = "application/json";
const SCHEMA: &str = "application/schema+json";
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// What is served, made when it is first asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    asyncapi: Arc<OnceLock<Bytes>>,
    list: Arc<OnceLock<Bytes>>,
    schemas: Arc<OnceLock<HashMap<&'static str, Bytes>>>,
}

pub(super) async fn asyncapi(
    extract::State(state): extract::State<State>,
    asked: HeaderMap,
) -> Response {
    let text = state.contract.asyncapi.get_or_init(|| {
        let text = contract::all().asyncapi(state.app.config());
        Bytes::from(text)
    });
    served(text, YAML, &asked)
}

/// All types, with where their schemas are.
pub(super) async fn list(
    extract::State(state): extract::State<State>,
    asked: HeaderMap,
) -> Response {
    let text = state.contract.list.get_or_init(|| {
        let settings = Settings::of(state.app.config());
        let names = contract::all().names();
        let all: Vec<Value> = names
            .map(|name| json!({ "type": name, "schema": settings.schema_url(name) }))
            .collect();
        text_of(&json!({ "types": all }))
    });
    served(text, JSON, &asked)
}

pub(super) async fn schema(
    extract::State(state): extract::State<State>,
    Extension(id): Extension<RequestId>,
    Path(file): Path<String>,
    asked: HeaderMap,
) -> Response {
    let schemas = state.contract.schemas.get_or_init(|| {
        let all = contract::all();
        let one = |name| Some((name, text_of(&all.schema(name)?)));
        all.names().filter_map(one).collect()
    });
    let name = file.strip_suffix(".json");
    match name.and_then(|name| schemas.get(name)) {
        Some(text) => served(text, SCHEMA, &asked),
        None => Refused::new(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            "There is no event of this type; /events/schemas lists all.",
        )
        .into_response(Media::Json, &id),
    }
}

fn text_of(value: &Value) -> Bytes {
    let mut text = format!("{value:#}");
    text.push('\n');
    Bytes::from(text)
}

fn served(text: &Bytes, media: &'static str, asked: &HeaderMap) -> Response {
    let Some(etag) = kept::etag(text) else {
        return ([(CONTENT_TYPE, media)], text.clone()).into_response();
    };
    let head = [(ETAG, etag.clone()), (CACHE_CONTROL, KEPT)];
    if kept::is_known(asked, &etag) {
        return (StatusCode::NOT_MODIFIED, head).into_response();
    }
    (head, [(CONTENT_TYPE, media)], text.clone()).into_response()
}
