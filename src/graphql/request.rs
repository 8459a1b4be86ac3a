//! What a resolver finds in its request beside the arguments.

use crate::app::App;
use crate::domain::accounts::model::Viewer;
use crate::domain::{accounts, catalog, inventory, orders, payments, wallet};
use async_graphql::Request;
use std::net::IpAddr;

/// Where a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestInfo {
    /// The id that is in the answer, its errors and the logs.
    pub request_id: String,
    /// The address of the client's end of the connection.
    pub ip: Option<IpAddr>,
    /// What the client calls itself, cut to 255 characters.
    pub user_agent: Option<String>,
}

/// The header `Idempotency-Key`, of requests with exactly one mutation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdempotencyHeader(pub Option<String>);

/// Puts into a request what its resolvers need. Loaders are made for each request, so that nothing that one viewer
/// may see reaches another.
#[must_use]
pub fn prepare(
    request: Request,
    app: &App,
    viewer: Viewer,
    info: RequestInfo,
    idempotency: IdempotencyHeader,
) -> Request {
    let request = request.data(viewer).data(info).data(idempotency);
    attach_loaders(request, app)
}

/// The loaders of every domain, one line each.
fn attach_loaders(request: Request, app: &App) -> Request {
    let request = accounts::loaders::attach(request, app);
    let request = catalog::loaders::attach(request, app);
    let request = inventory::loaders::attach(request, app);
    let request = orders::loaders::attach(request, app);
    let request = payments::loaders::attach(request, app);
    wallet::loaders::attach(request, app)
}
