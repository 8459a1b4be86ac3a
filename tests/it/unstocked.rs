//! Services: what is not kept in stock is sold without any, and is in nobody's way.

use crate::support::TestApp;
use crate::support::csv_file::counts;
use crate::support::graph::Graph;
use entity::accounts::Role;
use entity::ids::UserId;
use entity::inventory::ReservationStatus;
use entity::orders::OrderStatus;
use futures::future::join_all;
use serde_json::{Value, json};
use tradepost::domain::catalog::model::VariantReference;
use tradepost::domain::orders::model::Scope;
use tradepost::domain::orders::service::{Details, NewLine, NewOrder, NewRefund};
use tradepost::domain::orders::tasks::expire_unpaid;
use tradepost::domain::payments::service::Method;

const SHOP: &str = "sku,name,price,stock,is_stocked\n\
    TEA,Tea,5.00,9,true\n\
    POST,Postage,3.95,,false\n";

const VARIANT: &str = "query($sku: String!) { product(by: {sku: $sku}) {
  availability defaultVariant { id isStocked availability version stock { onHand } } } }";
const SET: &str = "mutation($id: ID!, $is: Boolean!) { variantSetStocked(id: $id, isStocked: $is) {
  variant { isStocked availability version product { availability } } userErrors { code path } } }";

async fn shop() -> (TestApp, UserId) {
    let test = TestApp::new().await;
    let report = test.import(SHOP).await;
    assert_eq!(counts(&report), [2, 0, 0, 0]);
    let user = test.user("ann@example.com", Role::Customer).await;
    (test, user)
}

async fn variant(graph: &Graph, sku: &str) -> Value {
    graph.data(VARIANT, json!({ "sku": sku })).await["product"].take()
}

fn order(lines: &[(&str, i64)], card: Option<&str>) -> NewOrder {
    let line = |&(sku, quantity): &(&str, i64)| NewLine {
        reference: VariantReference::Sku(sku.to_owned()),
        quantity,
    };
    let card = card.map(str::to_owned);
    NewOrder {
        lines: lines.iter().map(line).collect(),
        details: Details {
            payment: card.map(|token| Method::Card { token }),
            ..Details::default()
        },
    }
}

/// The stock of the shop, which only tea has: on hand and reserved. It is verified too.
async fn stock(test: &TestApp) -> (i64, i64) {
    let mut drifts = Vec::new();
    let verified = test.app.inventory().stock_verify(|d| drifts.push(*d)).await;
    assert_eq!(verified.unwrap().places, 1, "postage has no place");
    assert!(drifts.is_empty(), "{drifts:?}");
    let books = test.books().await;
    books.agree();
    assert_eq!(books.stock.len(), 1);
    (books.stock[0].on_hand, books.stock[0].reserved)
}

#[tokio::test]
async fn a_service_is_sold_without_stock_and_comes_back_without_any() {
    let (test, user) = shop().await;
    let orders = test.app.orders();
    let both = order(&[("TEA", 2), ("POST", 1_000)], Some("tok_ok"));
    let (done, _) = orders.order_create(user, &both, None).await.unwrap();
    assert_eq!(done.order.status, OrderStatus::Paid);
    assert_eq!(done.order.total_minor, 1_000 + 395_000);
    assert_eq!(stock(&test).await, (7, 0));
    let all = NewRefund {
        lines: None,
        restock: true,
        reason: None,
    };
    let refund = orders.order_refund(user, done.order.id, &all, None);
    refund.await.unwrap();
    test.settle(&test.app).await;
    assert_eq!(stock(&test).await, (9, 0), "the tea is back");
    // Only postage: paid and cancelled; unpaid and expired.
    let post = [("POST", 3)];
    let (paid, _) = orders
        .order_create(user, &order(&post, Some("tok_ok")), None)
        .await
        .unwrap();
    let own = Scope::Own(user);
    orders
        .order_cancel(own, user, paid.order.id, None, None)
        .await
        .unwrap();
    let (waits, _) = orders
        .order_create(user, &order(&post, None), None)
        .await
        .unwrap();
    test.settle(&test.app).await;
    test.app.clock().advance(chrono::TimeDelta::hours(1));
    expire_unpaid(orders).await.unwrap();
    assert_eq!(stock(&test).await, (9, 0));
    let books = test.books().await;
    let status = |id| books.orders.iter().find(|row| row.id == id).unwrap().status;
    assert_eq!(status(paid.order.id), OrderStatus::Cancelled);
    assert_eq!(status(waits.order.id), OrderStatus::Expired);
    assert_eq!(
        books.reservations.len(),
        1,
        "only tea was ever held: {:?}",
        books.reservations
    );
    // What is short is still named, and only that.
    let short = order(&[("POST", 5), ("TEA", 10)], None);
    let refused = orders.order_create(user, &short, None).await.unwrap_err();
    let told = format!("{refused:?}");
    assert!(
        told.contains("InsufficientStock { line: 1") && !told.contains("line: 0"),
        "{told}"
    );
}

