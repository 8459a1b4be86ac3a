//! Changes of many products in one mutation: each row by itself.

use crate::support::TestApp;
use crate::support::graph::Graph;
use entity::accounts::Role;
use futures::future::join_all;
use serde_json::{Value, json};

const CREATE: &str = "mutation($input: ProductCreateInput!) { productCreate(input: $input) {
    product { id } userErrors { code path message } } }";
const BULK: &str = "mutation($inputs: [ProductsUpdateInput!]!, $key: String) {
    productsUpdate(inputs: $inputs, idempotencyKey: $key) {
        results { product { id name version price { amount } status } userErrors { code path } }
        userErrors { code path message } } }";
const READ: &str = "query($id: ID!) { product(by: {id: $id}) { name slug description version status
    externalReference price { amount } priceRange { max { amount } } images { url }
    categories { name } variants { version price { amount } } } }";

async fn product(staff: &Graph, name: &str, more: Value) -> Value {
    let mut input = json!({"name": name, "sku": name, "price": "5"});
    let fields = input.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    if fields.contains_key("variants") {
        fields.remove("sku");
        fields.remove("price");
    }
    staff.done(CREATE, json!({ "input": input })).await["product"]["id"].take()
}

async fn read(staff: &Graph, id: &Value) -> Value {
    staff.data(READ, json!({ "id": id })).await["product"].take()
}

/// The results of a request that was taken.
async fn results(staff: &Graph, inputs: Value, key: Value) -> Vec<Value> {
    let mut payload = staff
        .done(BULK, json!({"inputs": inputs, "key": key}))
        .await;
    payload["results"]
        .as_array_mut()
        .unwrap()
        .drain(..)
        .collect()
}

/// What stands against a row, as `ALREADY_EXISTS inputs.1.slug`.
fn errors(result: &Value) -> Vec<String> {
    let errors = result["userErrors"].as_array().unwrap().iter();
    errors
        .map(|error| {
            let path = error["path"].as_array().unwrap().iter();
            let path: Vec<&str> = path.map(|part| part.as_str().unwrap()).collect();
            format!("{} {}", error["code"].as_str().unwrap(), path.join("."))
        })
        .collect()
}

#[tokio::test]
async fn each_row_is_changed_or_says_what_stands_against_it() {
    let test = TestApp::new().await;
    let staff = &test.viewer(Role::Staff);
    let category = "mutation { categoryCreate(input: {name: \"Teas\"}) { category { id } userErrors { code } } }";
    let teas = staff.done(category, json!({})).await["category"]["id"].take();
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(product(staff, &format!("P{n}"), json!({})).await);
    }
    let two = json!({"variants": [{"sku": "v1", "price": "1"}, {"sku": "v2", "price": "2"}]});
    let two = product(staff, "Two", two).await;
    let inputs = json!([
        {"id": ids[0], "name": "Sencha", "slug": "sencha", "price": "7.50", "categoryIds": [teas],
         "description": "Green", "images": [{"url": "https://example.com/a"}], "externalReference": "E-1"},
        {"id": ids[1], "price": "-1", "name": "", "slug": "No Slug"},
        {"id": ids[2], "status": "DRAFT", "expectedVersion": 1},
        {"id": ids[3], "slug": "sencha", "externalReference": "E-1", "categoryIds": [uuid::Uuid::nil()]},
        {"id": ids[4], "expectedVersion": 9},
        {"id": ids[0], "name": "Again"},
        {"id": uuid::Uuid::nil(), "name": "Nobody"},
        {"id": "x", "price": "0.001"},
        {"id": two, "price": "3"},
        {"id": two, "name": "Twice"},
        {"id": ids[5]},
    ]);
    let results = results(staff, inputs, json!(null)).await;
    let refused: Vec<Vec<String>> = results.iter().map(errors).collect();
    let expected: [&[&str]; 11] = [
        &[],
        &[
            "REQUIRED inputs.1.name",
            "INVALID inputs.1.slug",
            "OUT_OF_RANGE inputs.1.price",
        ],
        &[],
        &[
            "ALREADY_EXISTS inputs.3.slug",
            "ALREADY_EXISTS inputs.3.externalReference",
            "NOT_FOUND inputs.3.categoryIds.0",
        ],
        &["VERSION_STALE inputs.4.expectedVersion"],
        &["INVALID inputs.5.id"],
        &["NOT_FOUND inputs.6.id"],
        &["INVALID inputs.7.id", "PRECISION inputs.7.price"],
        &["VARIANT_REQUIRED inputs.8.price"],
        &["INVALID inputs.9.id"],
        &[],
    ];
    assert_eq!(refused, expected);
    for (result, errors) in results.iter().zip(expected) {
        assert_eq!(result["product"].is_null(), !errors.is_empty(), "{result}");
    }
    assert_eq!(
        read(staff, &ids[0]).await,
        json!({"name": "Sencha", "slug": "sencha", "description": "Green", "version": 2, "status": "ACTIVE",
            "externalReference": "E-1", "price": {"amount": "7.50"}, "priceRange": {"max": {"amount": "7.50"}},
            "images": [{"url": "https://example.com/a"}], "categories": [{"name": "Teas"}],
            "variants": [{"version": 2, "price": {"amount": "7.50"}}]})
    );
    assert_eq!(read(staff, &ids[2]).await["status"], "DRAFT");
    for id in [&ids[1], &ids[3], &ids[4], &two] {
        assert_eq!(read(staff, id).await["version"], 1);
    }
    // What is found follows.
    let search = "{ products(filter: {search: \"green sencha teas\"}) { nodes { name } } }";
    let found = staff.data(search, json!({})).await;
    assert_eq!(found["products"]["nodes"], json!([{"name": "Sencha"}]));
}

