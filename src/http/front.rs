//! Where a request goes: GraphQL by POST straight to its handler, everything else through the router.
//!
//! A router that can be extended boxes what it passes on, several times a request. That is cheap beside work, and dear
//! beside an answer that is kept. So the one address that nearly all requests are for is told apart first; requests of
//! pages carry an `Origin` and take the router, where CORS is.

use super::State;
use super::connection::Held;
use super::graphql_http;
use super::observe::{self, Asked, Peer};
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::header::ORIGIN;
use http::{Method, Request};
use hyper::body::Incoming;
use tower::ServiceExt as _;

/// The address of GraphQL.
pub(super) const GRAPHQL: &str = "/graphql";

/// What answers the requests of a listener.
#[derive(Clone, Debug)]
pub(super) struct Front {
    graphql: Option<State>,
    router: Router,
}

impl Front {
    /// GraphQL and what the router has.
    pub(super) fn new(state: State, router: Router) -> Self {
        Self {
            graphql: Some(state),
            router,
        }
    }

    /// What the router has.
    pub(super) fn of_router(router: Router) -> Self {
        Self {
            graphql: None,
            router,
        }
    }

    /// The answer to a request.
    pub(super) async fn answer(
        &self,
        mut request: Request<Incoming>,
        peer: Peer,
        held: Held,
    ) -> Response {
        match &self.graphql {
            Some(state) if is_direct(&request) => post(state, request, peer, held).await,
            _ => {
                request.extensions_mut().insert(held);
                request.extensions_mut().insert(peer);
                let answer = self.router.clone().oneshot(request.map(Body::new));
                answer.await.unwrap_or_else(|never| match never {})
            }
        }
    }
}

fn is_direct(request: &Request<Incoming>) -> bool {
    request.method() == Method::POST
        && request.uri().path() == GRAPHQL
        && !request.headers().contains_key(ORIGIN)
}

async fn post(state: &State, request: Request<Incoming>, peer: Peer, held: Held) -> Response {
    let (head, body) = request.into_parts();
    let asked = Asked::of(state, &head, Some(peer));
    // Boxed: what waits within is large, and each future around it would be as large again.
    let answer = Box::pin(graphql_http::post(
        state,
        asked.info(),
        Some(held),
        head.headers,
        body,
    ));
    observe::observe(state, asked, answer).await
}
