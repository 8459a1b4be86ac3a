//! The schema as its users get it: committed, complete, described.

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    FieldDefinition, InputValueDefinition, TypeKind, TypeSystemDefinition,
};
use tradepost::graphql::schema::sdl;

#[test]
fn the_committed_schema_is_the_programs() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == sdl(),
        "schema.graphql is old: run `cargo run -- schema > schema.graphql`"
    );
}

/// The names of everything that has no description.
fn undescribed(sdl: &str) -> Vec<String> {
    let mut names = Vec::new();
    for definition in parse_schema(sdl).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else {
            continue;
        };
        let definition = definition.node;
        let name = definition.name.node.to_string();
        if definition.description.is_none() {
            names.push(name.clone());
        }
        match definition.kind {
            TypeKind::Object(object) => object
                .fields
                .iter()
                .for_each(|field| field_names(&name, &field.node, &mut names)),
            TypeKind::Interface(interface) => {
                interface
                    .fields
                    .iter()
                    .for_each(|field| field_names(&name, &field.node, &mut names));
            }
            TypeKind::InputObject(input) => {
                input
                    .fields
                    .iter()
                    .for_each(|field| input_names(&name, &field.node, &mut names));
            }
            TypeKind::Enum(values) => {
                let without = values
                    .values
                    .iter()
                    .filter(|value| value.node.description.is_none());
                names.extend(without.map(|value| format!("{name}.{}", value.node.value.node)));
            }
            TypeKind::Scalar | TypeKind::Union(_) => {}
        }
    }
    names
}

fn field_names(parent: &str, field: &FieldDefinition, names: &mut Vec<String>) {
    let name = format!("{parent}.{}", field.name.node);
    if field.description.is_none() {
        names.push(name.clone());
    }
    for argument in &field.arguments {
        input_names(&name, &argument.node, names);
    }
}

fn input_names(parent: &str, input: &InputValueDefinition, names: &mut Vec<String>) {
    if input.description.is_none() {
        names.push(format!("{parent}.{}", input.name.node));
    }
}

#[test]
fn everything_has_a_description() {
    assert_eq!(undescribed(&sdl()), Vec::<String>::new());
}

#[test]
fn the_check_of_descriptions_finds_what_has_none() {
    let found = undescribed(
        "\"d\" type T { a(\"d\" b: Int, c: Int): Int }\nenum E { A }\n\"d\" input I { i: Int }",
    );
    assert_eq!(found, ["T.a", "T.a.c", "E", "E.A", "I.i"]);
}

#[test]
fn no_money_is_a_json_number() {
    assert!(
        !sdl().contains("Float"),
        "amounts are Decimal strings; nothing in the schema is a float"
    );
}
