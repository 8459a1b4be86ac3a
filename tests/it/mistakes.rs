//! What can go wrong in the systems that Tradepost unites (S1-016, S2-020, S4-081): each mistake with its code, its path
//! and the words that a person reads.

use crate::support::graph::Graph;
use crate::support::{Sold, TestApp};
use entity::accounts::Role;
use entity::inventory::stock;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use tradepost::error::Fault;

const ORDER: &str = "mutation($line: OrderLineInput!, $payment: PaymentInput) {
    orderCreate(input: {lines: [$line], payment: $payment}) {
        order { id status } userErrors { code path message } } }";
const CHECKOUT: &str = "mutation($input: CartCheckoutInput!) {
    cartCheckout(input: $input) { order { id } userErrors { code path message } } }";
const ADD: &str = "mutation($token: String, $sku: String!, $quantity: Int!) {
    cartLinesAdd(cartToken: $token, lines: [{sku: $sku, quantity: $quantity}]) {
        cart { id } userErrors { code path message } } }";
const PAY: &str = "mutation($id: ID!, $token: String!) {
    orderPay(id: $id, input: {card: {token: $token}}) {
        order { status paymentStatus cancelReason } userErrors { code path message } } }";
const TRANSFER: &str = "mutation($input: StockTransferInput!) {
    stockTransfer(input: $input) { movements { id } userErrors { code path message } } }";

const NO_CART: &str =
    "NOT_FOUND cartToken: There is no such cart; it may have been ordered, merged or removed.";

/// Somebody of each kind, and tea in an active warehouse.
struct Shop {
    test: TestApp,
    customer: Graph,
    other: Graph,
    staff: Graph,
    sold: Sold,
}

impl Shop {
    async fn open() -> Self {
        let test = TestApp::new().await;
        let warehouse = test.warehouse("MAIN", 0).await;
        let sold = test.product("TEA", 495, warehouse, 10).await;
        let customer = test.user("customer@example.org", Role::Customer).await;
        let other = test.user("other@example.org", Role::Customer).await;
        let staff = test.user("staff@example.org", Role::Staff).await;
        Self {
            customer: test.viewer_of(customer, Role::Customer),
            other: test.viewer_of(other, Role::Customer),
            staff: test.viewer_of(staff, Role::Staff),
            test,
            sold,
        }
    }

    async fn order(&self, quantity: i64) -> Value {
        let line = json!({ "line": { "sku": "TEA", "quantity": quantity } });
        self.customer.done(ORDER, line).await["order"]["id"].take()
    }

    /// What a product's id is as text.
    fn product(&self) -> String {
        self.sold.product.to_string()
    }
}

/// The mistakes of the only mutation of a document, as `CODE path: words`.
async fn told(graph: &Graph, query: &str, variables: Value) -> Vec<String> {
    let data = graph.data(query, variables).await;
    let payload = data.as_object().unwrap().values().next().unwrap();
    let errors = payload["userErrors"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    errors
        .map(|error| {
            let path: Vec<String> = error["path"].as_array().unwrap().iter().map(text).collect();
            let (code, message) = (text(&error["code"]), text(&error["message"]));
            format!("{code} {}: {message}", path.join("."))
        })
        .collect()
}

/// The only top-level error of an answer, in the same form.
async fn refused(graph: &Graph, query: &str, variables: Value) -> String {
    let answer = graph.ask(query, variables).await;
    let errors = answer["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{answer}");
    let error = &errors[0];
    let code = error["extensions"]["code"].as_str().unwrap();
    let path = error["path"].as_array().cloned().unwrap_or_default();
    let path: Vec<&str> = path.iter().map(|part| part.as_str().unwrap()).collect();
    format!(
        "{code} {}: {}",
        path.join("."),
        error["message"].as_str().unwrap()
    )
}

fn line(reference: &str, name: &str, quantity: i64) -> Value {
    json!({ "line": { reference: name, "quantity": quantity } })
}

#[tokio::test]
async fn an_order_of_what_cannot_be_bought() {
    let shop = Shop::open().await;
    let nobody: entity::ids::VariantId = shop.test.app.clock().id();
    let nobody = nobody.to_string();
    for (variables, expected) in [
        (
            line("sku", "COFFEE", 1),
            "NOT_FOUND input.lines.0.sku: Nothing with this reference is for sale.",
        ),
        (
            line("productId", &nobody, 1),
            "NOT_FOUND input.lines.0.productId: Nothing with this reference is for sale.",
        ),
        (
            line("variantId", &nobody, 1),
            "NOT_FOUND input.lines.0.variantId: Nothing with this reference is for sale.",
        ),
        (
            line("sku", "TEA", 0),
            "OUT_OF_RANGE input.lines.0.quantity: The number must be 1 or more.",
        ),
        (
            line("sku", "TEA", -1),
            "OUT_OF_RANGE input.lines.0.quantity: The number must be 1 or more.",
        ),
        (
            line("sku", "TEA", 11),
            "INSUFFICIENT_STOCK input.lines.0.quantity: Fewer than 11 can be bought.",
        ),
    ] {
        let found = told(&shop.customer, ORDER, variables).await;
        assert_eq!(found, [expected]);
    }
    // What stands in a warehouse that is not active cannot be bought.
    let off = "mutation($id: ID!) { warehouseSetStatus(id: $id, status: INACTIVE) { warehouse { id } userErrors { code } } }";
    let id = json!({ "id": shop.sold.warehouse.to_string() });
    shop.staff.done(off, id).await;
    assert_eq!(
        told(&shop.customer, ORDER, line("sku", "TEA", 1)).await,
        ["INSUFFICIENT_STOCK input.lines.0.quantity: Fewer than 1 can be bought."]
    );
}

#[tokio::test]
async fn the_part_that_is_asked_is_down() {
    let shop = Shop::open().await;
    // The products of system 001 are a service; here they are the database.
    shop.test.app.db().close().await.unwrap();
    assert_eq!(
        refused(&shop.customer, ORDER, line("sku", "TEA", 1)).await,
        "SERVICE_UNAVAILABLE orderCreate: The service cannot answer at the moment; try again soon."
    );
}

#[tokio::test]
async fn a_log_in_that_is_wrong() {
    let shop = Shop::open().await;
    let log_in = "mutation($who: String!) { sessionCreate(input: {identifier: $who, password: \"wrong horse\"}) {
        session { id } userErrors { code path message } } }";
    let accounts = shop.test.app.accounts();
    let made = accounts.user_create("ada@example.org", "Ada", "correct horse", Role::Customer);
    made.await.unwrap();
    let server = shop.test.serve().await;
    for who in ["ada@example.org", "nobody@example.org", "+442071838750"] {
        let data = server.client().data(log_in, json!({ "who": who })).await;
        assert_eq!(
            data["sessionCreate"]["userErrors"],
            json!([{
                "code": "INVALID_CREDENTIALS",
                "path": ["input"],
                "message": "No user has this e-mail address or phone number and this password.",
            }]),
            "{who}"
        );
    }
}

