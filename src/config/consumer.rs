//! How events are consumed, and which mails follow from them. Meanings and units: `config/default.toml`.
#![expect(
    missing_docs,
    reason = "each field is explained once, in config/default.toml, beside its default"
)]

use super::sections::{Switch, within};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Consumer {
    pub concurrency: usize,
    pub window: usize,
    pub attempts_max: u32,
    pub retry_least_ms: u64,
    pub retry_most_ms: u64,
    pub wait_most_ms: u64,
    pub session_ms: u64,
    pub poll_ms: u64,
    pub inbox_days: i64,
    pub dead_letter_days: i64,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Notifications {
    pub enabled: Switch,
    pub age_max_hours: i64,
}

impl Consumer {
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        within(problems, "consumer.concurrency", self.concurrency, 1, 256);
        within(problems, "consumer.window", self.window, 1, 100_000);
        within(
            problems,
            "consumer.attempts_max",
            self.attempts_max,
            1,
            1_000,
        );
        for (key, value, least, most) in [
            ("consumer.retry_least_ms", self.retry_least_ms, 1, 600_000),
            (
                "consumer.retry_most_ms",
                self.retry_most_ms,
                self.retry_least_ms,
                86_400_000,
            ),
            (
                "consumer.wait_most_ms",
                self.wait_most_ms,
                self.retry_least_ms,
                3_600_000,
            ),
            ("consumer.session_ms", self.session_ms, 500, 600_000),
            ("consumer.poll_ms", self.poll_ms, 5, 60_000),
        ] {
            within(problems, key, value, least, most);
        }
        within(problems, "consumer.inbox_days", self.inbox_days, 1, 3_650);
        within(
            problems,
            "consumer.dead_letter_days",
            self.dead_letter_days,
            1,
            3_650,
        );
    }
}

impl Notifications {
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        within(
            problems,
            "notifications.age_max_hours",
            self.age_max_hours,
            1,
            87_600,
        );
    }
}
