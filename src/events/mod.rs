//! Events: rows of the outbox, written in the transaction that causes them, published by the relay.

pub mod outbox;
