//! The contract of the events: what is published is what is promised, and what was promised stays.

mod compare;
pub(crate) mod written;

use crate::support::http::answer;
use crate::support::{Profile, TestApp, env, profile};
use compare::incompatibilities;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tradepost::config::Config;
use tradepost::contract;
use tradepost::events::record::{Record, Settings};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The settings of the documentation.
fn config() -> Config {
    Config::with([("http.public_url", json!("https://shop.example.com"))]).unwrap()
}

/// Schemas that are compiled, by the name of the type.
pub(crate) struct Checks {
    schemas: boon::Schemas,
    by_name: BTreeMap<String, boon::SchemaIndex>,
}

impl Checks {
    pub(crate) fn of(schemas: impl IntoIterator<Item = (String, Value)>) -> Self {
        let (mut compiled, mut by_name) = (boon::Schemas::new(), BTreeMap::new());
        let mut compiler = boon::Compiler::new();
        compiler.set_default_draft(boon::Draft::V2020_12);
        compiler.enable_format_assertions();
        for (name, schema) in schemas {
            let place = format!("https://schemas.invalid/{name}.json");
            compiler.add_resource(&place, schema).unwrap();
            let index = compiler.compile(&place, &mut compiled).unwrap();
            by_name.insert(name, index);
        }
        Self {
            schemas: compiled,
            by_name,
        }
    }

    /// Of today's schemas.
    pub(crate) fn today() -> Self {
        let all = contract::all();
        Self::of(
            all.names()
                .map(|name| (name.to_owned(), all.schema(name).unwrap())),
        )
    }

    /// What is wrong with a body of this type.
    pub(crate) fn wrong(&self, name: &str, body: &Value) -> Option<String> {
        let Some(index) = self.by_name.get(name) else {
            return Some(format!("there is no schema of {name}"));
        };
        let checked = self.schemas.validate(body, *index);
        checked
            .err()
            .map(|error| format!("{name}: {error:#}\n{body:#}"))
    }
}

/// A record as `released/events` keeps it.
fn golden(record: &Record) -> Value {
    let headers: BTreeMap<&str, &str> = record
        .headers
        .iter()
        .map(|(name, _)| (name.as_str(), record.header(name).unwrap()))
        .collect();
    let value: Value = serde_json::from_slice(&record.value).unwrap();
    json!({ "topic": record.topic, "key": record.key, "headers": headers, "value": value })
}

fn released_files(folder: &str) -> Vec<(String, Value)> {
    let folder = root().join("released").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    files.sort();
    let named = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, serde_json::from_str(&text).unwrap())
    };
    files.into_iter().map(named).collect()
}

/// What the last release promised. A release writes it anew from the program.
fn released() -> (BTreeMap<String, Value>, BTreeMap<String, Value>) {
    if env("TRADEPOST_WRITE_RELEASED").is_some() {
        let (all, settings) = (contract::all(), Settings::of(&config()));
        let folder = root().join("released/events");
        std::fs::create_dir_all(folder.join("schemas")).unwrap();
        let write =
            |path: PathBuf, value: &Value| std::fs::write(path, format!("{value:#}\n")).unwrap();
        for name in all.names() {
            let record = all.record(name, &settings).unwrap();
            write(folder.join(format!("{name}.json")), &golden(&record));
            write(
                folder.join(format!("schemas/{name}.json")),
                &all.schema(name).unwrap(),
            );
        }
        std::fs::copy(
            root().join("asyncapi.yaml"),
            root().join("released/asyncapi.yaml"),
        )
        .unwrap();
    }
    let samples = released_files("events").into_iter().collect();
    (
        samples,
        released_files("events/schemas").into_iter().collect(),
    )
}

#[test]
fn the_committed_document_is_the_programs() {
    let path = root().join("asyncapi.yaml");
    let defaults = Config::with::<Value>([]).unwrap();
    let text = contract::all().asyncapi(&defaults);
    if env("TRADEPOST_WRITE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == text,
        "asyncapi.yaml is old: run `cargo run -- schema --asyncapi > asyncapi.yaml`"
    );
}

