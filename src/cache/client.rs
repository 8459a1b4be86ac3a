//! Clients of Redis, as the settings say.

use crate::config::Config;
use crate::error::Fault;
use redis::{Client, TlsCertificates};

/// A client for an address that `redis.url` makes; nothing connects yet. Over `rediss://` the server's certificate must be
/// of an authority that the system trusts, or of the one in `redis.ca_file`.
pub(super) fn open(config: &Config, url: &str) -> Result<Client, Fault> {
    let client = if config.redis.ca_file.is_empty() {
        Client::open(url)
    } else {
        let root_cert = std::fs::read(&config.redis.ca_file)
            .map(Some)
            .map_err(Fault::doing("reading redis.ca_file"))?;
        let certificates = TlsCertificates {
            client_tls: None,
            root_cert,
        };
        Client::build_with_tls(url, certificates)
    };
    client.map_err(Fault::doing("reading redis.url"))
}
