//! What the program really writes while a shop is run: every type, each body as its schema says, each with its cause.

use super::Checks;
use crate::support::graph::Graph;
use crate::support::http::answer;
use crate::support::process::log_in;
use crate::support::{Sold, TestApp};
use chrono::TimeDelta;
use entity::accounts::{Role, UserStatus};
use entity::events::outbox_event;
use entity::ids::{OrderId, UserId, WarehouseId};
use entity::inventory::MovementReason;
use http::Method as Verb;
use sea_orm::{EntityTrait, QueryOrder};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tradepost::contract;
use tradepost::domain::accounts::model::{Viewer, ViewerUser};
use tradepost::domain::accounts::service::ProfileChange;
use tradepost::domain::catalog::model::VariantReference;
use tradepost::domain::inventory::model::Released;
use tradepost::domain::inventory::service::{Adjustment, Transfer};
use tradepost::domain::orders::model::Scope;
use tradepost::domain::orders::service::{Details, NewFulfillment, NewLine, NewOrder, NewRefund};
use tradepost::domain::orders::tasks;
use tradepost::domain::payments::service::Method;
use tradepost::error::Fault;
use tradepost::events::record::{self, Record, Settings};
use tradepost::seed;

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Every row of the outbox, oldest first.
pub(crate) async fn rows(test: &TestApp) -> Vec<outbox_event::Model> {
    test.app
        .db()
        .read("test.outbox", async |c| {
            let all = outbox_event::Entity::find().order_by_asc(outbox_event::Column::Id);
            Ok::<_, Fault>(all.all(&*c).await?)
        })
        .await
        .unwrap()
}

/// Types of some rows, shortened.
fn types(rows: &[outbox_event::Model]) -> Vec<&str> {
    let short = |row: &'_ outbox_event::Model| -> String {
        row.event_type
            .trim_start_matches("tradepost.")
            .trim_end_matches(".v1")
            .to_owned()
    };
    rows.iter().map(|row| &*short(row).leak()).collect()
}

/// A shop in which everything happens that is published.
struct Run {
    test: TestApp,
    sold: Sold,
    other: WarehouseId,
    buyer: UserId,
}

impl Run {
    async fn open() -> Self {
        let test = TestApp::with(&[
            ("checkout.unknown_hours", json!(1)),
            ("payments.simulated_webhook_late_ms", json!(86_400_000)),
        ])
        .await;
        let warehouse = test.warehouse("MAIN", 0).await;
        let other = test.warehouse("NORTH", 1).await;
        let sold = test.product("TEA", 495, warehouse, 100).await;
        let accounts = test.app.accounts();
        let made = accounts.user_create("a@example.com", "Ann", "a good password", Role::Customer);
        let buyer = made.await.unwrap().id;
        Self {
            test,
            sold,
            other,
            buyer,
        }
    }

    async fn order(&self, quantity: i64, token: Option<&str>) -> OrderId {
        let new = NewOrder {
            lines: vec![NewLine {
                reference: VariantReference::Variant(self.sold.variant),
                quantity,
            }],
            details: Details {
                payment: token.map(card),
                ..Details::default()
            },
        };
        let orders = self.test.app.orders();
        let (paid, _) = orders.order_create(self.buyer, &new, None).await.unwrap();
        paid.order.id
    }

    /// Registers, and changes what a user is.
    async fn accounts(&self) {
        let accounts = self.test.app.accounts();
        let change = ProfileChange {
            phone: Some(Some("+442071838750".to_owned())),
            ..ProfileChange::default()
        };
        accounts.profile_update(self.buyer, &change).await.unwrap();
        accounts
            .user_set_role(self.buyer, Role::Staff)
            .await
            .unwrap();
        let root = accounts.user_create("r@example.com", "Root", "a good password", Role::Admin);
        let root = root.await.unwrap();
        let viewer = Viewer::User(ViewerUser {
            user_id: root.id,
            session_id: self.test.app.clock().id(),
            role: Role::Admin,
        });
        let status = UserStatus::Disabled;
        accounts
            .user_set_status(&viewer, self.buyer, status)
            .await
            .unwrap();
    }

