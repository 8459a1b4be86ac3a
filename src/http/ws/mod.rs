//! GraphQL over WebSocket: the handshake. The protocol is `connection`'s.

mod connection;
mod message;

use super::State;
use super::answer::{Refused, RequestId};
use super::negotiate::Media;
use crate::config::Config;
use crate::graphql::request::RequestInfo;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::{IntoResponse as _, Response};
use connection::Connection;
use http::header::{HOST, ORIGIN};
use http::{HeaderMap, StatusCode};
use tokio::sync::oneshot;
use tracing::Instrument as _;

/// Opens a WebSocket.
pub(super) fn open(
    state: State,
    info: RequestInfo,
    headers: &HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let id = RequestId(info.request_id.clone());
    if !may_open(state.app.config(), headers) {
        let refused = Refused::new(
            StatusCode::FORBIDDEN,
            "FORBIDDEN",
            "Pages of this origin may not connect: add it to http.cors_origins.",
        );
        return refused.into_response(Media::Json, &id);
    }
    let Some(place) = state.streams.place("websocket") else {
        let refused =
            Refused::unavailable("There are too many subscriptions at the moment; try again soon.");
        return refused.into_response(Media::Json, &id);
    };
    let span = tracing::info_span!("websocket", request.id = &*id.0);
    let bytes_max = state.streams.limits().message_bytes_max;
    // The connection lives as a task that the server knows; the library's own only hands it over.
    let (sender, receiver) = oneshot::channel();
    let streams = state.streams.clone();
    let serving = async move {
        if let Ok(socket) = receiver.await {
            Connection::new(state, info, socket, place).run().await;
        }
    };
    streams.spawn(serving.instrument(span));
    upgrade
        .protocols([message::PROTOCOL])
        // What is a little too large is refused with its own code.
        .max_message_size(bytes_max * 2)
        .max_frame_size(bytes_max * 2)
        .on_upgrade(async move |socket| drop(sender.send(socket)))
}

/// Whether a page may connect: of this server itself, or of an origin that may ask by HTTP. Other programs than browsers
/// say no origin.
fn may_open(config: &Config, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    let own = headers.get(HOST).and_then(|host| host.to_str().ok());
    let is_own = origin
        .split_once("://")
        .is_some_and(|(_, host)| Some(host) == own);
    is_own
        || origin == config.http.public_url.trim_end_matches('/')
        || super::is_allowed(config, origin)
}
