//! Carts of users and guests, as frontends use them.

use crate::support::TestApp;
use crate::support::graph::Graph;
use entity::accounts::Role;
use entity::ids::UserId;
use futures::future::join_all;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Mutex;
use tradepost::domain::carts::model::CheckoutCart;
use tradepost::domain::carts::service::CartChanged;
use tradepost::error::Fault;

const CART: &str = "fragment cart on Cart { id version totalQuantity cost { subtotal { amount } total { amount currencyCode } }
  lines { id sku name quantity unitPrice { amount } seenUnitPrice { amount } total { amount } variant { sku } }
  problems { code message line { sku } ... on CartPriceChanged { was { amount } now { amount } } } }";

pub(crate) fn add_document() -> String {
    format!(
        "mutation($t: String, $lines: [OrderLineInput!]!, $key: String) {{
           cartLinesAdd(cartToken: $t, lines: $lines, idempotencyKey: $key) {{
             cart {{ ...cart }} cartToken userErrors {{ code message path }} }} }} {CART}"
    )
}

/// A mutation with the argument `cartToken` and one more.
fn change(name: &str, argument: &str, kind: &str) -> String {
    let (declared, given) = if argument.is_empty() {
        (String::new(), String::new())
    } else {
        (format!(", $x: {kind}"), format!(", {argument}: $x"))
    };
    format!(
        "mutation($t: String{declared}) {{ {name}(cartToken: $t{given}) {{
           cart {{ ...cart }} userErrors {{ code message path }} }} }} {CART}"
    )
}

fn update() -> String {
    change("cartLinesUpdate", "lines", "[CartLineUpdateInput!]!")
}

fn remove() -> String {
    change("cartLinesRemove", "lineIds", "[ID!]!")
}

fn clear() -> String {
    change("cartClear", "", "")
}

const DELETE: &str = "mutation($t: String) { cartDelete(cartToken: $t) { deletedId userErrors { code message path } } }";

fn merge() -> String {
    format!(
        "mutation($t: String!) {{ cartMerge(cartToken: $t) {{
           cart {{ ...cart }} userErrors {{ code message path }} }} }} {CART}"
    )
}

fn show() -> String {
    format!("query($t: String) {{ cart(cartToken: $t) {{ ...cart }} }} {CART}")
}

async fn add(graph: &Graph, token: Option<&str>, lines: &[(&str, i64)]) -> Value {
    let lines: Vec<Value> = lines
        .iter()
        .map(|(sku, quantity)| json!({ "sku": sku, "quantity": quantity }))
        .collect();
    graph
        .done(&add_document(), json!({ "t": token, "lines": lines }))
        .await
}

async fn cart(graph: &Graph, token: Option<&str>) -> Value {
    graph.data(&show(), json!({ "t": token })).await["cart"].take()
}

/// SKUs and quantities of a cart, as `TEA 2, CUP 1`.
fn inside(cart: &Value) -> String {
    let lines = cart["lines"].as_array().unwrap().iter();
    let lines: Vec<String> = lines
        .map(|line| format!("{} {}", line["sku"].as_str().unwrap(), line["quantity"]))
        .collect();
    lines.join(", ")
}

/// Codes and lines of a cart's problems.
fn problems(cart: &Value) -> Vec<String> {
    let all = cart["problems"].as_array().unwrap().iter();
    all.map(|problem| {
        format!(
            "{} {}",
            problem["code"].as_str().unwrap(),
            problem["line"]["sku"].as_str().unwrap()
        )
    })
    .collect()
}

async fn shop() -> TestApp {
    let test = TestApp::new().await;
    let warehouse = test.warehouse("MAIN", 0).await;
    test.product("TEA", 495, warehouse, 10).await;
    test.product("CUP", 1_200, warehouse, 3).await;
    test
}