    /// Stock comes, goes, and runs low.
    async fn stock(&self) {
        let inventory = self.test.app.inventory();
        for delta in [-98, 100] {
            let adjustment = Adjustment {
                variant_id: self.sold.variant,
                warehouse_id: self.sold.warehouse,
                delta,
                reason: MovementReason::Counted,
                reference: None,
                expected_quantity: None,
            };
            inventory
                .stock_adjust(Some(self.buyer), &adjustment, None)
                .await
                .unwrap();
        }
        let transfer = Transfer {
            variant_id: self.sold.variant,
            from_warehouse_id: self.sold.warehouse,
            to_warehouse_id: self.other,
            quantity: 2,
            reference: None,
        };
        inventory
            .stock_transfer(Some(self.buyer), &transfer, None)
            .await
            .unwrap();
    }

    /// Orders that end in each way.
    async fn orders(&self) {
        let (orders, clock) = (self.test.app.orders(), self.test.app.clock());
        let (own, buyer) = (Scope::Own(self.buyer), self.buyer);
        let cancelled = self.order(1, None).await;
        orders
            .order_cancel(own, buyer, cancelled, None, None)
            .await
            .unwrap();
        self.order(1, Some("tok_declined")).await;
        let sent = self.order(2, None).await;
        let card = card("tok_ok");
        let paid = orders.order_pay(own, buyer, sent, &card, None);
        paid.await.unwrap();
        let parcel = NewFulfillment::default();
        orders
            .order_fulfil(buyer, sent, &parcel, None)
            .await
            .unwrap();
        let back = NewRefund {
            lines: None,
            restock: true,
            reason: None,
        };
        orders.order_refund(buyer, sent, &back, None).await.unwrap();
        self.order(1, None).await;
        clock.advance(TimeDelta::minutes(20));
        tasks::expire_unpaid(orders).await.unwrap();
        // Nobody finds out what became of a payment.
        self.order(1, Some("tok_webhook_late")).await;
        clock.advance(TimeDelta::hours(2));
        self.test.settle(&self.test.app).await;
        self.stock_gone().await;
    }

    /// An order is paid late, and somebody else has its units.
    async fn stock_gone(&self) {
        let (inventory, variants) = (self.test.app.inventory(), [self.sold.variant]);
        let left = async || -> i64 {
            let all = inventory.stock_available(&variants).await.unwrap();
            all.iter().map(|one| one.units).sum()
        };
        let late = self.order(left().await, Some("tok_unknown")).await;
        let db = self.test.app.db();
        db.write("test.release", async |tx| {
            inventory.release_in(&tx, late, Released::Expired).await
        })
        .await
        .unwrap();
        self.order(left().await, Some("tok_ok")).await;
        self.test.settle(&self.test.app).await;
    }
}

fn card(token: &str) -> Method {
    Method::Card {
        token: token.to_owned(),
    }
}

