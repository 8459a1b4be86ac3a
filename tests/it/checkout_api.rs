//! Checkouts through the API: what callers see, and every mistake with its code, path and message.

use crate::support::http::{Client, Running};
use crate::support::process::log_in;
use crate::support::{Sold, TestApp};
use entity::accounts::Role;
use serde_json::{Value, json};

const ERRORS: &str =
    "userErrors { code message path retryable ... on InvalidTransitionError { from to allowed } }";

struct Shop {
    test: TestApp,
    customer: Client,
    other: Client,
    staff: Client,
    sold: Sold,
    #[expect(dead_code, reason = "held for its Drop")]
    server: Running,
}

async fn member(test: &TestApp, server: &Running, email: &str, role: Role) -> Client {
    test.app
        .accounts()
        .user_create(email, "Somebody", "correct horse", role)
        .await
        .unwrap();
    log_in(&server.client(), email, "correct horse").await
}

impl Shop {
    async fn open() -> Self {
        let test = TestApp::new().await;
        let server = test.serve().await;
        let customer = member(&test, &server, "customer@example.org", Role::Customer).await;
        let other = member(&test, &server, "other@example.org", Role::Customer).await;
        let staff = member(&test, &server, "staff@example.org", Role::Staff).await;
        let warehouse = test.warehouse("MAIN", 0).await;
        let sold = test.product("TEA", 495, warehouse, 20).await;
        Self {
            test,
            customer,
            other,
            staff,
            sold,
            server,
        }
    }

    async fn order(&self, quantity: i64) -> String {
        let query = format!(
            "mutation($q: Int!) {{ done: orderCreate(input: {{ lines: [{{ sku: \"tea\", quantity: $q }}] }}) {{ order {{ id }} {ERRORS} }} }}"
        );
        let data = self.customer.data(&query, json!({ "q": quantity })).await;
        data["done"]["order"]["id"].as_str().unwrap().to_owned()
    }
}

/// A mutation's payload.
async fn mutate(client: &Client, field: &str, fields: &str, variables: Value) -> Value {
    let query = format!("mutation($id: ID!) {{ done: {field} {{ {fields} {ERRORS} }} }}");
    client.data(&query, variables).await["done"].clone()
}

async fn pay(client: &Client, id: &str, token: &str) -> Value {
    let field = format!("orderPay(id: $id, input: {{ card: {{ token: \"{token}\" }} }})");
    let fields = "order { status paymentStatus } payment { status declineCode amount { amount } }";
    mutate(client, &field, fields, json!({ "id": id })).await
}

/// The only error, as `CODE path: message`.
fn error(payload: &Value) -> String {
    let errors = payload["userErrors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{payload}");
    let path: Vec<&str> = errors[0]["path"]
        .as_array()
        .map(|path| path.iter().map(|part| part.as_str().unwrap()).collect())
        .unwrap_or_default();
    let (code, message) = (&errors[0]["code"], &errors[0]["message"]);
    format!(
        "{} {}: {}",
        code.as_str().unwrap(),
        path.join("."),
        message.as_str().unwrap()
    )
}

