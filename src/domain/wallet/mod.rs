//! The ledger: where money is, and how it came there.
//!
//! **Tables**: `assets`, `ledger_accounts`, `ledger_balances`, `journal_entries`, `postings`. Entries and postings are
//! never changed or deleted; a mistake is corrected by an entry that reverses it.
//!
//! **Invariants**: the postings of an entry sum to zero for each asset ([`model::problem_of`], checked before anything is
//! written). A balance row is the sum of the postings of its account and shard, because both are written in one
//! transaction. A user's account is never below zero: its one row is changed by a conditional update, and the database
//! checks it too. The shop's own accounts may be negative and have [`model::SHARDS`] rows each, so that all who post
//! there do not wait for one row. An operation key is posted once.
//!
//! **Posting** ([`service::Service::post_in`]) happens in the transaction of what is posted, with its balances as the
//! last statements before the commit, in the order of accounts (`docs/decisions/0181-posting-to-the-ledger.md`).
//!
//! `tradepost ledger verify` recomputes everything ([`service::Service::verify`]).

pub mod error;
pub mod gateway;
pub mod graphql;
pub mod loaders;
pub mod model;
pub mod service;
pub mod store;
pub mod tasks;