#[tokio::test]
async fn late_payments_of_services_need_no_stock() {
    let (test, user) = shop().await;
    let orders = test.app.orders();
    let new = order(&[("POST", 1), ("TEA", 9)], None);
    let (made, _) = orders.order_create(user, &new, None).await.unwrap();
    assert_eq!(stock(&test).await, (9, 9));
    // Another customer buys postage while no tea is left.
    let (other, _) = orders
        .order_create(user, &order(&[("POST", 1)], None), None)
        .await
        .unwrap();
    for id in [made.order.id, other.order.id] {
        let card = Method::Card {
            token: "tok_ok".to_owned(),
        };
        let own = Scope::Own(user);
        let (done, _) = orders.order_pay(own, user, id, &card, None).await.unwrap();
        assert_eq!(done.order.status, OrderStatus::Paid);
    }
    assert_eq!(stock(&test).await, (0, 0));
    let books = test.books().await;
    assert!(
        books
            .reservations
            .iter()
            .all(|row| row.status == ReservationStatus::Committed)
    );
}

#[tokio::test]
async fn the_public_can_always_buy_a_service() {
    let (test, user) = shop().await;
    let (guest, staff) = (test.guest(), test.viewer(Role::Staff));
    let post = variant(&staff, "POST").await;
    assert_eq!(post["availability"], "IN_STOCK");
    assert_eq!(post["defaultVariant"]["isStocked"], false);
    assert_eq!(post["defaultVariant"]["stock"], json!([]));
    let list = "query($in: [Availability!]) { products(filter: {availability: {in: $in}}, orderBy: {field: NAME, direction: ASC}) { nodes { name } } }";
    let names = async |availability: Value| {
        guest.data(list, json!({ "in": availability })).await["products"]["nodes"].take()
    };
    assert_eq!(
        names(json!(["IN_STOCK"])).await,
        json!([{ "name": "Postage" }, { "name": "Tea" }])
    );
    assert_eq!(names(json!(["OUT_OF_STOCK", "LOW_STOCK"])).await, json!([]));
    // In a cart nothing is wrong with any number of it.
    let customer = test.viewer_of(user, Role::Customer);
    let add = "mutation { cartLinesAdd(lines: [{sku: \"post\", quantity: 5000}, {sku: \"TEA\", quantity: 10}]) {
      cart { lines { sku } problems { code line { sku } } } userErrors { code path } } }";
    let cart = customer.done(add, json!({})).await["cart"].take();
    assert_eq!(
        cart,
        json!({
            "lines": [{ "sku": "POST" }, { "sku": "TEA" }],
            "problems": [{ "code": "NOT_ENOUGH_STOCK", "line": { "sku": "TEA" } }],
        })
    );
    // It has no stock to be changed.
    let warehouses = "{ warehouses { nodes { id } } }";
    let main = staff.data(warehouses, json!({})).await["warehouses"]["nodes"][0]["id"].take();
    let adjust = "mutation($input: StockAdjustInput!) { stockAdjust(input: $input) { userErrors { code path } } }";
    let input = json!({ "variantId": post["defaultVariant"]["id"], "warehouseId": main, "delta": 1, "reason": "RECEIVED" });
    let refused = staff.refused(adjust, json!({ "input": input })).await;
    assert_eq!(refused, ["INVALID input.variantId"]);
}

#[tokio::test]
async fn a_variant_becomes_a_service_and_back() {
    let (test, _) = shop().await;
    let staff = test.viewer(Role::Staff);
    let tea = variant(&staff, "TEA").await;
    let id = tea["defaultVariant"]["id"].clone();
    let adjust = "mutation($v: ID!, $w: ID!) { stockAdjust(input: {variantId: $v, warehouseId: $w, delta: -9, reason: COUNTED}) { userErrors { code path } } }";
    let main = staff
        .data("{ warehouses { nodes { id } } }", json!({}))
        .await["warehouses"]["nodes"][0]["id"]
        .take();
    staff.done(adjust, json!({ "v": id, "w": main })).await;
    let set = async |is: bool| {
        let variables = json!({ "id": id, "is": is });
        staff.done(SET, variables).await["variant"].take()
    };
    let service = set(false).await;
    assert_eq!(
        service,
        json!({ "isStocked": false, "availability": "IN_STOCK", "version": 2, "product": { "availability": "IN_STOCK" } })
    );
    assert_eq!(set(false).await, service, "the same again changes nothing");
    assert_eq!(
        set(true).await,
        json!({ "isStocked": true, "availability": "OUT_OF_STOCK", "version": 3, "product": { "availability": "OUT_OF_STOCK" } })
    );
    let nobody =
        json!({ "id": test.app.clock().id::<entity::ids::VariantId>().to_string(), "is": true });
    assert_eq!(staff.refused(SET, nobody).await, ["NOT_FOUND id"]);
    let made = staff
        .done(
            "mutation { productCreate(input: {name: \"Wrapping\", sku: \"WRAP\", price: \"1.00\", isStocked: false}) {
              product { availability defaultVariant { isStocked } } userErrors { code path } } }",
            json!({}),
        )
        .await;
    assert_eq!(
        made["product"],
        json!({ "availability": "IN_STOCK", "defaultVariant": { "isStocked": false } })
    );
}