/// Products and categories are made, changed, moved and deleted.
async fn catalogue(staff: &Graph) {
    let category = "mutation($slug: String!) { categoryCreate(input: {name: \"Cups\", slug: $slug}) { category { id } userErrors { code } } }";
    let mut ids = Vec::new();
    for slug in ["cups", "pots"] {
        let made = staff.done(category, json!({ "slug": slug })).await;
        ids.push(made["category"]["id"].clone());
    }
    let change = "mutation($id: ID!) { categoryUpdate(id: $id, input: {name: \"Mugs\"}) { category { id } userErrors { code } } }";
    staff.done(change, json!({ "id": ids[0] })).await;
    let place = "mutation($id: ID!, $to: ID) { categoryMove(id: $id, parentId: $to) { category { id } userErrors { code } } }";
    staff
        .done(place, json!({ "id": ids[1], "to": ids[0] }))
        .await;
    let product = "mutation($name: String!, $in: [ID!]) { productCreate(input: {name: $name, price: \"5.00\", sku: $name, categoryIds: $in}) { product { id } userErrors { code path } } }";
    let mug = staff
        .done(product, json!({ "name": "mug", "in": [ids[0]] }))
        .await["product"]["id"]
        .clone();
    let pot = staff
        .done(product, json!({ "name": "pot", "in": [] }))
        .await["product"]["id"]
        .clone();
    let update = "mutation($id: ID!, $input: ProductUpdateInput!) { productUpdate(id: $id, input: $input) { product { id } userErrors { code path } } }";
    for input in [
        json!({ "name": "Large mug", "price": "6.00" }),
        json!({ "description": "Blue." }),
        json!({ "status": "ARCHIVED" }),
    ] {
        staff
            .done(update, json!({ "id": mug, "input": input }))
            .await;
    }
    let delete = "mutation($id: ID!) { productDelete(id: $id) { userErrors { code } } }";
    staff.done(delete, json!({ "id": pot })).await;
    let delete = "mutation($id: ID!) { categoryDelete(id: $id) { userErrors { code } } }";
    staff.done(delete, json!({ "id": ids[1] })).await;
}

#[tokio::test]
async fn every_type_is_written_and_each_body_is_what_its_schema_says() {
    let run = Run::open().await;
    let staff = run.test.viewer_of(run.buyer, Role::Staff);
    catalogue(&staff).await;
    run.stock().await;
    run.orders().await;
    run.accounts().await;

    let (rows, checks) = (rows(&run.test).await, Checks::today());
    let settings = Settings::of(run.test.app.config());
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for row in &rows {
        assert_eq!(checks.wrong(&row.event_type, &row.payload), None);
        for header in ["traceparent", "correlationid"] {
            assert!(
                row.headers[header].is_string(),
                "{}: {}",
                row.event_type,
                row.headers
            );
        }
        let text = row.payload.to_string();
        for private in ["example.com", "Ann", "+442071838750"] {
            assert!(!text.contains(private), "{}: {text}", row.event_type);
        }
        for one in record::records(&settings, row, None).unwrap() {
            let name = one.header("ce_type").unwrap();
            let body: Value = serde_json::from_slice(&one.value).unwrap();
            assert_eq!(checks.wrong(name, &body), None);
            seen.insert(name.to_owned());
        }
    }
    let states = run.test.app.orders().orders_snapshot(None, false, 500);
    for state in states.await.unwrap() {
        assert_eq!(checks.wrong(state.event_type, &state.payload), None);
        seen.insert(state.event_type.to_owned());
    }
    let all: BTreeSet<String> = contract::all().names().map(str::to_owned).collect();
    let missing: Vec<_> = all.difference(&seen).collect();
    assert!(missing.is_empty(), "never written: {missing:?}");
    assert_eq!(seen, all);
}

