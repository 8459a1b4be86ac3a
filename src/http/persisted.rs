//! Documents that were sent once and are asked for by their SHA-256 afterwards (Apollo's form, version 1).

use super::answer::Refused;
use super::parameters::Parameters;
use http::StatusCode;
use moka::sync::Cache;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::ops::Deref;
use std::sync::Arc;

/// SHA-256 of a document.
pub(super) type Hash = [u8; 32];

/// The documents that are remembered, bounded by their bytes.
#[derive(Clone, Debug)]
pub(super) struct Persisted {
    documents: Cache<Hash, Arc<str>>,
}

/// The text of a document: as it was sent, or as it is remembered.
pub(super) enum Text {
    Sent(String),
    Remembered(Arc<str>),
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Sent(text) => text,
            Self::Remembered(text) => text,
        }
    }
}

/// The document of a request.
pub(super) struct Document {
    pub(super) text: Text,
    /// Set when it is to be remembered once it was found valid.
    pub(super) remember: Option<Hash>,
}

impl Persisted {
    /// Nothing is remembered yet.
    pub(super) fn new(bytes_max: u64) -> Self {
        let weight = |_: &Hash, text: &Arc<str>| {
            u32::try_from(text.len() + size_of::<Hash>()).unwrap_or(u32::MAX)
        };
        let documents = Cache::builder()
            .max_capacity(bytes_max)
            .weigher(weight)
            .build();
        Self { documents }
    }

    /// Finds the text of the document that a request means.
    pub(super) fn find(&self, parameters: &mut Parameters) -> Result<Document, Refused> {
        let query = parameters.query.take();
        let Some(persisted) = parameters
            .extensions
            .get("persistedQuery")
            .filter(|value| !value.is_null())
        else {
            return match query {
                Some(text) => Ok(Document {
                    text: Text::Sent(text),
                    remember: None,
                }),
                None => Err(Refused::unreadable(
                    "The document is missing: send it as a string in \"query\".",
                )),
            };
        };
        let hash = requested(persisted)?;
        match query {
            Some(text) if Hash::from(Sha256::digest(text.as_bytes())) == hash => Ok(Document {
                text: Text::Sent(text),
                remember: Some(hash),
            }),
            Some(_) => Err(Refused::unreadable(
                "extensions.persistedQuery.sha256Hash is not the hash of the document.",
            )),
            None => match self.documents.get(&hash) {
                Some(text) => Ok(Document {
                    text: Text::Remembered(text),
                    remember: None,
                }),
                // The message is the one that clients of this protocol look for.
                None => Err(Refused::unexecutable(
                    "PERSISTED_QUERY_NOT_FOUND",
                    "PersistedQueryNotFound",
                )),
            },
        }
    }

    /// Remembers a document that was found valid.
    pub(super) fn remember(&self, hash: Hash, text: Arc<str>) {
        self.documents.insert(hash, text);
    }
}

fn requested(persisted: &Value) -> Result<Hash, Refused> {
    let version = persisted.get("version");
    if version.is_some_and(|version| version != 1) {
        return Err(Refused::new(
            StatusCode::BAD_REQUEST,
            "BAD_USER_INPUT",
            "extensions.persistedQuery.version must be 1.",
        ));
    }
    persisted
        .get("sha256Hash")
        .and_then(Value::as_str)
        .and_then(from_hex)
        .ok_or_else(|| {
            Refused::unreadable(
                "extensions.persistedQuery.sha256Hash must be a SHA-256 in 64 hexadecimal digits.",
            )
        })
}

fn from_hex(text: &str) -> Option<Hash> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(hash)
}
