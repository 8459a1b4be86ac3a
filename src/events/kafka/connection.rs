//! What all clients of Kafka in this program have in common: where it is, and how they show who they are.

use crate::config::{Config, SecurityProtocol};
use crate::events::record::Record;
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};

/// Between attempts of the client to reach a broker, at most; its default of 10 s would delay recovery.
const RECONNECT_MAX_MS: &str = "1000";

/// What the producer, the maker of topics and the consumers share.
pub(in crate::events) fn client(config: &Config) -> ClientConfig {
    let kafka = &config.kafka;
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &kafka.brokers)
        .set("client.id", format!("tradepost-{}", config.server.instance))
        .set("reconnect.backoff.max.ms", RECONNECT_MAX_MS)
        // Small requests leave at once instead of waiting for more.
        .set("socket.nagle.disable", "true")
        .set("security.protocol", kafka.security_protocol.as_str());
    let (tls, sasl) = match kafka.security_protocol {
        SecurityProtocol::Plaintext => (false, false),
        SecurityProtocol::Ssl => (true, false),
        SecurityProtocol::SaslPlaintext => (false, true),
        SecurityProtocol::SaslSsl => (true, true),
    };
    if tls {
        // The program brings its own OpenSSL, which has to look for the system's authorities.
        let ca = match kafka.ca_file.as_str() {
            "" => "probe",
            file => file,
        };
        client.set("ssl.ca.location", ca);
        for (key, value) in [
            ("ssl.certificate.location", kafka.certificate_file.as_str()),
            ("ssl.key.location", kafka.key_file.as_str()),
            ("ssl.key.password", kafka.key_password.expose()),
        ] {
            if !value.is_empty() {
                client.set(key, value);
            }
        }
    }
    if sasl {
        client
            .set("sasl.mechanism", &kafka.sasl_mechanism)
            .set("sasl.username", &kafka.sasl_username)
            .set("sasl.password", kafka.sasl_password.expose());
    }
    client
}

/// What producers of events share: no record is lost or doubled by the client's own retries, and a key has the same
/// partition in all topics of the same size, also for Java's clients (joins with their topics work).
pub(in crate::events) fn producer(config: &Config) -> ClientConfig {
    let kafka = &config.kafka;
    let mut producer = client(config);
    producer
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", kafka.compression.as_str())
        .set("linger.ms", kafka.linger_ms.to_string())
        .set("partitioner", "murmur2_random");
    producer
}

/// A record's headers as the client takes them.
pub(in crate::events) fn headers(record: &Record) -> OwnedHeaders {
    let headers = OwnedHeaders::new_with_capacity(record.headers.len());
    record
        .headers
        .iter()
        .fold(headers, |headers, (key, value)| {
            let value = Some(value);
            headers.insert(Header { key, value })
        })
}
