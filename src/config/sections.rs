//! The sections of the configuration and the ranges of their values. Meanings and units: `config/default.toml`.
#![expect(
    missing_docs,
    reason = "each field is explained once, in config/default.toml, beside its default"
)]

use super::secret::Secret;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    Auto,
    Development,
    Production,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    Auto,
    On,
    Off,
}

impl Switch {
    /// Whether it is on, when `Auto` means `default`.
    #[must_use]
    pub const fn is_on(self, default: bool) -> bool {
        match self {
            Self::Auto => default,
            Self::On => true,
            Self::Off => false,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub env: Environment,
    pub address: SocketAddr,
    pub data_dir: String,
    pub instance: String,
    pub shutdown_limit_ms: u64,
    pub workers: bool,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub filter: String,
    pub format: LogFormat,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Shop {
    pub name: String,
    pub currency: String,
    pub low_stock_threshold: i64,
    pub reservation_min: i64,
    pub cart_days: i64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub url: Secret,
    pub connections: u32,
    pub read_connections: u32,
    pub acquire_timeout_ms: u64,
    pub statement_timeout_ms: u64,
    pub write_attempts: u32,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    pub url: Secret,
    pub ca_file: String,
    pub response_timeout_ms: u64,
    pub connect_timeout_ms: u64,
    pub prefix: String,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    pub memory_bytes_max: u64,
    pub responses: bool,
    pub response_bytes_max: u64,
    pub document_bytes_max: u64,
    pub ttl_s: u64,
    pub absent_ttl_s: u64,
    pub lease_ms: u64,
    pub single_replica: bool,
    pub public_max_age_s: u64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Events {
    pub topic_prefix: String,
    pub order_created_topic: String,
    pub include_email: bool,
    pub batch_size: u64,
    pub in_flight_max: usize,
    pub poll_ms: u64,
    pub lease_ms: u64,
    pub attempts_max: i32,
    pub retention_days: i64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    pub smtp_url: Secret,
    pub folder: String,
    pub from: String,
    pub timeout_ms: u64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    pub key_file: String,
    pub issuer: String,
    pub audience: String,
    pub access_token_ttl_s: i64,
    pub refresh_token_ttl_days: i64,
    pub bcrypt_cost: u32,
    pub bcrypt_concurrency: usize,
    pub bcrypt_queue_max: usize,
    pub viewer_cache_ttl_s: u64,
    pub viewer_cache_max: u64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    pub admin_address: String,
    pub public_url: String,
    pub cors_origins: Vec<String>,
    pub connections_max: usize,
    pub header_read_timeout_ms: u64,
    pub body_timeout_ms: u64,
    pub request_timeout_ms: u64,
    pub body_bytes_max: usize,
    pub persisted_bytes_max: u64,
    pub graphiql: Switch,
    pub introspection: Switch,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub depth: usize,
    pub complexity: usize,
    pub aliases: usize,
    pub directives: usize,
    pub root_mutations: usize,
    pub tokens: usize,
    pub brackets: usize,
    pub selections: usize,
    pub page_size: u32,
    pub page_size_max: u32,
    pub order_lines: usize,
    pub report_days: i64,
    pub quantity_max: i64,
    pub search_words: usize,
    pub bulk_rows: usize,
    pub idempotency_hours: i64,
}

/// Adds a line to `problems` when a value is outside its range.
pub(super) fn within<T: PartialOrd + std::fmt::Display>(
    problems: &mut Vec<String>,
    key: &str,
    value: T,
    least: T,
    most: T,
) {
    if value < least || value > most {
        problems.push(format!("{key}: {value} is not between {least} and {most}"));
    }
}

impl Server {
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        within(
            problems,
            "server.shutdown_limit_ms",
            self.shutdown_limit_ms,
            100,
            600_000,
        );
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if self.instance.is_empty() || !self.instance.chars().all(plain) {
            problems.push("server.instance: only letters, digits and hyphens".into());
        }
    }
}

impl Shop {
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        if crate::money::exponent(&self.currency).is_none() {
            problems.push(format!(
                "shop.currency: {} is not a currency this program knows",
                self.currency
            ));
        }
        within(
            problems,
            "shop.low_stock_threshold",
            self.low_stock_threshold,
            0,
            1_000_000,
        );
        within(
            problems,
            "shop.reservation_min",
            self.reservation_min,
            1,
            43_200,
        );
        within(problems, "shop.cart_days", self.cart_days, 1, 3_650);
    }
}

impl Database {
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        let url = self.url.expose();
        if !(url.is_empty() || url.starts_with("sqlite:") || self.is_mysql()) {
            problems.push("database.url: must begin with sqlite:// or mysql://".into());
        }
        within(problems, "database.connections", self.connections, 2, 1_000);
        within(
            problems,
            "database.read_connections",
            self.read_connections,
            1,
            64,
        );
        within(
            problems,
            "database.acquire_timeout_ms",
            self.acquire_timeout_ms,
            100,
            60_000,
        );
        within(
            problems,
            "database.statement_timeout_ms",
            self.statement_timeout_ms,
            100,
            600_000,
        );
        within(
            problems,
            "database.write_attempts",
            self.write_attempts,
            1,
            50,
        );
    }

    #[must_use]
    pub fn is_mysql(&self) -> bool {
        self.url.expose().starts_with("mysql:")
    }
}

impl Cache {
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        within(problems, "cache.ttl_s", self.ttl_s, 1, 86_400);
        within(problems, "cache.absent_ttl_s", self.absent_ttl_s, 1, 600);
        within(problems, "cache.lease_ms", self.lease_ms, 50, 60_000);
        within(
            problems,
            "cache.public_max_age_s",
            self.public_max_age_s,
            0,
            86_400,
        );
    }
}

