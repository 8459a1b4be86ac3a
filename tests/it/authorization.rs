//! Who may use which root field: the table says it for each, and each does what the table says.

use crate::support::TestApp;
use crate::support::http::Client;
use entity::accounts::Role;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tradepost::graphql::authorization::{Access, TABLE};

/// Fields of the table that a later issue delivers. This list only shrinks.
const NOT_DELIVERED: &[&str] = &[];

const PASSWORD: &str = "correct horse";

const SCHEMA: &str = "{ __schema {
  queryType { name } mutationType { name } subscriptionType { name }
  types { name kind isOneOf
    fields { name type { ...Type }
      args { name defaultValue type { ...Type } } }
    inputFields { name defaultValue type { ...Type } }
    enumValues { name } } } }
fragment Type on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// The schema as its own introspection tells it.
struct Schema {
    roots: Vec<(String, Value)>,
    types: BTreeMap<String, Value>,
}

impl Schema {
    async fn of(client: &Client) -> Self {
        let schema = client.data(SCHEMA, json!({})).await["__schema"].take();
        let types: BTreeMap<String, Value> = items(&schema["types"])
            .map(|kind| (text(&kind["name"]), kind.clone()))
            .collect();
        let mut roots = Vec::new();
        for root in ["queryType", "mutationType", "subscriptionType"] {
            if let Some(name) = schema[root]["name"].as_str() {
                let fields = items(&types[name]["fields"]);
                roots.extend(fields.map(|field| (name.to_owned(), field.clone())));
            }
        }
        Self { roots, types }
    }

    fn names(&self) -> Vec<String> {
        let name = |(root, field): &(String, Value)| format!("{root}.{}", text(&field["name"]));
        self.roots.iter().map(name).collect()
    }

    /// A document that asks for one root field with the least it needs.
    fn document(&self, root: &str, field: &Value) -> String {
        let args: Vec<String> = required(&field["args"])
            .map(|arg| format!("{}: {}", text(&arg["name"]), self.literal(&arg["type"])))
            .collect();
        let args = match args.as_slice() {
            [] => String::new(),
            args => format!("({})", args.join(", ")),
        };
        let named = named(&field["type"]);
        let selection = match self.types[&named]["kind"].as_str() {
            Some("SCALAR" | "ENUM") => "",
            _ => " { __typename }",
        };
        let operation = root.to_lowercase();
        format!(
            "{operation} {{ {}{args}{selection} }}",
            text(&field["name"])
        )
    }

    /// A value of a type, as a literal.
    fn literal(&self, kind: &Value) -> String {
        match kind["kind"].as_str().unwrap() {
            "NON_NULL" => self.literal(&kind["ofType"]),
            "LIST" => format!("[{}]", self.literal(&kind["ofType"])),
            _ => self.named_literal(&text(&kind["name"])),
        }
    }

