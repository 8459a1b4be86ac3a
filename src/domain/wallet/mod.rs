//! The ledger: where money is, and how it came there.
//!
//! **Tables**: `assets`, `ledger_accounts`, `ledger_balances`, `journal_entries`, `postings`; `wallet_holds`, `transactions`. Entries and postings are
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
//! **Holds** ([`service::Service::hold_place_in`]) move an amount from a user's available account to their held one; it is
//! used in parts, given back, or given back by itself when its time is over. The held account is the sum of the holds.
//!
//! **Transactions** are what entries are to users, in words that users have: one row an entry, or one an asset of it.
//! Deposits and withdrawals are PENDING rows while their provider decides; COMPLETED and FAILED are final
//! (`docs/decisions/0203-transactions-beside-the-journal.md`).
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