/// What `product.*` and `category.*` tell of changes: types, and what is in them.
#[tokio::test]
async fn a_commit_tells_everything_that_happened_in_it_with_the_product_after_it() {
    let test = TestApp::new().await;
    let staff = test.viewer(Role::Staff);
    catalogue(&staff).await;
    let rows = rows(&test).await;
    assert_eq!(
        types(&rows),
        [
            "category.created",
            "category.created",
            "category.updated",
            "category.moved",
            "product.created",
            "product.created",
            // A name and a price in one commit.
            "product.price_changed",
            "product.updated",
            "product.updated",
            "product.archived",
            "product.deleted",
            "category.deleted",
        ]
    );
    let body = |index: usize| &rows[index].payload;
    assert_eq!(body(2)["changed"], json!(["name"]));
    assert_eq!(body(3)["parentId"], body(0)["categoryId"]);
    assert_eq!(
        (&body(3)["previousParentId"], body(3)["version"].as_i64()),
        (&Value::Null, Some(2))
    );
    assert_eq!(body(4)["categoryIds"], json!([body(0)["categoryId"]]));
    assert_eq!(
        body(6),
        body(7),
        "all events of a commit have the same body"
    );
    assert_eq!(body(6)["version"], 2);
    assert_eq!(body(6)["changed"], json!(["name"]));
    let money = |amount: &str| json!({ "amount": amount, "currencyCode": "GBP" });
    assert_eq!(body(6)["priceChanges"][0]["previousPrice"], money("5.00"));
    assert_eq!(body(6)["priceChanges"][0]["price"], money("6.00"));
    assert_eq!(body(6)["variants"][0]["price"], money("6.00"));
    assert_eq!(
        body(6)["categoryIds"],
        body(4)["categoryIds"],
        "read where it was not given"
    );
    assert_eq!(body(8)["description"], "Blue.");
    assert_eq!(
        (&body(9)["status"], &body(9)["changed"]),
        (&json!("ARCHIVED"), &json!(["status"]))
    );
    assert_eq!(body(10)["productId"], body(5)["productId"]);
    assert_eq!(
        rows[9].aggregate_id.to_string(),
        body(9)["productId"].as_str().unwrap()
    );
    assert!(rows.iter().all(|row| row.aggregate_version.is_none()));
}

#[tokio::test]
async fn imports_publish_what_they_change_and_nothing_else() {
    let test = TestApp::new().await;
    let file = |pence: u32| {
        let line = |n: u32| format!("SKU-{n},Thing {n},1.{pence:02},{},tools\n", n % 3);
        let lines: String = (0..40).map(line).collect();
        format!("sku,name,price,stock,categories\n{lines}")
    };
    let count = async || {
        let all = rows(&test).await;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for one in types(&all) {
            *counts.entry(one.to_owned()).or_default() += 1;
        }
        counts
    };
    test.import(file(10)).await;
    let first = count().await;
    assert_eq!(
        (
            first["product.created"],
            first["category.created"],
            first.len()
        ),
        (40, 1, 2)
    );
    test.import(file(10)).await;
    assert_eq!(count().await, first, "nothing changed");
    test.import(file(20)).await;
    let priced = count().await;
    assert_eq!((priced["product.price_changed"], priced.len()), (40, 3));
    let checks = Checks::today();
    for row in rows(&test).await {
        assert_eq!(checks.wrong(&row.event_type, &row.payload), None);
        assert_eq!(
            row.payload.get("categoryIds").is_some(),
            row.aggregate_type == "product"
        );
    }
}

#[tokio::test]
async fn the_demo_shop_tells_itself_once() {
    let test = TestApp::new().await;
    seed::run(&test.app).await.unwrap();
    let all = rows(&test).await;
    let of = |name: &str| types(&all).iter().filter(|one| **one == name).count();
    let counts = ["account.registered", "category.created", "product.created"].map(of);
    assert_eq!((counts, all.len()), ([3, 6, 24], 33));
}

