//! Carts: what customers and guests mean to buy.
//!
//! **Tables**: `carts`, `cart_lines` (one line a variant; it keeps the name, SKU and price that the customer saw).
//!
//! **Whose it is**: a user has one open cart, made by the first line. A guest's cart belongs to whoever has its token,
//! which is answered once and of which only a hash is stored. After the log-in the client merges the guest's cart into
//! the user's; from then on the token opens nothing.
//!
//! **States**: OPEN → CONVERTED (it became an order, exactly once, in that order's own transaction) or MERGED. Nothing
//! changes a cart that is not open. A cart that nobody changes for `shop.cart_days` is removed, whatever its state.
//!
//! **Prices** are the catalogue's of now; what changed since the customer saw a line, and what cannot be bought any
//! more, are problems that the cart shows, not errors. A cart holds no stock.
//!
//! **Invariants**: every change locks the cart's row and raises its version, so a checkout that read another version
//! is refused and reads again; totals are computed by the server.

pub mod error;
pub mod graphql;
pub mod model;
pub mod service;
pub mod store;
pub mod tasks;
