//! The one home of randomness.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the one home of randomness"
)]

use rand::{Rng as _, RngExt as _};

/// Random bytes that nobody can guess, for tokens.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// A random number from `least` to `most`, both included, for jitter.
#[must_use]
pub fn between(least: u64, most: u64) -> u64 {
    rand::rng().random_range(least..=most)
}
