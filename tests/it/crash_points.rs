//! A server that ends, as by kill -9, at every point of a purchase, of its compensation and of a refund; what another
//! process makes of it.

use crate::support::books::Books;
use crate::support::http::Client;
use crate::support::process::Process;
use crate::support::wait::eventually;
use crate::support::{TestApp, services};
use entity::accounts::Role;
use entity::orders::{OrderRefundStatus, OrderStatus, PaymentStatus, order};
use entity::payments::{PaymentState, ProviderOperation, simulated_gateway_operation};
use entity::wallet::AccountKind;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use tradepost::domain::orders::service::hook::Point;
use tradepost::domain::payments::service::hook::Point as PaymentPoint;
use tradepost::domain::wallet::model::Account;
use tradepost::error::Fault;

/// What a gift card costs.
const PRICE_MINOR: i64 = 2_500;

const BUY: &str = "mutation($input: TransactionCreateInput!, $key: String) {
    done: transactionCreate(input: $input, idempotencyKey: $key) {
        transaction { status } order { id status } userErrors { code } } }";
const ORDER: &str = "mutation($sku: String!) {
    done: orderCreate(input: {lines: [{sku: $sku, quantity: 2}]}) { order { id } userErrors { code } } }";
const PAY: &str = "mutation($id: ID!) {
    done: orderPay(id: $id, input: {card: {token: \"tok_ok\"}}) { order { status } userErrors { code } } }";
const REFUND: &str = "mutation($id: ID!) {
    done: orderRefund(id: $id, input: {restock: true}) { refund { status } userErrors { code } } }";

/// Before a provider is asked, when it has answered, and when that is written down.
fn around(operation: ProviderOperation) -> [String; 3] {
    [
        PaymentPoint::Before(operation).name(),
        PaymentPoint::Answered(operation).name(),
        PaymentPoint::Settled(operation).name(),
    ]
}

/// Every point of a purchase that goes well, in their order.
fn purchase_points() -> Vec<String> {
    let name = |point: Point| point.name().to_owned();
    let mut points = vec![
        name(Point::Placing),
        name(Point::Begun),
        name(Point::BeforePayment),
    ];
    points.extend(around(ProviderOperation::Authorize));
    points.extend(around(ProviderOperation::Capture));
    points.extend([Point::AfterPayment, Point::Committing, Point::Settled].map(name));
    points
}

/// A server that will end at a point; without workers what a request does not reach is not reached.
async fn server(test: &TestApp, point: &str, with_workers: bool) -> Process {
    let settings = [("TRADEPOST_CHECKOUT__FAULT_POINT", point)];
    let arguments: &'static [&'static str] = match with_workers {
        true => &["serve"],
        false => &["serve", "--no-workers"],
    };
    Process::start_set(test, arguments, &settings).await
}

/// Sends what makes the server end, and waits until it has.
async fn ends(server: &mut Process, client: &Client, query: &str, variables: Value) {
    let body = json!({ "query": query, "variables": variables });
    let request = client.raw(http::Method::POST, "/graphql").json(&body);
    // With workers the answer may come before the end.
    drop(request.send().await);
    eventually("the server ends at its point", async || {
        server.has_ended().then_some(())
    })
    .await;
}

/// Settled books whose ledger agrees, and the order that was not there `before`. The test's clock is ahead of the
/// server's, so that times do not tell.
async fn settled(test: &TestApp, before: &Books) -> (Books, Option<order::Model>) {
    let books = test.settle(&test.app).await;
    test.ledger_agrees().await;
    let is_new = |order: &&order::Model| before.orders.iter().all(|old| old.id != order.id);
    let mut new = books.orders.iter().filter(is_new);
    let found = new.next().cloned();
    assert!(new.next().is_none(), "two orders were made");
    (books, found)
}

/// What the buyer of an order can spend and what is set aside.
async fn has(test: &TestApp, order: &order::Model) -> (i64, i64) {
    let user = order.user_id.unwrap();
    let of = |kind| Account::of_user(kind, "GBP", user);
    let wallet = test.app.wallet();
    let available = wallet.balance(&of(AccountKind::UserAvailable)).await;
    let held = wallet.balance(&of(AccountKind::UserHeld)).await;
    (available.unwrap(), held.unwrap())
}

/// Buys with a server that ends at a point. The same key afterwards buys nothing again, or for the first time if nothing
/// had happened. Returns what became of the order that the end interrupted.
async fn purchase_at(test: &TestApp, point: &str, payment: &Value) -> Option<OrderStatus> {
    let before = test.books().await;
    let mut server = server(test, point, false).await;
    let customer = server.log_in("customer@example.com", "customer123").await;
    let variables = json!({ "key": format!("{point} {payment}"), "input": {
        "lines": [{ "sku": "GIFT-CARD", "quantity": 1 }], "payment": payment } });
    ends(&mut server, &customer, BUY, variables.clone()).await;
    let (books, made) = settled(test, &before).await;
    books.agree();
    let buyer = customer_id(test).await;
    let graph = test.viewer_of(buyer, Role::Customer);
    let again = graph.data(BUY, variables).await["done"].take();
    let (after, bought) = settled(test, &before).await;
    after.agree();
    let bought = bought.map(|order| order.id.to_string());
    assert_eq!(again["order"]["id"].as_str(), bought.as_deref(), "{point}");
    let Some(made) = made else {
        assert_eq!(again["transaction"]["status"], "COMPLETED", "{point}");
        return None;
    };
    assert_eq!(bought, Some(made.id.to_string()), "{point}: bought again");
    let expected = match made.status {
        OrderStatus::Paid => "COMPLETED",
        _ => "FAILED",
    };
    assert_eq!(again["transaction"]["status"], expected, "{point}");
    Some(made.status)
}

async fn customer_id(test: &TestApp) -> entity::ids::UserId {
    let user = test
        .app
        .accounts()
        .user_promote("customer@example.com", Role::Customer);
    user.await.unwrap().id
}

#[tokio::test]
async fn a_purchase_from_a_wallet_happens_once_or_not_at_all_wherever_its_process_ends() {
    let _kafka = services::kafka_in_use().await;
    let test = TestApp::new().await;
    let payment = json!({ "wallet": { "asset": "GBP" } });
    for point in purchase_points() {
        let status = Box::pin(purchase_at(&test, &point, &payment)).await;
        let expected = (point != Point::Placing.name()).then_some(OrderStatus::Paid);
        assert_eq!(status, expected, "{point}");
    }
    let orders = test.books().await.orders;
    let spent = PRICE_MINOR * i64::try_from(orders.len()).unwrap();
    assert_eq!(has(&test, &orders[0]).await, (1_000_000 - spent, 0));
}

#[tokio::test]
async fn a_purchase_by_card_happens_once_or_not_at_all_wherever_its_process_ends() {
    let _kafka = services::kafka_in_use().await;
    let test = TestApp::new().await;
    let card = |token: &str| json!({ "card": { "token": token } });
    // The card's token is in the memory of the process that ends: what was not asked for is called off.
    let lost = [
        Point::Begun.name().to_owned(),
        Point::BeforePayment.name().to_owned(),
        PaymentPoint::Before(ProviderOperation::Authorize).name(),
    ];
    for point in purchase_points() {
        let status = Box::pin(purchase_at(&test, &point, &card("tok_ok"))).await;
        let expected = match &point {
            point if point == Point::Placing.name() => None,
            point if lost.contains(point) => Some(OrderStatus::AwaitingPayment),
            _ => Some(OrderStatus::Paid),
        };
        assert_eq!(status, expected, "{point}");
    }
    let point = Point::AfterPayment.name();
    for (token, expected) in [
        ("tok_declined", OrderStatus::AwaitingPayment),
        ("tok_unknown", OrderStatus::Paid),
    ] {
        let status = Box::pin(purchase_at(&test, point, &card(token))).await;
        assert_eq!(status, Some(expected), "{point} {token}");
    }
}

/// The stock of an order's product says that nothing is reserved, as a broken program would leave it.
async fn break_stock(test: &TestApp, order: &Value) {
    let lines = test.books().await.lines;
    let mut lines = lines.iter();
    let line = lines.find(|line| *order == json!(line.order_id.to_string()));
    let variant = line.unwrap().variant_id;
    let broken = test.app.db().write("test.break", async |tx| {
        entity::inventory::stock::Entity::update_many()
            .col_expr(entity::inventory::stock::Column::Reserved, Expr::value(0))
            .filter(entity::inventory::stock::COLUMN.variant_id.eq(variant))
            .exec(&*tx)
            .await?;
        Ok::<_, Fault>(())
    });
    broken.await.unwrap();
}

/// How often the provider paid back what it had taken for a payment.
async fn paid_back(test: &TestApp, books: &Books, order: &order::Model) -> usize {
    let payment = books.payments.iter().find(|row| row.order_id == order.id);
    let reference = payment.unwrap().id.to_string();
    let query = simulated_gateway_operation::Entity::find()
        .filter(simulated_gateway_operation::COLUMN.reference.eq(reference));
    let rows = test.app.db().read("test.operations", async |c| {
        Ok::<_, Fault>(query.all(&*c).await?)
    });
    let rows = rows.await.unwrap();
    let refunds = rows
        .iter()
        .filter(|row| row.operation == ProviderOperation::Refund);
    refunds.count()
}

#[tokio::test]
async fn a_compensation_is_finished_wherever_its_process_ends() {
    let _kafka = services::kafka_in_use().await;
    let test = TestApp::new().await;
    let mut points = vec![Point::Compensating.name().to_owned()];
    points.extend(around(ProviderOperation::Refund));
    points.extend([Point::AfterReturn, Point::Settled].map(|point| point.name().to_owned()));
    for (point, sku) in points.iter().zip([
        "EARL-GREY",
        "COLD-BREW-BAGS",
        "LEMON-CURD",
        "GINGER-BISCUITS",
        "BUTTER-SHORTBREAD",
        "THE-BOOK-OF-TEA",
    ]) {
        let before = test.books().await;
        let mut server = server(&test, point, true).await;
        let customer = server.log_in("customer@example.com", "customer123").await;
        let made = customer.data(ORDER, json!({ "sku": sku })).await["done"].take();
        assert_eq!(made["userErrors"], json!([]), "{sku}");
        let id = json!({ "id": made["order"]["id"] });
        break_stock(&test, &made["order"]["id"]).await;
        ends(&mut server, &customer, PAY, id).await;
        let (books, order) = settled(&test, &before).await;
        let order = order.unwrap();
        assert_eq!(made["order"]["id"], order.id.to_string());
        assert_eq!(
            (order.status, order.payment_status),
            (OrderStatus::Cancelled, PaymentStatus::Refunded),
            "{point}"
        );
        let payment = books.payments.iter().find(|row| row.order_id == order.id);
        let payment = payment.unwrap();
        assert_eq!(
            (
                payment.state,
                payment.captured_minor,
                payment.refunded_minor
            ),
            (PaymentState::Captured, order.total_minor, order.total_minor),
            "{point}"
        );
        assert_eq!(paid_back(&test, &books, &order).await, 1, "{point}");
        let expected = [
            "order.created",
            "order.updated",
            "stock.update_failed",
            "order.cancelled",
        ];
        assert_eq!(books.types(&order), expected, "{point}");
    }
}

#[tokio::test]
async fn a_refund_is_finished_wherever_its_process_ends() {
    let _kafka = services::kafka_in_use().await;
    let test = TestApp::new().await;
    let mut points = vec![Point::RefundBegun.name().to_owned()];
    points.extend(around(ProviderOperation::Refund));
    points.push(Point::AfterRefund.name().to_owned());
    for point in points {
        let before = test.books().await;
        let mut server = server(&test, &point, false).await;
        let customer = server.log_in("customer@example.com", "customer123").await;
        let staff = server.log_in("staff@example.com", "staff1234").await;
        let made = customer.data(ORDER, json!({ "sku": "EARL-GREY" })).await["done"].take();
        let id = json!({ "id": made["order"]["id"] });
        let paid = customer.data(PAY, id.clone()).await["done"].take();
        assert_eq!(paid["order"]["status"], "PAID", "{point}");
        ends(&mut server, &staff, REFUND, id).await;
        let (books, order) = settled(&test, &before).await;
        books.agree();
        let order = order.unwrap();
        assert_eq!(made["order"]["id"], order.id.to_string());
        assert_eq!(order.payment_status, PaymentStatus::Refunded, "{point}");
        let refunds = books.refunds.iter().filter(|row| row.order_id == order.id);
        let refunds: Vec<_> = refunds.map(|row| row.status).collect();
        assert_eq!(refunds, [OrderRefundStatus::Done], "{point}");
        assert_eq!(paid_back(&test, &books, &order).await, 1, "{point}");
    }
}