#[tokio::test]
async fn a_guest_fills_a_cart_and_finds_it_by_its_token_alone() {
    let test = shop().await;
    let guest = test.guest();
    let made = add(&guest, None, &[("tea", 2), ("CUP", 1), ("TEA", 1)]).await;
    let token = made["cartToken"].as_str().unwrap();
    assert_eq!(
        inside(&made["cart"]),
        "TEA 3, CUP 1",
        "the same variant adds up"
    );
    assert_eq!(
        made["cart"]["cost"],
        json!({ "subtotal": { "amount": "26.85" }, "total": { "amount": "26.85", "currencyCode": "GBP" } })
    );
    let more = add(&guest, Some(token), &[("CUP", 1)]).await;
    assert_eq!(inside(&more["cart"]), "TEA 3, CUP 2");
    assert_eq!(more["cartToken"], Value::Null, "the token is told once");
    assert_eq!(more["cart"]["version"], 2);
    assert_eq!(more["cart"]["totalQuantity"], 5);
    assert_eq!(cart(&guest, None).await, Value::Null);
    assert_eq!(inside(&cart(&guest, Some(token)).await), "TEA 3, CUP 2");
    let id = made["cart"]["id"].as_str().unwrap();
    for guess in ["", "x", id, &token[1..], &token.to_uppercase()] {
        assert_eq!(cart(&guest, Some(guess)).await, Value::Null, "{guess}");
        let lines = json!({ "t": guess, "lines": [{ "sku": "TEA", "quantity": 1 }] });
        let refused = guest.refused(&add_document(), lines).await;
        assert_eq!(refused, ["NOT_FOUND cartToken"], "{guess}");
        for document in [clear(), DELETE.to_owned()] {
            let refused = guest.refused(&document, json!({ "t": guess })).await;
            assert_eq!(refused, ["NOT_FOUND cartToken"], "{guess}");
        }
    }
    assert_eq!(inside(&cart(&guest, Some(token)).await), "TEA 3, CUP 2");
}

#[tokio::test]
async fn the_database_has_only_a_hash_of_the_token() {
    use entity::carts::cart as table;
    use sea_orm::EntityTrait as _;
    let test = shop().await;
    let made = add(&test.guest(), None, &[("TEA", 1)]).await;
    let token = made["cartToken"].as_str().unwrap();
    assert!(token.len() >= 43, "256 bits");
    let rows = test.app.db().read("test.carts", async |c| {
        Ok::<_, Fault>(table::Entity::find().all(&*c).await?)
    });
    let rows = rows.await.unwrap();
    let hash = rows[0].token_hash.clone().unwrap();
    assert_eq!(hash, tradepost::random::secret_hash(token));
    assert!(!hash.contains(token));
}

#[tokio::test]
async fn lines_change_go_and_the_cart_is_emptied_and_deleted() {
    let test = shop().await;
    let user = test.viewer(Role::Customer);
    assert_eq!(cart(&user, None).await, Value::Null);
    let made = add(&user, None, &[("TEA", 2), ("CUP", 1)]).await;
    assert_eq!(made["cartToken"], Value::Null, "a user's cart needs none");
    let line = |n: usize| made["cart"]["lines"][n]["id"].clone();
    let lines = json!([{ "lineId": line(0), "quantity": 7 }]);
    let changed = user.done(&update(), json!({ "x": lines })).await;
    assert_eq!(inside(&changed["cart"]), "TEA 7, CUP 1");
    let lines = json!([{ "lineId": line(0), "quantity": 0 }]);
    let changed = user.done(&update(), json!({ "x": lines })).await;
    assert_eq!(inside(&changed["cart"]), "CUP 1", "0 takes a line out");
    let removed = user.done(&remove(), json!({ "x": [line(1)] })).await;
    assert_eq!(inside(&removed["cart"]), "");
    assert_eq!(removed["cart"]["cost"]["total"]["amount"], "0.00");
    add(&user, None, &[("TEA", 1)]).await;
    let cleared = user.done(&clear(), json!({})).await;
    assert_eq!(
        (inside(&cleared["cart"]), &cleared["cart"]["version"]),
        (String::new(), &json!(6))
    );
    let deleted = user.done(DELETE, json!({})).await;
    assert_eq!(deleted["deletedId"], made["cart"]["id"]);
    assert_eq!(cart(&user, None).await, Value::Null);
    assert_eq!(
        user.refused(DELETE, json!({})).await,
        ["NOT_FOUND cartToken"]
    );
    assert_eq!(
        user.refused(&clear(), json!({})).await,
        ["NOT_FOUND cartToken"]
    );
}

