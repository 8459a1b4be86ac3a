//! Every place of every root field takes what no honest client sends, and refuses it politely: as an admin, who
//! reaches what guards keep others from. The places are read from the schema, so a new field is covered by being there.

use crate::http_hostile::harmless;
use crate::support::TestApp;
use crate::support::http::Client;
use crate::support::process::log_in;
use entity::accounts::Role;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

const INTROSPECTION: &str = "{__schema {types {kind name isOneOf enumValues {name}
    fields {name args {...input} type {...type}} inputFields {...input}}}}
    fragment input on __InputValue {name defaultValue type {...type}}
    fragment type on __Type {kind name ofType {kind name ofType {kind name ofType {kind name}}}}";
/// How deep input objects are entered.
const DEPTH_MAX: usize = 4;

/// What the schema says, by the names of its types.
struct Types(HashMap<String, Value>);

impl Types {
    async fn of(client: &Client) -> Self {
        let mut data = client.data(INTROSPECTION, json!({})).await;
        let types = data["__schema"]["types"].take();
        let types = types.as_array().unwrap().iter();
        Self(
            types
                .map(|found| (found["name"].as_str().unwrap().to_owned(), found.clone()))
                .collect(),
        )
    }

    fn named(&self, reference: &Value) -> &Value {
        &self.0[name(reference)]
    }

    /// The fields of an input object, none for anything else.
    fn inputs(&self, reference: &Value) -> &[Value] {
        self.named(reference)["inputFields"]
            .as_array()
            .map_or(&[], Vec::as_slice)
    }

    /// The paths to all places below an argument, its own included.
    fn places(&self, input: &Value, path: &[String], found: &mut Vec<Vec<String>>) {
        let mut path = path.to_vec();
        path.push(input["name"].as_str().unwrap().to_owned());
        if path.len() <= DEPTH_MAX {
            for field in self.inputs(&input["type"]) {
                self.places(field, &path, found);
            }
        }
        found.push(path);
    }

    /// A plain value with what is required, and `hostile` at the end of the path.
    fn value(&self, reference: &Value, path: &[String], hostile: &Value) -> Value {
        let Some((next, rest)) = path.split_first() else {
            return hostile.clone();
        };
        let fields = self.inputs(reference);
        let field = fields.iter().find(|field| field["name"] == *next).unwrap();
        let mut object = self.required(reference);
        object.insert(next.clone(), self.value(&field["type"], rest, hostile));
        within_lists(reference, Value::Object(object))
    }

    fn required(&self, reference: &Value) -> Map<String, Value> {
        let needed =
            |field: &&Value| field["type"]["kind"] == "NON_NULL" && field["defaultValue"].is_null();
        let fields = self.inputs(reference).iter().filter(needed);
        fields
            .map(|field| {
                (
                    field["name"].as_str().unwrap().to_owned(),
                    self.plain(field),
                )
            })
            .collect()
    }

    /// A value that this place could have.
    fn plain(&self, input: &Value) -> Value {
        let named = self.named(&input["type"]);
        let value = match (
            named["kind"].as_str().unwrap(),
            named["name"].as_str().unwrap(),
        ) {
            ("ENUM", _) => named["enumValues"][0]["name"].clone(),
            ("INPUT_OBJECT", _) if named["isOneOf"] == true => {
                let first = &named["inputFields"][0];
                json!({ first["name"].as_str().unwrap(): self.plain(first) })
            }
            ("INPUT_OBJECT", _) => Value::Object(self.required(&input["type"])),
            (_, "Int") => json!(1),
            (_, "Boolean") => json!(true),
            (_, "ID") => json!("01918f2c-0000-7000-8000-000000000001"),
            (_, "Decimal") => json!("1.00"),
            (_, "CurrencyCode") => json!("GBP"),
            (_, "DateTime") => json!("2026-01-15T10:30:00Z"),
            _ if input["name"] == "email" => json!("somebody@example.org"),
            _ => json!("correct-horse-1"),
        };
        within_lists(&input["type"], value)
    }

    /// A selection for a field: a name of its type, or nothing for leaves.
    fn selection(&self, reference: &Value) -> &'static str {
        match self.named(reference)["kind"].as_str().unwrap() {
            "OBJECT" | "INTERFACE" | "UNION" => "{__typename}",
            _ => "",
        }
    }
}