#[tokio::test]
async fn one_key_changes_once_and_tells_again_what_was_refused() {
    let test = TestApp::new().await;
    let staff = &test.viewer(Role::Staff);
    let (a, b) = (
        product(staff, "A", json!({})).await,
        product(staff, "B", json!({})).await,
    );
    let inputs = json!([{"id": a, "price": "6"}, {"id": b, "slug": "a"}]);
    let many = join_all((0..4).map(|_| results(staff, inputs.clone(), json!("k"))));
    for results in many.await {
        assert_eq!(results[0]["product"]["version"], 2);
        assert_eq!(errors(&results[0]), Vec::<String>::new());
        assert_eq!(errors(&results[1]), ["ALREADY_EXISTS inputs.1.slug"]);
    }
    assert_eq!(read(staff, &a).await["version"], 2);
    // The product as it is now, and the refusal as it was, though the slug is free by now.
    let update = "mutation($id: ID!) { productUpdate(id: $id, input: {slug: \"other\", price: \"8\"}) { userErrors { code } } }";
    staff.done(update, json!({ "id": a })).await;
    let again = results(staff, inputs.clone(), json!("k")).await;
    assert_eq!(again[0]["product"]["price"]["amount"], "8.00");
    assert_eq!(errors(&again[1]), ["ALREADY_EXISTS inputs.1.slug"]);
    let other = json!({"inputs": [{"id": a, "price": "7"}], "key": "k"});
    assert_eq!(
        staff.refused(BULK, other).await,
        ["IDEMPOTENCY_KEY_REUSED idempotencyKey"]
    );
    // Where nothing was done, nothing is remembered.
    let nothing = json!([{"id": b, "name": "B2", "expectedVersion": 2}]);
    let refused = results(staff, nothing.clone(), json!("l")).await;
    assert_eq!(
        errors(&refused[0]),
        ["VERSION_STALE inputs.0.expectedVersion"]
    );
    staff
        .done(update.replace("other", "bee").as_str(), json!({ "id": b }))
        .await;
    let done = results(staff, nothing, json!("l")).await;
    assert_eq!(done[0]["product"]["name"], "B2");
}

#[tokio::test]
async fn a_batch_costs_the_same_statements_however_long_and_has_a_limit() {
    let test = TestApp::new().await;
    let staff = &test.viewer(Role::Staff);
    let mut ids = Vec::new();
    let mut costs = Vec::new();
    for size in [2, 40] {
        for n in ids.len()..size {
            ids.push(product(staff, &format!("P{n}"), json!({})).await);
        }
        let input = |(n, id): (usize, &Value)| {
            json!({"id": id, "name": format!("N{size}-{n}"), "slug": format!("n{size}-{n}"),
            "price": "9", "images": [{"url": "https://example.com/a"}], "categoryIds": []})
        };
        let inputs: Vec<Value> = ids.iter().enumerate().map(input).collect();
        let before = test.app.db().statements();
        let done = results(staff, json!(inputs), json!(null)).await;
        costs.push(test.app.db().statements() - before);
        assert!(
            done.iter().all(|result| errors(result).is_empty()),
            "{done:?}"
        );
    }
    assert_eq!(costs[0], costs[1]);
    let many: Vec<Value> = (0..101).map(|_| json!({"id": ids[0]})).collect();
    let refused = staff.refused(BULK, json!({ "inputs": many })).await;
    assert_eq!(refused, ["TOO_LONG inputs"]);
    assert_eq!(
        staff.refused(BULK, json!({"inputs": []})).await,
        ["REQUIRED inputs"]
    );
    for viewer in [test.guest(), test.viewer(Role::Customer)] {
        let answer = viewer.ask(BULK, json!({"inputs": [{"id": ids[0]}]})).await;
        let code = &answer["errors"][0]["extensions"]["code"];
        assert!(code == "UNAUTHENTICATED" || code == "FORBIDDEN", "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn batches_for_one_slug_and_the_same_products_lose_no_change() {
    let test = TestApp::new().await;
    let staff = &test.viewer(Role::Staff);
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(product(staff, &format!("P{n}"), json!({})).await);
    }
    let ids = &ids;
    let batches = join_all((0..6).map(|n| async move {
        // Each has all products in an order of its own, and its own product wants the slug.
        let mut inputs: Vec<Value> = (0..6)
            .map(|m| json!({"id": ids[(n + m) % 6], "description": format!("By {n}")}))
            .collect();
        inputs[0]["slug"] = json!("wanted");
        results(staff, json!(inputs), json!(null)).await
    }));
    let mut winners = 0;
    let mut done = 0;
    for results in batches.await {
        winners += usize::from(errors(&results[0]).is_empty());
        done += results
            .iter()
            .filter(|result| errors(result).is_empty())
            .count();
    }
    assert_eq!(winners, 1);
    assert_eq!(done, 31, "all but the five that wanted the slug too");
    let mut versions = 0;
    for id in ids {
        versions += read(staff, id).await["version"].as_i64().unwrap() - 1;
    }
    assert_eq!(versions, 31, "each change raised a version");
}
