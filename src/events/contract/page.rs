//! The table of all types in `docs/events.md`.

use super::asyncapi::CHANNELS;
use super::{Contract, FLAT_SUMMARY};
use crate::config::Config;
use crate::events::record::{ORDER_CREATED_FLAT, Settings};
use std::fmt::Write as _;

/// One row a type, topic by topic.
pub(super) fn table(contract: Contract, config: &Config) -> String {
    let settings = Settings::of(config);
    let mut text = String::from("| `ce_type` | topic | key | when |\n| --- | --- | --- | --- |\n");
    let mut row = |name: &str, topic: &str, key: &str, summary: &str| {
        // Writing to a String cannot fail.
        writeln!(text, "| `{name}` | `{topic}` | {key} | {summary} |").unwrap_or_default();
    };
    if let Some(topic) = settings.order_created_topic() {
        row(ORDER_CREATED_FLAT, topic, "order id", FLAT_SUMMARY);
    }
    for channel in CHANNELS {
        let topic = settings.topic(channel.stream);
        for one in contract.types() {
            if channel.has(one) {
                let key = format!("{} id", one.aggregate);
                row(one.name, &topic, &key, one.summary);
            }
        }
    }
    text
}
