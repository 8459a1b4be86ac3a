//! A running server and a client of it.

use super::TestApp;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio_util::sync::{CancellationToken, DropGuard};
use tradepost::app::App;
use tradepost::graphql::engine::Engine;
use tradepost::graphql::schema;
use tradepost::http::Server;

/// A server on a free port; it stops when this is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
    /// Begins the orderly stop.
    pub(crate) stop: CancellationToken,
    #[expect(dead_code, reason = "held for its Drop")]
    guard: DropGuard,
}

impl TestApp {
    /// Serves this app's schema.
    pub(crate) async fn serve(&self) -> Running {
        self.serve_engine(schema::build(&self.app)).await
    }

    /// Serves a replica of this app.
    pub(crate) async fn serve_replica(&self, app: &App) -> Running {
        serve(app, schema::build(app)).await
    }

    /// Serves another schema, for what the real one has no fields for.
    pub(crate) async fn serve_engine(&self, engine: Engine) -> Running {
        serve(&self.app, engine).await
    }
}

async fn serve(app: &App, engine: Engine) -> Running {
    let server = Server::bind(app.clone(), engine).await.unwrap();
    let (address, admin) = (server.local_addr(), server.admin_addr());
    let stop = CancellationToken::new();
    app.workers().spawn(server.serve(stop.clone()));
    Running {
        address,
        admin,
        guard: stop.clone().drop_guard(),
        stop,
    }
}

impl Running {
    /// A client without a token.
    pub(crate) fn client(&self) -> Client {
        Client::of(self.address)
    }
}

/// Status, headers and body of an answer; a body that is not JSON is a JSON string.
pub(crate) type Answer = (StatusCode, HeaderMap, Value);

/// Asks one server.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    address: SocketAddr,
    token: Option<String>,
}

impl Client {
    /// A client without a token of the server at an address.
    pub(crate) fn of(address: SocketAddr) -> Self {
        Self {
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            address,
            token: None,
        }
    }

    /// The same client with an access token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// A request to a path, with the token if there is one.
    pub(crate) fn raw(&self, method: http::Method, path: &str) -> reqwest::RequestBuilder {
        let request = self
            .http
            .request(method, format!("http://{}{path}", self.address));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a document with its variables.
    pub(crate) async fn post(&self, query: &str, variables: Value) -> Answer {
        let body = json!({ "query": query, "variables": variables });
        let request = self
            .raw(http::Method::POST, "/graphql")
            .header("accept", "application/graphql-response+json")
            .json(&body);
        answer(request).await
    }

    /// Sends a document whose answer must be without errors, and returns its data.
    pub(crate) async fn data(&self, query: &str, variables: Value) -> Value {
        let (status, _, mut body) = self.post(query, variables).await;
        assert!(
            status == StatusCode::OK && body.get("errors").is_none(),
            "{query}: {status} {body}"
        );
        body["data"].take()
    }
}

/// Sends a request.
pub(crate) async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    (status, headers, body)
}
