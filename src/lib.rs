//! Tradepost: a commerce backend in one binary.
//!
//! The flow of a request is `http → graphql → domain service → store → database`; events are rows of the outbox,
//! written in the transaction that causes them and published by the relay. `docs/architecture.md` walks through one
//! purchase.

pub mod app;
pub mod cache;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod domain;
pub mod error;
pub mod event_tools;
pub mod events;
pub mod export;
pub mod graphql;
pub mod health;
pub mod http;
pub mod import;
pub mod mail;
pub mod money;
pub mod page;
pub mod random;
pub mod seed;
pub mod shutdown;
pub mod telemetry;
pub mod workers;
