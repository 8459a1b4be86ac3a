//! The server around GraphQL: deadlines, shutdown, health, metrics, CORS, GraphiQL.

use crate::support::TestApp;
use crate::support::http::{Running, answer};
use async_graphql::{Context, EmptyMutation, EmptySubscription, Object};
use http::{Method, StatusCode};
use serde_json::json;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tradepost::db::migrate::{self, Direction};
use tradepost::graphql::engine::Engine;

/// Says when it runs, and runs until it is told to end.
#[derive(Default)]
struct Gate {
    running: Notify,
    end: Notify,
}

struct Query;

#[Object]
impl Query {
    async fn waits(&self, ctx: &Context<'_>) -> bool {
        let gate = ctx.data_unchecked::<Arc<Gate>>();
        gate.running.notify_one();
        gate.end.notified().await;
        true
    }
}

async fn gated(test: &TestApp) -> (Running, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let roots = || (Query, EmptyMutation, EmptySubscription);
    let engine = Engine::new(&test.app.config().limits, roots, |builder| {
        builder.data(gate.clone())
    });
    (test.serve_engine(engine).await, gate)
}

/// Sends bytes and reads until the server closes.
async fn exchange(running: &Running, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn what_clients_leave_undone_ends_in_time() {
    let test = TestApp::with(&[
        ("http.header_read_timeout_ms", json!(300)),
        ("http.body_timeout_ms", json!(300)),
    ])
    .await;
    let running = test.serve().await;
    assert_eq!(
        exchange(&running, b"").await,
        "",
        "a client that says nothing"
    );
    let head = exchange(&running, b"POST /graphql HTTP/1.1\r\nhost: x\r\n").await;
    assert!(head.is_empty() || head.contains("408"), "{head}");
    let half = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"que";
    let body = exchange(&running, half).await;
    assert!(body.starts_with("HTTP/1.1 408"), "{body}");
    assert!(body.contains("requestId"), "{body}");
    let h2 = exchange_h2_silence(&running).await;
    assert!(h2.is_ok(), "an HTTP/2 client without requests");
    let idle = exchange(&running, b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(
        idle.ends_with("ok"),
        "an idle connection is closed after its answer: {idle}"
    );
}

/// A client of HTTP/2 that greets and then says nothing.
async fn exchange_h2_silence(running: &Running) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(running.address).await?;
    let greeting = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    stream.write_all(greeting).await?;
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes).await {
        // Closing while our acknowledgements are unread resets the connection.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(bytes),
        other => other.map(|_| bytes),
    }
}

#[tokio::test]
async fn connections_are_limited_and_silent_ones_make_room() {
    let test = TestApp::with(&[
        ("http.connections_max", json!(4)),
        ("http.header_read_timeout_ms", json!(300)),
    ])
    .await;
    let running = test.serve().await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(TcpStream::connect(running.address).await.unwrap());
    }
    let data = running.client().data("{shop {name}}", json!({})).await;
    assert_eq!(data["shop"]["name"], "Tradepost");
}

