//! Documents that were found valid: sent again, they are neither parsed nor validated. What depends on the values of
//! variables is checked each time, unless the same values were checked before.

use super::document::{Operation, Scan};
use async_graphql::Variables;
use async_graphql::parser::types::ExecutableDocument;
use std::sync::Arc;

/// A parsed document takes about this many bytes for each byte of its text.
const BYTES_PER_BYTE: usize = 16;
/// What a document costs beside that.
const OVERHEAD: usize = 2_048;
/// What a remembered cost takes.
const COST_BYTES: u64 = 128;

/// A document and the operation of it that is to be executed.
#[derive(Debug)]
pub struct Document {
    /// What was parsed.
    pub parsed: ExecutableDocument,
    /// What the scan of the text counted.
    pub scan: Scan,
    /// What is to be executed of it.
    pub operation: Operation,
}

/// What a document is known by: its text and the name of the operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    text: Arc<str>,
    operation: Option<String>,
}

/// The documents and costs that are remembered, bounded in bytes.
#[derive(Clone, Debug)]
pub struct Documents {
    valid: moka::sync::Cache<Key, Arc<Document>, ahash::RandomState>,
    costs: moka::sync::Cache<[u64; 2], usize>,
    hashers: [ahash::RandomState; 2],
}

impl Documents {
    /// Nothing is remembered yet; a tenth of the room is for costs.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        let weight = |key: &Key, _: &Arc<Document>| {
            let bytes = key.text.len().saturating_mul(BYTES_PER_BYTE) + OVERHEAD;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Self {
            valid: moka::sync::Cache::builder()
                .max_capacity(bytes_max / 10 * 9)
                .weigher(weight)
                .build_with_hasher(ahash::RandomState::new()),
            costs: moka::sync::Cache::new(bytes_max / 10 / COST_BYTES),
            hashers: [ahash::RandomState::new(), ahash::RandomState::new()],
        }
    }

    /// A document that was found valid.
    #[must_use]
    pub fn find(&self, text: &Arc<str>, operation: Option<&str>) -> Option<Arc<Document>> {
        self.valid.get(&Key {
            text: Arc::clone(text),
            operation: operation.map(str::to_owned),
        })
    }

    /// Remembers a document that was found valid.
    pub fn keep(&self, text: &Arc<str>, operation: Option<&str>, document: &Arc<Document>) {
        let key = Key {
            text: Arc::clone(text),
            operation: operation.map(str::to_owned),
        };
        self.valid.insert(key, Arc::clone(document));
    }

    /// A name for the values of one request: equal for the same text, operation and values only.
    #[must_use]
    pub fn case(&self, text: &str, operation: Option<&str>, variables: &Variables) -> Case {
        let values = if variables.is_empty() {
            String::new()
        } else {
            serde_json::to_string(variables).unwrap_or_default()
        };
        let case = (text, operation, values);
        Case(self.hashers.each_ref().map(|hasher| hasher.hash_one(&case)))
    }

    /// What a request costs, if its values were checked before.
    #[must_use]
    pub fn cost(&self, case: Case) -> Option<usize> {
        self.costs.get(&case.0)
    }

    /// Remembers what a request costs whose values were found right.
    pub fn keep_cost(&self, case: Case, cost: usize) {
        self.costs.insert(case.0, cost);
    }
}

/// Names the values of one request: 128 bits of keyed hashes, which nobody outside can aim at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case([u64; 2]);
