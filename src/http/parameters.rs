//! The parameters of a GraphQL request, from a body or from an address.

use super::answer::Refused;
use async_graphql::Variables;
use serde_json::{Map, Value};

/// What a request asks for.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    /// The document; missing when only its hash is sent.
    pub(super) query: Option<String>,
    pub(super) operation_name: Option<String>,
    pub(super) variables: Variables,
    /// Values in the variables, lists and objects counted with their parts.
    pub(super) variable_values: usize,
    pub(super) extensions: Map<String, Value>,
}

/// Reads the body of a POST.
pub(super) fn from_body(body: &[u8]) -> Result<Parameters, Refused> {
    if body.is_empty() {
        return Err(Refused::unreadable(
            "The body is empty: send a JSON object with the document in \"query\".",
        ));
    }
    let text =
        std::str::from_utf8(body).map_err(|_| Refused::unreadable("The body is not UTF-8."))?;
    let json: Value = serde_json::from_str(text)
        .map_err(|error| Refused::unreadable(format!("The body is not JSON: {error}.")))?;
    match json {
        Value::Object(map) => from_map(map),
        Value::Array(_) => Err(Refused::unreadable(
            "Several requests in one are not supported: send each on its own.",
        )),
        _ => Err(Refused::unreadable("The body is not a JSON object.")),
    }
}

/// Reads the query string of a GET, in which variables and extensions are JSON.
pub(super) fn from_address(query: &str) -> Result<Parameters, Refused> {
    let mut map = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        let value = match name.as_str() {
            "query" | "operationName" => Value::String(value),
            // Forms send parameters that were left out as empty ones.
            "variables" | "extensions" if value.is_empty() => continue,
            "variables" | "extensions" => serde_json::from_str(&value).map_err(|error| {
                Refused::unreadable(format!("The parameter {name} is not JSON: {error}."))
            })?,
            _ => continue,
        };
        if map.insert(name.clone(), value).is_some() {
            return Err(Refused::unreadable(format!(
                "The parameter {name} is given twice."
            )));
        }
    }
    if map.get("operationName").is_some_and(|name| name == "") {
        map.remove("operationName");
    }
    from_map(map)
}

/// Undoes percent encoding.
fn decode(text: &str) -> Result<String, Refused> {
    let wrong = || Refused::unreadable("The address is not percent-encoded UTF-8.");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || {
                    rest.next()
                        .and_then(|digit| char::from(digit).to_digit(16))
                        .ok_or_else(wrong)
                };
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).map_err(|_| wrong())?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

/// Reads an object with the four parameters.
pub(super) fn from_map(mut map: Map<String, Value>) -> Result<Parameters, Refused> {
    let query = text(&mut map, "query")?;
    let operation_name = text(&mut map, "operationName")?;
    let variables = object(&mut map, "variables")?;
    let extensions = object(&mut map, "extensions")?;
    let variables = Value::Object(variables);
    let mut variable_values = 0;
    count(&variables, &mut variable_values)?;
    Ok(Parameters {
        query,
        operation_name,
        variables: Variables::from_json(variables),
        variable_values,
        extensions,
    })
}

fn text(map: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Refused> {
    match map.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.contains('\0') => Err(nul(name)),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refused::unreadable(format!(
            "The parameter {name} must be a string."
        ))),
    }
}

fn object(map: &mut Map<String, Value>, name: &str) -> Result<Map<String, Value>, Refused> {
    match map.remove(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(Refused::unreadable(format!(
            "The parameter {name} must be an object."
        ))),
    }
}

fn nul(name: &str) -> Refused {
    Refused::unreadable(format!(
        "The parameter {name} contains the character NUL, which no text here can have."
    ))
}

/// Counts values and refuses NUL, which databases take for an end or store and never find. The parser of JSON has
/// bounded the recursion.
fn count(value: &Value, values: &mut usize) -> Result<(), Refused> {
    *values += 1;
    match value {
        Value::String(text) if text.contains('\0') => Err(nul("variables")),
        Value::Array(items) => items.iter().try_for_each(|item| count(item, values)),
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            if name.contains('\0') {
                return Err(nul("variables"));
            }
            count(value, values)
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_decoded_strictly() {
        let found = from_address("query=%7Ba%7D&variables=%7B%22n%22%3A1%7D&other=%FF").map(|_| ());
        assert!(found.is_err(), "invalid UTF-8 in any part");
        let found =
            from_address("query=%7Ba+b%7D&variables=%7B%22n%22%3A%5B1%5D%7D&operationName=")
                .unwrap();
        assert_eq!(found.query.as_deref(), Some("{a b}"));
        assert_eq!(found.operation_name, None);
        assert_eq!(found.variable_values, 3);
        for wrong in ["query=%7", "query=%GG", "query=a&query=b", "variables=%7B"] {
            assert!(from_address(wrong).is_err(), "{wrong}");
        }
        assert_eq!(from_address("").unwrap().query, None);
    }
}
