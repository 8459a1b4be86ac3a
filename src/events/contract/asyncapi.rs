//! The AsyncAPI document: topics as channels, types as messages.

use super::{Contract, EventType, FLAT_SUMMARY, generator};
use crate::config::Config;
use crate::events::record::{ORDER_CREATED_FLAT, OrderCreatedEvent, Record, STATES, Settings};
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The first lines of the document.
pub(super) const HEAD: &str = "# What Tradepost publishes. Made from the types of the program by `tradepost schema --asyncapi`; \
                               docs/events.md explains it.\n";
/// Version of the Kafka bindings.
const BINDING: &str = "0.5.0";

/// What a topic holds, by its stream (see [`record::STREAMS`]).
pub(super) struct Channel {
    pub(super) stream: &'static str,
    title: &'static str,
    /// What its records' key is.
    key: &'static str,
    description: &'static str,
    /// Whether only the newest record of each key is kept.
    is_compacted: bool,
}

impl Channel {
    /// Whether events of a type are in it.
    pub(super) fn has(&self, one: &EventType) -> bool {
        one.stream() == Some(self.stream)
    }
}

/// Every stream, in the order in which people look for them.
pub(super) const CHANNELS: &[Channel] = &[
    Channel {
        stream: "orders",
        title: "Orders",
        key: "order id",
        description: "Every change of an order, and the order after it. The first appearance of each version of an \
                      order is in order and without a gap.",
        is_compacted: false,
    },
    Channel {
        stream: STATES,
        title: "States of orders",
        key: "order id",
        description: "The newest state of each order, for teams that start late: sent when an operator runs `tradepost \
                      events snapshot`. It is no change; ce_aggregateversion tells from which version on to go on.",
        is_compacted: true,
    },
    Channel {
        stream: "inventory",
        title: "Stock",
        key: "variant id",
        description: "Changes of stock that orders do not tell, and crossings of its thresholds.",
        is_compacted: false,
    },
    Channel {
        stream: "catalog",
        title: "Products and categories",
        key: "product or category id",
        description: "Every change of a product or category that raises its version, and the product or category \
                      after it.",
        is_compacted: false,
    },
    Channel {
        stream: "accounts",
        title: "Accounts",
        key: "user id",
        description: "Users come and change. Bodies hold ids and names of fields, no personal data.",
        is_compacted: false,
    },
];

/// The channel of the flat form.
const FLAT: Channel = Channel {
    stream: "order_created",
    title: "Created orders in a flat form",
    key: "order id",
    description: "For consumers that were written before Tradepost: one record for each created order, and nothing \
                  else. Its ce_id is that of the same order's tradepost.order.created.v1.",
    is_compacted: false,
};

/// The whole document.
pub(super) fn document(contract: Contract, config: &Config) -> Value {
    let settings = Settings::of(config);
    let mut parts = Parts {
        generator: generator("/components/schemas"),
        channels: Map::new(),
        operations: Map::new(),
        messages: Map::new(),
    };
    for channel in CHANNELS {
        let types: Vec<&EventType> = contract.types().filter(|one| channel.has(one)).collect();
        let names: Vec<&str> = types.iter().map(|one| one.name).collect();
        parts.channel(channel, &settings.topic(channel.stream), &names, config);
        for one in types {
            let example = contract.record(one.name, &settings);
            parts.message(one.name, one.summary, one.body, example);
        }
    }
    if let Some(topic) = settings.order_created_topic() {
        parts.channel(&FLAT, topic, &[ORDER_CREATED_FLAT], config);
        let example = contract.record(ORDER_CREATED_FLAT, &settings);
        let body = SchemaGenerator::subschema_for::<OrderCreatedEvent>;
        parts.message(ORDER_CREATED_FLAT, FLAT_SUMMARY, body, example);
    }
    let mut schemas = parts.generator.take_definitions(true);
    schemas.insert("Headers".to_owned(), headers());
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tradepost events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "CloudEvents 1.0 in binary mode: attributes are headers, the value is the data alone. Each event \
                            comes at least once, a repeat with the same ce_id. Fields, types and words of fixed sets may \
                            be added; ignore what you do not know.",
            "license": { "name": "MIT" },
        },
        "defaultContentType": "application/json",
        "channels": parts.channels,
        "operations": parts.operations,
        "components": { "messages": parts.messages, "schemas": schemas },
    })
}

/// The document while it is put together.
struct Parts {
    generator: SchemaGenerator,
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    messages: Map<String, Value>,
}

