//! Nobody sees another's data through any cache.

use crate::cache::start;
use crate::support::http::Client;
use crate::support::process::log_in;
use crate::support::{Profile, TestApp, profile};
use serde_json::{Value, json};
use std::collections::HashMap;
use tradepost::seed;

const INTROSPECTION: &str =
    "{__schema {types {kind name fields {name args {defaultValue type {kind}} type {...type}}}}}
    fragment type on __Type {kind name ofType {kind name ofType {kind name ofType {kind name}}}}";

/// The types of the schema by their names.
struct Types(HashMap<String, Value>);

impl Types {
    async fn of(client: &Client) -> Self {
        let mut data = client.data(INTROSPECTION, json!({})).await;
        let types = data["__schema"]["types"].take();
        let types = types.as_array().unwrap().iter();
        let named = types.map(|one| (one["name"].as_str().unwrap().to_owned(), one.clone()));
        Self(named.collect())
    }

    fn fields(&self, name: &str) -> &[Value] {
        self.0[name]["fields"].as_array().map_or(&[], Vec::as_slice)
    }

    /// All fields of a type that need no arguments, to a depth.
    fn everything(&self, reference: &Value, depth: usize) -> String {
        let name = name(reference);
        if self.0[name]["kind"] != "OBJECT" {
            return if self.0[name]["kind"] == "INTERFACE" {
                "{ __typename }".to_owned()
            } else {
                String::new()
            };
        }
        let mut all = "{ __typename".to_owned();
        for field in self.fields(name) {
            let kind = &self.0[self::name(&field["type"])]["kind"];
            let is_leaf = kind == "SCALAR" || kind == "ENUM";
            if needs_arguments(field) || (depth == 0 && !is_leaf) {
                continue;
            }
            let below = self.everything(&field["type"], depth.saturating_sub(1));
            all += &format!(" {} {below}", field["name"].as_str().unwrap());
        }
        all + " }"
    }
}

fn needs_arguments(field: &Value) -> bool {
    let arguments = field["args"].as_array().unwrap();
    arguments
        .iter()
        .any(|one| one["type"]["kind"] == "NON_NULL" && one["defaultValue"].is_null())
}

/// The name of a type within lists and non-null marks.
fn name(reference: &Value) -> &str {
    match reference["name"].as_str() {
        Some(found) => found,
        None => name(&reference["ofType"]),
    }
}

/// Clients of the demo shop: a guest and each of its users.
async fn clients(running: &crate::support::http::Running) -> Vec<Client> {
    let guest = running.client();
    let mut clients = vec![guest.clone()];
    for user in seed::USERS {
        clients.push(log_in(&guest, user.email, user.password).await);
    }
    clients
}

/// Everything that can be asked without arguments, with real ids where one is needed: each root field with all fields
/// below it, to some depth.
async fn queries(client: &Client, staff: &Client) -> Vec<String> {
    let types = Types::of(client).await;
    let data = staff
        .data("{ products(first: 1) { nodes { id slug } } categories(first: 1) { nodes { id slug } } orders(first: 1) { nodes { id number } } }", json!({}))
        .await;
    let id = |list: &str| {
        data[list]["nodes"][0]["id"]
            .as_str()
            .unwrap_or("none")
            .to_owned()
    };
    let mut queries = Vec::new();
    for field in types.fields("Query") {
        let name = field["name"].as_str().unwrap();
        let selection = types.everything(&field["type"], 3);
        let needed = needs_arguments(field);
        let arguments = match name {
            "product" => format!("(by: {{id: \"{}\"}})", id("products")),
            "category" => format!("(by: {{id: \"{}\"}})", id("categories")),
            "order" => format!("(by: {{id: \"{}\"}})", id("orders")),
            _ if !needed => String::new(),
            // What needs other arguments is asked with ones that name nothing; that is refused alike for everybody.
            _ => continue,
        };
        queries.push(format!("{{ {name}{arguments} {selection} }}"));
    }
    assert!(queries.len() >= 8, "{queries:?}");
    queries
}

/// The answer without what differs from request to request.
async fn answer(client: &Client, query: &str) -> Value {
    let (status, _, mut body) = client.post(query, json!({})).await;
    // Without arguments it is about the time until now.
    if let Some(sales) = body.pointer_mut("/data/salesStatistics") {
        for bound in ["from", "to"] {
            sales[bound].take();
        }
    }
    if let Some(errors) = body.get_mut("errors").and_then(Value::as_array_mut) {
        for error in errors {
            error["extensions"]["requestId"] = Value::Null;
        }
    }
    json!([status.as_u16(), body])
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_anybody_elses_answer() {
    let test = TestApp::with(&[("limits.complexity", json!(1_000_000))]).await;
    seed::run(&test.app).await.unwrap();
    let mut config = test.app.config().clone();
    config.cache.responses = false;
    config.cache.memory_bytes_max = 0;
    let plain = test.replica_with(config).await;
    if profile() == Profile::Services {
        start(&test.app).await;
    }
    let (cached, without) = (test.serve().await, test.serve_replica(&plain).await);
    let (cached, without) = (clients(&cached).await, clients(&without).await);
    let staff = cached.len() - 1;
    let queries = queries(&cached[0], &cached[staff]).await;
    for round in 0..40 * queries.len() {
        let pick =
            |most: usize| usize::try_from(tradepost::random::between(0, most as u64 - 1)).unwrap();
        let (who, query) = (pick(cached.len()), &queries[pick(queries.len())]);
        assert_eq!(
            answer(&cached[who], query).await,
            answer(&without[who], query).await,
            "round {round}, viewer {who}: {query}"
        );
    }
}
