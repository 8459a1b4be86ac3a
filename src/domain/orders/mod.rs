//! Orders: what a customer buys, from the reservation to its end.
//!
//! **Tables**: `orders`, `order_lines` (copies of what was sold), `order_history` (one row a version), `number_blocks`.
//!
//! **States** (`model::allowed`): AWAITING_PAYMENT ⇄ PENDING → PAID → PARTLY_FULFILLED → FULFILLED; CANCELLED, EXPIRED
//! and FAILED are final. Each commit that changes an order raises `version` by one, writes one row of history and
//! exactly one event, so that the versions of an order's events have no gaps.
//!
//! **Creation is batch first**: [`plan`] turns an order into rows without writing, `apply` writes many plans in
//! one transaction; a single order is a batch of one. Order rows, reservation and `order.created` are one transaction,
//! and the conditional stock updates are its last statements. When another order took the units meanwhile, the
//! transaction is rolled back and the order planned anew.
//!
//! **Events**: `tradepost.order.created.v1`, `.paid`, `.cancelled`, `.expired` (`events.rs`).

pub mod error;
pub mod events;
pub mod graphql;
pub mod loaders;
pub mod model;
pub mod numbers;
pub mod plan;
pub mod service;
pub mod store;
pub mod tasks;
