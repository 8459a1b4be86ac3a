//! Warehouses, stock, transfers and what is published of them.

use crate::support::graph::Graph;
use crate::support::{Sold, TestApp};
use chrono::TimeDelta;
use entity::accounts::Role;
use entity::events::outbox_event;
use entity::ids::{OrderId, UserId, VariantId, WarehouseId};
use entity::inventory::{ReservationStatus, reservation, stock, stock_movement};
use entity::orders::{order, order_line};
use futures::future::join_all;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};
use tradepost::db::error::{Kind, kind};
use tradepost::domain::catalog::model::VariantReference;
use tradepost::domain::inventory::model::Drift;
use tradepost::domain::orders::model::Scope;
use tradepost::domain::orders::service::{Details, NewLine, NewOrder};
use tradepost::error::{Failure, Fault};

const CREATE: &str = "mutation($input: WarehouseCreateInput!, $key: String) { warehouseCreate(input: $input, idempotencyKey: $key) {
  warehouse { id code name status priority version } userErrors { code message path } } }";
const UPDATE: &str =
    "mutation($id: ID!, $input: WarehouseUpdateInput!) { warehouseUpdate(id: $id, input: $input) {
  warehouse { code name priority version } userErrors { code message path } } }";
const STATUS: &str = "mutation($id: ID!, $s: WarehouseStatus!, $v: Int) { warehouseSetStatus(id: $id, status: $s, expectedVersion: $v) {
  warehouse { status version } userErrors { code message path } } }";
const TRANSFER: &str = "mutation($input: StockTransferInput!, $key: String) { stockTransfer(input: $input, idempotencyKey: $key) {
  movements { id delta reason reference warehouse { code } variant { sku } actor { id } }
  userErrors { code message path ... on InsufficientStockError { requested variant { sku } } } } }";
const ADJUST: &str = "mutation($input: StockAdjustInput!, $key: String) { stockAdjust(input: $input, idempotencyKey: $key) {
  stock { onHand reserved available } movement { id } userErrors { code message path } } }";
const MOVEMENTS: &str = "query($first: Int, $after: String, $filter: StockMovementFilter, $by: StockMovementOrder) {
  stockMovements(first: $first, after: $after, filter: $filter, orderBy: $by) {
    totalCount nodes { delta reason reference warehouse { code } } pageInfo { endCursor hasNextPage } } }";

fn transfer(from: WarehouseId, to: WarehouseId, variant: VariantId, quantity: i64) -> Value {
    json!({ "fromWarehouseId": from.to_string(), "toWarehouseId": to.to_string(),
        "variantId": variant.to_string(), "quantity": quantity })
}

fn adjust(sold: Sold, delta: i64) -> Value {
    json!({ "input": { "variantId": sold.variant.to_string(), "warehouseId": sold.warehouse.to_string(),
        "delta": delta, "reason": "COUNTED" } })
}

/// The same product in another warehouse.
fn at(sold: Sold, warehouse: WarehouseId) -> Sold {
    Sold { warehouse, ..sold }
}

/// Types and bodies of everything that was written to the outbox about variants, oldest first.
async fn published(test: &TestApp) -> Vec<(String, Value)> {
    let rows = test.app.db().read("test.outbox", async |c| {
        let rows = outbox_event::Entity::find()
            .filter(outbox_event::COLUMN.aggregate_type.eq("variant"))
            .order_by_asc(outbox_event::COLUMN.id)
            .all(&*c)
            .await?;
        Ok::<_, Fault>(rows)
    });
    let rows = rows.await.unwrap().into_iter();
    rows.map(|row| {
        let name = row
            .event_type
            .trim_start_matches("tradepost.")
            .trim_end_matches(".v1");
        (name.to_owned(), row.payload)
    })
    .collect()
}

