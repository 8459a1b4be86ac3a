//! Events: rows of the outbox, written in the transaction that causes them, published by the relay.

pub mod outbox;

use crate::cache::push::{Message, Push};

/// Events of this process.
#[derive(Clone, Debug)]
pub struct Events {
    push: Push,
}

impl Events {
    /// Made once by the app.
    #[must_use]
    pub fn new(push: Push) -> Self {
        Self { push }
    }

    /// Tells the relay that rows were committed.
    pub fn wake(&self) {
        self.push.send(Message::OutboxWritten);
    }
}