#[tokio::test]
async fn every_mistake_of_a_cart_is_told_at_once_with_its_path() {
    let test = shop().await;
    let user = test.viewer(Role::Customer);
    let lines = json!([
        { "sku": "nothing", "quantity": 0 },
        { "quantity": 1 },
        { "productId": "not-an-id", "quantity": 1 },
        { "sku": "TEA", "quantity": 1_000_001 },
    ]);
    let mut refused = user
        .refused(&add_document(), json!({ "lines": lines }))
        .await;
    refused.sort();
    let expected = [
        "INVALID lines.1",
        "INVALID lines.2.productId",
        "OUT_OF_RANGE lines.0.quantity",
        "OUT_OF_RANGE lines.3.quantity",
    ];
    assert_eq!(refused, expected);
    let unknown = "01930000-0000-7000-8000-000000000000";
    let lines = json!([
        { "sku": "nothing", "quantity": 1 },
        { "variantId": unknown, "quantity": 1 },
        { "productId": unknown, "quantity": 1 },
    ]);
    let refused = user
        .refused(&add_document(), json!({ "lines": lines }))
        .await;
    let expected = [
        "NOT_FOUND lines.0.sku",
        "NOT_FOUND lines.1.variantId",
        "NOT_FOUND lines.2.productId",
    ];
    assert_eq!(refused, expected);
    let refused = user.refused(&add_document(), json!({ "lines": [] })).await;
    assert_eq!(refused, ["REQUIRED lines"]);
    let many = vec![json!({ "sku": "TEA", "quantity": 1 }); 1_001];
    let refused = user
        .refused(&add_document(), json!({ "lines": many }))
        .await;
    assert_eq!(refused, ["TOO_LONG lines"]);
    assert_eq!(cart(&user, None).await, Value::Null, "nothing was made");
    add(&user, None, &[("TEA", 999_999)]).await;
    let lines = json!([{ "sku": "CUP", "quantity": 1 }, { "sku": "TEA", "quantity": 2 }]);
    let payload =
        user.data(&add_document(), json!({ "lines": lines })).await["cartLinesAdd"].take();
    assert_eq!(
        payload["userErrors"],
        json!([{
            "code": "OUT_OF_RANGE", "path": ["lines", "1", "quantity"],
            "message": "A line has at most 1000000 units, those that are in the cart included.",
        }])
    );
    let mine = cart(&user, None).await["lines"][0]["id"].clone();
    let lines = json!([
        { "lineId": mine, "quantity": 1_000_001 },
        { "lineId": unknown, "quantity": 1 },
        { "lineId": mine, "quantity": 1 },
    ]);
    let refused = user.refused(&update(), json!({ "x": lines })).await;
    let expected = [
        "OUT_OF_RANGE lines.0.quantity",
        "NOT_FOUND lines.1.lineId",
        "INVALID lines.2.lineId",
    ];
    assert_eq!(refused, expected);
    let lines = json!([{ "lineId": "x", "quantity": -1 }]);
    let refused = user.refused(&update(), json!({ "x": lines })).await;
    assert_eq!(
        refused,
        ["OUT_OF_RANGE lines.0.quantity", "INVALID lines.0.lineId"]
    );
    let refused = user
        .refused(&remove(), json!({ "x": [mine, unknown] }))
        .await;
    assert_eq!(refused, ["NOT_FOUND lineIds.1"]);
    let refused = user.refused(&remove(), json!({ "x": ["x"] })).await;
    assert_eq!(refused, ["INVALID lineIds.0"]);
    let refused = user.refused(&remove(), json!({ "x": [] })).await;
    assert_eq!(refused, ["REQUIRED lineIds"]);
    assert_eq!(inside(&cart(&user, None).await), "TEA 999999");
}

