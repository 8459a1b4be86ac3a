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
mod cache;
mod cache_leaks;
mod cache_race;
mod cache_redis;
mod cache_responses;
mod carts;
mod catalog;
mod catalog_bulk;
mod catalog_lists;
mod catalog_search;
mod catalog_search_real;
mod catalog_tree;
mod checkout;
mod checkout_api;
mod checkout_load;
mod commands;
mod consumer_groups;
#[cfg(feature = "kafka")]
mod consumers;
mod contract;
mod crash_points;
mod database;
mod docs;
mod events;
#[cfg(feature = "kafka")]
mod events_kafka;
mod events_kafka_sasl;
mod events_outage;
mod events_relay;
mod events_tools;
mod events_verify;
mod export;
mod http_every_field;
mod http_hostile;
mod http_server;
mod http_spec;
mod import;
mod import_orders;
mod inventory;
mod kill;
mod ledger;
mod ledger_random;
mod mail;
mod measure_lists;
mod mistakes;
mod money;
mod notifications;
mod orders;
mod orders_service;
mod payments;
mod push;
mod real_day;
mod replay;
mod reports;
mod requirements;
mod schema;
mod statements;
mod subscriptions;
mod subscriptions_protocol;
mod subscriptions_sse;
mod unstocked;
mod wallet;
mod wallet_pay;
mod wallet_random;
