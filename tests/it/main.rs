//! The integration tests: one binary, one file a domain, and what holds across domains.
//!
//! They run on the embedded profile, and again with `TRADEPOST_TEST_PROFILE=services` on MariaDB, Redis and Kafka.
#![recursion_limit = "256"]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]

mod support;

mod accounts;
mod accounts_tokens;
mod addresses;
mod architecture;
mod authorization;
mod carts;
mod catalog;
mod catalog_lists;
mod commands;
#[cfg(feature = "kafka")]
mod consumers;
mod database;
mod docs;
mod events;
#[cfg(feature = "kafka")]
mod events_kafka;
mod http_every_field;
mod http_hostile;
mod http_server;
mod http_spec;
mod import;
mod inventory;
mod kill;
mod ledger;
mod ledger_random;
mod mail;
mod orders;
mod orders_service;
mod payments;
mod push;
mod real_day;
mod requirements;
mod schema;
mod statements;
mod wallet;