#[tokio::test]
async fn a_cart_is_checked_out_and_paid_in_one_call_and_only_once() {
    let shop = Shop::open().await;
    let address = json!({ "name": "Ada", "line1": "12 St James's Square", "city": "London", "countryCode": "GB" });
    let checkout = format!(
        "mutation($input: CartCheckoutInput!) {{ done: cartCheckout(input: $input) {{ order {{ status cost {{ total {{ amount }} }} shippingAddress {{ city }} billingAddress {{ city }} request {{ platform }} }} {ERRORS} }} }}"
    );
    let ask = async |input: Value| {
        let data = shop
            .customer
            .data(&checkout, json!({ "input": input }))
            .await;
        data["done"].clone()
    };
    assert_eq!(
        error(&ask(json!({})).await),
        "EMPTY_CART input: There is nothing in your cart."
    );
    let add = "mutation { cartLinesAdd(lines: [{ sku: \"TEA\", quantity: 2 }]) { cart { id } userErrors { code } } }";
    shop.customer.data(add, json!({})).await;
    assert_eq!(
        error(&ask(json!({ "expectedTotal": "9.80" })).await),
        "PRICE_CHANGED input.expectedTotal: The total is 9.90 GBP now."
    );
    let unknown = json!({ "shippingAddress": { "id": shop.sold.product.to_string() } });
    assert_eq!(
        error(&ask(unknown).await),
        "NOT_FOUND input.shippingAddress.id: Your address book has no such address."
    );
    let input = json!({
        "payment": { "card": { "token": "tok_ok" } },
        "shippingAddress": { "address": address },
        "expectedTotal": "9.90",
    });
    let done = ask(input.clone()).await;
    assert_eq!(done["userErrors"], json!([]), "{done}");
    let order = &done["order"];
    assert_eq!(
        (&order["status"], &order["cost"]["total"]["amount"]),
        (&json!("PAID"), &json!("9.90"))
    );
    assert_eq!(order["shippingAddress"]["city"], "London");
    assert_eq!(order["request"], Value::Null, "customers do not see it");
    assert_eq!(
        error(&ask(input).await),
        "EMPTY_CART input: There is nothing in your cart."
    );
    assert_eq!(shop.test.stock(shop.sold).await, (18, 0));
}

#[tokio::test]
async fn every_mistake_of_a_payment_is_told() {
    let shop = Shop::open().await;
    let id = shop.order(2).await;
    assert_eq!(
        error(&pay(&shop.other, &id, "tok_ok").await),
        "NOT_FOUND id: You have no order with this id."
    );
    assert_eq!(
        error(&pay(&shop.customer, "nothing", "tok_ok").await)
            .split(':')
            .next(),
        Some("INVALID id")
    );
    let unknown = error(&pay(&shop.customer, &id, "tok_nobody").await);
    assert_eq!(unknown, "INVALID input.card.token: No card has this token.");
    let declined = pay(&shop.customer, &id, "tok_declined").await;
    assert_eq!(
        error(&declined),
        "PAYMENT_DECLINED input: The payment was refused (CARD_DECLINED); nothing was taken. Pay again, or in another way."
    );
    assert_eq!(declined["order"]["status"], "AWAITING_PAYMENT");
    assert_eq!(declined["payment"]["declineCode"], "CARD_DECLINED");
    let unknown = pay(&shop.customer, &id, "tok_unknown").await;
    assert_eq!(unknown["order"]["status"], "PENDING", "{unknown}");
    assert_eq!(
        error(&pay(&shop.customer, &id, "tok_ok").await),
        "PAYMENT_PENDING id: A payment or a refund of the order is under way; try again when it is known."
    );
    shop.test.settle(&shop.test.app).await;
    assert_eq!(
        error(&pay(&shop.customer, &id, "tok_ok").await),
        "ALREADY_PAID id: The order is paid already."
    );
    let late = shop.order(1).await;
    shop.test
        .app
        .clock()
        .advance(chrono::TimeDelta::minutes(14));
    shop.test
        .app
        .clock()
        .advance(chrono::TimeDelta::seconds(90));
    assert_eq!(
        error(&pay(&shop.customer, &late, "tok_ok").await),
        "RESERVATION_EXPIRED id: The order was not paid in time; its stock was given back. Order again."
    );
}

