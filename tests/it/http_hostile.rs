//! Nothing that a client sends gives a 5xx, a panic or internal text, and none of it is costly.
//!
//! The table names fields of api.md, also those that later issues deliver: until then validation refuses them.

use crate::support::TestApp;
use crate::support::http::{Answer, Running, answer};
use http::Method;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What is only in the program's own texts.
const INTERNAL: &[&str] = &[
    "panicked",
    "sqlx",
    "sea_orm",
    "SELECT ",
    "INSERT ",
    "UPDATE ",
    "constraint",
    "src/",
    ".rs:",
    "sqlite",
    "Sqlite",
    "MySql",
    "MariaDB",
    "backtrace",
    "DbErr",
    "ConnectionAcquire",
    "unwrap",
];

#[track_caller]
pub(crate) fn harmless((status, headers, body): &Answer, about: &str) {
    assert!(status.as_u16() < 500, "{about}: {status} {body}");
    assert!(headers.contains_key("x-request-id"), "{about}");
    let text = body.to_string();
    for word in INTERNAL {
        assert!(!text.contains(word), "{about}: {word} in {text:.400}");
    }
    for error in body["errors"].as_array().into_iter().flatten() {
        let code = error["extensions"]["code"].as_str().unwrap_or("none");
        assert!(
            !["none", "INTERNAL", "SERVICE_UNAVAILABLE"].contains(&code),
            "{about}: {text}"
        );
        assert!(
            error["extensions"]["requestId"].is_string(),
            "{about}: {text}"
        );
    }
}

/// Queries with a hole for a literal, as `first: HOLE`.
const HOLES: &[&str] = &[
    "{product(by: {id: HOLE}) {id name}}",
    "{product(by: {slug: HOLE}) {id}}",
    "{product(by: HOLE) {id}}",
    "{products(first: HOLE) {nodes {id}}}",
    "{products(last: HOLE) {nodes {id}}}",
    "{products(first: 1, after: HOLE) {nodes {id}}}",
    "{products(first: 1, page: HOLE) {nodes {id} totalCount}}",
    "{products(filter: HOLE) {nodes {id}}}",
    "{products(orderBy: HOLE) {nodes {id}}}",
    "{category(by: {id: HOLE}) {id}}",
    "{order(by: {id: HOLE}) {id}}",
    "{order(by: {number: HOLE}) {id}}",
    "{orders(first: HOLE) {nodes {id}}}",
    "{user(id: HOLE) {id}}",
    "{users(first: HOLE) {nodes {id}}}",
    "mutation {sessionCreate(input: {identifier: HOLE, password: \"x\"}) {accessToken userErrors {code}}}",
    "mutation {sessionCreate(input: {identifier: \"a@b.cd\", password: HOLE}) {accessToken userErrors {code}}}",
    "mutation {sessionRefresh(refreshToken: HOLE) {accessToken userErrors {code}}}",
    "mutation {userRegister(input: {name: HOLE, email: HOLE, phone: HOLE, password: HOLE}) {user {id} userErrors {code path}}}",
    "mutation {userRegister(input: {name: \"a\", email: \"a@b.cd\", password: HOLE}, idempotencyKey: HOLE) {user {id} userErrors {code}}}",
    "mutation {orderCreate(input: {lines: [{productId: HOLE, quantity: 1}]}) {order {id} userErrors {code}}}",
    "mutation {orderCreate(input: {lines: [{sku: \"a\", quantity: HOLE}]}) {order {id} userErrors {code}}}",
    "mutation {stockAdjust(input: {variantId: HOLE, warehouseId: HOLE, delta: HOLE, reason: HOLE}) {userErrors {code}}}",
];

