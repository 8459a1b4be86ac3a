//! The one home of randomness.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the one home of randomness"
)]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::{Rng as _, RngExt as _};
use sha2::{Digest as _, Sha256};

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

/// A secret that nobody can guess, as text for a URL or a header: 256 random bits.
#[must_use]
pub fn secret() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<32>())
}

/// What the database has of a secret: SHA-256 in hexadecimal. A slow hash would add nothing, since nobody can go
/// through 256 random bits.
#[must_use]
pub fn secret_hash(secret: &str) -> String {
    Sha256::digest(secret)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