#[tokio::test]
async fn a_payment_that_does_not_go() {
    let shop = Shop::open().await;
    let id = shop.order(1).await;
    let pay = |token: &str| json!({ "id": id, "token": token });
    let nobody: entity::ids::OrderId = shop.test.app.clock().id();
    let of_nobody = json!({ "id": nobody.to_string(), "token": "tok_ok" });
    let unknown = "NOT_FOUND id: You have no order with this id.";
    assert_eq!(told(&shop.customer, PAY, of_nobody).await, [unknown]);
    assert_eq!(told(&shop.other, PAY, pay("tok_ok")).await, [unknown]);
    assert_eq!(
        told(&shop.customer, PAY, pay("tok_declined")).await,
        [
            "PAYMENT_DECLINED input: The payment was refused (CARD_DECLINED); nothing was taken. Pay again, or in another way."
        ]
    );
    shop.customer.done(PAY, pay("tok_ok")).await;
    assert_eq!(
        told(&shop.customer, PAY, pay("tok_ok")).await,
        ["ALREADY_PAID id: The order is paid already."]
    );
    let late = shop.order(1).await;
    let minutes = shop.test.app.config().shop.reservation_min;
    let pause = chrono::TimeDelta::minutes(minutes + 1);
    shop.test.app.clock().advance(pause);
    let late = json!({ "id": late, "token": "tok_ok" });
    let expired = "RESERVATION_EXPIRED id: The order was not paid in time; its stock was given back. Order again.";
    assert_eq!(told(&shop.customer, PAY, late.clone()).await, [expired]);
    // And after the worker has come by.
    let orders = shop.test.app.orders();
    tradepost::domain::orders::tasks::expire_unpaid(orders)
        .await
        .unwrap();
    assert_eq!(told(&shop.customer, PAY, late).await, [expired]);
}

#[tokio::test]
async fn a_transfer_that_does_not_go() {
    let shop = Shop::open().await;
    let (main, spare) = (shop.sold.warehouse, shop.test.warehouse("SPARE", 1).await);
    let transfer = |from: entity::ids::WarehouseId, to: entity::ids::WarehouseId, quantity: i64| {
        json!({ "input": { "fromWarehouseId": from.to_string(), "toWarehouseId": to.to_string(),
            "variantId": shop.sold.variant.to_string(), "quantity": quantity } })
    };
    assert_eq!(
        told(&shop.staff, TRANSFER, transfer(main, main, 1)).await,
        ["SAME_WAREHOUSE input.toWarehouseId: Stock goes from one warehouse to another one."]
    );
    assert_eq!(
        told(&shop.staff, TRANSFER, transfer(main, spare, 11)).await,
        [
            "INSUFFICIENT_STOCK input.quantity: Only 10 can be taken; the rest is not there or reserved for orders."
        ]
    );
    let status = |status: &str| {
        format!(
            "mutation {{ warehouseSetStatus(id: \"{spare}\", status: {status}) {{ warehouse {{ id }} userErrors {{ code }} }} }}"
        )
    };
    shop.staff.done(&status("INACTIVE"), json!({})).await;
    assert_eq!(
        told(&shop.staff, TRANSFER, transfer(main, spare, 1)).await,
        ["WAREHOUSE_INACTIVE input.toWarehouseId: The warehouse is not active."]
    );
    assert_eq!(
        told(&shop.staff, TRANSFER, transfer(spare, main, 1)).await,
        ["WAREHOUSE_INACTIVE input.fromWarehouseId: The warehouse is not active."]
    );
    let found = refused(&shop.staff, &status("SLEEPING"), json!({})).await;
    assert_eq!(
        found,
        "BAD_USER_INPUT : Invalid value for argument \"status\", enumeration type \"WarehouseStatus\" does not contain the value \"SLEEPING\""
    );
}

