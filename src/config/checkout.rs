//! How orders are brought to their end. Meanings and units: `config/default.toml`.
#![expect(
    missing_docs,
    reason = "each field is explained once, in config/default.toml, beside its default"
)]

use super::sections::within;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Checkout {
    pub lease_ms: i64,
    pub retry_least_ms: i64,
    pub retry_most_ms: i64,
    pub unknown_hours: i64,
    pub request_days: i64,
    pub fault_point: String,
}

impl Checkout {
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        for (key, value, least, most) in [
            ("checkout.lease_ms", self.lease_ms, 100, 600_000),
            ("checkout.retry_least_ms", self.retry_least_ms, 10, 60_000),
            (
                "checkout.retry_most_ms",
                self.retry_most_ms,
                self.retry_least_ms,
                3_600_000,
            ),
            ("checkout.unknown_hours", self.unknown_hours, 1, 720),
            ("checkout.request_days", self.request_days, 1, 3_650),
        ] {
            within(problems, key, value, least, most);
        }
    }
}