#[tokio::test]
async fn http_2_is_spoken() {
    let test = TestApp::new().await;
    let running = test.serve().await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let url = format!("http://{}/graphql", running.address);
    let request = client.post(url).json(&json!({"query": "{shop {name}}"}));
    let response = request.send().await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn open_requests_are_finished_at_shutdown() {
    let test = TestApp::new().await;
    let (running, gate) = gated(&test).await;
    let client = running.client();
    let asked = client.post("{waits}", json!({}));
    let stopping = async {
        gate.running.notified().await;
        running.stop.cancel();
        // The socket is closed once the server has seen it.
        while TcpStream::connect(running.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        gate.end.notify_one();
    };
    let ((status, _, body), ()) = futures::join!(asked, stopping);
    assert_eq!(
        (status, body),
        (StatusCode::OK, json!({"data": {"waits": true}}))
    );
}

#[tokio::test]
async fn requests_that_do_not_end_do_not_stop_the_shutdown() {
    let test = TestApp::with(&[("server.shutdown_limit_ms", json!(100))]).await;
    let (running, gate) = gated(&test).await;
    let request = running.client().raw(Method::POST, "/graphql");
    let asked = request.json(&json!({"query": "{waits}"})).send();
    let stopping = async {
        gate.running.notified().await;
        running.stop.cancel();
    };
    let (answer, ()) = futures::join!(asked, stopping);
    assert!(answer.is_err(), "its connection is closed");
}

#[tokio::test]
async fn readiness_tells_of_the_database_and_of_draining() {
    let test = TestApp::with(&[("http.admin_address", json!("127.0.0.1:0"))]).await;
    let (running, gate) = gated(&test).await;
    let client = running.client();
    let status = async |path: &str| {
        let (status, _, body) = answer(client.raw(Method::GET, path)).await;
        (status.as_u16(), body)
    };
    assert_eq!(status("/livez").await, (200, json!("ok")));
    let (ready, text) = status("/readyz").await;
    assert!(
        ready == 200 && (text == "ok" || text == "degraded"),
        "{text}"
    );

    let admin = running.admin.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let full = async || answer(http.get(format!("http://{admin}/readyz"))).await;
    let (ready, _, body) = full().await;
    assert_eq!(ready, StatusCode::OK, "{body}");
    let parts = body["parts"].as_array().unwrap();
    for name in ["database", "redis", "kafka", "workers"] {
        let part = parts.iter().find(|part| part["name"] == name);
        assert!(part.is_some_and(|part| part["state"].is_string()), "{body}");
    }

    // While requests are finished, operators see why the server takes no more.
    let asked = client.post("{waits}", json!({}));
    let draining = async {
        gate.running.notified().await;
        running.stop.cancel();
        while TcpStream::connect(running.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        let (ready, _, body) = full().await;
        assert_eq!(ready, StatusCode::SERVICE_UNAVAILABLE, "{body}");
        assert!(body.to_string().contains("it is shutting down"), "{body}");
        gate.end.notify_one();
    };
    let ((status, ..), ()) = futures::join!(asked, draining);
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn pending_migrations_are_not_ready() {
    let test = TestApp::new().await;
    migrate::run(test.app.db(), test.app.config(), Direction::Down(1))
        .await
        .unwrap();
    let running = test.serve().await;
    let (status, _, body) = answer(running.client().raw(Method::GET, "/readyz")).await;
    assert_eq!((status.as_u16(), body), (503, json!("unavailable")));
    let (status, ..) = answer(running.client().raw(Method::GET, "/livez")).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn metrics_are_for_the_admin_address() {
    let test = TestApp::with(&[("http.admin_address", json!("127.0.0.1:0"))]).await;
    let running = test.serve().await;
    running
        .client()
        .data("query Named {shop {name}}", json!({}))
        .await;
    let admin = running.admin.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let text = http
        .get(format!("http://{admin}/metrics"))
        .send()
        .await
        .unwrap();
    let text = text.text().await.unwrap();
    for name in [
        "tradepost_http_requests_total{operation=\"query\",status=\"200\"}",
        "tradepost_http_request_duration_seconds_bucket",
        "tradepost_http_connections_open",
        "tradepost_http_requests_in_flight",
    ] {
        assert!(text.contains(name), "{name} in {text}");
    }
    let (status, ..) = answer(running.client().raw(Method::GET, "/metrics")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn browsers_of_known_origins_may_ask() {
    let test = TestApp::with(&[("http.cors_origins", json!(["https://shop.example"]))]).await;
    let running = test.serve().await;
    let ask = async |origin: &str| {
        let request = running.client().raw(Method::OPTIONS, "/graphql");
        let request = request
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,idempotency-key",
            );
        answer(request).await.1
    };
    for origin in [
        "https://shop.example",
        "http://localhost:3000",
        "http://127.0.0.1:5173",
        "http://[::1]",
    ] {
        let headers = ask(origin).await;
        assert_eq!(headers["access-control-allow-origin"], origin);
        let allowed = headers["access-control-allow-headers"].to_str().unwrap();
        assert!(allowed.contains("authorization") && allowed.contains("idempotency-key"));
        assert!(headers.get("access-control-allow-credentials").is_none());
    }
    for origin in [
        "https://evil.example",
        "http://localhost.evil.example",
        "null",
    ] {
        assert!(
            ask(origin)
                .await
                .get("access-control-allow-origin")
                .is_none(),
            "{origin}"
        );
    }
    let request = running
        .client()
        .raw(Method::POST, "/graphql")
        .header("origin", "http://localhost");
    let (_, headers, _) = answer(request.json(&json!({"query": "{__typename}"}))).await;
    let exposed = headers["access-control-expose-headers"].to_str().unwrap();
    assert!(
        exposed.contains("x-request-id") && exposed.contains("x-query-cost"),
        "{exposed}"
    );
}

#[tokio::test]
async fn graphiql_is_for_browsers_in_development() {
    let test = TestApp::new().await;
    let running = test.serve().await;
    let browser = "text/html,application/xhtml+xml,*/*;q=0.8";
    for path in ["/", "/graphql", "/graphql?query={shop{name}}"] {
        let request = running
            .client()
            .raw(Method::GET, path)
            .header("accept", browser);
        let (status, headers, page) = answer(request).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers["content-type"], "text/html; charset=utf-8");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe-eval"));
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert!(page.as_str().unwrap().contains("Tradepost"));
    }
    // Programs that say nothing about HTML get data.
    let request = running
        .client()
        .raw(Method::GET, "/graphql?query={shop{name}}");
    assert_eq!(answer(request).await.2["data"]["shop"]["name"], "Tradepost");

    let off = TestApp::with(&[("http.graphiql", json!("off"))]).await;
    let running = off.serve().await;
    let (status, ..) = answer(running.client().raw(Method::GET, "/")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn files_of_graphiql_are_asked_for_once() {
    let test = TestApp::new().await;
    let running = test.serve().await;
    let client = running.client();
    for name in [
        "graphiql.js",
        "graphiql.css",
        "graphql.worker.js",
        "fallback.js",
    ] {
        let (status, headers, _) =
            answer(client.raw(Method::GET, &format!("/graphiql/{name}"))).await;
        // The folder may be absent, and the bundle may not have been made.
        if status == StatusCode::NOT_FOUND {
            continue;
        }
        let kind = if name.ends_with("css") {
            "text/css"
        } else {
            "text/javascript"
        };
        assert!(headers["content-type"].to_str().unwrap().starts_with(kind));
        assert_eq!(
            headers.contains_key("content-encoding"),
            name != "fallback.js"
        );
        let again = client.raw(Method::GET, &format!("/graphiql/{name}"));
        let (status, ..) = answer(again.header("if-none-match", &headers["etag"])).await;
        assert_eq!(status, StatusCode::NOT_MODIFIED);
    }
    for name in ["index.html", "..%2fCargo.toml", "nothing.js"] {
        let (status, ..) = answer(client.raw(Method::GET, &format!("/graphiql/{name}"))).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{name}");
    }
}

#[tokio::test]
async fn the_schema_is_served_as_text() {
    let test = TestApp::new().await;
    let running = test.serve().await;
    let (status, headers, text) =
        answer(running.client().raw(Method::GET, "/schema.graphql")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(text, tradepost::graphql::schema::sdl());
}
