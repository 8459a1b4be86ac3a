//! Variables of page sizes that a client left out.
//!
//! The library reads `first` and `last` for the cost of a list before it executes, and there it refuses a variable
//! that was declared and not given, though its type may be null (async-graphql 8.0.0-rc.5, `VisitorContext::param_value`).
//! For a page size, left out and null are the same, so such a variable becomes null. Others stay left out: in an input
//! null says something else.

use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};
use async_graphql::{Name, Value, Variables};
use std::collections::HashSet;
use std::convert::Infallible;

/// The arguments that the cost of lists is computed from.
const READ_FOR_COST: &[&str] = &["first", "last"];

/// The variables of page sizes that may be null and have no default.
#[must_use]
pub(super) fn optional(document: &ExecutableDocument) -> Box<[Name]> {
    let operations = || {
        document
            .operations
            .iter()
            .map(|(_, operation)| &operation.node)
    };
    let fragments = document
        .fragments
        .values()
        .map(|fragment| &fragment.node.selection_set);
    let sets = operations()
        .map(|operation| &operation.selection_set)
        .chain(fragments);
    let mut used = HashSet::new();
    for set in sets {
        collect(&set.node, &mut used);
    }
    operations()
        .flat_map(|operation| &operation.variable_definitions)
        .map(|definition| &definition.node)
        .filter(|definition| {
            definition.var_type.node.nullable && definition.default_value.is_none()
        })
        .map(|definition| definition.name.node.clone())
        .filter(|name| used.contains(name))
        .collect()
}

/// Gives null to those of these variables that are not given.
pub(super) fn fill(optional: &[Name], variables: &mut Variables) {
    for name in optional {
        if !variables.contains_key(name) {
            variables.insert(name.clone(), Value::Null);
        }
    }
}

/// Collects the variables of page sizes. The nesting of a document is bounded before it comes here.
fn collect(set: &SelectionSet, used: &mut HashSet<Name>) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => {
                collect_arguments(&field.node, used);
                collect(&field.node.selection_set.node, used);
            }
            Selection::InlineFragment(inline) => collect(&inline.node.selection_set.node, used),
            Selection::FragmentSpread(_) => {}
        }
    }
}

fn collect_arguments(field: &Field, used: &mut HashSet<Name>) {
    for (name, value) in &field.arguments {
        if READ_FOR_COST.contains(&name.node.as_str()) {
            let remember = |name: Name| {
                used.insert(name);
                Ok::<_, Infallible>(Value::Null)
            };
            match value.node.clone().into_const_with(remember) {
                Ok(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_query;
    use serde_json::json;

    #[test]
    fn only_page_sizes_that_were_left_out_become_null() {
        let document = parse_query(
            "query($a: Int, $b: Int, $c: Int = 3, $d: Int!, $e: Int, $f: X) {
                x(first: $a) { ...on X { y(last: $b) } ...z }
                p(first: $c) q(first: $d, input: $f) }
             fragment z on X { w(first: $e) }",
        );
        let mut variables = Variables::from_json(json!({"b": 7}));
        fill(&optional(&document.unwrap()), &mut variables);
        let filled = serde_json::to_value(&*variables).unwrap();
        assert_eq!(filled, json!({"a": null, "b": 7, "e": null}));
    }
}
