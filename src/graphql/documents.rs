//! Documents that were found valid: sent again, they are neither parsed nor validated. What depends on the values of
//! variables is checked each time, unless the same values were checked before.

use super::document::{Operation, Scan};
use super::{direct, document, omitted};
use async_graphql::parser::types::{ExecutableDocument, OperationDefinition};
use async_graphql::{Name, Positioned, Value, Variables};
use std::hash::{BuildHasher as _, Hash, Hasher};
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
    /// What it was parsed from.
    pub text: Box<str>,
    /// The name that the operation was asked for by.
    pub asked: Option<Box<str>>,
    /// What was parsed.
    pub parsed: ExecutableDocument,
    /// What the scan of the text counted.
    pub scan: Scan,
    /// What is to be executed of it.
    pub operation: Operation,
    /// Variables that are null when they are not given.
    optional: Box<[Name]>,
    /// It can be executed without the library's own look at it.
    pub(super) is_direct: bool,
}

impl Document {
    /// A document of what was parsed.
    #[must_use]
    pub fn new(
        text: &str,
        asked: Option<&str>,
        parsed: ExecutableDocument,
        scan: Scan,
        operation: Operation,
    ) -> Self {
        let mut document = Self {
            text: text.into(),
            asked: asked.map(Into::into),
            optional: omitted::optional(&parsed),
            parsed,
            scan,
            operation,
            is_direct: false,
        };
        document.is_direct = direct::is_direct(&document);
        document
    }

    /// What is to be executed, as it was parsed.
    #[must_use]
    pub fn selected(&self) -> Option<&Positioned<OperationDefinition>> {
        document::selected(&self.parsed.operations, self.asked.as_deref())
    }

    /// Gives null to page sizes that were left out.
    pub fn fill(&self, variables: &mut Variables) {
        omitted::fill(&self.optional, variables);
    }
}

/// What a document, or a document with values, is known by: 128 bits of keyed hashes, which nobody outside can aim at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Case([u64; 2]);

/// The documents and costs that are remembered, bounded in bytes.
#[derive(Clone, Debug)]
pub struct Documents {
    valid: moka::sync::Cache<Case, Arc<Document>, ahash::RandomState>,
    costs: moka::sync::Cache<Case, usize, ahash::RandomState>,
    hashers: [ahash::RandomState; 2],
}

impl Documents {
    /// Nothing is remembered yet; a tenth of the room is for costs.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        let weight = |_: &Case, document: &Arc<Document>| {
            let bytes = document.text.len().saturating_mul(BYTES_PER_BYTE) + OVERHEAD;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Self {
            valid: moka::sync::Cache::builder()
                .max_capacity(bytes_max / 10 * 9)
                .weigher(weight)
                .build_with_hasher(ahash::RandomState::new()),
            costs: moka::sync::Cache::builder()
                .max_capacity(bytes_max / 10 / COST_BYTES)
                .build_with_hasher(ahash::RandomState::new()),
            hashers: [ahash::RandomState::new(), ahash::RandomState::new()],
        }
    }

    /// What a document is known by.
    #[must_use]
    pub fn case(&self, text: &str, operation: Option<&str>) -> Case {
        self.hashed(|hasher| (text, operation).hash(hasher))
    }

    /// What it is known by with these values: equal for equal values only.
    #[must_use]
    pub fn case_with(&self, case: Case, variables: &Variables) -> Case {
        self.hashed(|hasher| {
            case.hash(hasher);
            for (name, value) in &**variables {
                name.hash(hasher);
                hash_value(value, hasher);
            }
        })
    }

    fn hashed(&self, write: impl Fn(&mut ahash::AHasher)) -> Case {
        Case(self.hashers.each_ref().map(|state| {
            let mut hasher = state.build_hasher();
            write(&mut hasher);
            hasher.finish()
        }))
    }

    /// A document that was found valid.
    #[must_use]
    pub fn find(&self, case: Case, text: &str, operation: Option<&str>) -> Option<Arc<Document>> {
        let found = self.valid.get(&case)?;
        (*found.text == *text && found.asked.as_deref() == operation).then_some(found)
    }

    /// Remembers a document that was found valid.
    pub fn keep(&self, case: Case, document: &Arc<Document>) {
        self.valid.insert(case, Arc::clone(document));
    }

    /// What a request costs, if its values were checked before.
    #[must_use]
    pub fn cost(&self, case: Case) -> Option<usize> {
        self.costs.get(&case)
    }

    /// Remembers what a request costs whose values were found right.
    pub fn keep_cost(&self, case: Case, cost: usize) {
        self.costs.insert(case, cost);
    }
}

/// Values of different kinds are told apart, and so are lists that hold the same in different groups.
fn hash_value(value: &Value, hasher: &mut impl Hasher) {
    std::mem::discriminant(value).hash(hasher);
    match value {
        Value::Null => {}
        Value::Number(number) => number.hash(hasher),
        Value::String(text) => text.hash(hasher),
        Value::Boolean(is) => is.hash(hasher),
        Value::Binary(bytes) => bytes.hash(hasher),
        Value::Enum(name) => name.hash(hasher),
        Value::List(items) => {
            items.len().hash(hasher);
            items.iter().for_each(|item| hash_value(item, hasher));
        }
        Value::Object(fields) => {
            fields.len().hash(hasher);
            for (name, value) in fields {
                name.hash(hasher);
                hash_value(value, hasher);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::HashSet;

    #[test]
    fn other_values_are_another_case() {
        let documents = Documents::new(1 << 20);
        let case = documents.case("{ a }", None);
        assert_ne!(case, documents.case("{ a }", Some("a")));
        let with = |values| documents.case_with(case, &Variables::from_json(values));
        assert_eq!(with(json!({"a": [1, "b"]})), with(json!({"a": [1, "b"]})));
        let cases: HashSet<Case> = [
            json!({}),
            json!({"a": null}),
            json!({"a": 1}),
            json!({"a": "1"}),
            json!({"a": true}),
            json!({"b": 1}),
            json!({"a": []}),
            json!({"a": [[1], [2]]}),
            json!({"a": [[1, 2], []]}),
            json!({"a": [1, 2]}),
            json!({"a": {"b": 1}}),
            json!({"a": {"b": 1, "c": null}}),
            json!({"a": {"b": {"c": 1}}}),
        ]
        .into_iter()
        .map(with)
        .collect();
        assert_eq!(cases.len(), 13);
    }
}