#[tokio::test]
async fn a_product_with_several_variants_must_be_named_by_variant() {
    let test = TestApp::new().await;
    tradepost::seed::run(&test.app).await.unwrap();
    let staff = test.viewer(Role::Staff);
    let query = "{ products(first: 100) { nodes { id variants { id } } } }";
    let found = staff.data(query, json!({})).await;
    let several = found["products"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|product| product["variants"].as_array().unwrap().len() > 1)
        .unwrap()
        .clone();
    let lines = json!([{ "productId": several["id"], "quantity": 1 }]);
    let refused = staff
        .refused(&add_document(), json!({ "lines": lines }))
        .await;
    assert_eq!(refused, ["VARIANT_REQUIRED lines.0.productId"]);
    let lines = json!([{ "variantId": several["variants"][1]["id"], "quantity": 1 }]);
    let made = staff.done(&add_document(), json!({ "lines": lines })).await;
    assert_eq!(made["cart"]["totalQuantity"], 1);
}

#[tokio::test]
async fn the_cart_tells_what_changed_since_it_was_filled() {
    let test = shop().await;
    let (user, staff) = (test.viewer(Role::Customer), test.viewer(Role::Staff));
    let made = add(&user, None, &[("TEA", 4), ("CUP", 3)]).await;
    assert_eq!(made["cart"]["problems"], json!([]));
    let query = "query($s: String!) { product(by: {sku: $s}) { id version variants { id version stock { warehouse { id } } } } }";
    let tea = staff.data(query, json!({ "s": "TEA" })).await["product"].take();
    let cup = staff.data(query, json!({ "s": "CUP" })).await["product"].take();
    let price = "mutation($id: ID!) { variantUpdate(id: $id, input: {price: \"5.25\"}) { variant { id } userErrors { code path } } }";
    staff
        .done(price, json!({ "id": tea["variants"][0]["id"] }))
        .await;
    let adjust = "mutation($v: ID!, $w: ID!, $d: Int!) { stockAdjust(input: {variantId: $v, warehouseId: $w, delta: $d, reason: DAMAGED}) { stock { onHand } userErrors { code path } } }";
    let warehouse = &cup["variants"][0]["stock"][0]["warehouse"]["id"];
    let variant = &cup["variants"][0]["id"];
    staff
        .done(adjust, json!({ "v": variant, "w": warehouse, "d": -1 }))
        .await;
    let now = cart(&user, None).await;
    assert_eq!(
        problems(&now),
        ["PRICE_CHANGED TEA", "NOT_ENOUGH_STOCK CUP"]
    );
    let changed = &now["problems"][0];
    assert_eq!(
        (&changed["was"]["amount"], &changed["now"]["amount"]),
        (&json!("4.95"), &json!("5.25"))
    );
    assert_eq!(
        changed["message"],
        "The price of Product TEA changed from 4.95 to 5.25 GBP."
    );
    assert_eq!(
        now["problems"][1]["message"],
        "Fewer than 3 of Product CUP can be bought."
    );
    assert_eq!(
        now["cost"]["total"]["amount"], "57.00",
        "4 × 5.25 + 3 × 12.00"
    );
    staff
        .done(adjust, json!({ "v": variant, "w": warehouse, "d": -2 }))
        .await;
    assert_eq!(
        problems(&cart(&user, None).await),
        ["PRICE_CHANGED TEA", "OUT_OF_STOCK CUP"]
    );
    let lines = json!([{ "lineId": now["lines"][0]["id"], "quantity": 4 }]);
    let accepted = user.done(&update(), json!({ "x": lines })).await;
    assert_eq!(
        problems(&accepted["cart"]),
        ["OUT_OF_STOCK CUP"],
        "a changed line accepts the price"
    );
    let delete =
        "mutation($id: ID!) { productDelete(id: $id) { product { id } userErrors { code path } } }";
    staff.done(delete, json!({ "id": cup["id"] })).await;
    let now = cart(&user, None).await;
    assert_eq!(problems(&now), ["PRODUCT_GONE CUP"]);
    let gone = &now["lines"][1];
    assert_eq!(
        (&gone["name"], &gone["unitPrice"], &gone["variant"]),
        (&json!("Product CUP"), &Value::Null, &Value::Null)
    );
    assert_eq!(
        now["cost"]["total"]["amount"], "21.00",
        "what is gone costs nothing"
    );
    let removed = user.done(&remove(), json!({ "x": [gone["id"]] })).await;
    assert_eq!(problems(&removed["cart"]), [] as [&str; 0]);
}

