//! Whether the variables of a request fit their declarations; the library finds that out only while it executes, when
//! it is too late to refuse the whole request.

use async_graphql::parser::types::{OperationDefinition, VariableDefinition};
use async_graphql::registry::{MetaType, MetaTypeName, Registry};
use async_graphql::{Pos, ServerError, Value, Variables};

/// Longest quotation of what a client sent in a message to it.
const QUOTE_MAX: usize = 80;

/// What is wrong with the variables of an operation; empty when it can be run.
#[must_use]
pub fn problems(
    registry: &Registry,
    operation: &OperationDefinition,
    variables: &Variables,
) -> Vec<ServerError> {
    operation
        .variable_definitions
        .iter()
        .filter_map(|definition| {
            let message = problem(registry, &definition.node, variables)?;
            Some(error(message, definition.pos))
        })
        .collect()
}

fn error(message: String, at: Pos) -> ServerError {
    ServerError::new(message, Some(at))
}

fn problem(
    registry: &Registry,
    definition: &VariableDefinition,
    variables: &Variables,
) -> Option<String> {
    let name = &definition.name.node;
    let wanted = definition.var_type.node.to_string();
    match variables.get(name) {
        None if definition.default_value().is_some() => None,
        None => Some(format!(
            "The variable ${name} of type {wanted} was not given."
        )),
        Some(value) => mismatch(registry, &wanted, value, &mut format!("${name}")),
    }
}

/// Compares a value with a type, as `[ProductFilter!]`; the first thing that does not fit, with its path.
fn mismatch(registry: &Registry, wanted: &str, value: &Value, path: &mut String) -> Option<String> {
    let refuse = |path: &str| {
        Some(format!(
            "The variable {path} must be {wanted}, not {}.",
            quote(value)
        ))
    };
    match (MetaTypeName::create(wanted), value) {
        (MetaTypeName::NonNull(_), Value::Null) => refuse(path),
        (MetaTypeName::NonNull(inner), _) => mismatch(registry, inner, value, path),
        (_, Value::Null) => None,
        (MetaTypeName::List(inner), Value::List(items)) => {
            items.iter().enumerate().find_map(|(index, item)| {
                below(path, &index.to_string(), |path| {
                    mismatch(registry, inner, item, path)
                })
            })
        }
        // A single value stands for a list of one.
        (MetaTypeName::List(inner), _) => mismatch(registry, inner, value, path),
        (MetaTypeName::Named(name), _) => match registry.types.get(name) {
            Some(MetaType::Scalar { is_valid, .. }) => {
                let valid = match (name, value) {
                    ("Int", Value::Number(number)) => number
                        .as_i64()
                        .is_some_and(|number| i32::try_from(number).is_ok()),
                    _ => is_valid.as_ref().is_none_or(|is_valid| is_valid(value)),
                };
                if valid { None } else { refuse(path) }
            }
            Some(MetaType::Enum { enum_values, .. }) => match value {
                Value::String(name) if enum_values.contains_key(name.as_str()) => None,
                Value::Enum(name) if enum_values.contains_key(name.as_str()) => None,
                _ => refuse(path),
            },
            Some(object @ MetaType::InputObject { .. }) => match value {
                Value::Object(_) => object_mismatch(registry, object, value, path),
                _ => refuse(path),
            },
            // Validation has refused types that do not exist or cannot be given.
            _ => None,
        },
    }
}

fn object_mismatch(
    registry: &Registry,
    object: &MetaType,
    value: &Value,
    path: &mut String,
) -> Option<String> {
    let MetaType::InputObject {
        input_fields,
        oneof,
        name,
        ..
    } = object
    else {
        return None;
    };
    let Value::Object(given) = value else {
        return None;
    };
    if *oneof && (given.len() != 1 || given.values().any(|value| *value == Value::Null)) {
        return Some(format!(
            "The variable {path} of type {name} must have exactly one field, with a value."
        ));
    }
    let unknown = given
        .keys()
        .find(|key| !input_fields.contains_key(key.as_str()));
    if let Some(unknown) = unknown {
        let unknown: String = unknown.chars().take(QUOTE_MAX).collect();
        return Some(format!(
            "The variable {path} of type {name} has no field {unknown:?}."
        ));
    }
    input_fields.values().find_map(|field| {
        below(path, &field.name, |path| {
            match given.get(field.name.as_str()) {
                Some(value) => mismatch(registry, &field.ty, value, path),
                None if field.default_value.is_some() || !field.ty.ends_with('!') => None,
                None => Some(format!(
                    "The variable {path} of type {} was not given.",
                    field.ty
                )),
            }
        })
    })
}

/// Runs `f` with the path of a part.
fn below<T>(path: &mut String, part: &str, f: impl FnOnce(&mut String) -> T) -> T {
    let length = path.len();
    path.push('.');
    path.push_str(part);
    let result = f(path);
    path.truncate(length);
    result
}

/// What a client sent, short enough for a message.
fn quote(value: &Value) -> String {
    let text = match value {
        // Lists and objects may be huge, and printing them only to cut them off costs.
        Value::List(_) => return "a list".to_owned(),
        Value::Object(_) => return "an object".to_owned(),
        Value::String(text) => return quote_text(text),
        other => other.to_string(),
    };
    text.chars().take(QUOTE_MAX).collect()
}

fn quote_text(text: &str) -> String {
    let start: String = text.chars().take(QUOTE_MAX).collect();
    let more = if start.len() < text.len() { "…" } else { "" };
    format!("{start:?}{more}")
}
