//! Messages between the replicas: what one of them changed, the others forget or look at.
//!
//! A message is a hint: whoever needs certainty has the database (leases, the outbox, the viewer cache's short life).

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use uuid::Uuid;

/// Messages that a slow receiver may be behind before it loses some.
const CAPACITY: usize = 1_024;

/// What one replica tells the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// A user's role, status or sessions changed: forget the viewers of this user.
    ViewerChanged(Uuid),
    /// Rows were written to the outbox: the relay has work.
    OutboxWritten,
    /// Messages may have been lost: forget everything that is kept fresh by them.
    Lost,
}

/// Sends and receives messages; cheap to clone.
#[derive(Clone, Debug)]
pub struct Push {
    local: broadcast::Sender<Message>,
}

impl Default for Push {
    fn default() -> Self {
        Self {
            local: broadcast::channel(CAPACITY).0,
        }
    }
}

impl Push {
    /// Tells everybody, this process included.
    pub fn send(&self, message: Message) {
        // An error means that nobody listens in this process.
        drop(self.local.send(message));
    }

    /// Receives what is told from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Message> {
        self.local.subscribe()
    }
}
