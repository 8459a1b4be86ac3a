//! Nobody sees another's data through any cache, and queries find the same by the short way of execution and by the
//! library's own.

use crate::cache::start;
use crate::support::http::{Client, Running};
use crate::support::process::log_in;
use crate::support::{Profile, TestApp, profile};
use entity::accounts::Role;
use serde_json::{Value, json};
use std::collections::HashMap;
use tradepost::random::between;
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

/// A second customer, whose data the first may never see.
const RIVAL: (&str, &str) = ("rival@example.org", "correct horse");
/// Places of the viewers among the clients of a server.
const CUSTOMER: usize = 1;
const OTHER: usize = 2;
const STAFF: usize = 3;
/// How often each viewer asks each query.
const TIMES: usize = 2;

/// A guest, two customers, staff and an admin, on one server.
async fn clients(running: &Running) -> Vec<Client> {
    let guest = running.client();
    let mut clients = vec![guest.clone()];
    for (name, password) in [
        ("customer@example.com", "customer123"),
        RIVAL,
        ("staff@example.com", "staff1234"),
        ("admin@example.com", "admin123"),
    ] {
        clients.push(log_in(&guest, name, password).await);
    }
    clients
}

/// What a customer owns, so that there is something to be seen by others.
struct Owned {
    user: String,
    order: String,
    number: String,
    transaction: String,
}

