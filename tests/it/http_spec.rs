//! GraphQL over HTTP: every status and media type, and how answers are put together.
//!
//! Most of it runs on a small schema of its own, with fields that the real one has not: some hang, some panic.

use crate::support::TestApp;
use crate::support::http::{Answer, Client, Running, answer};
use async_graphql::{
    Context, EmptySubscription, Enum, InputObject, Object, OneofObject, SimpleObject,
};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::str::FromStr as _;
use std::sync::Arc;
use tokio::sync::Notify;
use tradepost::graphql::engine::Engine;
use tradepost::graphql::request::{IdempotencyHeader, RequestInfo};
use tradepost::graphql::scalars::Decimal;

const GRAPHQL: &str = "application/graphql-response+json";
const JSON: &str = "application/json";

struct Query;

#[derive(SimpleObject)]
#[graphql(complex)]
struct Item {
    name: String,
}

#[async_graphql::ComplexObject]
impl Item {
    fn needed(&self) -> async_graphql::Result<i32> {
        Err(coded("on purpose"))
    }
}

fn coded(message: &str) -> async_graphql::Error {
    use async_graphql::ErrorExtensions as _;
    async_graphql::Error::new(message)
        .extend_with(|_, extensions| extensions.set("code", "FORBIDDEN"))
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
enum Kind {
    Small,
    Large,
}

#[derive(InputObject)]
struct Filter {
    kind: Option<Kind>,
    least: i32,
    tags: Option<Vec<String>>,
}

#[derive(OneofObject)]
enum By {
    Id(async_graphql::ID),
    Name(String),
}

#[Object]
impl Query {
    async fn first(&self, ctx: &Context<'_>) -> i32 {
        ctx.data_unchecked::<Arc<Notify>>().notified().await;
        1
    }
    async fn second(&self, ctx: &Context<'_>) -> i32 {
        ctx.data_unchecked::<Arc<Notify>>().notify_one();
        2
    }
    async fn item(&self) -> Option<Item> {
        Some(Item { name: "a".into() })
    }
    async fn must(&self) -> Item {
        Item { name: "b".into() }
    }
    #[graphql(complexity = "usize::try_from(count).unwrap_or(0) * child_complexity")]
    async fn many(&self, count: i32) -> Vec<Item> {
        (0..count)
            .map(|n| Item {
                name: n.to_string(),
            })
            .collect()
    }
    async fn number(&self, n: i32) -> Option<i32> {
        Some(n)
    }
    async fn filtered(&self, filter: Option<Filter>) -> i32 {
        filter.map_or(0, |f| {
            f.least + i32::from(f.kind == Some(Kind::Large)) + i32::from(f.tags.is_some())
        })
    }
    async fn by(&self, by: By) -> String {
        match by {
            By::Id(id) => id.to_string(),
            By::Name(name) => name,
        }
    }
    async fn names(&self, list: Vec<String>) -> usize {
        list.len()
    }
    async fn decimal(&self, d: Decimal) -> Decimal {
        d
    }
    async fn hangs(&self) -> i32 {
        std::future::pending().await
    }
    async fn panics(&self) -> i32 {
        i32::from_str("on purpose").unwrap()
    }
    fn careless(&self) -> async_graphql::Result<i32> {
        Err("SELECT secret FROM table".into())
    }
    async fn client(&self, ctx: &Context<'_>) -> String {
        let info = ctx.data_unchecked::<RequestInfo>();
        ctx.append_http_header("idempotent-replayed", "true");
        ctx.append_http_header("content-type", "text/html");
        format!("{} {}", info.request_id, info.ip.is_some())
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn key(&self, ctx: &Context<'_>) -> Option<String> {
        ctx.data_unchecked::<IdempotencyHeader>().0.clone()
    }
    async fn session_create(&self) -> i32 {
        1
    }
}

struct Spec {
    #[expect(dead_code, reason = "its folder lives as long as the server")]
    test: TestApp,
    #[expect(dead_code, reason = "the server stops when this is dropped")]
    running: Running,
    client: Client,
}

async fn spec(changes: &[(&'static str, Value)]) -> Spec {
    let test = TestApp::with(changes).await;
    let roots = || (Query, Mutation, EmptySubscription);
    let engine = Engine::new(&test.app.config().limits, roots, |builder| {
        builder.data(Arc::new(Notify::new()))
    });
    let running = test.serve_engine(engine).await;
    let client = running.client();
    Spec {
        test,
        running,
        client,
    }
}

impl Spec {
    async fn post_as(&self, accept: &str, body: &Value) -> Answer {
        let request = self.client.raw(Method::POST, "/graphql");
        answer(request.header("accept", accept).json(body)).await
    }

    async fn bytes(&self, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
        let request = self.client.raw(Method::POST, "/graphql");
        answer(
            request
                .header("content-type", content_type)
                .body(body.into()),
        )
        .await
    }
}

/// The path of a GET with these parameters.
fn address(query: &[(&str, &str)]) -> String {
    let url = reqwest::Url::parse_with_params("http://localhost/graphql", query).unwrap();
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}

/// An answer without data whose first error has this code; every error names the request.
#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str, about: &str) {
    let (found, headers, body) = answer;
    assert_eq!(found.as_u16(), status, "{about}: {body}");
    assert_eq!(
        body["errors"][0]["extensions"]["code"], code,
        "{about}: {body}"
    );
    assert!(body.get("data").is_none(), "{about}: {body}");
    for error in body["errors"].as_array().unwrap() {
        assert_eq!(
            error["extensions"]["requestId"],
            headers["x-request-id"].to_str().unwrap()
        );
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{about}"
        );
    }
}

#[tokio::test]
async fn the_media_type_follows_accept() {
    let spec = spec(&[]).await;
    let query = json!({"query": "{__typename}"});
    for (accept, content_type) in [
        (GRAPHQL, GRAPHQL),
        (JSON, JSON),
        ("*/*", JSON),
        (
            "application/graphql-response+json, application/json;q=0.9",
            GRAPHQL,
        ),
    ] {
        let (status, headers, body) = spec.post_as(accept, &query).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(
            headers["content-type"],
            format!("{content_type}; charset=utf-8")
        );
        assert_eq!(body, json!({"data": {"__typename": "Query"}}));
        assert_eq!(
            headers["content-length"],
            body.to_string().len().to_string()
        );
    }
    refused(
        &spec.post_as("text/html", &query).await,
        406,
        "BAD_USER_INPUT",
        "html",
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_400_in_both_types() {
    let spec = spec(&[]).await;
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("empty", b"".to_vec()),
        ("not JSON", b"{ \"not a JSON".to_vec()),
        ("not UTF-8", b"{\"query\": \"{__typename}\xff\"}".to_vec()),
        ("no object", b"1".to_vec()),
        ("a batch", b"[{\"query\": \"{__typename}\"}]".to_vec()),
        ("no query", b"{\"qeury\": \"{__typename}\"}".to_vec()),
        (
            "a huge number",
            b"{\"query\": \"{__typename}\", \"variables\": {\"a\": 1e999}}".to_vec(),
        ),
        (
            "deep JSON",
            [b"{\"query\": ".to_vec(), vec![b'['; 100_000]].concat(),
        ),
    ];
    for (about, body) in bodies {
        refused(&spec.bytes(JSON, body).await, 400, "BAD_USER_INPUT", about);
    }
    for (name, values) in [
        ("query", json!([{"a": 1}, 0, false, ["a"], "{a\u{0}}"])),
        (
            "operationName",
            json!([{"a": 1}, 0, false, ["a"], "a\u{0}"]),
        ),
        (
            "variables",
            json!(["text", 0, false, ["a"], {"a": [{"b": "\u{0}"}]}, {"\u{0}": 1}]),
        ),
        ("extensions", json!(["text", 0, false, ["a"]])),
    ] {
        for value in values.as_array().unwrap() {
            let mut body = json!({"query": "{__typename}"});
            body[name] = value.clone();
            for accept in [GRAPHQL, JSON] {
                let found = spec.post_as(accept, &body).await;
                refused(&found, 400, "BAD_USER_INPUT", &format!("{name} {value}"));
            }
        }
        if name != "query" {
            let mut body = json!({"query": "{__typename}"});
            body[name] = Value::Null;
            assert_eq!(
                spec.post_as(JSON, &body).await.0,
                StatusCode::OK,
                "{name} null"
            );
        }
    }
}

#[tokio::test]
async fn only_json_bodies_are_read() {
    let spec = spec(&[]).await;
    let body = r#"{"query": "{__typename}"}"#;
    for content_type in [
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
    ] {
        refused(
            &spec.bytes(content_type, body).await,
            415,
            "BAD_USER_INPUT",
            content_type,
        );
    }
    let bare = answer(spec.client.raw(Method::POST, "/graphql").body(body)).await;
    refused(&bare, 415, "BAD_USER_INPUT", "no content type");
    assert_eq!(
        spec.bytes("application/json; charset=utf-8", body).await.0,
        StatusCode::OK
    );
}

#[tokio::test]
async fn what_is_not_executed_is_400_or_200_by_media_type() {
    let spec = spec(&[]).await;
    for (about, body) in [
        ("syntax", json!({"query": "{"})),
        ("an unknown field", json!({"query": "{ 8f31403d }"})),
        ("an unknown field", json!({"query": "{ nothing }"})),
        (
            "no operation of that name",
            json!({"query": "query A {__typename}", "operationName": "B"}),
        ),
        (
            "which operation",
            json!({"query": "query A {__typename} query B {__typename}"}),
        ),
        (
            "NUL in a literal",
            json!({"query": "{by(by: {name: \"\\u0000\"})}"}),
        ),
        (
            "a missing variable",
            json!({"query": "query($n: Int!) {number(n: $n)}"}),
        ),
        (
            "a variable that is null",
            json!({"query": "query($n: Int!) {number(n: $n)}", "variables": {"n": null}}),
        ),
        ("Int overflow", json!({"query": "{number(n: 99999999999)}"})),
        (
            "Int overflow",
            json!({"query": "{a: second ...f} fragment f on Query {number(n: 2147483648)}"}),
        ),
        (
            "a wrong literal",
            json!({"query": "{filtered(filter: {least: 1, kind: 2})}"}),
        ),
        ("a wrong literal", json!({"query": "{filtered(filter: 5)}"})),
        (
            "a wrong literal",
            json!({"query": "query($k: Kind) {filtered(filter: {least: 1.5, kind: $k})}", "variables": {"k": "LARGE"}}),
        ),
        (
            "a wrong literal",
            json!({"query": "{by(by: {id: \"1\", name: \"2\"})}"}),
        ),
        (
            "a decimal as a number",
            json!({"query": "{decimal(d: 1.5)}"}),
        ),
        ("a subscription", json!({"query": "subscription {a}"})),
    ] {
        refused(
            &spec.post_as(GRAPHQL, &body).await,
            400,
            "BAD_USER_INPUT",
            about,
        );
        refused(
            &spec.post_as(JSON, &body).await,
            200,
            "BAD_USER_INPUT",
            about,
        );
    }
}

#[tokio::test]
async fn variables_are_checked_before_anything_is_executed() {
    let spec = spec(&[]).await;
    let number = "query($v: Int!) {number(n: $v)}";
    let filter = "query($v: Filter) {filtered(filter: $v)}";
    let by = "query($v: By!) {by(by: $v)}";
    let names = "query($v: [String!]!) {names(list: $v)}";
    for (query, value) in [
        (number, json!("1")),
        (number, json!(1.5)),
        (number, json!(99_999_999_999_i64)),
        (number, json!([1])),
        (filter, json!("text")),
        (filter, json!({})),
        (filter, json!({"least": "1"})),
        (filter, json!({"least": 1, "kind": "HUGE"})),
        (filter, json!({"least": 1, "kind": 1})),
        (filter, json!({"least": 1, "more": 1})),
        (filter, json!({"least": 1, "tags": [null]})),
        (by, json!({})),
        (by, json!({"id": "1", "name": "2"})),
        (by, json!({"id": null})),
        (names, json!(["a", 1])),
        (names, json!(null)),
    ] {
        let body = json!({"query": query, "variables": {"v": value}});
        refused(
            &spec.post_as(GRAPHQL, &body).await,
            400,
            "BAD_USER_INPUT",
            &value.to_string(),
        );
    }
    for (query, value) in [
        (number, json!(1)),
        (filter, json!(null)),
        (filter, json!({"least": 1, "kind": "LARGE", "tags": ["a"]})),
        (filter, json!({"least": 1, "tags": "one"})),
        (by, json!({"id": 7})),
        (names, json!("one")),
        (names, json!([])),
    ] {
        let (status, _, body) = spec.client.post(query, json!({"v": value})).await;
        assert!(
            status == StatusCode::OK && body.get("errors").is_none(),
            "{value} {body}"
        );
    }
    let default = "query($v: Int! = 3, $w: Filter) {number(n: $v) filtered(filter: $w)}";
    assert_eq!(
        spec.client.data(default, json!({})).await,
        json!({"number": 3, "filtered": 0})
    );
}

#[tokio::test]
async fn get_is_for_queries() {
    let spec = spec(&[]).await;
    let get = |query: &[(&str, &str)]| {
        answer(
            spec.client
                .raw(Method::GET, &address(query))
                .header("accept", GRAPHQL),
        )
    };
    let (status, _, body) = get(&[
        ("query", "query A($n: Int!) {number(n: $n)}"),
        ("variables", "{\"n\": 4}"),
        ("operationName", "A"),
    ])
    .await;
    assert_eq!(
        (status, body),
        (StatusCode::OK, json!({"data": {"number": 4}}))
    );
    let mutation = get(&[("query", "mutation {key}")]).await;
    refused(&mutation, 405, "BAD_USER_INPUT", "mutation");
    assert_eq!(mutation.1["allow"], "POST");
    refused(&get(&[]).await, 400, "BAD_USER_INPUT", "nothing");
    refused(
        &get(&[("query", "{__typename}"), ("variables", "{")]).await,
        400,
        "BAD_USER_INPUT",
        "variables",
    );
    refused(
        &get(&[("query", "{__typename}"), ("extensions", "[]")]).await,
        400,
        "BAD_USER_INPUT",
        "extensions",
    );
    let wrong = answer(spec.client.raw(Method::GET, "/graphql?query=%FF")).await;
    refused(&wrong, 400, "BAD_USER_INPUT", "UTF-8");
    let put = answer(spec.client.raw(Method::PUT, "/graphql")).await;
    refused(&put, 405, "BAD_USER_INPUT", "PUT");
    assert_eq!(put.1["allow"], "GET, HEAD, POST");
    refused(
        &answer(spec.client.raw(Method::GET, "/nothing")).await,
        404,
        "NOT_FOUND",
        "404",
    );
}

#[tokio::test]
async fn keys_follow_the_query_whichever_field_ends_first() {
    let spec = spec(&[]).await;
    let request = spec.client.raw(Method::POST, "/graphql");
    let request = request.json(&json!({"query": "{z: first second a: second}"}));
    let text = request.send().await.unwrap().text().await.unwrap();
    assert_eq!(text, r#"{"data":{"z":1,"second":2,"a":2}}"#);
}

#[tokio::test]
async fn a_failing_non_null_field_nulls_its_parent_with_200() {
    let spec = spec(&[]).await;
    for accept in [GRAPHQL, JSON] {
        let body = json!({"query": "{item {name needed} second}"});
        let (status, _, body) = spec.post_as(accept, &body).await;
        assert_eq!(
            (status, &body["data"]),
            (StatusCode::OK, &json!({"item": null, "second": 2}))
        );
        assert_eq!(body["errors"][0]["path"], json!(["item", "needed"]));
        assert_eq!(body["errors"][0]["extensions"]["code"], "FORBIDDEN");
        // Up to the root: then data is null, and it is there.
        let body = json!({"query": "{second must {needed}}"});
        let (status, _, body) = spec.post_as(accept, &body).await;
        assert_eq!(
            (status, body.get("data")),
            (StatusCode::OK, Some(&Value::Null))
        );
        assert_eq!(body["errors"][0]["path"], json!(["must", "needed"]));
    }
}

#[tokio::test]
async fn errors_of_execution_have_codes_and_no_internal_text() {
    let spec = spec(&[]).await;
    let careful = spec.client.post("{number(n: $n)}", json!({})).await;
    refused(&careful, 400, "BAD_USER_INPUT", "an undeclared variable");
    let (_, _, body) = spec.client.post("{careless}", json!({})).await;
    assert_eq!(body["errors"][0]["extensions"]["code"], "INTERNAL");
    assert!(!body.to_string().contains("SELECT"), "{body}");
}

#[tokio::test]
async fn limits_have_their_code_and_cost_is_told() {
    let spec = spec(&[
        ("limits.complexity", json!(100)),
        ("limits.depth", json!(3)),
    ])
    .await;
    let fine = answer(
        spec.client
            .raw(Method::POST, "/graphql")
            .json(&json!({"query": "{many(count: 100) {name}}"})),
    )
    .await;
    assert_eq!(fine.1["x-query-cost"], "requested=100, max=100");
    let aliases: String = (0..101).map(|n| format!("a{n}:__typename ")).collect();
    let directives = "@include(if: true) ".repeat(51);
    let mutations: String = (0..5).map(|n| format!("a{n}:key ")).collect();
    let selections = "__typename ".repeat(2_001);
    let tokens = "\"a\" ".repeat(15_000);
    for (about, query) in [
        ("cost", "{many(count: 101) {name}}".to_owned()),
        ("depth", "{__schema {types {fields {name}}}}".to_owned()),
        ("aliases", format!("{{{aliases}}}")),
        ("directives", format!("{{__typename {directives}}}")),
        ("root mutations", format!("mutation {{{mutations}}}")),
        ("selections", format!("{{{selections}}}")),
        ("tokens", format!("{{names(list: [{tokens}])}}")),
    ] {
        let found = spec.post_as(GRAPHQL, &json!({"query": query})).await;
        refused(&found, 400, "QUERY_TOO_COMPLEX", about);
    }
    // A document that is known by now costs what its variables say, each time.
    let query = "query($n: Int!) {many(count: $n) {name}}";
    for (count, is_fine) in [
        (1, true),
        (100, true),
        (101, false),
        (1, true),
        (101, false),
    ] {
        let body = json!({"query": query, "variables": {"n": count}});
        let found = spec.post_as(GRAPHQL, &body).await;
        match is_fine {
            true => assert_eq!(
                found.1["x-query-cost"],
                format!("requested={count}, max=100")
            ),
            false => refused(
                &found,
                400,
                "QUERY_TOO_COMPLEX",
                "variables of a known document",
            ),
        }
    }
    // Variables are copied for each of their uses, so the product is limited.
    let query = format!(
        "query($v: [String!]!) {{{}}}",
        "names(list: $v) ".repeat(500)
    );
    let body = json!({"query": query, "variables": {"v": vec!["a"; 3_000]}});
    refused(
        &spec.post_as(GRAPHQL, &body).await,
        400,
        "QUERY_TOO_COMPLEX",
        "variables",
    );
}

#[tokio::test]
async fn the_request_id_is_the_clients_or_ours() {
    let spec = spec(&[]).await;
    let with_id = |id: &str| {
        let request = spec
            .client
            .raw(Method::POST, "/graphql")
            .header("x-request-id", id);
        answer(request.json(&json!({"query": "{client}"})))
    };
    let (_, headers, body) = with_id("abc-1").await;
    assert_eq!(headers["x-request-id"], "abc-1");
    assert_eq!(body["data"]["client"], "abc-1 true");
    assert_eq!(
        headers["idempotent-replayed"], "true",
        "resolvers' headers are passed on"
    );
    assert_eq!(
        headers["content-type"], "application/json; charset=utf-8",
        "but not these"
    );
    for wrong in ["", "with space", &"x".repeat(129)] {
        let (_, headers, _) = with_id(wrong).await;
        let id = headers["x-request-id"].to_str().unwrap();
        assert!(uuid::Uuid::try_parse(id).is_ok(), "{id}");
    }
}

#[tokio::test]
async fn the_idempotency_header_is_for_one_mutation() {
    let spec = spec(&[]).await;
    let send = |query: &str, key: &str| {
        let request = spec
            .client
            .raw(Method::POST, "/graphql")
            .header("idempotency-key", key);
        answer(request.json(&json!({"query": query})))
    };
    let (_, _, body) = send("mutation {key}", "k1").await;
    assert_eq!(body, json!({"data": {"key": "k1"}}));
    refused(
        &send("mutation {key b: key}", "k1").await,
        400,
        "BAD_USER_INPUT",
        "two",
    );
    refused(
        &send("mutation {key}", "").await,
        400,
        "BAD_USER_INPUT",
        "empty",
    );
    refused(
        &send("mutation {key}", &"k".repeat(256)).await,
        400,
        "BAD_USER_INPUT",
        "long",
    );
    assert_eq!(
        send("{second}", "k1").await.2,
        json!({"data": {"second": 2}})
    );
    assert_eq!(
        spec.client.data("mutation {key}", json!({})).await,
        json!({"key": null})
    );
}

#[tokio::test]
async fn documents_are_asked_for_by_their_hash() {
    let spec = spec(&[]).await;
    let query = "{second}";
    let hash: String = Sha256::digest(query)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let extensions = json!({"persistedQuery": {"version": 1, "sha256Hash": hash}});
    let by_hash = json!({"extensions": extensions});
    let code = "PERSISTED_QUERY_NOT_FOUND";
    refused(&spec.post_as(GRAPHQL, &by_hash).await, 400, code, "unknown");
    refused(&spec.post_as(JSON, &by_hash).await, 200, code, "unknown");
    let other = json!({"query": "{first}", "extensions": extensions});
    refused(
        &spec.post_as(GRAPHQL, &other).await,
        400,
        "BAD_USER_INPUT",
        "mismatch",
    );
    refused(
        &spec.post_as(GRAPHQL, &by_hash).await,
        400,
        code,
        "not remembered",
    );
    let both = json!({"query": query, "extensions": extensions});
    assert_eq!(
        spec.post_as(JSON, &both).await.2,
        json!({"data": {"second": 2}})
    );
    assert_eq!(
        spec.post_as(JSON, &by_hash).await.2,
        json!({"data": {"second": 2}})
    );
    let get = address(&[("extensions", &extensions.to_string())]);
    let get = spec.client.raw(Method::GET, &get);
    assert_eq!(answer(get).await.2, json!({"data": {"second": 2}}));
    for wrong in [
        json!({"version": 2, "sha256Hash": hash}),
        json!({"version": 1}),
        json!(7),
        json!({"sha256Hash": "ü"}),
    ] {
        let body = json!({"extensions": {"persistedQuery": wrong}});
        refused(
            &spec.post_as(GRAPHQL, &body).await,
            400,
            "BAD_USER_INPUT",
            &wrong.to_string(),
        );
    }
    // What is not valid is not remembered.
    let hash: String = Sha256::digest("{nothing}")
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let extensions = json!({"persistedQuery": {"version": 1, "sha256Hash": hash}});
    let body = json!({"query": "{nothing}", "extensions": extensions});
    refused(
        &spec.post_as(GRAPHQL, &body).await,
        400,
        "BAD_USER_INPUT",
        "invalid",
    );
    refused(
        &spec
            .post_as(GRAPHQL, &json!({"extensions": extensions}))
            .await,
        400,
        code,
        "invalid",
    );
}

#[tokio::test]
async fn a_token_that_is_no_good_refuses_the_request() {
    let spec = spec(&[]).await;
    let forged = spec.client.with_token("eyJhbGciOiJub25lIn0.e30.");
    let mixed = "mutation {sessionCreate key}";
    for query in ["{second}", "{__typename}", mixed] {
        let found = forged.post(query, json!({})).await;
        refused(&found, 401, "UNAUTHENTICATED", query);
        assert_eq!(
            found.2["errors"][0]["extensions"]["reason"],
            "TOKEN_INVALID"
        );
        assert!(found.1.contains_key("www-authenticate"));
    }
    let in_fragment =
        "mutation {__typename ...a} fragment a on Mutation {... on Mutation {sessionCreate}}";
    assert_eq!(
        forged.data(in_fragment, json!({})).await["sessionCreate"],
        1
    );
    for header in ["", "Bearer", "Bearer ", "Basic YTpi", "token"] {
        let request = spec
            .client
            .raw(Method::POST, "/graphql")
            .header("authorization", header);
        let found = answer(request.json(&json!({"query": "{second}"}))).await;
        refused(&found, 401, "UNAUTHENTICATED", header);
    }
}

#[tokio::test]
async fn a_panic_is_a_500_of_one_request() {
    let spec = spec(&[]).await;
    let found = spec.client.post("{panics}", json!({})).await;
    refused(&found, 500, "INTERNAL", "panic");
    assert!(!found.2.to_string().contains("on purpose"));
    assert_eq!(
        spec.client.data("{second}", json!({})).await,
        json!({"second": 2})
    );
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_stopped() {
    let spec = spec(&[("http.request_timeout_ms", json!(100))]).await;
    let found = spec.client.post("{hangs}", json!({})).await;
    refused(&found, 503, "SERVICE_UNAVAILABLE", "timeout");
    assert_eq!(found.2["errors"][0]["extensions"]["retryAfterMs"], 1_000);
}

#[tokio::test]
async fn a_body_has_a_size() {
    let spec = spec(&[("http.body_bytes_max", json!(1_024))]).await;
    let body =
        |length: usize| format!("{{\"query\": \"{{second}} #{}\"}}", "x".repeat(length - 23));
    assert_eq!(body(1_024).len(), 1_024);
    assert_eq!(spec.bytes(JSON, body(1_024)).await.0, StatusCode::OK);
    refused(
        &spec.bytes(JSON, body(1_025)).await,
        413,
        "BAD_USER_INPUT",
        "one more",
    );
    // Without Content-Length it is found while reading.
    let frame = hyper::body::Frame::data(bytes::Bytes::from(body(1_025)));
    let frames = futures::stream::iter([Ok::<_, std::io::Error>(frame)]);
    let chunks = http_body_util::StreamBody::new(frames);
    let request = spec
        .client
        .raw(Method::POST, "/graphql")
        .header("content-type", JSON);
    let found = answer(request.body(reqwest::Body::wrap(chunks))).await;
    refused(&found, 413, "BAD_USER_INPUT", "chunked");
}

#[tokio::test]
async fn introspection_can_be_off() {
    let test = TestApp::with(&[("http.introspection", json!("off"))]).await;
    let running = test.serve().await;
    let found = running
        .client()
        .post("{__schema {types {name}}}", json!({}))
        .await;
    refused(&found, 400, "BAD_USER_INPUT", "introspection");
    let fine = running
        .client()
        .data("{__typename shop {name}}", json!({}))
        .await;
    assert_eq!(fine["__typename"], "Query");
}
