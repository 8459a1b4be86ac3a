//! JSON values as YAML 1.2 in block style: enough for documents that are made here, and no more.

use serde_json::Value;
use std::fmt::Write as _;

/// Keys that come first, in this order; the others follow by the alphabet.
const FIRST: &[&str] = &[
    "asyncapi",
    "info",
    "name",
    "title",
    "version",
    "summary",
    "address",
    "description",
    "$ref",
    "action",
    "type",
    "format",
    "pattern",
    "enum",
    "defaultContentType",
    "channels",
    "operations",
    "channel",
    "components",
    "headers",
    "payload",
];
/// What a reader of YAML would take for something else than text.
const RESERVED: &[&str] = &["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

/// The document.
pub(super) fn to_text(value: &Value) -> String {
    let mut text = String::new();
    block(&mut text, value, 0);
    text
}

/// Writes lines that are indented by `depth` levels.
fn block(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort_by_key(|name| {
                let rank = FIRST.iter().position(|first| first == name);
                (rank.unwrap_or(FIRST.len()), *name)
            });
            for name in names {
                indent(text, depth);
                text.push_str(&scalar(name));
                text.push(':');
                let value = &fields[name];
                if is_nested(value) {
                    text.push('\n');
                    block(text, value, depth + 1);
                } else {
                    text.push(' ');
                    block(text, value, 0);
                }
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let mut inner = String::new();
                block(&mut inner, item, depth + 1);
                indent(text, depth);
                text.push_str("- ");
                text.push_str(inner.trim_start());
            }
        }
        Value::String(one) => line(text, &scalar(one)),
        // Numbers, true, false, null, and what is empty look as in JSON.
        other => line(text, &other.to_string()),
    }
}

fn indent(text: &mut String, depth: usize) {
    text.push_str(&"  ".repeat(depth));
}

fn line(text: &mut String, one: &str) {
    // Writing to a String cannot fail.
    writeln!(text, "{one}").unwrap_or_default();
}

fn is_nested(value: &Value) -> bool {
    match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

/// Plain where nobody can take it for anything else, in double quotes as JSON has them otherwise.
fn scalar(text: &str) -> String {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$');
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " _.$/'();-".contains(c);
    let is_reserved = RESERVED.contains(&text.to_ascii_lowercase().as_str());
    if begins && text.chars().all(is_plain) && !text.ends_with(' ') && !is_reserved {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn blocks_are_indented_and_what_could_be_mistaken_is_quoted() {
        let value = json!({
            "zeta": [{ "b": 1, "title": "T" }, "x", [], ["deep"]],
            "info": { "version": "1.0", "empty": {}, "no": "Yes", "line": "a: b\n#c" },
            "list": ["019a", "a, b", "- x", "", "true", true, null, 1.5],
        });
        let expected = "\
info:
  version: \"1.0\"
  empty: {}
  line: \"a: b\\n#c\"
  \"no\": \"Yes\"
list:
  - \"019a\"
  - \"a, b\"
  - \"- x\"
  - \"\"
  - \"true\"
  - true
  - null
  - 1.5
zeta:
  - title: T
    b: 1
  - x
  - []
  - - deep
";
        assert_eq!(to_text(&value), expected);
    }
}
