//! Hashes of what was seen in a file, in place of the texts themselves.
//!
//! 128 bits, since a coincidence would refuse a good row; the memory of a million stays in the tens of megabytes.

use sha2::{Digest as _, Sha256};

/// The hash of some texts.
pub(super) type Digest = [u8; 16];

/// Hashes texts with their lengths, so that no two lists of texts are alike.
pub(super) fn digest(parts: &[&str]) -> Digest {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_be_bytes());
        sha.update(part);
    }
    let hash = sha.finalize();
    std::array::from_fn(|place| hash[place])
}