#[tokio::test]
async fn a_key_adds_once() {
    let test = shop().await;
    let guest = test.guest();
    let made = add(&guest, None, &[("TEA", 1)]).await;
    let token = made["cartToken"].clone();
    let lines = json!([{ "sku": "TEA", "quantity": 2 }]);
    let same = json!({ "t": token, "lines": lines, "key": "k" });
    for _ in 0..3 {
        let payload = guest.done(&add_document(), same.clone()).await;
        assert_eq!(inside(&payload["cart"]), "TEA 3");
    }
    let other = json!({ "t": token, "lines": [{ "sku": "CUP", "quantity": 2 }], "key": "k" });
    let refused = guest.refused(&add_document(), other).await;
    assert_eq!(refused, ["IDEMPOTENCY_KEY_REUSED idempotencyKey"]);
    let user = test.viewer(Role::Customer);
    let same = json!({ "lines": lines, "key": "k" });
    for _ in 0..2 {
        let payload = user.done(&add_document(), same.clone()).await;
        assert_eq!(
            inside(&payload["cart"]),
            "TEA 2",
            "keys are each owner's own"
        );
    }
    // Without a token there is nothing that the key could be kept for, and another guest's cart is never answered.
    let (one, two) = (
        guest.done(&add_document(), same.clone()).await,
        guest.done(&add_document(), same).await,
    );
    assert_ne!(one["cart"]["id"], two["cart"]["id"]);
    assert_ne!(one["cartToken"], two["cartToken"]);
    let long = json!({ "lines": lines, "key": "" });
    assert_eq!(
        guest.refused(&add_document(), long).await,
        ["INVALID idempotencyKey"]
    );
}

#[tokio::test]
async fn after_the_log_in_the_guests_cart_goes_into_the_users() {
    let test = shop().await;
    let (guest, user, other) = (
        test.guest(),
        test.viewer(Role::Customer),
        test.viewer(Role::Customer),
    );
    let made = add(&guest, None, &[("TEA", 2)]).await;
    let first = made["cartToken"].as_str().unwrap();
    let merged = user.done(&merge(), json!({ "t": first })).await;
    assert_eq!(
        merged["cart"]["id"], made["cart"]["id"],
        "a user without a cart takes it over"
    );
    let made = add(&guest, None, &[("CUP", 1), ("TEA", 1)]).await;
    let second = made["cartToken"].as_str().unwrap();
    for _ in 0..2 {
        let merged = user.done(&merge(), json!({ "t": second })).await;
        assert_eq!(
            inside(&merged["cart"]),
            "TEA 3, CUP 1",
            "merging twice is merging once"
        );
    }
    for token in [first, second] {
        assert_eq!(
            cart(&guest, Some(token)).await,
            Value::Null,
            "the token opens nothing"
        );
        let refused = guest.refused(&clear(), json!({ "t": token })).await;
        assert_eq!(refused, ["NOT_FOUND cartToken"]);
        let refused = other.refused(&merge(), json!({ "t": token })).await;
        assert_eq!(refused, ["NOT_FOUND cartToken"], "nor for another user");
    }
    assert_eq!(
        user.refused(&merge(), json!({ "t": "x" })).await,
        ["NOT_FOUND cartToken"]
    );
    assert_eq!(cart(&other, None).await, Value::Null);
}

#[tokio::test]
async fn a_merge_that_does_not_fit_changes_nothing() {
    let test = shop().await;
    let (guest, user) = (test.guest(), test.viewer(Role::Customer));
    let made = add(&guest, None, &[("TEA", 600_000)]).await;
    let token = made["cartToken"].as_str().unwrap();
    add(&user, None, &[("TEA", 600_000)]).await;
    let refused = user.refused(&merge(), json!({ "t": token })).await;
    assert_eq!(refused, ["OUT_OF_RANGE cartToken"]);
    assert_eq!(inside(&cart(&user, None).await), "TEA 600000");
    assert_eq!(inside(&cart(&guest, Some(token)).await), "TEA 600000");
}