fn fillings() -> Vec<String> {
    let long = "x".repeat(100_000);
    let deep = format!("{}1{}", "[".repeat(30), "]".repeat(30));
    [
        "null",
        "true",
        "-1",
        "0",
        "1.5",
        "99999999999",
        "-99999999999999999999",
        "1e400",
        "HOLE",
        "[]",
        "{}",
        "\"\"",
        "\"x\"",
        "\" \"",
        "\"0\"",
        "\"' OR 1=1 --\"",
        "\"%_\\\\\"",
        "\"\\u0000\"",
        "\"\\uD800\"",
        "\"\\u202E\\uFFFE\\u0301\"",
        "\"\"\"block\"\"\"",
        "$undeclared",
        "[[1]]",
        "{id: 1, slug: 2}",
        "\"00000000-0000-0000-0000-000000000000\"",
        "\"ffffffff-ffff-ffff-ffff-ffffffffffff\"",
        "\"eyJ2IjoxfQ==\"",
        "\"2026-13-45T99:99:99Z\"",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([format!("\"{long}\""), deep, "\"😀\"".to_owned()])
    .collect()
}

#[tokio::test]
async fn hostile_values_are_refused_politely() {
    let test = TestApp::new().await;
    let running = test.serve().await;
    let client = running.client();
    for query in HOLES {
        for filling in fillings() {
            let query = query.replace("HOLE", &filling);
            let found = client.post(&query, json!({})).await;
            harmless(&found, &format!("{query:.200}"));
        }
    }
}

#[tokio::test]
async fn hostile_variables_are_refused_politely() {
    let test = TestApp::new().await;
    let running = test.serve().await;
    let client = running.client();
    let values = [
        json!(null),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!([]),
        json!({}),
        json!("\u{0}"),
        json!("x".repeat(100_000)),
        json!([[[[1]]]]),
        json!({"id": {"id": 1}}),
        json!(vec![0; 20_000]),
        json!("\u{202e}"),
    ];
    for (kind, query) in [
        ("Int", "{products(first: $v) {nodes {id}}}"),
        ("ID!", "{product(by: {id: $v}) {id}}"),
        (
            "String!",
            "mutation {sessionRefresh(refreshToken: $v) {userErrors {code}}}",
        ),
        ("Nonsense", "{shop {name @skip(if: $v)}}"),
        ("Boolean!", "{shop {name @skip(if: $v)}}"),
        ("[[[Int!]!]!]!", "{shop {name @skip(if: $v)}}"),
    ] {
        let (start, rest) = query.split_at(query.find('{').unwrap());
        let start = if start.is_empty() {
            "query"
        } else {
            start.trim_end()
        };
        let query = format!("{start}($v: {kind}) {rest}");
        for value in &values {
            let found = client.post(&query, json!({"v": value})).await;
            harmless(&found, &format!("{query} {:.60}", value.to_string()));
        }
    }
}

#[tokio::test]
async fn hostile_requests_are_refused_politely() {
    let test = TestApp::new().await;
    let running = test.serve().await;
    let client = running.client();
    let json = "application/json";
    let bodies: &[(&str, Vec<u8>)] = &[
        (json, vec![]),
        (json, vec![0; 1_000]),
        (json, vec![0xff; 1_000]),
        (json, b"{\"query\": \"\\ud800\"}".to_vec()),
        (json, b"{\"query\": \"{a\\u0000}\"}".to_vec()),
        (
            json,
            b"{\"query\": \"{shop{name}}\", \"variables\": {\"a\": 1e999999}}".to_vec(),
        ),
        (
            json,
            format!(
                "{{\"query\": \"{{shop{{name}}}}\", \"variables\": {{\"a\": {}}}}}",
                "9".repeat(50_000)
            )
            .into_bytes(),
        ),
        (
            json,
            [
                b"{\"query\": \"{a}\", \"variables\": {\"a\":".to_vec(),
                vec![b'['; 100_000],
            ]
            .concat(),
        ),
        (json, vec![b' '; 300_000]),
        ("application/json; charset=\u{ff}", b"{}".to_vec()),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\n\r\n--x--".to_vec(),
        ),
        (
            "application/x-www-form-urlencoded",
            b"query={shop{name}}".to_vec(),
        ),
        ("text/plain", b"{\"query\": \"{shop{name}}\"}".to_vec()),
    ];
    for (content_type, body) in bodies {
        let request = client
            .raw(Method::POST, "/graphql")
            .header("content-type", *content_type);
        let found = answer(request.body(body.clone())).await;
        harmless(&found, &format!("{:.60}", String::from_utf8_lossy(body)));
    }
    for path in [
        "/graphql?query=%00",
        "/graphql?query=%ff",
        "/graphql?query={&variables=[",
        "/%00",
        "/graphiql/..%2f..%2fetc%2fpasswd",
        "/graphql/%2e%2e",
    ] {
        harmless(&answer(client.raw(Method::GET, path)).await, path);
    }
    for token in [
        "x",
        "eyJhbGciOiJub25lIn0.e30.",
        "a.b.c",
        "\u{ff}",
        &"x".repeat(10_000),
        "..",
        "eyJhbGciOiJIUzI1NiJ9.e30.AAAA",
    ] {
        let found = client
            .with_token(token)
            .post("{shop {name}}", json!({}))
            .await;
        assert_eq!(found.0.as_u16(), 401, "{token:.40}");
        harmless(&found, token);
    }
    for (name, value) in [
        ("accept", "a/b;q=z, ///, */*;q=9"),
        ("content-length-x", "-1"),
        ("x-request-id", "a\tb"),
        ("idempotency-key", "\u{ff}"),
        ("origin", "\u{ff}"),
        ("cookie", "session=1"),
        ("traceparent", "00-zz"),
    ] {
        let request = client.raw(Method::POST, "/graphql").header(name, value);
        harmless(
            &answer(request.json(&json!({"query": "{shop {name}}"}))).await,
            name,
        );
    }
}