/// Orders over HTTP, and a worker that goes on with one of them: what events tell of their cause.
#[tokio::test]
async fn events_tell_the_request_that_caused_them_and_what_follows_stays_in_its_flow() {
    let test = TestApp::new().await;
    seed::run(&test.app).await.unwrap();
    let seeded = rows(&test).await.len();
    let server = test.serve().await;
    let customer = log_in(&server.client(), "customer@example.com", "customer123").await;
    let order = async |token: &str, request: &str| -> OrderId {
        let query = format!(
            "mutation {{ orderCreate(input: {{lines: [{{sku: \"earl-grey\", quantity: 1}}], payment: {{card: {{token: \"{token}\"}}}}}}) {{ order {{ id }} userErrors {{ code }} }} }}"
        );
        let asked = customer
            .raw(Verb::POST, "/graphql")
            .header("traceparent", TRACE)
            .header("x-request-id", request)
            .json(&json!({ "query": query }));
        let (_, _, body) = answer(asked).await;
        let id = body["data"]["orderCreate"]["order"]["id"].as_str().unwrap();
        OrderId(id.parse().unwrap())
    };
    order("tok_ok", "request-1").await;
    let late = order("tok_unknown", "request-2").await;
    test.settle(&test.app).await;

    let all = rows(&test).await;
    let told = |row: &outbox_event::Model| -> Vec<String> {
        let names = ["traceparent", "correlationid", "causationid"];
        names
            .map(|name| row.headers[name].as_str().unwrap_or("-").to_owned())
            .to_vec()
    };
    let orders: Vec<_> = all[seeded..]
        .iter()
        .filter(|row| row.aggregate_type == "order")
        .collect();
    for row in orders.iter().filter(|row| row.aggregate_id != late.0) {
        assert_eq!(
            told(row),
            [TRACE, "request-1", "request-1"],
            "{}",
            row.event_type
        );
    }
    let late: Vec<_> = orders
        .iter()
        .filter(|row| row.aggregate_id == late.0)
        .collect();
    let [created, paid] = late.as_slice() else {
        panic!("{late:?}");
    };
    assert_eq!(told(created), [TRACE, "request-2", "request-2"]);
    assert_eq!(paid.event_type, "tradepost.order.paid.v1");
    let cause = created.event_id.to_string();
    assert_eq!(
        told(paid),
        [TRACE, "request-2", cause.as_str()],
        "the worker went on with it"
    );

    let settings = Settings::of(test.app.config());
    let record = record::main(&settings, **paid).unwrap();
    for (header, expected) in [
        ("ce_traceparent", TRACE),
        ("ce_correlationid", "request-2"),
        ("ce_causationid", &cause),
    ] {
        assert_eq!(record.header(header), Some(expected));
    }
}

/// System 003's consumer: five names, typed as text.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "that they can be read is what is tested")]
pub(crate) struct Notification {
    pub(crate) order_id: String,
    pub(crate) user_id: String,
    pub(crate) user_email: String,
    pub(crate) total_price: String,
    pub(crate) created_at: String,
}

/// The same for installations that keep e-mail addresses to themselves, where that one is null.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "that they can be read is what is tested")]
pub(crate) struct NotificationWithoutEmail {
    pub(crate) order_id: String,
    pub(crate) user_id: String,
    pub(crate) user_email: Option<String>,
    pub(crate) total_price: String,
    pub(crate) created_at: String,
}

/// Twenty orders of every kind of end, so that the outbox has other events between those of created orders.
pub(crate) async fn twenty_orders(test: &TestApp) {
    let warehouse = test.warehouse("MAIN", 0).await;
    let sold = test.product("TEA", 495, warehouse, 100).await;
    let buyer = test.user("buyer@example.com", Role::Customer).await;
    for number in 0..20 {
        let token = [None, Some("tok_ok"), Some("tok_declined")][number % 3];
        let new = NewOrder {
            lines: vec![NewLine {
                reference: VariantReference::Variant(sold.variant),
                quantity: 1,
            }],
            details: Details {
                payment: token.map(card),
                ..Details::default()
            },
        };
        test.app
            .orders()
            .order_create(buyer, &new, None)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_consumer_of_the_five_names_reads_every_record() {
    let test = TestApp::with(&[("events.include_email", json!(true))]).await;
    twenty_orders(&test).await;
    let (settings, all) = (Settings::of(test.app.config()), rows(&test).await);
    assert!(all.len() > 20);
    let topic = test.app.config().events.order_created_topic.as_str();
    let flat = |email: Option<&str>| -> Vec<Record> {
        let records = all
            .iter()
            .flat_map(|row| record::records(&settings, row, email).unwrap());
        records.filter(|record| record.topic == topic).collect()
    };
    let records = flat(Some("buyer@example.com"));
    assert_eq!(records.len(), 20, "created orders and nothing else");
    for record in &records {
        let _: Notification = serde_json::from_slice(&record.value).unwrap();
    }
    for record in flat(None) {
        let read: NotificationWithoutEmail = serde_json::from_slice(&record.value).unwrap();
        assert_eq!(read.user_email, None);
    }
}
