//! The domains of a shop. Each folder has the same inner shape; `docs/architecture.md` explains it once.

pub mod accounts;
pub mod carts;
pub mod catalog;
pub mod inventory;
pub mod notifications;
pub mod orders;
pub mod payments;
pub mod reports;
pub mod wallet;