#[tokio::test]
async fn broken_http_is_closed_or_refused() {
    let test = TestApp::new().await;
    let running = test.serve().await;
    let huge = format!(
        "GET / HTTP/1.1\r\nhost: x\r\na: {}\r\n\r\n",
        "x".repeat(200_000)
    );
    for bytes in [
        b"\x00\x01\x02\x03\r\n\r\n".as_slice(),
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
        b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\nzz\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        huge.as_bytes(),
    ] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        // The server may close before it has read everything.
        drop(stream.write_all(bytes).await);
        let mut found = Vec::new();
        drop(stream.read_to_end(&mut found).await);
        let found = String::from_utf8_lossy(&found);
        assert!(!found.contains("HTTP/1.1 5"), "{found:.200}");
    }
    alive(&running).await;
}

async fn alive(running: &Running) {
    let data = running.client().data("{shop {name}}", json!({})).await;
    assert!(data["shop"]["name"].is_string());
}

/// The documents that ended or stalled servers: nested literals, doubling fragments, a cycle.
fn bombs() -> Vec<(&'static str, String)> {
    let literals = |open: &str, close: &str| {
        format!(
            "{{products(filter: {}1{}) {{nodes {{id}}}}}}",
            open.repeat(2_000),
            close.repeat(2_000)
        )
    };
    let mut doubling = "{...f0} ".to_owned();
    for n in 0..30 {
        write!(
            doubling,
            "fragment f{n} on Query {{...f{} ...f{}}} ",
            n + 1,
            n + 1
        )
        .unwrap();
    }
    doubling.push_str("fragment f30 on Query {shop {name}}");
    let mut fragments = "{...f0} ".to_owned();
    for n in 0..60 {
        write!(
            fragments,
            "fragment f{n} on Query {{...f{} ...f{}}} ",
            (n + 1) % 60,
            (n + 7) % 60
        )
        .unwrap();
    }
    let level = "categories {nodes {products {nodes {";
    let fields = format!("{{{}id{}}}", level.repeat(15), "}".repeat(60));
    vec![
        ("2,000 nested lists", literals("[", "]")),
        ("2,000 nested objects", literals("{a: ", "}")),
        ("30 doubling fragments", doubling),
        ("a cycle of 60 fragments", fragments),
        ("a cycle of types, 60 levels", fields),
    ]
}

/// How often each bomb is sent.
const TRIES: usize = 5;

