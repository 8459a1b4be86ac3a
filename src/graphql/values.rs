//! Whether the values of a request fit their types: variables, and the literals of arguments.
//!
//! The library finds most of this out only while it executes. That is too late to refuse the whole request, and an
//! argument that cannot be read then takes all of `data` with it, the results of earlier mutations included.

use super::scalars;
use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
    VariableDefinition,
};
use async_graphql::registry::{MetaField, MetaType, MetaTypeName, Registry};
use async_graphql::{IntrospectionMode, Name, Pos, ServerError, Value, Variables};
use std::collections::HashSet;

/// Longest quotation of what a client sent in a message to it.
const QUOTE_MAX: usize = 80;

/// What is wrong with the values of an operation, and with introspection where that is off; empty when it can be run.
/// Unknown fields, arguments and types are left to validation.
#[must_use]
pub fn problems(
    registry: &Registry,
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
) -> Vec<ServerError> {
    let mut arguments = Arguments {
        registry,
        document,
        operation,
        variables,
        fragments: HashSet::new(),
        problems: Vec::new(),
    };
    for definition in &operation.variable_definitions {
        if let Some(message) = variable_problem(registry, &definition.node, variables) {
            arguments.refuse(message, definition.pos);
        }
    }
    if !arguments.problems.is_empty() {
        // The arguments that the variables are used in would only say the same again.
        return arguments.problems;
    }
    let root = match operation.ty {
        OperationType::Query => Some(&registry.query_type),
        OperationType::Mutation => registry.mutation_type.as_ref(),
        OperationType::Subscription => registry.subscription_type.as_ref(),
    };
    if let Some(root) = root {
        arguments.set(root, &operation.selection_set.node);
    }
    arguments.problems
}

fn variable_problem(
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
        Some(value) => mismatch(
            registry,
            &wanted,
            value,
            &mut format!("The variable ${name}"),
        ),
    }
}

/// Walks over the arguments of an operation; each fragment once, for its arguments are the same wherever it stands.
struct Arguments<'a> {
    registry: &'a Registry,
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
    fragments: HashSet<&'a str>,
    problems: Vec<ServerError>,
}

impl<'a> Arguments<'a> {
    fn refuse(&mut self, message: String, at: Pos) {
        self.problems.push(ServerError::new(message, Some(at)));
    }

    fn set(&mut self, type_name: &str, set: &'a SelectionSet) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => self.field(type_name, &field.node, field.pos),
                Selection::InlineFragment(inline) => {
                    let condition = inline.node.type_condition.as_ref();
                    let type_name = condition.map_or(type_name, |on| on.node.on.node.as_str());
                    self.set(type_name, &inline.node.selection_set.node);
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let fragment = self.document.fragments.get(name);
                    if let Some(fragment) = fragment.filter(|_| self.fragments.insert(name)) {
                        let on = fragment.node.type_condition.node.on.node.as_str();
                        self.set(on, &fragment.node.selection_set.node);
                    }
                }
            }
        }
    }

    fn field(&mut self, type_name: &str, field: &'a Field, at: Pos) {
        let name = field.name.node.as_str();
        if matches!(name, "__schema" | "__type") {
            if self.registry.introspection_mode == IntrospectionMode::Disabled {
                self.refuse(
                    "Introspection is off here; the schema's text is at /schema.graphql."
                        .to_owned(),
                    at,
                );
            }
            return;
        }
        let registry = self.registry;
        let Some(known) = registry
            .types
            .get(type_name)
            .and_then(|known| known.field_by_name(name))
        else {
            return;
        };
        self.arguments(known, field);
        self.set(
            MetaTypeName::concrete_typename(&known.ty),
            &field.selection_set.node,
        );
    }

    fn arguments(&mut self, known: &MetaField, field: &'a Field) {
        for (name, value) in &field.arguments {
            let Some(argument) = known.args.get(name.node.as_str()) else {
                continue;
            };
            // A variable without a value leaves its place to the default of that place.
            let value = value.node.clone();
            let Ok(value) = value.into_const_with(|name| self.value_of(&name).ok_or(())) else {
                continue;
            };
            let mut path = format!("The argument {}", name.node);
            if let Some(message) = mismatch(self.registry, &argument.ty, &value, &mut path) {
                self.refuse(message, name.pos);
            }
        }
    }

    fn value_of(&self, name: &Name) -> Option<Value> {
        let given = self.variables.get(name).cloned();
        given.or_else(|| {
            let definitions = &self.operation.variable_definitions;
            let definition = definitions
                .iter()
                .find(|definition| definition.node.name.node == *name)?;
            let default = definition.node.default_value.as_ref();
            default.map(|default| default.node.clone())
        })
    }
}

/// Compares a value with a type, as `[ProductFilter!]`; the first thing that does not fit, with its path.
fn mismatch(registry: &Registry, wanted: &str, value: &Value, path: &mut String) -> Option<String> {
    let refuse = |path: &str| Some(format!("{path} must be {wanted}, not {}.", quote(value)));
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
                if let Some(message) = scalars::problem(name, value) {
                    return Some(format!("{path}: {message}"));
                }
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
            "{path} of type {name} must have exactly one field, with a value."
        ));
    }
    let unknown = given
        .keys()
        .find(|key| !input_fields.contains_key(key.as_str()));
    if let Some(unknown) = unknown {
        let unknown: String = unknown.chars().take(QUOTE_MAX).collect();
        return Some(format!("{path} of type {name} has no field {unknown:?}."));
    }
    input_fields.values().find_map(|field| {
        below(path, &field.name, |path| {
            match given.get(field.name.as_str()) {
                Some(value) => mismatch(registry, &field.ty, value, path),
                None if field.default_value.is_some() || !field.ty.ends_with('!') => None,
                None => Some(format!("{path} of type {} was not given.", field.ty)),
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