async fn published_types(test: &TestApp) -> Vec<String> {
    published(test)
        .await
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

/// What `stock verify` finds.
async fn drifts(test: &TestApp) -> Vec<Drift> {
    let mut found = Vec::new();
    let verified = test
        .app
        .inventory()
        .stock_verify(|drift| found.push(*drift))
        .await
        .unwrap();
    assert!(verified.places > 0, "nothing was looked at");
    assert_eq!(verified.drifts, u64::try_from(found.len()).unwrap());
    found
}

async fn order(test: &TestApp, user: UserId, sku: &str, quantity: i64) -> Result<OrderId, String> {
    let new = NewOrder {
        lines: vec![NewLine {
            reference: VariantReference::Sku(sku.to_owned()),
            quantity,
        }],
        details: Details::default(),
    };
    match test.app.orders().order_create(user, &new, None).await {
        Ok((paid, _)) => Ok(paid.order.id),
        Err(Failure::Refused(errors)) => Err(format!("{errors:?}")),
        Err(Failure::Fault(fault)) => panic!("{fault:?}"),
    }
}

async fn availability(test: &TestApp, sku: &str) -> Value {
    let query = "query($s: String!) { product(by: {sku: $s}) { availability } }";
    test.guest().data(query, json!({ "s": sku })).await["product"]["availability"].take()
}

#[tokio::test]
async fn warehouses_are_made_changed_and_listed() {
    let test = TestApp::new().await;
    let staff = test.viewer(Role::Staff);
    let input = json!({ "code": "north-1", "name": " Northern warehouse ", "priority": 5 });
    let same = json!({ "input": input, "key": "k" });
    let made = staff.done(CREATE, same.clone()).await["warehouse"].take();
    let id = &made["id"];
    assert_eq!(
        made,
        json!({ "id": id, "code": "NORTH-1", "name": "Northern warehouse", "status": "ACTIVE", "priority": 5, "version": 1 })
    );
    let again = staff.done(CREATE, same).await;
    assert_eq!(again["warehouse"]["id"], *id, "a key makes one warehouse");
    let taken = staff
        .refused(
            CREATE,
            json!({ "input": { "code": "NORTH-1", "name": "x" } }),
        )
        .await;
    assert_eq!(taken, ["ALREADY_EXISTS input.code"]);
    let wrong = json!({ "input": { "code": "a b", "name": " " } });
    let mut refused = staff.refused(CREATE, wrong).await;
    refused.sort();
    assert_eq!(refused, ["INVALID input.code", "REQUIRED input.name"]);
    let second = staff
        .done(
            CREATE,
            json!({ "input": { "code": "south", "name": "South" } }),
        )
        .await;
    let second = &second["warehouse"]["id"];
    let change = json!({ "id": second, "input": { "priority": 9, "expectedVersion": 1 } });
    let changed = staff.done(UPDATE, change.clone()).await;
    assert_eq!(
        changed["warehouse"],
        json!({ "code": "SOUTH", "name": "South", "priority": 9, "version": 2 })
    );
    assert_eq!(
        staff.refused(UPDATE, change).await,
        ["VERSION_STALE input.expectedVersion"]
    );
    let taken = json!({ "id": second, "input": { "code": "north-1" } });
    assert_eq!(
        staff.refused(UPDATE, taken).await,
        ["ALREADY_EXISTS input.code"]
    );
    let unknown = "01930000-0000-7000-8000-000000000000";
    let missing = json!({ "id": unknown, "input": {} });
    assert_eq!(staff.refused(UPDATE, missing).await, ["NOT_FOUND id"]);
    let stale = json!({ "id": second, "s": "INACTIVE", "v": 1 });
    assert_eq!(
        staff.refused(STATUS, stale).await,
        ["VERSION_STALE expectedVersion"]
    );
    let off = staff
        .done(STATUS, json!({ "id": second, "s": "INACTIVE", "v": 2 }))
        .await;
    assert_eq!(
        off["warehouse"],
        json!({ "status": "INACTIVE", "version": 3 })
    );
    let same = staff
        .done(STATUS, json!({ "id": second, "s": "INACTIVE" }))
        .await;
    assert_eq!(
        same["warehouse"]["version"], 3,
        "the same status changes nothing"
    );
    assert_eq!(
        staff
            .refused(STATUS, json!({ "id": unknown, "s": "ACTIVE" }))
            .await,
        ["NOT_FOUND id"]
    );
    let list = "query($f: WarehouseFilter, $by: WarehouseOrder) { warehouses(filter: $f, orderBy: $by) { totalCount nodes { code } } }";
    let codes = async |variables: Value| {
        let found = staff.data(list, variables).await["warehouses"].take();
        let nodes = found["nodes"].as_array().unwrap().iter();
        let codes: Vec<String> = nodes
            .map(|node| node["code"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(found["totalCount"], codes.len());
        codes.join(" ")
    };
    assert_eq!(codes(json!({})).await, "NORTH-1 SOUTH");
    assert_eq!(
        codes(json!({ "by": { "field": "CODE", "direction": "DESC" } })).await,
        "SOUTH NORTH-1"
    );
    assert_eq!(
        codes(json!({ "f": { "status": { "eq": "ACTIVE" } } })).await,
        "NORTH-1"
    );
    assert_eq!(
        codes(json!({ "f": { "code": { "in": ["south", "x"] } } })).await,
        "SOUTH"
    );
    assert_eq!(codes(json!({ "f": { "status": { "in": [] } } })).await, "");
    let one = "query($id: ID!) { warehouse(id: $id) { code } }";
    assert_eq!(
        staff.data(one, json!({ "id": id })).await["warehouse"]["code"],
        "NORTH-1"
    );
    assert_eq!(
        staff.data(one, json!({ "id": unknown })).await["warehouse"],
        Value::Null
    );
    assert_eq!(
        staff.error(one, json!({ "id": "x" })).await,
        "BAD_USER_INPUT"
    );
}

#[tokio::test]
async fn the_database_itself_refuses_impossible_stock() {
    let test = TestApp::new().await;
    let warehouse = test.warehouse("MAIN", 0).await;
    let sold = test.product("TEA", 495, warehouse, 5).await;
    use stock::Column::{OnHand, Reserved};
    let cases = [
        (OnHand, -1, "ck_stock_on_hand"),
        (Reserved, -1, "ck_stock_reserved"),
        (Reserved, 6, "ck_stock_available"),
    ];
    for (column, value, check) in cases {
        let done = test.app.db().write("test.break", async |tx| {
            stock::Entity::update_many()
                .col_expr(column, Expr::value(value))
                .filter(stock::COLUMN.variant_id.eq(sold.variant))
                .exec(&*tx)
                .await?;
            Ok::<_, Fault>(())
        });
        let Err(Fault::Db(error)) = done.await else {
            panic!("{check} let {value} pass");
        };
        let Kind::Check(name) = kind(&error) else {
            panic!("{check}: {error:?}");
        };
        // A negative count breaks two checks, and each engine names the first that it looks at.
        assert!(name.starts_with("ck_stock_"), "{check}: {name}");
    }
    assert_eq!(test.stock(sold).await, (5, 0));
    let user = test.user("ada@example.org", Role::Customer).await;
    let id = order(&test, user, "TEA", 2).await.unwrap();
    let done = test.app.db().write("test.break", async |tx| {
        reservation::Entity::update_many()
            .col_expr(reservation::Column::Returned, Expr::value(3))
            .filter(reservation::COLUMN.order_id.eq(id))
            .exec(&*tx)
            .await?;
        Ok::<_, Fault>(())
    });
    let Err(Fault::Db(error)) = done.await else {
        panic!("more came back than went out");
    };
    assert_eq!(
        kind(&error),
        Kind::Check("ck_reservations_returned".to_owned())
    );
}

#[tokio::test]
async fn what_an_inactive_warehouse_has_is_not_sold() {
    let test = TestApp::new().await;
    let staff = test.viewer(Role::Staff);
    let user = test.user("ada@example.org", Role::Customer).await;
    let (first, second) = (
        test.warehouse("FIRST", 0).await,
        test.warehouse("SECOND", 1).await,
    );
    let sold = test.product("TEA", 495, first, 20).await;
    let there = json!({ "input": { "variantId": sold.variant.to_string(), "warehouseId": second.to_string(), "delta": 3, "reason": "RECEIVED" } });
    staff.done(ADJUST, there).await;
    let held = order(&test, user, "TEA", 4).await.unwrap();
    let set = async |id: WarehouseId, status: &str| {
        staff
            .done(STATUS, json!({ "id": id.to_string(), "s": status }))
            .await;
    };
    assert_eq!(availability(&test, "TEA").await, "IN_STOCK");
    set(first, "INACTIVE").await;
    assert_eq!(availability(&test, "TEA").await, "LOW_STOCK");
    let refused = order(&test, user, "TEA", 4).await.unwrap_err();
    assert!(refused.contains("InsufficientStock"), "{refused}");
    order(&test, user, "TEA", 3).await.unwrap();
    assert_eq!(test.stock(at(sold, second)).await, (3, 3));
    assert_eq!(test.stock(sold).await, (20, 4), "what was held stays held");
    assert_eq!(availability(&test, "TEA").await, "OUT_OF_STOCK");
    test.app
        .orders()
        .order_mark_paid(user, held, None)
        .await
        .unwrap();
    assert_eq!(
        test.stock(sold).await,
        (16, 0),
        "an order that holds there is served from there"
    );
    set(first, "ACTIVE").await;
    assert_eq!(availability(&test, "TEA").await, "IN_STOCK");
    let types = published_types(&test).await;
    assert_eq!(
        types,
        [
            "stock.adjusted",
            "stock.low",
            "stock.low",
            "stock.back_in_stock"
        ]
    );
    assert_eq!(drifts(&test).await, []);
}

#[tokio::test]
async fn a_transfer_is_two_movements_with_one_reference() {
    let test = TestApp::new().await;
    let id = test.user("staff@example.org", Role::Staff).await;
    let staff = test.viewer_of(id, Role::Staff);
    let (first, second) = (
        test.warehouse("FIRST", 0).await,
        test.warehouse("SECOND", 1).await,
    );
    let sold = test.product("TEA", 495, first, 10).await;
    let mut input = transfer(first, second, sold.variant, 4);
    input["reference"] = json!("truck 7");
    let same = json!({ "input": input, "key": "k" });
    let mut ids = Vec::new();
    for _ in 0..2 {
        let done = staff.done(TRANSFER, same.clone()).await;
        let movements = done["movements"].as_array().unwrap();
        let shown = |movement: &Value| {
            json!([
                movement["delta"],
                movement["reason"],
                movement["reference"],
                movement["warehouse"]["code"],
                movement["variant"]["sku"],
                movement["actor"]["id"]
            ])
        };
        let (out, into) = (shown(&movements[0]), shown(&movements[1]));
        assert_eq!(
            out,
            json!([-4, "TRANSFERRED", "truck 7", "FIRST", "TEA", id.to_string()])
        );
        assert_eq!(
            into,
            json!([4, "TRANSFERRED", "truck 7", "SECOND", "TEA", id.to_string()])
        );
        ids.push((movements[0]["id"].clone(), movements[1]["id"].clone()));
    }
    assert_eq!(ids[0], ids[1], "a key moves once");
    assert_eq!(test.stock(sold).await, (6, 0));
    assert_eq!(
        test.stock(at(sold, second)).await,
        (4, 0),
        "its first units there"
    );
    let back = staff
        .done(
            TRANSFER,
            json!({ "input": transfer(second, first, sold.variant, 1) }),
        )
        .await;
    let movements = &back["movements"];
    assert_eq!(movements[0]["reference"], movements[1]["reference"]);
    assert_eq!(
        movements[0]["reference"], movements[0]["id"],
        "without a reference they share the first one's id"
    );
    let events = published(&test).await;
    assert_eq!(events.len(), 2, "{events:?}");
    let body = &events[0].1;
    assert_eq!(events[0].0, "stock.transferred");
    assert_eq!(
        (&body["sku"], &body["quantity"], &body["reference"]),
        (&json!("TEA"), &json!(4), &json!("truck 7"))
    );
    assert_eq!(
        (&body["fromWarehouseId"], &body["toWarehouseId"]),
        (&json!(first.to_string()), &json!(second.to_string()))
    );
    assert_eq!(
        (&body["outMovementId"], &body["inMovementId"]),
        (&ids[0].0, &ids[0].1)
    );
    assert_eq!(drifts(&test).await, []);
}

#[tokio::test]
async fn every_mistake_of_a_transfer_has_its_code_path_and_message() {
    let test = TestApp::new().await;
    let staff = test.viewer(Role::Staff);
    let user = test.user("ada@example.org", Role::Customer).await;
    let (first, second) = (
        test.warehouse("FIRST", 0).await,
        test.warehouse("SECOND", 1).await,
    );
    let sold = test.product("TEA", 495, first, 10).await;
    order(&test, user, "TEA", 4).await.unwrap();
    let errors = async |input: Value| {
        let data = staff.data(TRANSFER, json!({ "input": input })).await;
        data["stockTransfer"]["userErrors"].clone()
    };
    let one = |code: &str, message: &str, path: &str| json!([{ "code": code, "message": message, "path": ["input", path] }]);
    let same = transfer(first, first, sold.variant, 1);
    assert_eq!(
        errors(same).await,
        one(
            "SAME_WAREHOUSE",
            "Stock goes from one warehouse to another one.",
            "toWarehouseId"
        )
    );
    let short = errors(transfer(first, second, sold.variant, 7)).await;
    let mut expected = one(
        "INSUFFICIENT_STOCK",
        "Only 6 can be taken; the rest is not there or reserved for orders.",
        "quantity",
    );
    expected[0]["requested"] = json!(7);
    expected[0]["variant"] = json!({ "sku": "TEA" });
    assert_eq!(short, expected);
    let nothing = errors(transfer(second, first, sold.variant, 1)).await;
    assert_eq!(nothing[0]["code"], "INSUFFICIENT_STOCK");
    assert_eq!(
        errors(transfer(first, second, sold.variant, 0)).await,
        one("OUT_OF_RANGE", "The number must be 1 or more.", "quantity")
    );
    let nobody: WarehouseId = test.app.clock().id();
    assert_eq!(
        errors(transfer(first, nobody, sold.variant, 1)).await,
        one("NOT_FOUND", "No warehouse has this id.", "toWarehouseId")
    );
    let unknown: VariantId = test.app.clock().id();
    assert_eq!(
        errors(transfer(first, second, unknown, 1)).await,
        one("NOT_FOUND", "No variant has this id.", "variantId")
    );
    let junk =
        json!({ "fromWarehouseId": "x", "toWarehouseId": "y", "variantId": "z", "quantity": -1 });
    assert_eq!(
        errors(junk).await.as_array().unwrap().len(),
        4,
        "all at once"
    );
    for id in [first, second] {
        staff
            .done(STATUS, json!({ "id": id.to_string(), "s": "INACTIVE" }))
            .await;
    }
    assert_eq!(
        errors(transfer(first, second, sold.variant, 1)).await,
        json!([
            { "code": "WAREHOUSE_INACTIVE", "message": "The warehouse is not active.", "path": ["input", "fromWarehouseId"] },
            { "code": "WAREHOUSE_INACTIVE", "message": "The warehouse is not active.", "path": ["input", "toWarehouseId"] },
        ])
    );
    assert_eq!(
        staff
            .error(
                "mutation { warehouseSetStatus(id: \"x\", status: SLEEPING) { warehouse { id } } }",
                json!({})
            )
            .await,
        "BAD_USER_INPUT"
    );
    assert_eq!(test.stock(sold).await, (10, 4), "nothing moved");
}

#[tokio::test]
async fn an_adjustment_expects_what_its_sender_saw() {
    let test = TestApp::new().await;
    let staff = test.viewer(Role::Staff);
    let warehouse = test.warehouse("MAIN", 0).await;
    let sold = test.product("TEA", 495, warehouse, 10).await;
    let mut change = adjust(sold, 2);
    change["input"]["expectedQuantity"] = json!(9);
    let data = staff.data(ADJUST, change.clone()).await;
    assert_eq!(
        data["stockAdjust"]["userErrors"],
        json!([{ "code": "VERSION_STALE", "message": "The stock changed meanwhile: 10 are on hand.", "path": ["input", "expectedQuantity"] }])
    );
    change["input"]["expectedQuantity"] = json!(10);
    let done = staff.done(ADJUST, change).await;
    assert_eq!(
        done["stock"],
        json!({ "onHand": 12, "reserved": 0, "available": 12 })
    );
    assert_eq!(
        staff.refused(ADJUST, adjust(sold, -13)).await,
        ["OUT_OF_RANGE input.delta"]
    );
    assert_eq!(
        staff.refused(ADJUST, adjust(sold, 0)).await,
        ["OUT_OF_RANGE input.delta"]
    );
    for reason in ["SOLD", "TRANSFERRED"] {
        let mut wrong = adjust(sold, 1);
        wrong["input"]["reason"] = json!(reason);
        assert_eq!(staff.refused(ADJUST, wrong).await, ["INVALID input.reason"]);
    }
    let nowhere = at(sold, test.app.clock().id());
    assert_eq!(
        staff.refused(ADJUST, adjust(nowhere, 1)).await,
        ["NOT_FOUND input.warehouseId"]
    );
    let nothing = Sold {
        variant: test.app.clock().id(),
        ..sold
    };
    assert_eq!(
        staff.refused(ADJUST, adjust(nothing, 1)).await,
        ["NOT_FOUND input.variantId"]
    );
    let (name, body) = published(&test).await.remove(0);
    assert_eq!(name, "stock.adjusted");
    assert_eq!(
        json!([
            body["sku"],
            body["delta"],
            body["reason"],
            body["onHand"],
            body["reserved"],
            body["available"]
        ]),
        json!(["TEA", 2, "COUNTED", 12, 0, 12])
    );
    assert_eq!(body["warehouseId"], warehouse.to_string());
}

#[tokio::test]
async fn movements_are_listed_under_every_filter() {
    let test = TestApp::new().await;
    let staff = test.viewer(Role::Staff);
    let user = test.user("ada@example.org", Role::Customer).await;
    let (first, second) = (
        test.warehouse("FIRST", 0).await,
        test.warehouse("SECOND", 1).await,
    );
    let (tea, cup) = (
        test.product("TEA", 495, first, 10).await,
        test.product("CUP", 900, first, 10).await,
    );
    let begun = test.app.clock().now();
    test.app.clock().advance(TimeDelta::seconds(1));
    let mut input = transfer(first, second, tea.variant, 4);
    input["reference"] = json!("truck 7");
    staff.done(TRANSFER, json!({ "input": input })).await;
    let id = order(&test, user, "TEA", 1).await.unwrap();
    let (paid, _) = test
        .app
        .orders()
        .order_mark_paid(user, id, None)
        .await
        .unwrap();
    staff.done(ADJUST, adjust(cup, -2)).await;
    let list = async |filter: Value| {
        let found =
            staff.data(MOVEMENTS, json!({ "filter": filter })).await["stockMovements"].take();
        let nodes = found["nodes"].as_array().unwrap().iter();
        let deltas: Vec<String> = nodes.map(|node| node["delta"].to_string()).collect();
        assert_eq!(found["totalCount"], deltas.len());
        deltas.join(" ")
    };
    assert_eq!(list(json!({})).await, "-2 -1 4 -4 10 10", "newest first");
    let (tea, cup) = (tea.variant.to_string(), cup.variant.to_string());
    assert_eq!(
        list(json!({ "variantId": { "eq": tea } })).await,
        "-1 4 -4 10"
    );
    assert_eq!(list(json!({ "variantId": { "in": [cup] } })).await, "-2 10");
    assert_eq!(list(json!({ "variantId": { "in": [] } })).await, "");
    assert_eq!(
        list(json!({ "warehouseId": { "eq": second.to_string() } })).await,
        "4"
    );
    assert_eq!(
        list(json!({ "reason": { "in": ["SOLD", "COUNTED"] } })).await,
        "-2 -1"
    );
    assert_eq!(
        list(json!({ "reason": { "eq": "TRANSFERRED" }, "variantId": { "eq": tea } })).await,
        "4 -4"
    );
    assert_eq!(list(json!({ "reference": "truck 7" })).await, "4 -4");
    assert_eq!(list(json!({ "reference": paid.number })).await, "-1");
    let time = tradepost::clock::to_text(begun);
    assert_eq!(list(json!({ "to": time })).await, "10 10");
    assert_eq!(
        list(json!({ "from": time, "reason": { "eq": "RECEIVED" } })).await,
        ""
    );
    assert_eq!(
        staff
            .error(
                MOVEMENTS,
                json!({ "filter": { "variantId": { "eq": "x" } } })
            )
            .await,
        "BAD_USER_INPUT"
    );
    let by = json!({ "field": "CREATED_AT", "direction": "ASC" });
    let (mut after, mut seen) = (Value::Null, Vec::new());
    loop {
        let page = staff
            .data(MOVEMENTS, json!({ "first": 4, "after": after, "by": by }))
            .await["stockMovements"]
            .take();
        seen.extend(
            page["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|node| node["delta"].as_i64().unwrap()),
        );
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(seen, [10, 10, -4, 4, -1, -2]);
}

#[tokio::test]
async fn low_and_back_are_told_only_when_a_threshold_is_crossed() {
    let test = TestApp::new().await;
    let staff = test.viewer(Role::Staff);
    let warehouse = test.warehouse("MAIN", 0).await;
    let sold = test.product("TEA", 495, warehouse, 20).await;
    let told = async |delta: i64| {
        let before = published(&test).await.len();
        staff.done(ADJUST, adjust(sold, delta)).await;
        let events = published(&test).await.split_off(before);
        assert_eq!(events[0].0, "stock.adjusted");
        let crossed = events.iter().skip(1);
        let crossed: Vec<String> = crossed
            .map(|(name, body)| {
                format!(
                    "{name} {} {} {}",
                    body["previousAvailability"], body["availability"], body["available"]
                )
            })
            .collect();
        crossed.join("; ").replace('"', "")
    };
    assert_eq!(told(-14).await, "", "6 are more than 5");
    assert_eq!(told(-1).await, "stock.low IN_STOCK LOW_STOCK 5");
    assert_eq!(told(-4).await, "", "still low");
    assert_eq!(told(-1).await, "stock.low LOW_STOCK OUT_OF_STOCK 0");
    assert_eq!(
        told(3).await,
        "stock.back_in_stock OUT_OF_STOCK LOW_STOCK 3"
    );
    assert_eq!(told(1).await, "");
    assert_eq!(told(100).await, "", "from few to many is nobody's news");
    assert_eq!(told(-104).await, "stock.low IN_STOCK OUT_OF_STOCK 0");
    assert_eq!(
        told(104).await,
        "stock.back_in_stock OUT_OF_STOCK IN_STOCK 104"
    );
}

#[tokio::test]
async fn an_order_tells_of_crossings_and_of_reservations_that_expired() {
    let test = TestApp::new().await;
    let warehouse = test.warehouse("MAIN", 0).await;
    let sold = test.product("TEA", 495, warehouse, 8).await;
    let user = test.user("ada@example.org", Role::Customer).await;
    let first = order(&test, user, "TEA", 8).await.unwrap();
    assert_eq!(published_types(&test).await, ["stock.low"]);
    test.app
        .orders()
        .order_cancel(Scope::All, user, first, None, None)
        .await
        .unwrap();
    assert_eq!(
        published_types(&test).await,
        ["stock.low", "stock.back_in_stock"],
        "a cancelled order expires nothing"
    );
    let second = order(&test, user, "TEA", 2).await.unwrap();
    test.app.clock().advance(TimeDelta::minutes(
        test.app.config().shop.reservation_min + 1,
    ));
    for _ in 0..2 {
        tradepost::domain::orders::tasks::expire_unpaid(test.app.orders())
            .await
            .unwrap();
    }
    let events = published(&test).await.split_off(2);
    assert_eq!(events.len(), 1, "{events:?}");
    let (name, body) = &events[0];
    assert_eq!(
        (name.as_str(), &body["orderId"], &body["quantity"]),
        ("reservation.expired", &json!(second.to_string()), &json!(2))
    );
    assert_eq!(
        (&body["variantId"], &body["warehouseId"]),
        (
            &json!(sold.variant.to_string()),
            &json!(warehouse.to_string())
        )
    );
    assert_eq!(test.stock(sold).await, (8, 0));
}

/// The lines of an order.
async fn lines(test: &TestApp, id: OrderId) -> Vec<order_line::Model> {
    let rows = test.app.db().read("test.lines", async |c| {
        let rows = order_line::Entity::find()
            .filter(order_line::COLUMN.order_id.eq(id))
            .all(&*c)
            .await?;
        Ok::<_, Fault>(rows)
    });
    rows.await.unwrap()
}

#[tokio::test]
async fn what_comes_back_goes_where_it_left_and_never_more_than_left() {
    let test = TestApp::new().await;
    let staff = test.viewer(Role::Staff);
    let user = test.user("ada@example.org", Role::Customer).await;
    let (first, second) = (
        test.warehouse("FIRST", 0).await,
        test.warehouse("SECOND", 1).await,
    );
    let sold = test.product("TEA", 495, first, 5).await;
    let there = at(sold, second);
    staff.done(ADJUST, adjust(there, 5)).await;
    let id = order(&test, user, "TEA", 8).await.unwrap();
    test.app
        .orders()
        .order_mark_paid(user, id, None)
        .await
        .unwrap();
    assert_eq!(
        (test.stock(sold).await, test.stock(there).await),
        ((0, 0), (2, 0))
    );
    let line = lines(&test, id).await[0].id;
    let inventory = test.app.inventory();
    let back = async |units: i64| {
        let done = test.app.db().write("test.restock", async |tx| {
            inventory
                .restock_in(&tx, id, &[(line, units)], "refund 1", Some(user))
                .await
        });
        done.await
    };
    back(1).await.unwrap();
    back(5).await.unwrap();
    assert!(
        matches!(back(3).await, Err(Fault::Broken(_))),
        "8 went out, 6 came back"
    );
    back(2).await.unwrap();
    assert!(back(1).await.is_err());
    assert_eq!(
        (test.stock(sold).await, test.stock(there).await),
        ((5, 0), (5, 0))
    );
    let filter = json!({ "filter": { "reason": { "eq": "RETURNED" }, "reference": "refund 1" } });
    assert_eq!(
        staff.data(MOVEMENTS, filter).await["stockMovements"]["totalCount"],
        4
    );
    assert_eq!(drifts(&test).await, []);
}

#[tokio::test]
async fn a_reservation_is_held_longer_when_its_order_asks() {
    let test = TestApp::new().await;
    let warehouse = test.warehouse("MAIN", 0).await;
    test.product("TEA", 495, warehouse, 5).await;
    let user = test.user("ada@example.org", Role::Customer).await;
    let id = order(&test, user, "TEA", 2).await.unwrap();
    let (inventory, until) = (
        test.app.inventory(),
        test.app.clock().now() + TimeDelta::hours(1),
    );
    let done = test.app.db().write("test.extend", async |tx| {
        inventory.reservations_extend_in(&tx, id, until).await
    });
    done.await.unwrap();
    let rows = test.app.db().read("test.reservations", async |c| {
        let rows = reservation::Entity::find()
            .filter(reservation::COLUMN.order_id.eq(id))
            .all(&*c)
            .await?;
        Ok::<_, Fault>(rows)
    });
    let rows = rows.await.unwrap();
    assert_eq!(
        (rows.len(), rows[0].status, rows[0].expires_at),
        (1, ReservationStatus::Active, until)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_units_of_a_variant_may_come_by_many_hands_at_once() {
    let test = TestApp::new().await;
    let staff = test.viewer(Role::Staff);
    let (first, second) = (
        test.warehouse("FIRST", 0).await,
        test.warehouse("SECOND", 1).await,
    );
    let sold = test.product("TEA", 495, first, 24).await;
    let there = at(sold, second);
    let adjusts = join_all((0..16).map(|_| staff.done(ADJUST, adjust(there, 1))));
    let transfers = join_all((0..8).map(|_| {
        staff.done(
            TRANSFER,
            json!({ "input": transfer(first, second, sold.variant, 1) }),
        )
    }));
    tokio::join!(adjusts, transfers);
    assert_eq!(
        (test.stock(sold).await, test.stock(there).await),
        ((16, 0), (24, 0))
    );
    assert_eq!(drifts(&test).await, []);
}

/// Requests at the same time, of each kind.
const CROWD: usize = 16;

/// What the crowd did.
#[derive(Debug, Default)]
struct Tally {
    held: i64,
    sold: i64,
    adjusted: i64,
    refused: usize,
}

/// One of the crowd: orders, pays, cancels, transfers and adjusts.
async fn shuffle(
    test: &TestApp,
    staff: &Graph,
    user: UserId,
    places: [Sold; 2],
    seat: usize,
) -> Tally {
    let mut tally = Tally::default();
    for round in 0..4 {
        let (from, to) = (places[(seat + round) % 2], places[(seat + round + 1) % 2]);
        match (seat + round) % 4 {
            0 => match order(test, user, "TEA", 3).await {
                Ok(id) if round % 2 == 0 => {
                    test.app
                        .orders()
                        .order_mark_paid(user, id, None)
                        .await
                        .unwrap();
                    tally.sold += 3;
                }
                Ok(id) if seat.is_multiple_of(2) => {
                    test.app
                        .orders()
                        .order_cancel(Scope::All, user, id, None, None)
                        .await
                        .unwrap();
                }
                Ok(_) => tally.held += 3,
                Err(_) => tally.refused += 1,
            },
            1 => {
                let input =
                    json!({ "input": transfer(from.warehouse, to.warehouse, from.variant, 4) });
                let answer = staff.data(TRANSFER, input).await["stockTransfer"].take();
                tally.refused += refusals(&answer, "INSUFFICIENT_STOCK");
            }
            change => {
                let delta = if change == 2 { -3 } else { 2 };
                let answer = staff.data(ADJUST, adjust(from, delta)).await["stockAdjust"].take();
                match refusals(&answer, "OUT_OF_RANGE") {
                    0 => tally.adjusted += delta,
                    refused => tally.refused += refused,
                }
            }
        }
    }
    tally
}

/// How often a request was refused, which may only be for this reason.
fn refusals(payload: &Value, code: &str) -> usize {
    let errors = payload["userErrors"].as_array().unwrap();
    assert!(
        errors.iter().all(|error| error["code"] == code),
        "{payload}"
    );
    errors.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transfers_reservations_and_adjustments_at_once_keep_every_sum() {
    let test = TestApp::new().await;
    let staff = test.viewer(Role::Staff);
    let user = test.user("ada@example.org", Role::Customer).await;
    let (first, second) = (
        test.warehouse("FIRST", 0).await,
        test.warehouse("SECOND", 1).await,
    );
    let sold = test.product("TEA", 495, first, 12).await;
    let places = [sold, at(sold, second)];
    staff.done(ADJUST, adjust(places[1], 12)).await;
    let crowd = join_all((0..CROWD).map(|seat| shuffle(&test, &staff, user, places, seat))).await;
    let sum = |f: fn(&Tally) -> i64| crowd.iter().map(f).sum::<i64>();
    let (held, gone, adjusted) = (sum(|t| t.held), sum(|t| t.sold), sum(|t| t.adjusted));
    let (a, b) = (test.stock(places[0]).await, test.stock(places[1]).await);
    assert_eq!(a.0 + b.0, 24 + adjusted - gone, "{a:?} {b:?} {crowd:?}");
    assert_eq!(a.1 + b.1, held, "{a:?} {b:?} {crowd:?}");
    assert!(
        crowd.iter().any(|tally| tally.refused > 0),
        "too much stock to race for: {crowd:?}"
    );
    assert_eq!(drifts(&test).await, []);
    let orders = test.app.db().read("test.orders", async |c| {
        Ok::<_, Fault>(order::Entity::find().all(&*c).await?)
    });
    assert!(!orders.await.unwrap().is_empty());
}

/// Writes to the tables behind the program's back.
async fn sabotage<F, Fut>(test: &TestApp, change: F)
where
    F: Fn(tradepost::db::Tx) -> Fut + Send,
    Fut: Future<Output = Result<(), Fault>> + Send,
{
    test.app.db().write("test.sabotage", change).await.unwrap();
}

#[tokio::test]
async fn verifying_finds_each_kind_of_drift() {
    let test = TestApp::new().await;
    let (main, other) = (
        test.warehouse("MAIN", 0).await,
        test.warehouse("OTHER", 1).await,
    );
    let user = test.user("ada@example.org", Role::Customer).await;
    let mut places = Vec::new();
    for sku in ["A", "B", "C", "D", "E"] {
        places.push(test.product(sku, 100, main, 10).await);
    }
    for sku in ["B", "D"] {
        order(&test, user, sku, 2).await.unwrap();
    }
    assert_eq!(drifts(&test).await, []);
    let set = async |sold: Sold, column: stock::Column, units: i64| {
        sabotage(&test, async |tx| {
            stock::Entity::update_many()
                .col_expr(column, Expr::value(units))
                .filter(stock::COLUMN.variant_id.eq(sold.variant))
                .exec(&*tx)
                .await?;
            Ok(())
        })
        .await;
    };
    let (a, b, c, d) = (places[0], places[1], places[2], places[3]);
    set(a, stock::Column::OnHand, 11).await;
    set(b, stock::Column::Reserved, 5).await;
    // A movement and a reservation of places that have no stock row.
    sabotage(&test, async |tx| {
        stock_movement::Entity::update_many()
            .col_expr(stock_movement::Column::WarehouseId, Expr::value(other))
            .filter(stock_movement::COLUMN.variant_id.eq(c.variant))
            .exec(&*tx)
            .await?;
        reservation::Entity::update_many()
            .col_expr(reservation::Column::WarehouseId, Expr::value(other))
            .filter(reservation::COLUMN.variant_id.eq(d.variant))
            .exec(&*tx)
            .await?;
        Ok(())
    })
    .await;
    let mut told: Vec<String> = drifts(&test)
        .await
        .iter()
        .map(|drift| {
            let sku = places
                .iter()
                .position(|sold| sold.variant == drift.place.variant_id)
                .unwrap();
            let place = if drift.place.warehouse_id == main {
                "main"
            } else {
                "other"
            };
            format!(
                "{} {place} {}/{} {}/{}",
                ["A", "B", "C", "D", "E"][sku],
                drift.on_hand,
                drift.moved,
                drift.reserved,
                drift.held
            )
        })
        .collect();
    told.sort();
    let expected = [
        "A main 11/10 0/0",
        "B main 10/10 5/2",
        "C main 10/0 0/0",
        "C other 0/10 0/0",
        "D main 10/10 2/0",
        "D other 0/0 0/2",
    ];
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verifying_while_stock_changes_finds_nothing() {
    let test = TestApp::new().await;
    let main = test.warehouse("MAIN", 0).await;
    let user = test.user("ada@example.org", Role::Customer).await;
    for n in 0..20 {
        test.product(&format!("SKU-{n}"), 100, main, 100).await;
    }
    let busy = join_all((0..CROWD).map(async |seat| {
        for round in 0..5 {
            let sku = format!("SKU-{}", (seat + round) % 20);
            let id = order(&test, user, &sku, 1).await.unwrap();
            if round % 2 == 0 {
                test.app
                    .orders()
                    .order_mark_paid(user, id, None)
                    .await
                    .unwrap();
            }
        }
    }));
    let watch = async {
        for _ in 0..10 {
            assert_eq!(drifts(&test).await, []);
        }
    };
    tokio::join!(busy, watch);
    assert_eq!(drifts(&test).await, []);
}
