//! What all resolvers share, and the schema's roots.
//!
//! A new root field: write it in its domain's `graphql.rs`, guard it with [`authorization::Authorized`], and add it to
//! [`authorization::TABLE`]; `tradepost schema > schema.graphql` renews the committed schema.

pub mod authorization;
pub mod batch;
pub mod connection;
pub mod direct;
pub mod docs;
pub mod document;
pub mod documents;
pub mod engine;
pub mod error;
pub mod filter;
pub mod idempotency;
pub mod loading;
mod omitted;
pub mod payload;
pub mod request;
pub mod root;
pub mod scalars;
pub mod schema;
pub mod validate;
pub mod values;