    fn named_literal(&self, name: &str) -> String {
        let kind = &self.types[name];
        match kind["kind"].as_str().unwrap() {
            "ENUM" => text(&kind["enumValues"][0]["name"]),
            "INPUT_OBJECT" => {
                let one_of = kind["isOneOf"] == true;
                let fields: Vec<&Value> = if one_of {
                    items(&kind["inputFields"]).take(1).collect()
                } else {
                    required(&kind["inputFields"]).collect()
                };
                let fields: Vec<String> = fields
                    .into_iter()
                    .map(|field| {
                        format!("{}: {}", text(&field["name"]), self.literal(&field["type"]))
                    })
                    .collect();
                format!("{{{}}}", fields.join(", "))
            }
            _ => match name {
                "Int" | "Float" => "1".to_owned(),
                "Boolean" => "true".to_owned(),
                "ID" => "\"01918f2c-7a3b-7c1d-9e2f-5a6b7c8d9e0f\"".to_owned(),
                "Decimal" => "\"1.00\"".to_owned(),
                "DateTime" => "\"2026-01-15T10:30:00Z\"".to_owned(),
                "CurrencyCode" => "\"GBP\"".to_owned(),
                _ => "\"text\"".to_owned(),
            },
        }
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn required(fields: &Value) -> impl Iterator<Item = &Value> {
    items(fields)
        .filter(|field| field["type"]["kind"] == "NON_NULL" && field["defaultValue"].is_null())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The name of a type below its lists and non-nulls.
fn named(kind: &Value) -> String {
    match kind["name"].as_str() {
        Some(name) => name.to_owned(),
        None => named(&kind["ofType"]),
    }
}

#[tokio::test]
async fn the_table_and_the_schema_have_the_same_root_fields() {
    let test = TestApp::new().await;
    let server = test.serve().await;
    let schema = Schema::of(&server.client()).await;
    let delivered: BTreeSet<String> = schema.names().into_iter().collect();
    let table: BTreeSet<String> = TABLE.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(table.len(), TABLE.len(), "the table names a field twice");
    let missing: Vec<_> = delivered.difference(&table).collect();
    assert!(missing.is_empty(), "no access is stated for {missing:?}");
    let unknown: Vec<&str> = table.difference(&delivered).map(String::as_str).collect();
    assert_eq!(unknown, NOT_DELIVERED);
    let bare: BTreeSet<&str> = delivered
        .iter()
        .filter_map(|name| name.split('.').nth(1))
        .collect();
    assert_eq!(
        bare.len(),
        delivered.len(),
        "two roots share the name of a field"
    );
}

/// A client logged in with a role; `None` is a guest.
async fn client_of(test: &TestApp, guest: &Client, role: Option<Role>) -> Client {
    let Some(role) = role else {
        return guest.clone();
    };
    let email = format!(
        "{}@example.org",
        test.app.clock().id::<uuid::Uuid>().simple()
    );
    let accounts = test.app.accounts();
    accounts
        .user_create(&email, "Somebody", PASSWORD, role)
        .await
        .unwrap();
    let tokens = accounts.session_create(&email, PASSWORD).await.unwrap();
    guest.with_token(&tokens.access_token)
}

#[tokio::test]
async fn every_root_field_refuses_those_below_its_role() {
    let test = TestApp::new().await;
    let server = test.serve().await;
    let guest = server.client();
    let schema = Schema::of(&guest).await;
    for (root, field) in schema
        .roots
        .iter()
        .filter(|(root, _)| root != "Subscription")
    {
        let name = text(&field["name"]);
        let document = schema.document(root, field);
        let full = format!("{root}.{name}");
        let (_, access) = TABLE.iter().find(|(known, _)| *known == full).unwrap();
        let viewers = [
            None,
            Some(Role::Customer),
            Some(Role::Staff),
            Some(Role::Admin),
        ];
        for viewer in viewers {
            let client = client_of(&test, &guest, viewer).await;
            let (status, _, body) = client.post(&document, json!({})).await;
            let code = &body["errors"][0]["extensions"]["code"];
            let context = format!("{document} as {viewer:?}: {status} {body}");
            let expected = match (access, viewer) {
                (Access::Least(_), None) => Some("UNAUTHENTICATED"),
                (Access::Least(least), Some(role)) if role < *least => Some("FORBIDDEN"),
                _ => None,
            };
            if let Some(expected) = expected {
                assert_eq!(code, expected, "{context}");
                assert_eq!(body["errors"][0]["path"], json!([name]), "{context}");
                assert!(status == 200 && body["data"][&name].is_null(), "{context}");
            } else {
                assert!(
                    code != "UNAUTHENTICATED" && code != "FORBIDDEN",
                    "{context}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_refused_field_leaves_its_siblings_alone() {
    let test = TestApp::new().await;
    let running = test.serve().await;
    let guest = running.client();
    let query = "{ shop { name } warehouses { nodes { id } } again: shop { currencyCode } }";
    let (status, _, body) = guest.post(query, json!({})).await;
    assert_eq!(status, http::StatusCode::OK);
    assert_eq!(body["data"]["shop"]["name"], "Tradepost", "{body}");
    assert_eq!(body["data"]["warehouses"], Value::Null);
    assert_eq!(body["data"]["again"]["currencyCode"], "GBP", "{body}");
    assert_eq!(body["errors"].as_array().unwrap().len(), 1);
    assert_eq!(body["errors"][0]["path"], json!(["warehouses"]));
    // Mutations run one after the other: each refusal has its path, and those between them are done.
    let mutation = "mutation($id: ID!) { first: categoryDelete(id: $id) { userErrors { code } }
        cart: cartLinesAdd(lines: [{ sku: \"NONE\", quantity: 1 }]) { userErrors { code } }
        last: categoryDelete(id: $id) { userErrors { code } } }";
    let id = json!({ "id": "018f0000-0000-7000-8000-000000000000" });
    let (_, _, body) = guest.post(mutation, id).await;
    let code = &body["data"]["cart"]["userErrors"][0]["code"];
    assert_eq!(code, "NOT_FOUND", "{body}");
    let paths = items(&body["errors"]).map(|error| error["path"].clone());
    assert_eq!(
        paths.collect::<Vec<_>>(),
        [json!(["first"]), json!(["last"])]
    );
}