impl Parts {
    fn channel(&mut self, channel: &Channel, topic: &str, types: &[&str], config: &Config) {
        let of = |name: &str| json!({ "$ref": format!("#/components/messages/{name}") });
        let messages: Map<String, Value> = types
            .iter()
            .map(|name| ((*name).to_owned(), of(name)))
            .collect();
        self.channels.insert(
            channel.stream.to_owned(),
            json!({
                "address": topic,
                "title": channel.title,
                "description": format!("{} Key: {}.", channel.description, channel.key),
                "messages": messages,
                "bindings": { "kafka": topic_binding(channel, topic, config) },
            }),
        );
        let path = format!("#/channels/{}", channel.stream);
        let messages: Vec<Value> = types
            .iter()
            .map(|name| json!({ "$ref": format!("{path}/messages/{name}") }))
            .collect();
        self.operations.insert(
            format!("publish.{}", channel.stream),
            json!({
                "action": "send",
                "title": channel.title,
                "channel": { "$ref": path },
                "messages": messages,
            }),
        );
    }

    fn message(
        &mut self,
        name: &str,
        summary: &str,
        body: fn(&mut SchemaGenerator) -> schemars::Schema,
        example: Option<Record>,
    ) {
        let examples: Vec<Value> = example.iter().map(of_record).collect();
        self.messages.insert(
            name.to_owned(),
            json!({
                "name": name,
                "title": name,
                "summary": summary,
                "contentType": "application/json",
                "headers": { "$ref": "#/components/schemas/Headers" },
                "payload": body(&mut self.generator).to_value(),
                "correlationId": { "location": "$message.header#/ce_correlationid" },
                "bindings": {
                    "kafka": {
                        "key": { "type": "string", "format": "uuid", "description": "The same as ce_subject." },
                        "bindingVersion": BINDING,
                    },
                },
                "examples": examples,
            }),
        );
    }
}

fn topic_binding(channel: &Channel, topic: &str, config: &Config) -> Value {
    let days = config.events.retention_days.unsigned_abs();
    let retention = Duration::from_secs(days * 86_400).as_millis();
    let configuration = if channel.is_compacted {
        json!({ "cleanup.policy": ["compact"] })
    } else {
        let retention = u64::try_from(retention).unwrap_or(u64::MAX);
        json!({ "cleanup.policy": ["delete"], "retention.ms": retention })
    };
    let mut binding = json!({
        "topic": topic,
        "partitions": config.kafka.partitions,
        "topicConfiguration": configuration,
        "bindingVersion": BINDING,
    });
    // -1 is the broker's own.
    if config.kafka.replication > 0 {
        binding["replicas"] = config.kafka.replication.into();
    }
    binding
}

fn of_record(record: &Record) -> Value {
    let headers: Map<String, Value> = record
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into()))
        .collect();
    let body: Value = serde_json::from_slice(&record.value).unwrap_or_default();
    json!({ "headers": headers, "payload": body })
}

/// The schema of the headers that all records have in common.
fn headers() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let with = |description: &str, key: &str, value: &str| {
        let mut schema = text(description);
        schema[key] = value.into();
        schema
    };
    json!({
        "type": "object",
        "description": "CloudEvents attributes. Headers may be added.",
        "required": [
            "ce_specversion", "ce_id", "ce_type", "ce_source", "ce_subject", "ce_time", "ce_partitionkey",
            "ce_dataschema", "ce_correlationid", "ce_traceparent", "content-type",
        ],
        "properties": {
            "ce_specversion": with("Version of CloudEvents.", "const", "1.0"),
            "ce_id": with("The event's id (UUIDv7); the same on every repeat and on all topics.", "format", "uuid"),
            "ce_type": text("What happened, with the version of its form."),
            "ce_source": text("Which part of which installation tells it: /tradepost/INSTANCE/STREAM."),
            "ce_subject": with("What it happened to; the record's key.", "format", "uuid"),
            "ce_time": with("When it happened, UTC, six digits of fraction.", "format", "date-time"),
            "ce_recordedtime": with("When it was recorded, if that was later.", "format", "date-time"),
            "ce_aggregateversion": with(
                "The order's version after the change: 1, 2, 3 ... without a gap. Only on the orders' topics.",
                "pattern",
                "^[0-9]+$",
            ),
            "ce_partitionkey": text("The record's key."),
            "ce_dataschema": with("Where the JSON Schema of the body is.", "format", "uri"),
            "ce_traceparent": text("W3C trace context of what caused it."),
            "ce_correlationid": text("What all events of one flow have in common: the id of the request that began it."),
            "ce_causationid": text("The id of the request or of the event that caused it, where there is one."),
            "content-type": with("Form of the body.", "const", "application/json"),
        },
    })
}