impl Events {
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        within(problems, "events.batch_size", self.batch_size, 1, 10_000);
        within(
            problems,
            "events.in_flight_max",
            self.in_flight_max,
            100,
            100_000,
        );
        within(problems, "events.poll_ms", self.poll_ms, 5, 60_000);
        within(problems, "events.lease_ms", self.lease_ms, 500, 600_000);
        within(problems, "events.attempts_max", self.attempts_max, 1, 1_000);
        within(
            problems,
            "events.retention_days",
            self.retention_days,
            1,
            3_650,
        );
    }
}

impl Mail {
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        let url = self.smtp_url.expose();
        if !(url.is_empty() || url.starts_with("smtp://") || url.starts_with("smtps://")) {
            problems.push("mail.smtp_url: must begin with smtp:// or smtps://".into());
        }
        within(problems, "mail.timeout_ms", self.timeout_ms, 100, 600_000);
    }
}

impl Auth {
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        within(problems, "auth.bcrypt_cost", self.bcrypt_cost, 4, 31);
        within(
            problems,
            "auth.bcrypt_concurrency",
            self.bcrypt_concurrency,
            1,
            64,
        );
        within(
            problems,
            "auth.access_token_ttl_s",
            self.access_token_ttl_s,
            0,
            86_400,
        );
        within(
            problems,
            "auth.refresh_token_ttl_days",
            self.refresh_token_ttl_days,
            1,
            365,
        );
        within(
            problems,
            "auth.viewer_cache_ttl_s",
            self.viewer_cache_ttl_s,
            1,
            300,
        );
    }
}

impl Http {
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        if !self.admin_address.is_empty() && self.admin_address.parse::<SocketAddr>().is_err() {
            problems.push(format!(
                "http.admin_address: {} is not HOST:PORT",
                self.admin_address
            ));
        }
        within(
            problems,
            "http.connections_max",
            self.connections_max,
            1,
            1_000_000,
        );
        within(
            problems,
            "http.header_read_timeout_ms",
            self.header_read_timeout_ms,
            100,
            600_000,
        );
        within(
            problems,
            "http.body_timeout_ms",
            self.body_timeout_ms,
            100,
            600_000,
        );
        within(
            problems,
            "http.request_timeout_ms",
            self.request_timeout_ms,
            100,
            600_000,
        );
        within(
            problems,
            "http.body_bytes_max",
            self.body_bytes_max,
            1_024,
            16 << 20,
        );
        within(
            problems,
            "http.persisted_bytes_max",
            self.persisted_bytes_max,
            0,
            1 << 30,
        );
    }
}

impl Limits {
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        within(problems, "limits.depth", self.depth, 3, 100);
        within(problems, "limits.brackets", self.brackets, 10, 200);
        within(
            problems,
            "limits.page_size_max",
            self.page_size_max,
            1,
            1_000,
        );
        within(
            problems,
            "limits.page_size",
            self.page_size,
            1,
            self.page_size_max,
        );
        within(problems, "limits.order_lines", self.order_lines, 1, 10_000);
        within(problems, "limits.report_days", self.report_days, 1, 3_660);
        within(
            problems,
            "limits.quantity_max",
            self.quantity_max,
            1,
            1_000_000_000,
        );
        // Each word is a join, of which SQLite allows 64.
        within(problems, "limits.search_words", self.search_words, 1, 32);
        within(problems, "limits.bulk_rows", self.bulk_rows, 1, 1_000);
        within(
            problems,
            "limits.idempotency_hours",
            self.idempotency_hours,
            1,
            720,
        );
    }
}
