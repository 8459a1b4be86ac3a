//! Amounts are exact, and never a number of JSON: floats of clients would round them.

use crate::support::TestApp;
use entity::accounts::Role;
use serde_json::{Value, json};
use tradepost::domain::catalog::model::VariantReference;
use tradepost::domain::orders::service::{Details, NewLine, NewOrder};
use tradepost::domain::payments::service::Method;

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

#[tokio::test]
async fn no_amount_of_an_event_is_a_number() {
    let test = TestApp::new().await;
    let warehouse = test.warehouse("MAIN", 0).await;
    let sold = test.product("TEA", 495, warehouse, 5).await;
    let user = test.user("buyer@example.com", Role::Customer).await;
    let new = NewOrder {
        lines: vec![NewLine {
            reference: VariantReference::Variant(sold.variant),
            quantity: 2,
        }],
        details: Details {
            payment: Some(Method::Card {
                token: "tok_ok".to_owned(),
            }),
            ..Details::default()
        },
    };
    let orders = test.app.orders();
    orders.transaction_create(user, &new, None).await.unwrap();
    let books = test.books().await;
    assert_eq!(books.events.len(), 2);
    for event in &books.events {
        let mut found = Vec::new();
        numbers(&event.payload, "", &mut found);
        found.retain(|path| path.split('.').any(is_of_money));
        assert_eq!(found, [""; 0], "{}", event.event_type);
        let total = &event.payload["total"];
        assert_eq!(*total, json!({ "amount": "9.90", "currencyCode": "GBP" }));
    }
}
