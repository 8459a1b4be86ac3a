//! What of a newer schema readers of an older one would trip over, and what older bodies would.

use serde_json::{Map, Value};

/// Everything that is incompatible, with where. Both schemas stand by themselves, as `released/events/schemas` has them.
pub(crate) fn incompatibilities(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(&Side::of(old), &Side::of(new), "", &mut found);
    found
}

/// A place in a schema, and the schema.
struct Side<'a> {
    root: &'a Value,
    at: &'a Value,
}

impl<'a> Side<'a> {
    fn of(root: &'a Value) -> Self {
        Self { root, at: root }.resolved()
    }

    fn at(&self, at: &'a Value) -> Self {
        let root = self.root;
        Self { root, at }.resolved()
    }

    fn resolved(self) -> Self {
        match self.at["$ref"].as_str() {
            Some(path) => {
                let at = self.root.pointer(path.trim_start_matches('#')).unwrap();
                Self { at, ..self }
            }
            None => self,
        }
    }

    fn texts(&self, key: &str) -> Vec<&'a str> {
        let list = self.at[key].as_array();
        list.into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    fn fields(&self) -> Option<&'a Map<String, Value>> {
        self.at["properties"].as_object()
    }

    /// The branches of `anyOf`, without the lists of known words.
    fn branches(&self) -> Vec<&'a Value> {
        let all = self.at["anyOf"].as_array().into_iter().flatten();
        all.filter(|branch| branch.get("enum").is_none()).collect()
    }

    /// The words that are known today.
    fn words(&self) -> Vec<&'a Value> {
        let all = self.at["anyOf"].as_array().into_iter().flatten();
        all.filter_map(|branch| branch["enum"].as_array())
            .flatten()
            .collect()
    }
}

fn walk(old: &Side<'_>, new: &Side<'_>, path: &str, found: &mut Vec<String>) {
    for key in [
        "type",
        "format",
        "pattern",
        "const",
        "enum",
        "additionalProperties",
    ] {
        if old.at[key] != new.at[key] {
            let (was, is) = (&old.at[key], &new.at[key]);
            found.push(format!("{path}: {key} was {was} and is {is}"));
        }
    }
    let gone = old
        .words()
        .into_iter()
        .filter(|word| !new.words().contains(word));
    found.extend(gone.map(|word| format!("{path}: the word {word} is gone")));
    let (needed, needs) = (old.texts("required"), new.texts("required"));
    let lost = needed.iter().filter(|field| !needs.contains(field));
    found.extend(
        lost.map(|field| format!("{path}.{field}: was always there and is not required now")),
    );
    let added = needs.iter().filter(|field| !needed.contains(field));
    found.extend(
        added.map(|field| format!("{path}.{field}: is required, and older bodies do not have it")),
    );
    for (name, field) in old.fields().into_iter().flatten() {
        match new.fields().and_then(|fields| fields.get(name)) {
            Some(now) => walk(
                &old.at(field),
                &new.at(now),
                &format!("{path}.{name}"),
                found,
            ),
            None => found.push(format!("{path}.{name}: is gone")),
        }
    }
    if let (Some(was), Some(is)) = (old.at.get("items"), new.at.get("items")) {
        walk(&old.at(was), &new.at(is), &format!("{path}[]"), found);
    }
    let (was, is) = (old.branches(), new.branches());
    if was.len() != is.len() {
        found.push(format!(
            "{path}: there were {} forms and are {}",
            was.len(),
            is.len()
        ));
    }
    for (was, is) in was.into_iter().zip(is) {
        walk(&old.at(was), &new.at(is), path, found);
    }
}
