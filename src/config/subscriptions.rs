//! Limits of subscriptions. Meanings and units: `config/default.toml`.
#![expect(
    missing_docs,
    reason = "each field is explained once, in config/default.toml, beside its default"
)]

use super::sections::within;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Subscriptions {
    pub connections_max: usize,
    pub connections_per_user_max: usize,
    pub streams_per_connection_max: usize,
    pub message_bytes_max: usize,
    pub queue_max: usize,
    pub init_timeout_ms: u64,
    pub ping_interval_ms: u64,
    pub send_timeout_ms: u64,
}

impl Subscriptions {
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        for (key, value, least, most) in [
            ("connections_max", self.connections_max, 1, 1_000_000),
            (
                "connections_per_user_max",
                self.connections_per_user_max,
                1,
                10_000,
            ),
            (
                "streams_per_connection_max",
                self.streams_per_connection_max,
                1,
                10_000,
            ),
            ("message_bytes_max", self.message_bytes_max, 1_024, 16 << 20),
            ("queue_max", self.queue_max, 1, 100_000),
        ] {
            within(
                problems,
                &format!("subscriptions.{key}"),
                value,
                least,
                most,
            );
        }
        for (key, value) in [
            ("init_timeout_ms", self.init_timeout_ms),
            ("ping_interval_ms", self.ping_interval_ms),
            ("send_timeout_ms", self.send_timeout_ms),
        ] {
            within(
                problems,
                &format!("subscriptions.{key}"),
                value,
                100,
                600_000,
            );
        }
    }
}
