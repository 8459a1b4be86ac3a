//! How orders are paid. Meanings and units: `config/default.toml`.
#![expect(
    missing_docs,
    reason = "each field is explained once, in config/default.toml, beside its default"
)]

use super::secret::Secret;
use super::sections::within;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Payments {
    pub call_timeout_ms: u64,
    pub retry_least_ms: i64,
    pub retry_most_ms: i64,
    pub webhook_secret: Secret,
    pub webhook_tolerance_s: i64,
    pub simulated_slow_ms: u64,
    pub simulated_settle_ms: i64,
    pub simulated_webhook_late_ms: i64,
}

impl Payments {
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        for (key, value, least, most) in [
            ("payments.retry_least_ms", self.retry_least_ms, 10, 60_000),
            (
                "payments.retry_most_ms",
                self.retry_most_ms,
                self.retry_least_ms,
                3_600_000,
            ),
            (
                "payments.webhook_tolerance_s",
                self.webhook_tolerance_s,
                1,
                86_400,
            ),
            (
                "payments.simulated_settle_ms",
                self.simulated_settle_ms,
                0,
                3_600_000,
            ),
            (
                "payments.simulated_webhook_late_ms",
                self.simulated_webhook_late_ms,
                0,
                86_400_000,
            ),
        ] {
            within(problems, key, value, least, most);
        }
        within(
            problems,
            "payments.call_timeout_ms",
            self.call_timeout_ms,
            10,
            60_000,
        );
        within(
            problems,
            "payments.simulated_slow_ms",
            self.simulated_slow_ms,
            0,
            60_000,
        );
        let secret = self.webhook_secret.expose();
        if !secret.is_empty() && secret.len() < 16 {
            problems.push("payments.webhook_secret: at least 16 characters".into());
        }
    }
}
