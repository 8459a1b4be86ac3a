//! What batch loaders share.

use std::collections::HashMap;
use std::hash::Hash;

/// Rows under the keys they belong to, in their order; a key without rows is absent.
#[must_use]
pub fn grouped<K: Eq + Hash, V>(rows: impl IntoIterator<Item = (K, V)>) -> HashMap<K, Vec<V>> {
    let mut groups: HashMap<K, Vec<V>> = HashMap::new();
    for (key, row) in rows {
        groups.entry(key).or_default().push(row);
    }
    groups
}
