//! Orders through the API, as frontends use them.

use crate::support::http::Client;
use crate::support::process::log_in;
use crate::support::services;
use crate::support::wait::eventually;
use crate::support::{TestApp, http::Running};
use entity::accounts::Role;
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::sync::RwLockReadGuard;
use tradepost::event_tools::{self, Tail};

const CREATE: &str = "mutation($input: OrderCreateInput!, $key: String) {
  orderCreate(input: $input, idempotencyKey: $key) {
    order { id number status version cost { total { amount currencyCode } } lines { sku quantity } }
    userErrors { code message path retryable
      ... on InsufficientStockError { requested variant { sku } }
      ... on InvalidTransitionError { from to allowed } }
  } }";

/// A shop with a running server, a customer and staff.
struct Shop {
    test: TestApp,
    server: Running,
    customer: Client,
    staff: Client,
    /// Nobody stops Kafka while this test reads its events.
    _kafka: RwLockReadGuard<'static, ()>,
}

impl Shop {
    async fn open() -> Self {
        Self::open_with(&[]).await
    }

    async fn open_with(changes: &[(&'static str, Value)]) -> Self {
        let kafka = services::kafka_in_use().await;
        let test = TestApp::with(changes).await;
        let server = test.serve().await;
        let customer = member(&test, &server, "customer@example.org", Role::Customer).await;
        let staff = member(&test, &server, "staff@example.org", Role::Staff).await;
        Self {
            test,
            server,
            customer,
            staff,
            _kafka: kafka,
        }
    }

    /// Published events of orders, oldest first, as the production code prints them, when there are as many as expected.
    async fn events(&self, expected: usize) -> Vec<Value> {
        let tail = Tail {
            from_beginning: true,
            json: true,
            ..Tail::default()
        };
        eventually("the events are published", async || {
            self.test.app.events().run_until_idle().await.unwrap();
            let mut out = Vec::new();
            event_tools::tail(&self.test.app, &tail, &mut out)
                .await
                .unwrap();
            let lines = String::from_utf8(out).unwrap();
            let events: Vec<Value> = lines
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .filter(|event: &Value| event["type"].as_str().unwrap().contains(".order."))
                .collect();
            (events.len() >= expected).then_some(events)
        })
        .await
    }
}

async fn member(test: &TestApp, server: &Running, email: &str, role: Role) -> Client {
    test.app
        .accounts()
        .user_create(email, "Somebody", "correct horse", role)
        .await
        .unwrap();
    log_in(&server.client(), email, "correct horse").await
}

fn line(sku: &str, quantity: i64) -> Value {
    json!({ "sku": sku, "quantity": quantity })
}

async fn create(client: &Client, lines: Vec<Value>, key: Option<&str>) -> Value {
    let data = client
        .data(CREATE, json!({ "input": { "lines": lines }, "key": key }))
        .await;
    data["orderCreate"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_buyers_for_a_hundred_units() {
    // All of them at once wait for one writer: longer than usual, where the machine builds something meanwhile.
    let patient = [("database.statement_timeout_ms", json!(25_000))];
    let shop = Shop::open_with(&patient).await;
    let warehouse = shop.test.warehouse("MAIN", 0).await;
    let sold = shop.test.product("LAST", 250, warehouse, 100).await;
    let answers =
        join_all((0..500).map(|_| create(&shop.customer, vec![line("last", 1)], None))).await;
    let bought = answers
        .iter()
        .filter(|answer| answer["order"].is_object())
        .count();
    assert_eq!(bought, 100);
    for answer in answers.iter().filter(|answer| answer["order"].is_null()) {
        let error = &answer["userErrors"][0];
        assert_eq!(error["code"], "INSUFFICIENT_STOCK", "{answer}");
        assert_eq!(error["path"], json!(["input", "lines", "0", "quantity"]));
        assert_eq!(
            (&error["requested"], &error["variant"]["sku"]),
            (&json!(1), &json!("LAST"))
        );
    }
    assert_eq!(shop.test.stock(sold).await, (100, 100));
    let query = "{ product(by: {sku: \"LAST\"}) { availability } orders { totalCount } }";
    let data = shop.staff.data(query, json!({})).await;
    assert_eq!(
        data,
        json!({ "product": { "availability": "OUT_OF_STOCK" }, "orders": { "totalCount": 100 } })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_fifty_requests_one_order() {
    let shop = Shop::open().await;
    let warehouse = shop.test.warehouse("MAIN", 0).await;
    let sold = shop.test.product("TEA", 495, warehouse, 500).await;
    let same = || create(&shop.customer, vec![line("TEA", 2)], Some("key-1"));
    let answers = join_all((0..50).map(|_| same())).await;
    let ids: std::collections::HashSet<_> = answers
        .iter()
        .map(|answer| answer["order"]["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(shop.test.stock(sold).await, (500, 2));
    assert_eq!(shop.events(1).await.len(), 1);
    let other = create(&shop.customer, vec![line("TEA", 3)], Some("key-1")).await;
    assert_eq!(other["userErrors"][0]["code"], "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(other["userErrors"][0]["path"], json!(["idempotencyKey"]));
    let body = json!({ "query": CREATE, "variables": { "input": { "lines": [line("TEA", 2)] }, "key": "key-1" } });
    let again = shop
        .customer
        .raw(http::Method::POST, "/graphql")
        .json(&body);
    let (_, headers, _) = crate::support::http::answer(again).await;
    assert_eq!(headers["idempotent-replayed"], "true");
}

#[tokio::test]
async fn a_customer_buys_and_cancels_and_the_events_follow() {
    let shop = Shop::open().await;
    let warehouse = shop.test.warehouse("MAIN", 0).await;
    let sold = shop.test.product("TEA", 495, warehouse, 10).await;
    let made = create(&shop.customer, vec![line("tea", 2)], None).await;
    let order = &made["order"];
    assert_eq!(
        order["cost"]["total"],
        json!({ "amount": "9.90", "currencyCode": "GBP" })
    );
    assert_eq!(
        (&order["status"], &order["version"]),
        (&json!("AWAITING_PAYMENT"), &json!(1))
    );
    let cancel = "mutation($id: ID!) { orderCancel(id: $id, reason: \"changed my mind\") {
        order { status version cancelReason history { version fromStatus toStatus reason actor { name } } }
        userErrors { code path ... on InvalidTransitionError { from to allowed } } } }";
    let cancelled = shop
        .customer
        .data(cancel, json!({ "id": order["id"] }))
        .await;
    let cancelled = &cancelled["orderCancel"]["order"];
    assert_eq!(
        (&cancelled["status"], &cancelled["version"]),
        (&json!("CANCELLED"), &json!(2))
    );
    assert_eq!(cancelled["history"][1]["actor"]["name"], "Somebody");
    assert_eq!(shop.test.stock(sold).await, (10, 0));
    let again = shop
        .customer
        .data(cancel, json!({ "id": order["id"] }))
        .await;
    let error = &again["orderCancel"]["userErrors"][0];
    assert_eq!(error["code"], "INVALID_TRANSITION");
    assert_eq!(
        (&error["from"], &error["to"], &error["allowed"]),
        (&json!("CANCELLED"), &json!("CANCELLED"), &json!([]))
    );
    let types: Vec<_> = shop
        .events(2)
        .await
        .iter()
        .map(|event| event["type"].to_string())
        .collect();
    assert_eq!(
        types,
        [
            "\"tradepost.order.created.v1\"",
            "\"tradepost.order.cancelled.v1\""
        ]
    );
}

#[tokio::test]
async fn staff_mark_an_order_as_paid_and_the_stock_goes_out() {
    let shop = Shop::open().await;
    let warehouse = shop.test.warehouse("MAIN", 0).await;
    let sold = shop.test.product("TEA", 495, warehouse, 10).await;
    let made = create(&shop.customer, vec![line("tea", 4)], None).await;
    let id = &made["order"]["id"];
    let pay = "mutation($id: ID!) { orderMarkPaid(id: $id) { order { status paymentStatus version } userErrors { code } } }";
    let (_, _, refused) = shop.customer.post(pay, json!({ "id": id })).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN");
    let paid = shop.staff.data(pay, json!({ "id": id })).await;
    assert_eq!(
        paid["orderMarkPaid"]["order"],
        json!({ "status": "PAID", "paymentStatus": "PAID", "version": 2 })
    );
    assert_eq!(shop.test.stock(sold).await, (6, 0));
    let again = shop.staff.data(pay, json!({ "id": id })).await;
    assert_eq!(
        again["orderMarkPaid"]["userErrors"][0]["code"],
        "ALREADY_PAID"
    );
}

#[tokio::test]
async fn every_mistake_of_an_order_is_told_at_once_with_its_path() {
    let shop = Shop::open().await;
    let input = json!({
        "clientReference": "x".repeat(49),
        "lines": [
            { "sku": "nothing", "quantity": 0 },
            { "quantity": 1 },
            { "productId": "not-an-id", "quantity": 1 },
            { "sku": "a", "variantId": "0193e0a0-0000-7000-8000-000000000000", "quantity": 2_000_000 },
        ],
    });
    let data = shop.customer.data(CREATE, json!({ "input": input })).await;
    let mut seen: Vec<String> = data["orderCreate"]["userErrors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| {
            let path: Vec<_> = error["path"]
                .as_array()
                .unwrap()
                .iter()
                .map(|part| part.as_str().unwrap())
                .collect();
            format!("{} {}", path.join("."), error["code"].as_str().unwrap())
        })
        .collect();
    seen.sort();
    let expected = [
        "input.clientReference TOO_LONG",
        "input.lines.0.quantity OUT_OF_RANGE",
        "input.lines.1 INVALID",
        "input.lines.2.productId INVALID",
        "input.lines.3 INVALID",
        "input.lines.3.quantity OUT_OF_RANGE",
    ];
    assert_eq!(seen, expected);
    let unknown = create(&shop.customer, vec![line("nothing", 1)], None).await;
    assert_eq!(unknown["userErrors"][0]["code"], "NOT_FOUND");
    assert_eq!(
        unknown["userErrors"][0]["path"],
        json!(["input", "lines", "0", "sku"])
    );
    let empty = create(&shop.customer, vec![], None).await;
    assert_eq!(empty["userErrors"][0]["code"], "REQUIRED");
}

#[tokio::test]
async fn a_client_reference_names_one_order_of_its_user() {
    let shop = Shop::open().await;
    let warehouse = shop.test.warehouse("MAIN", 0).await;
    shop.test.product("TEA", 495, warehouse, 10).await;
    let input = json!({ "lines": [line("TEA", 1)], "clientReference": "basket-7" });
    let made = shop.customer.data(CREATE, json!({ "input": input })).await;
    let again = shop.customer.data(CREATE, json!({ "input": input })).await;
    let error = &again["orderCreate"]["userErrors"][0];
    assert_eq!(
        (&error["code"], &error["path"]),
        (
            &json!("ALREADY_EXISTS"),
            &json!(["input", "clientReference"])
        )
    );
    let query = "{ order(by: {clientReference: \"basket-7\"}) { id } }";
    let found = shop.customer.data(query, json!({})).await;
    assert_eq!(found["order"]["id"], made["orderCreate"]["order"]["id"]);
    assert_eq!(
        shop.staff.data(query, json!({})).await["order"],
        Value::Null,
        "a reference is its user's own"
    );
}

#[tokio::test]
async fn customers_see_their_own_orders_and_staff_see_all() {
    let shop = Shop::open().await;
    let warehouse = shop.test.warehouse("MAIN", 0).await;
    let sold = shop.test.product("TEA", 495, warehouse, 10).await;
    let other = member(
        &shop.test,
        &shop.server,
        "other@example.org",
        Role::Customer,
    )
    .await;
    let mine = create(&shop.customer, vec![line("TEA", 1)], None).await;
    create(&other, vec![line("TEA", 2)], None).await;
    let list = "{ orders { totalCount nodes { lines { quantity } } } }";
    let own = shop.customer.data(list, json!({})).await;
    assert_eq!(
        own["orders"],
        json!({ "totalCount": 1, "nodes": [{ "lines": [{ "quantity": 1 }] }] })
    );
    assert_eq!(
        shop.staff.data(list, json!({})).await["orders"]["totalCount"],
        2
    );
    let by_id = "query($id: ID!) { order(by: {id: $id}) { id } }";
    let id = json!({ "id": mine["order"]["id"] });
    assert_eq!(other.data(by_id, id.clone()).await["order"], Value::Null);
    assert!(shop.staff.data(by_id, id).await["order"].is_object());
    let of_product = "query($id: ID!) { product(by: {id: $id}) { orders(first: 1) { totalCount nodes { number } } } }";
    let id = json!({ "id": sold.product.to_string() });
    let data = shop.staff.data(of_product, id.clone()).await;
    assert_eq!(data["product"]["orders"]["totalCount"], 2);
    let (_, _, refused) = shop.customer.post(of_product, id).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN");
}

#[tokio::test]
async fn lists_of_orders_filter_sort_and_page() {
    let shop = Shop::open().await;
    let warehouse = shop.test.warehouse("MAIN", 0).await;
    shop.test.product("TEA", 100, warehouse, 100).await;
    let mut ids = Vec::new();
    for quantity in [3, 1, 2, 2, 5] {
        let made = create(&shop.customer, vec![line("TEA", quantity)], None).await;
        ids.push(made["order"]["id"].as_str().unwrap().to_owned());
    }
    let query = "query($first: Int, $after: String, $last: Int, $before: String, $page: Int, $filter: OrderFilter, $by: OrderOrder) {
        orders(first: $first, after: $after, last: $last, before: $before, page: $page, filter: $filter, orderBy: $by) {
          totalCount totalPages nodes { id } pageInfo { endCursor startCursor hasNextPage hasPreviousPage page pageSize } } }";
    let by = json!({ "field": "TOTAL", "direction": "ASC" });
    let first = shop
        .customer
        .data(query, json!({ "first": 3, "by": by }))
        .await["orders"]
        .clone();
    let listed = |page: &Value| -> Vec<String> {
        page["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        listed(&first),
        [ids[1].clone(), ids[2].clone(), ids[3].clone()]
    );
    assert_eq!(
        (&first["totalCount"], &first["totalPages"]),
        (&json!(5), &json!(2))
    );
    let after = json!({ "first": 3, "after": first["pageInfo"]["endCursor"], "by": by });
    let second = shop.customer.data(query, after).await["orders"].clone();
    assert_eq!(listed(&second), [ids[0].clone(), ids[4].clone()]);
    let before = json!({ "last": 2, "before": second["pageInfo"]["startCursor"], "by": by });
    assert_eq!(
        listed(&shop.customer.data(query, before).await["orders"]),
        [ids[2].clone(), ids[3].clone()]
    );
    let by_number = shop
        .customer
        .data(query, json!({ "first": 2, "page": 3, "by": by }))
        .await["orders"]
        .clone();
    assert_eq!(listed(&by_number), [ids[4].clone()]);
    assert_eq!(by_number["pageInfo"]["page"], 3);
    let none = json!({ "filter": { "status": { "in": [] } } });
    assert_eq!(
        shop.customer.data(query, none).await["orders"]["totalCount"],
        0
    );
    let filter = json!({ "filter": { "total": { "gte": "2.00", "lte": "3.00" }, "status": { "eq": "AWAITING_PAYMENT" } } });
    assert_eq!(
        shop.customer.data(query, filter).await["orders"]["totalCount"],
        3
    );
}
