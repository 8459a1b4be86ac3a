//! Data into files: the same columns that `import` reads, so that what was imported and exported again is equal.
//!
//! Rows are read in pages by key and written as they come: memory does not grow with the shop. Pages are read one after
//! the other, so that a shop that sells meanwhile is not seen at one single moment.

pub mod orders;
mod output;
pub mod products;
pub mod transactions;
