//! What a resolver finds in its request beside the arguments.

use super::loading::Loaders;
use crate::domain::accounts::model::Viewer;
use async_graphql::Request;
use std::net::IpAddr;
use std::sync::Arc;

/// Where a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestInfo {
    /// The id that is in the answer, its errors and the logs.
    pub request_id: Arc<str>,
    /// The address of the client's end of the connection.
    pub ip: Option<IpAddr>,
    /// What the client calls itself, cut to 255 characters.
    pub user_agent: Option<String>,
}

/// The header `Idempotency-Key`, of requests with exactly one mutation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdempotencyHeader(pub Option<String>);

/// Puts into a request what its resolvers need.
#[must_use]
pub fn prepare(
    request: Request,
    viewer: Viewer,
    info: RequestInfo,
    idempotency: IdempotencyHeader,
) -> Request {
    request
        .data(viewer)
        .data(info)
        .data(idempotency)
        .data(Loaders::default())
}