#[test]
fn the_page_of_events_has_the_table_of_all_types() {
    const BEGIN: &str = "<!-- types: TRADEPOST_WRITE_DOCS=1 cargo test --test it contract -->\n";
    const END: &str = "<!-- end of types -->";
    let path = root().join("docs/events.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let table = contract::all().table(&config());
    let made = format!("{before}{BEGIN}\n{table}\n{END}{after}");
    if env("TRADEPOST_WRITE_DOCS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap() == made,
        "the table in docs/events.md is old: TRADEPOST_WRITE_DOCS=1 cargo test --test it contract"
    );
}

#[test]
fn the_page_of_events_shows_the_samples() {
    let page = std::fs::read_to_string(root().join("docs/events.md")).unwrap();
    let shown: Vec<Value> = page
        .split("```json\n")
        .skip(1)
        .map(|rest| serde_json::from_str(rest.split("```").next().unwrap()).unwrap())
        .collect();
    let all = contract::all();
    let samples = ["OrderCreatedEvent", "tradepost.order.created.v1"];
    assert_eq!(shown, samples.map(|name| all.sample(name).unwrap()));
}

#[test]
fn the_topics_are_those_of_the_ruling_and_each_type_has_its_domains() {
    let settings = Settings::of(&config());
    let all = contract::all();
    let mut topics: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for name in all.names() {
        let record = all.record(name, &settings).unwrap();
        assert_eq!(record.header("ce_type"), Some(name));
        assert_eq!(record.header("ce_subject"), Some(record.key.as_str()));
        let short = name
            .trim_start_matches("tradepost.")
            .trim_end_matches(".v1");
        topics.entry(record.topic).or_default().insert(short);
    }
    let of = |topic: &str| topics[topic].iter().copied().collect::<Vec<_>>().join(" ");
    assert_eq!(topics.len(), 6);
    assert_eq!(of("order_created"), "OrderCreatedEvent");
    assert_eq!(
        of("tradepost.orders.v1"),
        "order.cancelled order.created order.expired order.failed order.fulfilled order.paid order.payment_failed \
         order.refunded order.updated stock.update_failed"
    );
    assert_eq!(of("tradepost.orders.state.v1"), "order.snapshot");
    assert_eq!(
        of("tradepost.inventory.v1"),
        "reservation.expired stock.adjusted stock.back_in_stock stock.low stock.transferred"
    );
    assert_eq!(
        of("tradepost.catalog.v1"),
        "category.created category.deleted category.moved category.updated product.archived product.created \
         product.deleted product.price_changed product.updated"
    );
    assert_eq!(
        of("tradepost.accounts.v1"),
        "account.registered account.updated"
    );
}

#[test]
fn every_sample_is_what_its_schema_says() {
    let (all, checks) = (contract::all(), Checks::today());
    for name in all.names() {
        assert_eq!(checks.wrong(name, &all.sample(name).unwrap()), None);
    }
    let broken = json!({ "order_id": 7 });
    assert!(checks.wrong("OrderCreatedEvent", &broken).is_some());
    let mut time = all.sample("OrderCreatedEvent").unwrap();
    time["created_at"] = json!("2025-11-19T23:03:43Z");
    assert!(
        checks.wrong("OrderCreatedEvent", &time).is_some(),
        "six digits of fraction"
    );
    let mut id = all.sample("OrderCreatedEvent").unwrap();
    id["user_id"] = json!("somebody");
    assert!(
        checks.wrong("OrderCreatedEvent", &id).is_some(),
        "formats are looked at"
    );
}

/// Every schema below a schema, with its place.
fn places<'a>(schema: &'a Value, path: &str, all: &mut Vec<(String, &'a Value)>) {
    all.push((path.to_owned(), schema));
    for part in ["properties", "$defs"] {
        for (name, one) in schema[part].as_object().into_iter().flatten() {
            places(one, &format!("{path}.{name}"), all);
        }
    }
    if schema.get("items").is_some() {
        places(&schema["items"], &format!("{path}[]"), all);
    }
}

#[test]
fn schemas_are_described_open_and_have_no_money_in_numbers() {
    let all = contract::all();
    let (mut fields, mut amounts) = (0, 0);
    for name in all.names() {
        let schema = all.schema(name).unwrap();
        assert_eq!(
            schema["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
        let mut found = Vec::new();
        places(&schema, name, &mut found);
        for (path, one) in found {
            assert_eq!(
                one.get("additionalProperties"),
                None,
                "{path}: fields may be added"
            );
            let kind = one["type"].to_string();
            assert!(!kind.contains("number"), "{path} is a float");
            for (field, what) in one["properties"].as_object().into_iter().flatten() {
                fields += 1;
                let text = what["description"].as_str().unwrap_or_default();
                assert!(!text.is_empty(), "{path}.{field} has no description");
                if crate::money::is_of_money(field) {
                    amounts += 1;
                    let kind = what["type"].to_string();
                    assert!(
                        !kind.contains("integer"),
                        "{path}.{field} is money in a number"
                    );
                }
            }
        }
    }
    assert!(
        fields > 150 && amounts > 20,
        "{fields} {amounts}: the walk went past them"
    );
}

#[test]
fn what_was_released_is_kept() {
    let (samples, schemas) = released();
    assert!(samples.len() > 20 && samples.keys().eq(schemas.keys()));
    let (all, settings) = (contract::all(), Settings::of(&config()));
    let (today, then) = (Checks::today(), Checks::of(schemas.clone()));
    for (name, old) in &schemas {
        let Some(new) = all.schema(name) else {
            panic!("{name} was released and is gone: a type stays, and a new form is another type");
        };
        assert_eq!(incompatibilities(old, &new), [""; 0], "{name}");
        // Backward: what waits in outboxes and topics is still read. Forward: who reads the old form reads the new one.
        let sample = &samples[name];
        assert_eq!(today.wrong(name, &sample["value"]), None);
        assert_eq!(then.wrong(name, &all.sample(name).unwrap()), None);
        let record = golden(&all.record(name, &settings).unwrap());
        for part in [
            "/topic",
            "/key",
            "/headers/ce_source",
            "/headers/ce_dataschema",
        ] {
            assert_eq!(record.pointer(part), sample.pointer(part), "{name}{part}");
        }
        for header in sample["headers"].as_object().unwrap().keys() {
            assert!(
                record["headers"].get(header).is_some(),
                "{name}: {header} is gone"
            );
        }
    }
}

#[test]
fn an_incompatible_change_is_found_and_an_addition_is_none() {
    let old = contract::all()
        .schema("tradepost.order.created.v1")
        .unwrap();
    let after = |change: &dyn Fn(&mut Value)| {
        let mut new = old.clone();
        change(&mut new);
        incompatibilities(&old, &new)
    };
    let take = |list: &mut Value, word: &str| {
        list.as_array_mut().unwrap().retain(|one| one != word);
    };
    assert_eq!(after(&|_| ()), [""; 0]);
    let additions = after(&|new| {
        new["properties"]["channel"] = json!({ "type": "string" });
        new["description"] = json!("Said in other words.");
        let words = &mut new["properties"]["status"]["anyOf"][0]["enum"];
        words.as_array_mut().unwrap().push(json!("RETURNED"));
    });
    assert_eq!(additions, [""; 0]);
    let gone = after(&|new| {
        new["properties"].as_object_mut().unwrap().remove("number");
        take(&mut new["required"], "number");
    });
    assert_eq!(
        gone,
        [
            ".number: was always there and is not required now",
            ".number: is gone"
        ]
    );
    type Break<'a> = (&'a dyn Fn(&mut Value), &'a str);
    let breaks: [Break<'_>; 8] = [
        (
            &|new| new["properties"]["version"]["type"] = json!("string"),
            ".version: type",
        ),
        (
            &|new| new["properties"]["number"]["type"] = json!(["string", "null"]),
            ".number: type",
        ),
        (
            &|new| new["properties"]["orderId"]["format"] = json!("uri"),
            ".orderId: format",
        ),
        (
            &|new| take(&mut new["required"], "status"),
            ".status: was always there",
        ),
        (
            &|new| {
                new["required"]
                    .as_array_mut()
                    .unwrap()
                    .push(json!("failure"));
            },
            ".failure: is required",
        ),
        (
            &|new| take(&mut new["properties"]["status"]["anyOf"][0]["enum"], "PAID"),
            ".status: the word \"PAID\" is gone",
        ),
        (
            &|new| new["additionalProperties"] = json!(false),
            ": additionalProperties",
        ),
        (
            // Behind a reference, in the items of a list.
            &|new| new["$defs"]["Money"]["properties"]["amount"]["type"] = json!("number"),
            ".lines[].total.amount: type",
        ),
    ];
    for (change, expected) in breaks {
        let found = after(change);
        assert!(
            found.iter().any(|one| one.starts_with(expected)),
            "{expected}: {found:?}"
        );
    }
    // Samples tell it too: neither side reads the other's.
    let mut narrow = old.clone();
    narrow["required"]
        .as_array_mut()
        .unwrap()
        .push(json!("failure"));
    let checks = Checks::of([("narrow".to_owned(), narrow)]);
    let sample = contract::all()
        .sample("tradepost.order.created.v1")
        .unwrap();
    assert!(checks.wrong("narrow", &sample).is_some());
}

#[tokio::test]
async fn the_contract_is_served_and_may_be_kept() {
    let test = TestApp::new().await;
    let server = test.serve().await;
    let client = server.client();
    let get = async |path: &str| client.raw(Method::GET, path).send().await.unwrap();

    let document = get("/asyncapi.yaml").await;
    assert_eq!(document.status(), StatusCode::OK);
    assert_eq!(
        document.headers()["content-type"],
        "application/yaml; charset=utf-8"
    );
    let text = document.text().await.unwrap();
    assert_eq!(text, contract::all().asyncapi(test.app.config()));
    if profile() == Profile::Embedded {
        assert!(text.contains("address: tradepost.orders.v1"));
    }

    let (_, _, list) = answer(client.raw(Method::GET, "/events/schemas")).await;
    let types = list["types"].as_array().unwrap();
    assert_eq!(types.len(), contract::all().names().count());
    for one in types {
        let (name, url) = (
            one["type"].as_str().unwrap(),
            one["schema"].as_str().unwrap(),
        );
        let path = &url[url.find("/events/").unwrap()..];
        let (_, headers, schema) = answer(client.raw(Method::GET, path)).await;
        assert_eq!(headers["content-type"], "application/schema+json");
        assert_eq!(Some(schema), contract::all().schema(name));
    }

    let path = "/events/schemas/tradepost.order.paid.v1.json";
    let first = get(path).await;
    let etag = first.headers()["etag"].clone();
    assert_eq!(first.headers()["cache-control"], "public, max-age=300");
    let again = client
        .raw(Method::GET, path)
        .header("if-none-match", etag.clone());
    let again = again.send().await.unwrap();
    assert_eq!(
        (again.status(), &again.headers()["etag"]),
        (StatusCode::NOT_MODIFIED, &etag)
    );
    for unknown in [
        "tradepost.order.paid.v2.json",
        "tradepost.order.paid.v1",
        "..%2Fx.json",
    ] {
        let request = client.raw(Method::GET, &format!("/events/schemas/{unknown}"));
        let (status, _, body) = answer(request).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{unknown}");
        assert_eq!(body["errors"][0]["extensions"]["code"], "NOT_FOUND");
    }
}
