//! The contract of the events: a JSON Schema of each type, an AsyncAPI document of all of them, and the tables of
//! `docs/events.md`, made from the types of the bodies.
//!
//! Each domain lists what it publishes in `TYPES` of its `events.rs`, and `src/contract.rs` puts the lists together.
//! What a release has promised stands in `released/events`, and `tests/it/contract.rs` holds today against it.

mod asyncapi;
mod page;
pub mod sample;
mod types;
pub mod values;
mod yaml;

pub use types::EventType;

use super::record::{self, ORDER_CREATED, ORDER_CREATED_FLAT, OrderCreatedEvent, Record, Settings};
use crate::config::Config;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

/// Everything that is published.
#[derive(Clone, Copy, Debug)]
pub struct Contract {
    types: &'static [&'static [EventType]],
}

/// What consumers of the topic of older consumers are told of its only event.
const FLAT_SUMMARY: &str =
    "An order was made: the flat form of tradepost.order.created.v1, for older consumers.";

impl Contract {
    /// Of these lists of types, one a domain.
    #[must_use]
    pub const fn new(types: &'static [&'static [EventType]]) -> Self {
        Self { types }
    }

    /// All types that domains list, without the flat form of `order_created`.
    pub fn types(self) -> impl Iterator<Item = &'static EventType> {
        self.types.iter().copied().flatten()
    }

    /// The names of all types, as `ce_type` has them.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let flat = std::iter::once(ORDER_CREATED_FLAT);
        flat.chain(self.types().map(|one| one.name))
    }

    /// The JSON Schema (2020-12) of the bodies of a type; nothing for one that does not exist.
    #[must_use]
    pub fn schema(self, name: &str) -> Option<Value> {
        if name == ORDER_CREATED_FLAT {
            let flat = SchemaGenerator::subschema_for::<OrderCreatedEvent>;
            return Some(alone(name, FLAT_SUMMARY, flat));
        }
        let found = self.types().find(|one| one.name == name)?;
        Some(alone(name, found.summary, found.body))
    }

    /// A sample body of a type.
    #[must_use]
    pub fn sample(self, name: &str) -> Option<Value> {
        if name == ORDER_CREATED_FLAT {
            let created = self.types().find(|one| one.name == ORDER_CREATED)?;
            let flat = OrderCreatedEvent::of(&created.sample_row(), None);
            return flat.ok().map(|flat| json!(flat));
        }
        let found = self.types().find(|one| one.name == name)?;
        Some((found.sample)().payload)
    }

    /// The record of a type's sample, as it is sent with these settings.
    #[must_use]
    pub fn record(self, name: &str, settings: &Settings) -> Option<Record> {
        let is_flat = name == ORDER_CREATED_FLAT;
        let of_outbox = if is_flat { ORDER_CREATED } else { name };
        let found = self.types().find(|one| one.name == of_outbox)?;
        let records = record::records(settings, &found.sample_row(), None).ok()?;
        let record = records.into_iter().nth(usize::from(is_flat))?;
        if is_flat || found.is_of_outbox() {
            return Some(record);
        }
        Some(Record {
            topic: settings.topic(found.stream()?),
            ..record
        })
    }

    /// The AsyncAPI document as YAML, with the topics of these settings.
    #[must_use]
    pub fn asyncapi(self, config: &Config) -> String {
        let document = asyncapi::document(self, config);
        format!("{}{}", asyncapi::HEAD, yaml::to_text(&document))
    }

    /// The table of all types, as `docs/events.md` has it.
    #[must_use]
    pub fn table(self, config: &Config) -> String {
        page::table(self, config)
    }
}

/// A generator for what the program writes: a field that is always written is required, also when it may be null.
fn generator(definitions: &'static str) -> SchemaGenerator {
    SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = definitions.into())
        .for_serialize()
        .into_generator()
}

/// A schema that stands by itself.
fn alone(name: &str, summary: &str, body: fn(&mut SchemaGenerator) -> Schema) -> Value {
    let mut generator = generator("/$defs");
    let schema = body(&mut generator);
    let mut definitions = generator.take_definitions(true);
    // The body itself is the root, not one of the definitions that the root points to.
    let named = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|path| path.rsplit('/').next())
        .map(str::to_owned);
    let mut root = match named.and_then(|name| definitions.remove(&name)) {
        Some(root) => root,
        None => schema.to_value(),
    };
    if let Some(root) = root.as_object_mut() {
        root.insert(
            "$schema".to_owned(),
            "https://json-schema.org/draft/2020-12/schema".into(),
        );
        root.insert("title".to_owned(), name.into());
        root.insert("description".to_owned(), summary.into());
        if !definitions.is_empty() {
            root.insert("$defs".to_owned(), Value::Object(definitions));
        }
    }
    root
}
