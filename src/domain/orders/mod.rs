//! Orders: what a customer buys, from the reservation to its end.
//!
//! **Tables**: `orders`, `order_lines` (copies of what was sold), `order_history` (one row a version), `order_notes`,
//! `order_fulfillments` and `order_fulfillment_lines` (parcels), `order_refunds` and `order_refund_lines`, `order_sagas`
//! (what a checkout does next), `order_requests` (where an order came from, forgotten after 90 days), `number_blocks`.
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
//! **Checkout** is a saga (`service/saga.rs`): the payment is captured, the stock goes out, or what was done is undone;
//! every step can be repeated, and workers finish what a crash leaves (`docs/architecture.md`).
//!
//! **Followers** (`service/follow.rs`) are shown each version once and in order, as its event tells it (`snapshot.rs`).
//!
//! **Events** (`events.rs`): `tradepost.order.created.v1`, `.updated`, `.paid`, `.payment_failed`, `.fulfilled`,
//! `.refunded`, `.cancelled`, `.expired`, `.failed`, and `tradepost.stock.update_failed.v1`.

pub mod error;
pub mod events;
pub mod graphql;
pub mod loaders;
pub mod model;
pub mod numbers;
pub mod plan;
pub mod service;
pub mod snapshot;
pub mod store;
pub mod tasks;
