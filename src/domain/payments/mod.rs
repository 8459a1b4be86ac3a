//! Payments: money that customers owe for orders, taken and given back through providers outside of the program.
//!
//! **Tables**: `payments`, `payment_attempts` (each question to a provider with its answer), `refunds`. The tables
//! `simulated_gateway_*` are the memory of the simulated provider: nothing but [`simulator`] reads or writes them.
//!
//! **States** of a payment: PENDING → AUTHORIZED → CAPTURED, or DECLINED, or VOIDED. UNKNOWN stands between any two: the
//! provider may or may not have done what it was asked for. It is left only by asking what became of it, never by
//! guessing ([`model::after`] is the whole table). A payment has a goal, CAPTURE or RETURN; every drive goes as far
//! towards it as it can, and every drive can be repeated.
//!
//! **Invariants**, each also a check of the database: what refunds claim is at most what was captured, and what went back
//! is at most what was claimed. A change of a payment states the version that it read, so that of two parallel ones one
//! wins; with the winning one the ledger is posted, in the same transaction.
//!
//! **Tokens** are never stored: they are remembered in this process until the provider has answered, and masked in the
//! row. When the process ends before, the payment is called off at the provider and DECLINED as ABANDONED
//! (`docs/decisions/0201-payments-are-driven.md`).
//!
//! **Webhooks** are believed only to say that there is news: a payment they name is driven at once, and what happened is
//! asked. So late, early, repeated and forged-in-order ones do no harm.

pub mod error;
pub mod from_wallet;
pub mod funding;
pub mod gateway;
pub mod graphql;
pub mod loaders;
pub mod model;
pub mod service;
pub mod simulator;
pub mod store;
pub mod tasks;
mod tokens;
