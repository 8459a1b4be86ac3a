//! Amounts are exact, and never a number of JSON: floats of clients would round them.

use crate::support::TestApp;
use entity::accounts::Role;
use entity::events::outbox_event;
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tradepost::domain::catalog::model::VariantReference;
use tradepost::domain::orders::model::Scope;
use tradepost::domain::orders::service::{Details, NewLine, NewOrder, NewRefund};
use tradepost::domain::orders::tasks;
use tradepost::domain::payments::service::Method;
use tradepost::error::Fault;

/// Parts of names that amounts have.
const NAMES: [&str; 8] = [
    "amount", "price", "total", "balance", "fee", "cost", "revenue", "captured",
];
/// Fields that count things and have such a name.
const COUNTS: [&str; 4] = ["totalCount", "totalPages", "totalOrders", "totalQuantity"];

pub(crate) fn is_of_money(name: &str) -> bool {
    let folded = name.to_lowercase();
    NAMES.iter().any(|part| folded.contains(part)) && !COUNTS.contains(&name)
}

/// The innermost type of a field or an argument.
fn named(of: &Value) -> &str {
    match &of["ofType"] {
        Value::Null => of["name"].as_str().unwrap(),
        inner => named(inner),
    }
}

#[tokio::test]
async fn no_amount_of_the_schema_is_a_number() {
    let test = TestApp::new().await;
    let kind = "kind name ofType { kind name ofType { kind name ofType { kind name } } }";
    let query = format!(
        "{{ __schema {{ types {{ name fields {{ name type {{ {kind} }} args {{ name type {{ {kind} }} }} }} inputFields {{ name type {{ {kind} }} }} }} }} }}"
    );
    let data = test.guest().data(&query, json!({})).await;
    let types = data["__schema"]["types"].as_array().unwrap();
    let mut seen = 0;
    for one in types {
        for part in ["fields", "inputFields"] {
            for field in one[part].as_array().unwrap_or(&Vec::new()) {
                let nothing = Vec::new();
                let arguments = field["args"].as_array().unwrap_or(&nothing);
                for place in std::iter::once(field).chain(arguments) {
                    let name = place["name"].as_str().unwrap();
                    let of = named(&place["type"]);
                    assert_ne!(of, "Float", "{}.{name}", one["name"]);
                    if is_of_money(name) {
                        seen += 1;
                        assert_ne!(of, "Int", "{}.{name}", one["name"]);
                    }
                }
            }
        }
    }
    assert!(seen > 30, "{seen} amounts: the walk went past them");
}

/// Every number below a value, with the names of what it stands in.
fn numbers(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Number(_) => found.push(path.to_owned()),
        Value::Array(list) => list.iter().for_each(|one| numbers(one, path, found)),
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, one)| numbers(one, &format!("{path}.{name}"), found)),
        _ => {}
    }
}

/// Orders that are paid, refused, paid back in parts and in full, cancelled and expired, and stock that runs low: every
/// event that the outbox has afterwards.
async fn every_event(test: &TestApp) -> Vec<outbox_event::Model> {
    let warehouse = test.warehouse("MAIN", 0).await;
    let sold = test.product("TEA", 495, warehouse, 12).await;
    let user = test.user("buyer@example.com", Role::Customer).await;
    let (orders, own) = (test.app.orders(), Scope::Own(user));
    let buy = async |token: Option<&str>| {
        let new = NewOrder {
            lines: vec![NewLine {
                reference: VariantReference::Variant(sold.variant),
                quantity: 2,
            }],
            details: Details {
                payment: token.map(|token| Method::Card {
                    token: token.to_owned(),
                }),
                ..Details::default()
            },
        };
        let made = orders.order_create(user, &new, None).await;
        made.unwrap().0.order.id
    };
    let parts = buy(Some("tok_ok")).await;
    let cancelled = buy(Some("tok_ok")).await;
    buy(Some("tok_declined")).await;
    buy(None).await;
    let line = test.books().await.lines;
    let line = line.iter().find(|line| line.order_id == parts).unwrap().id;
    for lines in [Some(vec![(line, 1)]), None] {
        let new = NewRefund {
            lines,
            restock: true,
            reason: None,
        };
        orders.order_refund(user, parts, &new, None).await.unwrap();
    }
    let cancel = orders.order_cancel(own, user, cancelled, None, None);
    cancel.await.unwrap();
    test.settle(&test.app).await.agree();
    test.app.clock().advance(chrono::TimeDelta::hours(1));
    tasks::expire_unpaid(orders).await.unwrap();
    let change = "mutation($v: ID!, $w: ID!) { stockAdjust(input: {variantId: $v, warehouseId: $w, delta: -10, reason: DAMAGED}) { stock { onHand } userErrors { code } } }";
    let place = json!({ "v": sold.variant.to_string(), "w": warehouse.to_string() });
    test.viewer(Role::Staff).done(change, place).await;
    let read = test.app.db().read("test.outbox", async |c| {
        Ok::<_, Fault>(outbox_event::Entity::find().all(&*c).await?)
    });
    read.await.unwrap()
}

#[tokio::test]
async fn no_amount_of_an_event_is_a_number() {
    let test = TestApp::new().await;
    let events = every_event(&test).await;
    let types: BTreeSet<&str> = events.iter().map(|row| row.event_type.as_str()).collect();
    for expected in [
        "order.created",
        "order.paid",
        "order.payment_failed",
        "order.refunded",
        "order.cancelled",
        "order.expired",
        "reservation.expired",
        "stock.adjusted",
        "stock.low",
    ] {
        let name = format!("tradepost.{expected}.v1");
        assert!(types.contains(name.as_str()), "no {name} in {types:?}");
    }
    for event in &events {
        let mut found = Vec::new();
        numbers(&event.payload, "", &mut found);
        found.retain(|path| path.split('.').any(is_of_money));
        assert_eq!(found, [""; 0], "{}", event.event_type);
        if event.aggregate_type == "order" {
            let total = &event.payload["total"];
            assert_eq!(*total, json!({ "amount": "9.90", "currencyCode": "GBP" }));
        }
    }
}