#[tokio::test]
async fn carts_that_nobody_changes_are_removed() {
    let test = shop().await;
    let (guest, user) = (test.guest(), test.viewer(Role::Customer));
    let days = test.app.config().shop.cart_days;
    let made = add(&guest, None, &[("TEA", 1)]).await;
    let old = made["cartToken"].as_str().unwrap();
    test.app.clock().advance(chrono::TimeDelta::days(days - 1));
    add(&user, None, &[("CUP", 1)]).await;
    let clean = || tradepost::domain::carts::tasks::remove_abandoned(test.app.carts());
    clean().await.unwrap();
    assert_eq!(inside(&cart(&guest, Some(old)).await), "TEA 1");
    test.app.clock().advance(chrono::TimeDelta::days(2));
    clean().await.unwrap();
    assert_eq!(cart(&guest, Some(old)).await, Value::Null);
    assert_eq!(inside(&cart(&user, None).await), "CUP 1");
}

/// Sixteen and more requests at the same time.
const CROWD: usize = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adds_at_the_same_time_all_count_and_a_user_has_one_cart() {
    let test = shop().await;
    let user = test.viewer(Role::Customer);
    let made = join_all((0..CROWD).map(|_| add(&user, None, &[("TEA", 1), ("CUP", 2)]))).await;
    let ids: HashSet<String> = made
        .iter()
        .map(|made| made["cart"]["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 1, "one cart");
    let units = i64::try_from(CROWD).unwrap();
    let now = cart(&user, None).await;
    assert_eq!(inside(&now), format!("TEA {units}, CUP {}", 2 * units));
    assert_eq!(now["version"], units, "each add is a version");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guests_cart_is_merged_once_however_often_it_is_asked() {
    let test = shop().await;
    let (guest, user, other) = (
        test.guest(),
        test.viewer(Role::Customer),
        test.viewer(Role::Customer),
    );
    add(&user, None, &[("TEA", 1)]).await;
    let made = add(&guest, None, &[("TEA", 2), ("CUP", 1)]).await;
    let token = made["cartToken"].as_str().unwrap();
    let document = merge();
    let asked = |graph: &Graph| {
        let graph = graph.clone();
        let document = document.clone();
        async move { graph.data(&document, json!({ "t": token })).await["cartMerge"].take() }
    };
    let crowd = (0..CROWD).map(|n| asked(if n % 2 == 0 { &user } else { &other }));
    let answers = join_all(crowd).await;
    let (users, others) = (cart(&user, None).await, cart(&other, None).await);
    // Whoever came first has it; the other one is refused every time.
    let (has, has_not) = if others.is_null() { (0, 1) } else { (1, 0) };
    let expected = if has == 0 { "TEA 3, CUP 1" } else { "TEA 1" };
    assert_eq!(inside(&users), expected);
    if has == 1 {
        assert_eq!(inside(&others), "TEA 2, CUP 1");
    }
    for (place, answer) in answers.iter().enumerate() {
        let code = &answer["userErrors"][0]["code"];
        if place % 2 == has_not {
            assert_eq!(*code, "NOT_FOUND", "{answer}");
        } else {
            assert_eq!(*code, Value::Null, "{answer}");
        }
    }
}

/// Reads the cart and makes it an order's, as a checkout does; `Err` when another change came between.
async fn convert(test: &TestApp, user: UserId) -> Result<Option<CheckoutCart>, CartChanged> {
    let carts = test.app.carts();
    let Some(read) = carts.cart_for_checkout(user).await.unwrap() else {
        return Ok(None);
    };
    // What a checkout does in between: prices, stock, the plan.
    tokio::task::yield_now().await;
    let (order, read) = (test.app.clock().id(), &read);
    let done = test.app.db().write("test.convert", async |tx| {
        carts.cart_convert_in(&tx, read, order).await
    });
    done.await.unwrap().map(|()| Some(read.clone()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cart_becomes_one_order_and_no_line_is_lost_or_bought_twice() {
    let test = shop().await;
    let user: UserId = test.app.clock().id();
    let graph = test.viewer_of(user, Role::Customer);
    let bought: Mutex<Vec<CheckoutCart>> = Mutex::default();
    let adds = (0..CROWD).map(async |_| {
        add(&graph, None, &[("TEA", 1)]).await;
    });
    let checkouts = (0..CROWD).map(async |_| {
        if let Ok(Some(cart)) = convert(&test, user).await {
            bought.lock().unwrap().push(cart);
        }
    });
    tokio::join!(join_all(adds), join_all(checkouts));
    let mut bought = bought.into_inner().unwrap();
    if let Some(rest) = convert(&test, user).await.unwrap() {
        bought.push(rest);
    }
    let ids: HashSet<_> = bought.iter().map(|cart| cart.id).collect();
    assert_eq!(ids.len(), bought.len(), "a cart becomes one order");
    let units: i64 = bought
        .iter()
        .flat_map(|cart| &cart.lines)
        .map(|(_, units)| units)
        .sum();
    assert_eq!(
        units,
        i64::try_from(CROWD).unwrap(),
        "each unit is in one order"
    );
    assert_eq!(cart(&graph, None).await, Value::Null);
}

#[tokio::test]
async fn a_cart_that_changed_since_it_was_read_does_not_become_an_order() {
    let test = shop().await;
    let user: UserId = test.app.clock().id();
    let graph = test.viewer_of(user, Role::Customer);
    add(&graph, None, &[("TEA", 1)]).await;
    let carts = test.app.carts();
    let read = carts.cart_for_checkout(user).await.unwrap().unwrap();
    assert_eq!(read.lines.len(), 1);
    add(&graph, None, &[("CUP", 1)]).await;
    let other = CheckoutCart {
        user_id: test.app.clock().id(),
        ..read.clone()
    };
    let order = test.app.clock().id();
    for stale in [&read, &other] {
        let done = test.app.db().write("test.convert", async |tx| {
            carts.cart_convert_in(&tx, stale, order).await
        });
        assert_eq!(done.await.unwrap(), Err(CartChanged));
    }
    assert_eq!(inside(&cart(&graph, None).await), "TEA 1, CUP 1");
    assert!(convert(&test, user).await.unwrap().is_some());
    assert_eq!(
        cart(&graph, None).await,
        Value::Null,
        "an ordered cart is not open"
    );
    let next = add(&graph, None, &[("CUP", 1)]).await;
    assert_eq!(
        inside(&next["cart"]),
        "CUP 1",
        "the next line begins a new one"
    );
}

#[tokio::test]
async fn the_statements_of_a_cart_do_not_grow_with_its_lines() {
    let test = TestApp::new().await;
    let warehouse = test.warehouse("MAIN", 0).await;
    let skus: Vec<String> = (0..60).map(|n| format!("SKU-{n}")).collect();
    for sku in &skus {
        test.product(sku, 100, warehouse, 10).await;
    }
    let mut costs = Vec::new();
    for size in [2, 60] {
        let (guest, user) = (test.guest(), test.viewer(Role::Customer));
        let lines: Vec<(&str, i64)> = skus
            .iter()
            .take(size)
            .map(|sku| (sku.as_str(), 1))
            .collect();
        add(&user, None, &[("SKU-0", 1)]).await;
        let mut cost = Vec::new();
        let mut last = test.app.db().statements();
        let mut count = |test: &TestApp| {
            let now = test.app.db().statements();
            cost.push(now - last);
            last = now;
        };
        let made = add(&guest, None, &lines).await;
        count(&test);
        let token = made["cartToken"].as_str();
        add(&guest, token, &lines).await;
        count(&test);
        cart(&guest, token).await;
        count(&test);
        let all = made["cart"]["lines"].as_array().unwrap().iter();
        let update_all: Vec<Value> = all
            .clone()
            .map(|line| json!({ "lineId": line["id"], "quantity": 3 }))
            .collect();
        guest
            .done(&update(), json!({ "t": token, "x": update_all }))
            .await;
        count(&test);
        user.done(&merge(), json!({ "t": token })).await;
        count(&test);
        let mine = cart(&user, None).await;
        count(&test);
        let ids: Vec<&Value> = mine["lines"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| &line["id"])
            .collect();
        user.done(&remove(), json!({ "x": ids })).await;
        count(&test);
        costs.push(cost);
    }
    assert_eq!(
        costs[0], costs[1],
        "add, add again, show, update, merge, show, remove"
    );
}
