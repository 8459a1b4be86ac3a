//! GraphQL over server-sent events, in "distinct connections" mode: one operation a request, its results as events
//! `next`, then `complete` (github.com/enisdenjo/graphql-sse, PROTOCOL.md).
//!
//! A task makes the events and hands them over one by one, each within `subscriptions.send_timeout_ms`: a client that
//! does not read is cut off. What cannot be executed is told in an event, as the protocol asks; what cannot be read, and
//! a token that is refused, have their status.

use super::State;
use super::answer::{Refused, RequestId};
use super::connection::Running;
use super::graphql_http::only_queries;
use super::operation::{self, Said};
use super::parameters::Parameters;
use super::prepare::Ready;
use super::session::{Ended, Session};
use super::streams::Place;
use crate::cause::Cause;
use crate::graphql::request::RequestInfo;
use async_graphql::ServerError;
use async_graphql::parser::types::OperationType;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

/// Begins an event stream; `held` keeps the connection open for it.
///
/// # Errors
/// The request cannot be read, or there are too many streams.
pub(super) fn open(
    state: &State,
    info: RequestInfo,
    session: Session,
    parameters: Parameters,
    only_reads: bool,
    held: Option<Running>,
) -> Result<Response, Refused> {
    let read = match Ready::read(state, parameters) {
        Ok(ready) if only_reads && ready.operation().kind == OperationType::Mutation => {
            return Err(only_queries());
        }
        Err(refused) if !refused.is_unexecuted() => return Err(refused),
        read => read,
    };
    let Some(mut place) = state.streams.place("sse") else {
        return Err(Refused::unavailable(
            "There are too many subscriptions at the moment; try again soon.",
        ));
    };
    if !place.take_for(session.user_id()) {
        return Err(Refused::new(
            StatusCode::TOO_MANY_REQUESTS,
            "RATE_LIMITED",
            "You have too many connections already.",
        )
        .extension("reason", "TOO_MANY_CONNECTIONS"));
    }
    let (sender, mut receiver) = mpsc::channel::<Bytes>(1);
    let span = tracing::info_span!("sse", request.id = &*info.request_id);
    let serving = Serving {
        state: state.clone(),
        info,
        session,
        sender,
        place,
        held,
    };
    state
        .streams
        .spawn(async move { serving.run(read).await }.instrument(span));
    let body = stream::poll_fn(move |context| receiver.poll_recv(context));
    let mut response = Response::new(Body::from_stream(body.map(Ok::<_, Infallible>)));
    headers(response.headers_mut());
    Ok(response)
}

/// Headers that keep proxies from collecting events, and from changing them.
fn headers(headers: &mut HeaderMap) {
    let fixed = HeaderValue::from_static;
    headers.insert(CONTENT_TYPE, fixed("text/event-stream"));
    headers.insert(CACHE_CONTROL, fixed("no-cache, no-transform"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), fixed("no"));
}

struct Serving {
    state: State,
    info: RequestInfo,
    session: Session,
    sender: mpsc::Sender<Bytes>,
    #[expect(dead_code, reason = "held for its Drop")]
    place: Place,
    #[expect(dead_code, reason = "held for its Drop")]
    held: Option<Running>,
}

/// The client went away, or does not take what it is sent.
struct Gone;

impl Serving {
    async fn run(self, read: Result<Ready, Refused>) {
        let stopped = self.state.streams.stopped().clone();
        tokio::select! {
            served = self.serve(read) => if let Err(Gone) = served {
                tracing::debug!("the client of an event stream is gone");
            },
            () = stopped.cancelled() => {}
        }
    }

    async fn serve(&self, read: Result<Ready, Refused>) -> Result<(), Gone> {
        let streams = &self.state.streams;
        let interval = Duration::from_millis(streams.limits().ping_interval_ms);
        let mut pings = tokio::time::interval(interval);
        let mut watch = self.session.watch(streams.changes());
        let (state, info) = (self.state.clone(), self.info.clone());
        let cause = Cause::of_request(&info.request_id, None);
        let results = operation::run(state, info, self.session.clone(), read);
        let (sender, mut told) = mpsc::channel(1);
        let cancel = CancellationToken::new();
        let _cancelled_at_the_end = cancel.clone().drop_guard();
        operation::spawn(streams, cause, 0, results, sender, cancel);
        loop {
            let said = tokio::select! {
                told = told.recv() => told.map_or(Said::Complete, |(_, said)| said),
                // A comment; the first one at once, so that the client knows that it is connected.
                _ = pings.tick() => {
                    self.send(Bytes::from_static(b":\n\n")).await?;
                    continue;
                }
                () = watch.due() => match self.session.look_again().await {
                    Ok(()) => continue,
                    Err(why) => return self.end(why).await,
                },
                () = streams.draining().cancelled() => Said::Complete,
            };
            match said {
                Said::Next(text) => {
                    if let Err(why) = self.session.check().await {
                        return self.end(why).await;
                    }
                    self.send(event("next", &text)).await?;
                }
                Said::Error(errors) => return self.fail(&errors).await,
                Said::Complete => return self.send(event("complete", b"")).await,
            }
        }
    }

    async fn end(&self, why: Ended) -> Result<(), Gone> {
        let id = RequestId(self.info.request_id.clone());
        self.fail(&why.refused().into_errors(&id)).await
    }

    async fn fail(&self, errors: &[ServerError]) -> Result<(), Gone> {
        let text = serde_json::json!({ "errors": errors }).to_string();
        self.send(event("next", text.as_bytes())).await?;
        self.send(event("complete", b"")).await
    }

    async fn send(&self, bytes: Bytes) -> Result<(), Gone> {
        let limit = Duration::from_millis(self.state.streams.limits().send_timeout_ms);
        let sent = self.sender.send_timeout(bytes, limit).await;
        sent.map_err(|_| {
            metrics::counter!("tradepost_subscriptions_dropped_total", "reason" => "gone")
                .increment(1);
            Gone
        })
    }
}

/// An event; JSON has no line breaks. An event without data is none, so `complete` has an empty line of it.
fn event(name: &str, data: &[u8]) -> Bytes {
    let mut text = format!("event: {name}\ndata: ").into_bytes();
    text.extend_from_slice(data);
    text.extend_from_slice(b"\n\n");
    text.into()
}
