//! The section `[kafka]`. Meanings and units: `config/default.toml`.
#![expect(
    missing_docs,
    reason = "each field is explained once, in config/default.toml, beside its default"
)]

use super::secret::Secret;
use super::sections::within;
use serde::{Deserialize, Serialize};

/// What SASL mechanisms there are.
const MECHANISMS: [&str; 3] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];

#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SecurityProtocol {
    Plaintext,
    Ssl,
    SaslPlaintext,
    SaslSsl,
}

impl SecurityProtocol {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }

    const fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    const fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Compression {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    pub brokers: String,
    pub security_protocol: SecurityProtocol,
    pub sasl_mechanism: String,
    pub sasl_username: String,
    pub sasl_password: Secret,
    pub ca_file: String,
    pub certificate_file: String,
    pub key_file: String,
    pub key_password: Secret,
    pub partitions: i32,
    pub replication: i32,
    pub message_timeout_ms: u64,
    pub linger_ms: u64,
    pub compression: Compression,
    pub record_bytes_max: usize,
}

impl Kafka {
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        within(problems, "kafka.partitions", self.partitions, 1, 10_000);
        within(problems, "kafka.replication", self.replication, -1, 100);
        if self.replication == 0 {
            problems.push("kafka.replication: -1, or 1 and more".into());
        }
        within(
            problems,
            "kafka.message_timeout_ms",
            self.message_timeout_ms,
            1_000,
            86_400_000,
        );
        within(problems, "kafka.linger_ms", self.linger_ms, 0, 1_000);
        within(
            problems,
            "kafka.record_bytes_max",
            self.record_bytes_max,
            10_000,
            100_000_000,
        );
        self.check_sasl(problems);
        self.check_tls(problems);
    }

    fn check_sasl(&self, problems: &mut Vec<String>) {
        let protocol = self.security_protocol.as_str();
        let fields = [
            ("sasl_mechanism", self.sasl_mechanism.is_empty()),
            ("sasl_username", self.sasl_username.is_empty()),
            ("sasl_password", self.sasl_password.expose().is_empty()),
        ];
        let has_sasl = self.security_protocol.has_sasl();
        for (name, is_empty) in fields {
            match (has_sasl, is_empty) {
                (true, true) => problems.push(format!(
                    "kafka.{name}: kafka.security_protocol = {protocol} needs it"
                )),
                (false, false) => problems.push(format!(
                    "kafka.{name}: is not used with kafka.security_protocol = {protocol}"
                )),
                _ => {}
            }
        }
        let mechanism = self.sasl_mechanism.as_str();
        if !mechanism.is_empty() && !MECHANISMS.contains(&mechanism) {
            problems.push(format!(
                "kafka.sasl_mechanism: {mechanism} is not one of {}",
                MECHANISMS.join(", ")
            ));
        }
    }

    fn check_tls(&self, problems: &mut Vec<String>) {
        let protocol = self.security_protocol.as_str();
        let fields = [
            ("ca_file", self.ca_file.is_empty()),
            ("certificate_file", self.certificate_file.is_empty()),
            ("key_file", self.key_file.is_empty()),
            ("key_password", self.key_password.expose().is_empty()),
        ];
        for (name, is_empty) in fields {
            if !self.security_protocol.has_tls() && !is_empty {
                problems.push(format!(
                    "kafka.{name}: is not used with kafka.security_protocol = {protocol}"
                ));
            }
        }
        if self.certificate_file.is_empty() != self.key_file.is_empty() {
            problems.push("kafka.certificate_file and kafka.key_file: both or neither".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Error};
    use serde_json::{Value, json};

    fn problems(changes: &[(&'static str, Value)]) -> Vec<String> {
        match Config::with(changes.to_vec()) {
            Ok(_) => Vec::new(),
            Err(Error::Values(problems)) => problems,
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn sasl_and_tls_are_checked_together() {
        let sasl = ("kafka.security_protocol", json!("sasl_ssl"));
        let mechanism = ("kafka.sasl_mechanism", json!("SCRAM-SHA-512"));
        let user = ("kafka.sasl_username", json!("shop"));
        let password = ("kafka.sasl_password", json!("secret"));
        let all = [
            sasl.clone(),
            mechanism.clone(),
            user.clone(),
            password.clone(),
        ];
        assert_eq!(problems(&all), [""; 0]);
        assert_eq!(
            problems(&all[..3]),
            ["kafka.sasl_password: kafka.security_protocol = sasl_ssl needs it"]
        );
        assert_eq!(
            problems(&[user]),
            ["kafka.sasl_username: is not used with kafka.security_protocol = plaintext"]
        );
        let unknown = ("kafka.sasl_mechanism", json!("GSSAPI"));
        let some = problems(&[&all[..], &[unknown]].concat());
        assert_eq!(
            some,
            ["kafka.sasl_mechanism: GSSAPI is not one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"]
        );
        let certificate = ("kafka.certificate_file", json!("client.pem"));
        let ssl = ("kafka.security_protocol", json!("ssl"));
        assert_eq!(
            problems(&[ssl, certificate]),
            ["kafka.certificate_file and kafka.key_file: both or neither"]
        );
        let config = Config::with(all.to_vec()).unwrap();
        assert!(!config.to_toml().unwrap().contains("secret\""));
    }
}
