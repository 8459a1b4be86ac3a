//! Inventory: what can be sold, where it is, and for whom it is held.
//!
//! **Tables**: `warehouses`, `stock` (units on hand and reserved of a variant in a warehouse), `stock_movements` (each
//! change of on hand), `reservations` (units held for an order line in a warehouse).
//!
//! **Invariants**, each also a check of the database: `on_hand ≥ 0`, `0 ≤ reserved ≤ on_hand`. The sum of a stock row's
//! movements is its `on_hand`; the sum of its active reservations is its `reserved`.
//!
//! **Reserving** is planned from an unlocked read and made sure by one conditional update a stock row, in id order, as
//! the last statements of the order's own transaction. A reservation is ACTIVE until its order is paid (COMMITTED: the
//! units leave the stock) or cancelled or expired (RELEASED: they are given back).
//!
//! **Availability** is what the public sees. When a transaction crosses a threshold it writes the new availability
//! through the catalogue, in that same transaction; a change that crosses none writes nothing there.
//!
//! **Warehouses** are ACTIVE or INACTIVE. What an inactive one has is not sold and does not count as available; what
//! orders hold there stays theirs.
//!
//! **Events**, keyed by variant (`events.rs`): `stock.adjusted`, `.transferred`, `.low`, `.back_in_stock`,
//! `reservation.expired`, each in the transaction that causes it.
//!
//! Exact counts are for staff and are never cached.

pub mod error;
pub mod events;
pub mod graphql;
pub mod loaders;
pub mod model;
pub mod service;
pub mod store;
