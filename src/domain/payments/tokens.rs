//! Tokens of payments that the provider has not answered yet, in the memory of this process and nowhere else.

use entity::ids::{PaymentAttemptId, PaymentId};
use std::sync::Arc;
use std::time::Duration;

/// How long a provider may be out of reach before a payment is given up.
const KEEP: Duration = Duration::from_secs(15 * 60);
/// Payments that may wait for their provider at once.
const MOST: u64 = 100_000;

/// Remembers tokens, each with the attempt that was written with its payment until that is begun.
#[derive(Clone)]
pub(super) struct Tokens {
    tokens: moka::sync::Cache<PaymentId, Arc<str>>,
    attempts: moka::sync::Cache<PaymentId, PaymentAttemptId>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({})", self.tokens.entry_count())
    }
}

impl Tokens {
    pub(super) fn new() -> Self {
        Self {
            tokens: moka::sync::Cache::builder()
                .max_capacity(MOST)
                .time_to_live(KEEP)
                .build(),
            attempts: moka::sync::Cache::builder()
                .max_capacity(MOST)
                .time_to_live(KEEP)
                .build(),
        }
    }

    pub(super) fn put(&self, id: PaymentId, token: &str, attempt: PaymentAttemptId) {
        self.tokens.insert(id, token.into());
        self.attempts.insert(id, attempt);
    }

    pub(super) fn get(&self, id: PaymentId) -> Option<Arc<str>> {
        self.tokens.get(&id)
    }

    /// The attempt that was written with the payment; it is given once.
    pub(super) fn first_attempt(&self, id: PaymentId) -> Option<PaymentAttemptId> {
        self.attempts.remove(&id)
    }

    pub(super) fn forget(&self, id: PaymentId) {
        self.tokens.invalidate(&id);
        self.attempts.invalidate(&id);
    }
}
