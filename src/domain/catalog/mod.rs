//! The catalogue: a tree of categories, and products that are sold in variants.
//!
//! **Tables**: `categories`, `products`, `variants`, `product_categories`, `product_images`,
//! `product_terms`.
//!
//! **States**: a product is DRAFT, ACTIVE or ARCHIVED; a category is ACTIVE or ARCHIVED; a variant is archived when it
//! has `archived_at`. Everybody sees what is ACTIVE, staff see all. A list shows what is ACTIVE unless its filter names
//! a status, so that an answer depends on the viewer only where something hidden was asked for or met.
//!
//! **Invariants**
//! - A product has at least one live variant, and one of them is its default: it gives `Product.price`.
//! - `products.price_minor`, `price_min_minor`, `price_max_minor` and `availability` repeat what its live variants say;
//!   every change of a variant writes them in the same transaction ([`model::summary`]).
//! - A product's row is locked before its variants change, by staff or by the inventory, so these columns never lag.
//! - SKUs are unique without regard to case, slugs and external references as they are written.
//! - What an order refers to is archived, never deleted (`order_lines.variant_id` is a RESTRICT key).
//! - `product_terms` has the words that products are found by; every change of what they come from writes them in the same
//!   transaction (`docs/decisions/0121-search.md`). Whoever repeats a category's name holds its row.
//! - The tree has no cycle and at most [`model::TREE_DEPTH_MAX`] levels.
//!
//! **Events** ([`events`]): `product.created`, `.updated`, `.price_changed`, `.archived`, `.deleted`, `category.created`,
//! `.updated`, `.moved`, `.deleted`. Every commit that raises a version writes at least one.
//!
//! Other domains use [`service::Service::variants_resolve`] (what is to be sold, at which price) and
//! [`service::Service::availability_set_in`] (what the public is told of the stock). This folder is the pattern for the
//! others: `graphql` (guard → input → service → type) → `service` (one function a use case, opens the transaction) →
//! `store` (every query), with `model` for the rules that need no database and `error` for what a caller can mend.

pub mod error;
pub mod events;
pub mod graphql;
pub mod loaders;
pub mod model;
pub mod service;
mod store;
