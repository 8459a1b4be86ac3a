//! The binary form of entries in Redis.
//!
//! A head tells the form, the kind's version and the epoch; the body is MessagePack with the names of the fields. An
//! entry whose head is another one is a miss, and so is one whose body lacks a field or has another type in it: a
//! program of another version can meet it and loads anew.

use super::Value;
use crate::error::Fault;
use std::sync::Arc;
use uuid::Uuid;

/// Raised when the head or the way of writing changes.
const FORM: u8 = 1;

/// What an entry begins with when it may be read: compared as a whole, by the script too.
pub(super) type Head = [u8; HEAD];
/// Bytes of a head.
pub(super) const HEAD: usize = 18;

/// The head of entries of this kind under an epoch.
pub(super) fn head<V: Value>(epoch: Uuid) -> Head {
    let mut head = [0; HEAD];
    head[0] = FORM;
    head[1] = V::VERSION;
    head[2..].copy_from_slice(epoch.as_bytes());
    head
}

/// An entry as it was read.
pub(super) struct Decoded<V> {
    /// `None`: what it is about does not exist.
    pub(super) value: Option<Arc<V>>,
    /// When it was loaded, in microseconds since 1970.
    pub(super) loaded_us: i64,
    /// Its length, which stands for its weight in memory.
    pub(super) bytes: usize,
}

/// Writes an entry.
///
/// # Errors
/// The value cannot be written as MessagePack, which is a mistake of ours.
pub(super) fn encode<V: Value>(
    head: &Head,
    value: Option<&V>,
    loaded_us: i64,
) -> Result<Vec<u8>, Fault> {
    let mut bytes = head.to_vec();
    bytes.extend_from_slice(&loaded_us.to_be_bytes());
    if let Some(value) = value {
        rmp_serde::encode::write_named(&mut bytes, value)
            .map_err(Fault::doing("writing an entry of the cache"))?;
    }
    Ok(bytes)
}

/// Reads an entry; `None` when it is of another version or epoch, or cannot be read at all.
pub(super) fn decode<V: Value>(head: &Head, bytes: &[u8]) -> Option<Decoded<V>> {
    let rest = bytes.strip_prefix(head)?;
    let (loaded, body) = rest.split_first_chunk::<8>()?;
    let value = match body {
        [] => None,
        body => match rmp_serde::from_slice(body) {
            Ok(value) => Some(Arc::new(value)),
            Err(error) => {
                tracing::debug!(%error, "an entry of another version");
                return None;
            }
        },
    };
    Some(Decoded {
        value,
        loaded_us: i64::from_be_bytes(*loaded),
        bytes: bytes.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Now {
        name: String,
        price: i64,
    }
    impl Value for Now {
        const VERSION: u8 = 1;
        fn bytes(&self) -> usize {
            self.name.len()
        }
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Later {
        name: String,
        cost: i64,
    }
    impl Value for Later {
        const VERSION: u8 = 1;
        fn bytes(&self) -> usize {
            self.name.len()
        }
    }

    #[test]
    fn another_version_or_epoch_is_a_miss_and_never_an_error() {
        let epoch = Uuid::from_u128(1);
        let head_now = head::<Now>(epoch);
        let value = Now {
            name: "tea".to_owned(),
            price: 250,
        };
        let bytes = encode(&head_now, Some(&value), 5).unwrap();
        let read = decode::<Now>(&head_now, &bytes).unwrap();
        assert_eq!(*read.value.unwrap(), value);
        assert_eq!(read.loaded_us, 5);
        assert!(decode::<Now>(&head::<Now>(Uuid::from_u128(2)), &bytes).is_none());
        assert!(
            decode::<Later>(&head_now, &bytes).is_none(),
            "a field is missing"
        );
        for length in 0..bytes.len() {
            // Cut after the head it is an entry of something that does not exist, which no writer makes by accident.
            let cut = decode::<Now>(&head_now, &bytes[..length]);
            assert!(cut.is_none_or(|cut| cut.value.is_none() && length == HEAD + 8));
        }
        let absent = encode::<Now>(&head_now, None, 5).unwrap();
        assert!(decode::<Now>(&head_now, &absent).unwrap().value.is_none());
    }
}