#[tokio::test]
async fn staff_send_pay_back_and_note_and_every_mistake_is_told() {
    let shop = Shop::open().await;
    let id = shop.order(3).await;
    let ids = json!({ "id": id });
    let send = async |fields: &str| {
        let field = format!("orderFulfill(id: $id, input: {fields})");
        let seen = "order { status fulfillments { trackingNumber lines { quantity } } }";
        mutate(&shop.staff, &field, seen, ids.clone()).await
    };
    let unpaid = send("{}").await;
    let unpaid = &unpaid["userErrors"][0];
    assert_eq!(
        (&unpaid["code"], &unpaid["from"], &unpaid["to"]),
        (
            &json!("INVALID_TRANSITION"),
            &json!("AWAITING_PAYMENT"),
            &json!("FULFILLED")
        )
    );
    let refund = async |fields: &str| {
        let field = format!("orderRefund(id: $id, input: {fields})");
        let seen = "order { paymentStatus cost { refunded { amount } } } refund { status amount { amount } }";
        mutate(&shop.staff, &field, seen, ids.clone()).await
    };
    assert_eq!(
        error(&refund("{}").await),
        "REFUND_EXCEEDS_CAPTURE input: More would be paid back than was paid and has not gone back."
    );
    pay(&shop.customer, &id, "tok_ok").await;
    let query = "query($id: ID!) { order(by: {id: $id}) { lines { id } } }";
    let data = shop.staff.data(query, ids.clone()).await;
    let line = data["order"]["lines"][0]["id"].as_str().unwrap().to_owned();
    let units = |quantity: i64| format!("lines: [{{ lineId: \"{line}\", quantity: {quantity} }}]");
    let parcel = format!("{{ {}, tracking: {{ number: \"T-1\" }} }}", units(1));
    let sent = send(&parcel).await;
    assert_eq!(
        sent["order"],
        json!({ "status": "PARTLY_FULFILLED", "fulfillments": [{ "trackingNumber": "T-1", "lines": [{ "quantity": 1 }] }] })
    );
    assert_eq!(
        error(&send(&format!("{{ {} }}", units(3))).await),
        "OUT_OF_RANGE input.lines.0.quantity: Only 2 units are left to be sent."
    );
    let stranger = "{ lines: [{ lineId: \"0193e0a0-0000-7000-8000-000000000000\", quantity: 1 }] }";
    assert_eq!(
        error(&send(stranger).await),
        "NOT_FOUND input.lines.0.lineId: The order has no line with this id."
    );
    let back = refund(&format!(
        "{{ {}, restock: true, reason: \"broken\" }}",
        units(1)
    ))
    .await;
    assert_eq!(
        (
            &back["order"]["paymentStatus"],
            &back["refund"]["amount"]["amount"]
        ),
        (&json!("PARTLY_REFUNDED"), &json!("4.95")),
        "{back}"
    );
    assert_eq!(
        error(&refund(&format!("{{ {} }}", units(3))).await),
        "REFUND_EXCEEDS_CAPTURE input.lines.0.quantity: More would be paid back than was paid and has not gone back."
    );
    let note = "orderNoteAdd(id: $id, text: \"called\")";
    let noted = mutate(
        &shop.staff,
        note,
        "order { notes { text author { name } } }",
        ids.clone(),
    )
    .await;
    assert_eq!(noted["order"]["notes"][0]["text"], "called");
    let seen = "query($id: ID!) { order(by: {id: $id}) { notes { text } request { platform ipAddress } history { reason } } }";
    let own = shop.customer.data(seen, ids.clone()).await;
    assert_eq!(
        (&own["order"]["notes"], &own["order"]["request"]),
        (&json!([]), &Value::Null)
    );
    let staff = shop.staff.data(seen, ids.clone()).await;
    assert_eq!(
        staff["order"]["request"],
        json!({ "platform": "api", "ipAddress": "127.0.0.1" })
    );
    let cancel = mutate(
        &shop.customer,
        "orderCancel(id: $id)",
        "order { status }",
        ids,
    )
    .await;
    assert_eq!(cancel["userErrors"][0]["allowed"], json!(["FULFILLED"]));
    let summary = "{ orderSummary { totalOrders successfulOrders totalPaid { amount } totalRefunded { amount } } }";
    let own = shop.customer.data(summary, json!({})).await;
    assert_eq!(
        own["orderSummary"],
        json!({ "totalOrders": 1, "successfulOrders": 1, "totalPaid": { "amount": "14.85" }, "totalRefunded": { "amount": "4.95" } })
    );
    let others = shop.other.data(summary, json!({})).await;
    assert_eq!(others["orderSummary"]["totalOrders"], 0);
}
