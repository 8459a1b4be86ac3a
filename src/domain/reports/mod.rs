//! Reports: sums over what the other domains wrote, for staff.
//!
//! **Tables**: none of its own. It may read every table, and nothing uses it.
//!
//! **Sales statistics** (`model::SOLD`): an order counts from its payment on, in the states PAID, PARTLY_FULFILLED and
//! FULFILLED, on the UTC day on which it was made. Imported orders are FULFILLED and count like all others. Orders that
//! were cancelled, expired or failed do not count, be they refunded or not. Revenue is what was sold: a refund of a part
//! of an order that stays a sale is not taken off yet (it needs the refunds of the checkout, and their amounts in an index).
//!
//! Every statement reads indexes alone (`store.rs`), which `tests/it/reports.rs` checks on the plans of both engines: a
//! report costs what its period holds, not what the shop ever sold. `limits.report_days` bounds the period.

pub mod graphql;
pub mod model;
pub mod service;
pub mod store;
