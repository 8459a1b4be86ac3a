//! An operation whose results are sent one after the other: what WebSockets and event streams have in common.

use super::State;
use super::answer::{self, Refused, RequestId, Written};
use super::graphql_http::kind;
use super::prepare::Ready;
use super::session::Session;
use super::streams::Streams;
use crate::cause::Cause;
use crate::graphql::request::{self, IdempotencyHeader, RequestInfo};
use async_graphql::ServerError;
use async_graphql::parser::types::OperationType;
use bytes::Bytes;
use futures::future::ready;
use futures::stream::{self, BoxStream, StreamExt as _};
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What is said of an operation. Nothing follows on `Error` and `Complete`.
#[derive(Debug)]
pub(super) enum Said {
    /// A result, as JSON.
    Next(Bytes),
    /// There will be no result, or no further one, for these reasons.
    Error(Vec<ServerError>),
    /// That was all.
    Complete,
}

/// Runs an operation for a session. A subscription whose event cannot be shown ends with `Error`: it would be missed.
pub(super) fn run(
    state: State,
    info: RequestInfo,
    session: Session,
    read: Result<Ready, Refused>,
) -> BoxStream<'static, Said> {
    let id = RequestId(info.request_id.clone());
    let refused_id = id.clone();
    let results = stream::once(begin(state, info, session, read)).flat_map(move |begun| {
        let refused_id = refused_id.clone();
        match begun {
            Ok(results) => results,
            Err(refused) => {
                let errors = refused.into_errors(&refused_id);
                stream::once(ready(Said::Error(errors))).boxed()
            }
        }
    });
    let results = AssertUnwindSafe(results).catch_unwind().map(move |said| {
        said.unwrap_or_else(|_| {
            metrics::counter!("tradepost_panics_total").increment(1);
            tracing::error!("an operation panicked");
            Said::Error(Refused::internal().into_errors(&id))
        })
    });
    let results = results.chain(stream::once(ready(Said::Complete)));
    let counted = Counted::begin();
    let results = results.scan(Some(counted), |open, said| {
        let go_on = open.is_some().then_some(());
        if !matches!(said, Said::Next(_)) {
            *open = None;
        }
        ready(go_on.map(|()| said))
    });
    results.boxed()
}

/// What an operation says, and which of those of a connection it is.
pub(super) type Told = (u64, Said);

/// Runs an operation as a task of its own, which hands over what it says one by one, until it is cancelled. While nobody
/// takes what it says it waits between two results, where it holds nothing that others wait for: no load that they share,
/// no turn at the database. So a client that does not read stops nobody else. `cause` is what the events of a mutation tell.
pub(super) fn spawn(
    streams: &Streams,
    cause: Cause,
    number: u64,
    mut results: BoxStream<'static, Said>,
    sender: mpsc::Sender<Told>,
    cancel: CancellationToken,
) {
    streams.spawn(async move {
        let work = async {
            while let Some(said) = results.next().await {
                if sender.send((number, said)).await.is_err() {
                    return;
                }
            }
        };
        let work = cause.during(work);
        cancel.run_until_cancelled(work).await;
    });
}

/// Everything up to the first result.
async fn begin(
    state: State,
    info: RequestInfo,
    session: Session,
    read: Result<Ready, Refused>,
) -> Result<BoxStream<'static, Said>, Refused> {
    let prepared = read?;
    session
        .check()
        .await
        .map_err(super::session::Ended::refused)?;
    prepared.check(&state).await?;
    let id = RequestId(info.request_id.clone());
    let (request, document) = prepared.into_request();
    let request = request::prepare(
        request,
        session.viewer(),
        info,
        IdempotencyHeader::default(),
    );
    let operation = &document.operation;
    if operation.kind != OperationType::Subscription {
        let limit = Duration::from_millis(state.app.config().http.request_timeout_ms);
        let executing = state.engine.execute_checked(&document, request);
        let found = tokio::time::timeout(limit, executing).await.map_err(|_| {
            Refused::unavailable("The request took too long and was stopped; try again.")
        })?;
        let Written { text, .. } = answer::written(found, &id);
        return Ok(stream::once(ready(Said::Next(text))).boxed());
    }
    let [field] = operation.root_fields.as_slice() else {
        return Err(Refused::unexecutable(
            "BAD_USER_INPUT",
            "A subscription has exactly one field at its root.",
        ));
    };
    let field = field.clone();
    let results = state
        .engine
        .subscribe_checked(&document, request)
        .map(move |found| {
            let Written { text, no_data } = answer::written(found, &id);
            match no_data {
                Some(errors) => Said::Error(errors),
                None => {
                    let field = field.clone();
                    metrics::counter!("tradepost_subscriptions_events_total", "field" => field)
                        .increment(1);
                    Said::Next(text)
                }
            }
        });
    tracing::debug!(kind = kind(operation.kind), name = ?operation.name, "begun");
    Ok(results.boxed())
}

/// Counts an operation while it runs.
struct Counted;

impl Counted {
    fn begin() -> Self {
        metrics::gauge!("tradepost_subscriptions_streams").increment(1);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!("tradepost_subscriptions_streams").decrement(1);
    }
}