#[tokio::test]
#[ignore = "bombs_are_refused_at_once runs it in a process of its own, where memory can be measured"]
async fn bombs_alone() {
    let test = TestApp::new().await;
    let running = test.serve().await;
    let client = running.client();
    alive(&running).await;
    let before = resident_bytes();
    for (about, query) in bombs() {
        let hash: String = {
            use sha2::Digest as _;
            sha2::Sha256::digest(&query)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect()
        };
        let persisted = json!({"persistedQuery": {"version": 1, "sha256Hash": hash}});
        let post = json!({"query": query, "extensions": persisted});
        let url = reqwest::Url::parse_with_params("http://x/graphql", [("query", &query)]).unwrap();
        let get = format!("/graphql?{}", url.query().unwrap());
        for is_post in [true, false] {
            let mut took = Duration::MAX;
            // The machine may be busy with something else; the quickest of a few answers says what the bomb costs.
            for _ in 0..TRIES {
                let request = match is_post {
                    true => client.raw(Method::POST, "/graphql").json(&post),
                    false => client.raw(Method::GET, &get),
                };
                let started = Instant::now();
                let found =
                    answer(request.header("accept", "application/graphql-response+json")).await;
                took = took.min(started.elapsed());
                assert_eq!(found.0.as_u16(), 400, "{about}: {}", found.2);
                harmless(&found, about);
            }
            assert!(took < Duration::from_millis(100), "{about}: {took:?}");
        }
    }
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 50 << 20, "{grown} bytes");
    alive(&running).await;
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

#[test]
fn bombs_are_refused_at_once() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "http_hostile::bombs_alone",
            "--ignored",
            "--nocapture",
        ])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

const HALF_HEAD: &[u8] = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/js";
const HALF_BODY: &[u8] = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"query\": \"{";

#[tokio::test]
async fn three_hundred_half_sent_requests_are_closed_in_time() {
    let limit = Duration::from_millis(1_000);
    let test = TestApp::with(&[
        ("http.header_read_timeout_ms", json!(limit.as_millis())),
        ("http.body_timeout_ms", json!(limit.as_millis())),
    ])
    .await;
    let running = test.serve().await;
    for (about, bytes) in [
        ("silent", b"".as_slice()),
        ("heads", HALF_HEAD),
        ("bodies", HALF_BODY),
    ] {
        let started = Instant::now();
        let mut clients = Vec::new();
        for _ in 0..300 {
            let mut stream = TcpStream::connect(running.address).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            clients.push(stream);
        }
        alive(&running).await;
        let closed = clients.into_iter().map(|mut stream| async move {
            let mut found = Vec::new();
            // A connection that is closed with unread bytes is reset; closed is closed.
            drop(stream.read_to_end(&mut found).await);
            String::from_utf8_lossy(&found).into_owned()
        });
        let closed = tokio::time::timeout(limit * 8, futures::future::join_all(closed)).await;
        let closed = closed.unwrap_or_else(|_| panic!("{about} are still open"));
        assert!(started.elapsed() >= limit, "{about} had their time");
        for found in closed {
            assert!(
                !found.contains("HTTP/1.1 5") && !found.contains("HTTP/1.1 2"),
                "{about}: {found}"
            );
            assert_eq!(
                found.contains("HTTP/1.1 408"),
                about == "bodies",
                "{about}: {found}"
            );
        }
        alive(&running).await;
    }
}

#[tokio::test]
async fn a_body_that_trickles_is_cut_off() {
    let test = TestApp::with(&[("http.body_timeout_ms", json!(300))]).await;
    let running = test.serve().await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(HALF_BODY).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let mut found = Vec::new();
    let trickle = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        loop {
            ticks.tick().await;
            if write.write_all(b" ").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = trickle => {}
        done = read.read_to_end(&mut found) => drop(done),
    }
    let found = String::from_utf8_lossy(&found);
    assert!(found.starts_with("HTTP/1.1 408"), "{found}");
}

#[tokio::test]
async fn many_at_once_leave_the_server_alive() {
    let test = TestApp::new().await;
    let running = test.serve().await;
    let client = running.client();
    let deep: Value = json!({"filter": vec![vec![1; 50]; 100]});
    let all = (0..200).map(|n| {
        let (client, deep) = (client.clone(), deep.clone());
        async move {
            let query =
                format!("query($filter: [[Int]]) {{a{n}: shop {{name}} nothing(f: $filter)}}");
            client.post(&query, deep).await
        }
    });
    for found in futures::future::join_all(all).await {
        harmless(&found, "many");
    }
    alive(&running).await;
}