#[tokio::test]
async fn imports_make_services_and_refuse_stock_for_them() {
    let (test, _) = shop().await;
    let staff = test.viewer(Role::Staff);
    let heading = "sku,name,price,stock,is_stocked,product,variant\n";
    let rows = [
        "POST,Postage,3.95,5,,,",
        "FEE,Fee,1.00,5,false,,",
        "TEA,Tea,5.00,5,false,,",
        "MIX,Mix,1.00,,maybe,,",
    ];
    let report = test.import(format!("{heading}{}\n", rows.join("\n"))).await;
    assert_eq!(counts(&report), [0, 0, 0, 4]);
    let reason = "the variant is not kept in stock, so that stock must be empty";
    let mut reasons: Vec<String> = test.refused().into_iter().map(|row| row.reason).collect();
    assert_eq!(reasons.pop().unwrap(), "is_stocked is not true or false");
    assert_eq!(reasons, [reason; 3]);
    assert_eq!(variant(&staff, "TEA").await["defaultVariant"]["version"], 1);
    // Tea becomes a service, postage something that is kept; a product gets a second variant that is a service.
    let report = test
        .import(format!(
            "{heading}TEA,Tea,5.00,,FALSE,,\nPOST,Postage,3.95,0,true,,\n"
        ))
        .await;
    assert_eq!(counts(&report), [0, 2, 0, 0]);
    assert_eq!(variant(&staff, "TEA").await["availability"], "IN_STOCK");
    let post = variant(&staff, "POST").await;
    assert_eq!(post["availability"], "OUT_OF_STOCK");
    assert_eq!(post["defaultVariant"]["stock"], json!([{ "onHand": 0 }]));
    let report = test
        .import(format!(
            "{heading}EXPRESS,Postage,9.00,,false,postage,Express\n"
        ))
        .await;
    assert_eq!(counts(&report), [1, 0, 0, 0]);
    assert_eq!(variant(&staff, "POST").await["availability"], "IN_STOCK");
    // An empty cell keeps what is known.
    let report = test.import("sku,name,price\nTEA,Tea,5.00\n").await;
    assert_eq!(counts(&report), [0, 0, 1, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn variants_that_turn_while_units_come_back_tell_the_truth_in_the_end() {
    const VARIANTS: usize = 32;
    let (test, user) = shop().await;
    let (test, staff) = (&test, &test.viewer(Role::Staff));
    let rows: Vec<String> = (0..VARIANTS)
        .map(|n| format!("R{n},Thing {n},1.00,1"))
        .collect();
    test.import(format!("sku,name,price,stock\n{}\n", rows.join("\n")))
        .await;
    let orders = test.app.orders();
    let set = async |id: &Value, is: bool| {
        staff.done(SET, json!({ "id": id, "is": is })).await;
    };
    // The only unit of each is held; half of them are services by now.
    let mut held = Vec::new();
    for n in 0..VARIANTS {
        let sku = format!("R{n}");
        let one = order(&[(&sku, 1)], None);
        let (made, _) = orders.order_create(user, &one, None).await.unwrap();
        let id = variant(staff, &sku).await["defaultVariant"]["id"].take();
        let becomes_service = n % 2 == 0;
        set(&id, becomes_service).await;
        held.push((sku, id, becomes_service, made.order.id));
    }
    let turns = held.iter().map(async |(_, id, becomes_service, order_id)| {
        let own = Scope::Own(user);
        let cancel = orders.order_cancel(own, user, *order_id, None, None);
        let (cancelled, ()) = tokio::join!(cancel, set(id, !becomes_service));
        cancelled.unwrap();
    });
    join_all(turns).await;
    test.books().await.agree();
    for (sku, _, is_service, _) in &held {
        let found = variant(staff, sku).await;
        let expected = if *is_service { "IN_STOCK" } else { "LOW_STOCK" };
        assert_eq!(found["defaultVariant"]["availability"], expected, "{sku}");
        assert_eq!(found["availability"], expected, "{sku}");
    }
}