/// The name of the type within lists and non-null marks.
fn name(reference: &Value) -> &str {
    match reference["name"].as_str() {
        Some(name) => name,
        None => name(&reference["ofType"]),
    }
}

/// The type as it is written in a document.
fn text(reference: &Value) -> String {
    match reference["kind"].as_str().unwrap() {
        "NON_NULL" => format!("{}!", text(&reference["ofType"])),
        "LIST" => format!("[{}]", text(&reference["ofType"])),
        _ => name(reference).to_owned(),
    }
}

/// Wraps a value in as many lists as its place has.
fn within_lists(reference: &Value, value: Value) -> Value {
    match reference["kind"].as_str().unwrap() {
        "NON_NULL" => within_lists(&reference["ofType"], value),
        "LIST" => json!([within_lists(&reference["ofType"], value)]),
        _ => value,
    }
}

fn hostile() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(i32::MAX),
        json!(i32::MIN),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!(" "),
        json!("x".repeat(20_000)),
        json!("\u{202e}\u{fffe}😀' OR 1=1 --%_\\"),
        json!("-0.000000000000000000000000001"),
        json!("79228162514264337593543950335"),
        json!("99999999-9999-9999-9999-999999999999"),
        json!("9999-12-31T23:59:59.999999999-23:59"),
        json!("+262143-01-01T00:00:00Z"),
        json!([]),
        json!([[null]]),
        json!({}),
        json!({"": {"": 1}}),
        json!(vec!["a"; 2_000]),
    ]
}

#[tokio::test]
async fn every_place_of_every_root_field_refuses_politely() {
    let test = TestApp::new().await;
    let running = test.serve().await;
    let guest = running.client();
    let accounts = test.app.accounts();
    accounts
        .user_create("admin@example.org", "Admin", "correct horse", Role::Admin)
        .await
        .unwrap();
    let admin = log_in(&guest, "admin@example.org", "correct horse").await;
    let types = Types::of(&guest).await;
    let mut asked = 0;
    for (root, keyword) in [("Query", "query"), ("Mutation", "mutation")] {
        for field in types.0[root]["fields"].as_array().unwrap() {
            // It would end the session that all the others need; the tests of accounts cover it.
            if field["name"] == "sessionRevoke" {
                continue;
            }
            asked += refuse_everywhere(&types, &admin, keyword, field).await;
        }
    }
    assert!(asked > 1_000, "{asked} places and values");
}

/// Sends every hostile value at every place of one root field.
async fn refuse_everywhere(types: &Types, client: &Client, keyword: &str, field: &Value) -> usize {
    let arguments = field["args"].as_array().unwrap();
    let field_name = field["name"].as_str().unwrap();
    let selection = types.selection(&field["type"]);
    let mut asked = 0;
    for argument in arguments {
        let mut places = Vec::new();
        types.places(argument, &[], &mut places);
        let given: Vec<&Value> = arguments
            .iter()
            .filter(|other| {
                other["name"] == argument["name"] || other["type"]["kind"] == "NON_NULL"
            })
            .collect();
        let listed = |pair: &dyn Fn(&str, &Value) -> String| -> String {
            let pairs = given
                .iter()
                .map(|one| pair(one["name"].as_str().unwrap(), one));
            pairs.collect::<Vec<_>>().join(" ")
        };
        let declared = listed(&|name, one| format!("${name}: {}", text(&one["type"])));
        let passed = listed(&|name, _| format!("{name}: ${name}"));
        let query = format!("{keyword}({declared}) {{{field_name}({passed}) {selection}}}");
        for place in &places {
            for value in hostile() {
                let variables: Map<String, Value> = given
                    .iter()
                    .map(|one| {
                        let name = one["name"].as_str().unwrap();
                        let value = if one["name"] == argument["name"] {
                            types.value(&one["type"], &place[1..], &value)
                        } else {
                            types.plain(one)
                        };
                        (name.to_owned(), value)
                    })
                    .collect();
                let found = client.post(&query, Value::Object(variables)).await;
                harmless(
                    &found,
                    &format!("{query} {place:?} {:.80}", value.to_string()),
                );
                asked += 1;
            }
        }
    }
    asked
}