#[tokio::test]
async fn a_cart_that_cannot_be_bought() {
    let shop = Shop::open().await;
    let input = |more: Value| json!({ "input": more });
    assert_eq!(
        told(&shop.customer, CHECKOUT, input(json!({}))).await,
        ["EMPTY_CART input: There is nothing in your cart."]
    );
    let nowhere = json!({ "token": "nothing", "sku": "TEA", "quantity": 1 });
    assert_eq!(told(&shop.test.guest(), ADD, nowhere).await, [NO_CART]);
    let clear = "mutation { cartClear { cart { id } userErrors { code path message } } }";
    assert_eq!(told(&shop.customer, clear, json!({})).await, [NO_CART]);
    let add = json!({ "sku": "TEA", "quantity": 2 });
    shop.customer.done(ADD, add).await;
    let seen = input(json!({ "expectedTotal": "9.90" }));
    let price = "mutation($id: ID!) { productUpdate(id: $id, input: {price: \"5.25\"}) { product { id } userErrors { code } } }";
    shop.staff
        .done(price, json!({ "id": shop.product() }))
        .await;
    assert_eq!(
        told(&shop.customer, CHECKOUT, seen).await,
        ["PRICE_CHANGED input.expectedTotal: The total is 10.50 GBP now."]
    );
    let gone =
        "mutation($id: ID!) { productDelete(id: $id) { product { id } userErrors { code } } }";
    shop.staff.done(gone, json!({ "id": shop.product() })).await;
    let variant = shop.sold.variant;
    let gone = format!(
        "NOT_FOUND input: Variant {variant} in your cart is not for sale any more; take it out."
    );
    assert_eq!(
        told(&shop.customer, CHECKOUT, input(json!({}))).await,
        [gone]
    );
}

#[tokio::test]
async fn a_category_that_is_in_use() {
    let shop = Shop::open().await;
    let create = "mutation($parent: ID) { categoryCreate(input: {name: \"Teas\", parentId: $parent}) { category { id } userErrors { code } } }";
    let top = shop.staff.done(create, json!({})).await["category"]["id"].take();
    shop.staff.done(create, json!({ "parent": top })).await;
    let delete = "mutation($id: ID!) { categoryDelete(id: $id) { category { id } userErrors { code path message } } }";
    assert_eq!(
        told(&shop.staff, delete, json!({ "id": top })).await,
        [
            "CATEGORY_IN_USE id: Categories or active products stand in this category; move them first."
        ]
    );
}

#[tokio::test]
async fn a_paid_order_whose_stock_cannot_go_out_is_cancelled_and_paid_back() {
    let shop = Shop::open().await;
    let id = shop.order(2).await;
    // As a broken program would leave it.
    let variant = shop.sold.variant;
    let broken = shop.test.app.db().write("test.break", async |tx| {
        stock::Entity::update_many()
            .col_expr(stock::Column::Reserved, Expr::value(0))
            .filter(stock::COLUMN.variant_id.eq(variant))
            .exec(&*tx)
            .await?;
        Ok::<_, Fault>(())
    });
    broken.await.unwrap();
    let paid = shop
        .customer
        .done(PAY, json!({ "id": id, "token": "tok_ok" }));
    assert_eq!(
        paid.await["order"]["status"],
        "PENDING",
        "it goes on by itself"
    );
    shop.test.settle(&shop.test.app).await;
    let query = "query($id: ID!) { order(by: {id: $id}) { status paymentStatus cancelReason
        payments { status refundedAmount { amount } } history { reason toStatus } } }";
    let order = shop.customer.data(query, json!({ "id": id })).await["order"].take();
    assert_eq!(
        json!([
            order["status"],
            order["paymentStatus"],
            order["cancelReason"],
            order["payments"]
        ]),
        json!(["CANCELLED", "REFUNDED", "STOCK_BROKEN",
            [{ "status": "CAPTURED", "refundedAmount": { "amount": "9.90" } }]])
    );
    assert_eq!(
        told(&shop.customer, PAY, json!({ "id": id, "token": "tok_ok" })).await,
        ["INVALID_TRANSITION id: An order that is CANCELLED cannot become PENDING."]
    );
}