impl Owned {
    /// Has a customer pay an order, fill a cart and keep an address.
    async fn of(customer: &Client, sku: &str) -> Self {
        let make = format!(
            "mutation {{
              orderCreate(input: {{lines: [{{sku: \"{sku}\", quantity: 2}}], payment: {{card: {{token: \"tok_ok\"}}}}}}) {{
                order {{ id number user {{ id }} }} userErrors {{ code }} }}
              cartLinesAdd(lines: [{{sku: \"{sku}\", quantity: 3}}]) {{ cart {{ id }} userErrors {{ code }} }}
              addressCreate(input: {{name: \"{sku}\", line1: \"1 Road\", city: \"London\", countryCode: \"GB\"}}) {{
                address {{ id }} userErrors {{ code }} }} }}"
        );
        let made = customer.data(&make, json!({})).await;
        for done in made.as_object().unwrap().values() {
            assert_eq!(done["userErrors"], json!([]), "{made}");
        }
        let list = "{ transactions(first: 1) { nodes { id } } }";
        let listed = customer.data(list, json!({})).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let order = &made["orderCreate"]["order"];
        Self {
            user: text(&order["user"]["id"]),
            order: text(&order["id"]),
            number: text(&order["number"]),
            transaction: text(&listed["transactions"]["nodes"][0]["id"]),
        }
    }
}

/// The arguments that a root field is asked with: real ones of both customers where it needs some.
fn arguments(name: &str, needed: bool, owned: &[Owned; 2], ids: &Value) -> Vec<String> {
    let id = |list: &str| {
        let id = &ids[list]["nodes"][0]["id"];
        id.as_str().unwrap().to_owned()
    };
    let of_both = |of: &dyn Fn(&Owned) -> String| owned.iter().map(of).collect::<Vec<_>>();
    let with_own = |of: &dyn Fn(&Owned) -> String| [vec![String::new()], of_both(of)].concat();
    let period = "from: \"2026-01-01T00:00:00Z\", to: \"2026-01-02T00:00:00Z\"";
    match name {
        "product" => vec![format!("(by: {{id: \"{}\"}})", id("products"))],
        "category" => vec![format!("(by: {{id: \"{}\"}})", id("categories"))],
        "warehouse" => vec![format!("(id: \"{}\")", id("warehouses"))],
        "order" => [
            of_both(&|own| format!("(by: {{id: \"{}\"}})", own.order)),
            of_both(&|own| format!("(by: {{number: \"{}\"}})", own.number)),
        ]
        .concat(),
        "transaction" => of_both(&|own| format!("(id: \"{}\")", own.transaction)),
        "user" => of_both(&|own| format!("(id: \"{}\")", own.user)),
        "wallet" | "orderSummary" => with_own(&|own| format!("(userId: \"{}\")", own.user)),
        "walletStatement" => [
            vec![format!("(asset: \"GBP\", {period})")],
            of_both(&|own| format!("(asset: \"GBP\", {period}, userId: \"{}\")", own.user)),
        ]
        .concat(),
        _ if !needed => vec![String::new()],
        other => panic!("say in `arguments` what to ask of {other}"),
    }
}

/// Every root field with all fields below it, to some depths: the deep ones touch what only few may see, the flat ones of
/// public fields are kept whole.
async fn queries(guest: &Client, staff: &Client, owned: &[Owned; 2]) -> Vec<String> {
    let types = Types::of(guest).await;
    let first = "(first: 1) { nodes { id } }";
    let list = format!("{{ products{first} categories{first} warehouses{first} }}");
    let ids = staff.data(&list, json!({})).await;
    let mut queries = Vec::new();
    for field in types.fields("Query") {
        let name = field["name"].as_str().unwrap();
        let is_list = self::name(&field["type"]).ends_with("Connection");
        for arguments in arguments(name, needs_arguments(field), owned, &ids) {
            for depth in [usize::from(is_list), 3] {
                let selection = types.everything(&field["type"], depth);
                queries.push(format!("{{ {name}{arguments} {selection} }}"));
            }
        }
    }
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
        for error in &mut *errors {
            error["extensions"]["requestId"] = Value::Null;
        }
        // Fields of one level fail in any order.
        errors.sort_by_key(|error| error["path"].to_string());
    }
    json!([status.as_u16(), body])
}

/// The same query for the library's own execution: with a directive, which skips what it stands at, it is not executed
/// the short way (`src/graphql/direct.rs`). So what is compared with it shows that both find the same.
fn the_long_way(query: &str) -> String {
    let inner = query.strip_suffix('}').unwrap();
    format!("{inner} __typename @skip(if: true) }}")
}

/// Every viewer with every query, some times, in random order.
fn rounds(viewers: usize, queries: usize) -> Vec<(usize, usize)> {
    let mut rounds: Vec<(usize, usize)> = (0..viewers * queries * TIMES)
        .map(|n| (n % viewers, n / viewers % queries))
        .collect();
    for last in (1..rounds.len()).rev() {
        let other = usize::try_from(between(0, last as u64)).unwrap();
        rounds.swap(last, other);
    }
    rounds
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_anybody_elses_answer() {
    let test = TestApp::with(&[("limits.complexity", json!(1_000_000))]).await;
    seed::run(&test.app).await.unwrap();
    let (email, password) = RIVAL;
    let rival = test
        .app
        .accounts()
        .user_create(email, "Rival", password, Role::Customer);
    rival.await.unwrap();
    let mut config = test.app.config().clone();
    config.cache.responses = false;
    config.cache.memory_bytes_max = 0;
    let plain = test.replica_with(config).await;
    if profile() == Profile::Services {
        start(&test.app).await;
    }
    let (cached, without) = (test.serve().await, test.serve_replica(&plain).await);
    let (cached, without) = (clients(&cached).await, clients(&without).await);
    let owned = [
        Owned::of(&cached[CUSTOMER], "EARL-GREY").await,
        Owned::of(&cached[OTHER], "GIFT-CARD").await,
    ];
    let queries = queries(&cached[0], &cached[STAFF], &owned).await;
    let mut expected = HashMap::new();
    for (who, viewer) in without.iter().enumerate() {
        for (place, query) in queries.iter().enumerate() {
            let query = the_long_way(query);
            expected.insert((who, place), answer(viewer, &query).await);
        }
    }
    // Else there would be nothing that could be seen by the wrong one.
    let secrets = (0..queries.len())
        .filter(|&place| expected[&(CUSTOMER, place)] != expected[&(OTHER, place)])
        .count();
    assert!(secrets >= 12, "only {secrets} of {queries:?}");
    for (who, place) in rounds(cached.len(), queries.len()) {
        let (found, query) = (answer(&cached[who], &queries[place]).await, &queries[place]);
        assert_eq!(found, expected[&(who, place)], "viewer {who}: {query}");
    }
    let sizes = test.app.cache().sizes();
    assert!(
        sizes.responses >= 3 && sizes.memory_entries > 4,
        "nothing was remembered: {sizes:?}"
    );
}
