//! The messages of `graphql-transport-ws` (github.com/enisdenjo/graphql-ws, PROTOCOL.md).

use crate::http::parameters::{self, Parameters};
use async_graphql::ServerError;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The name of the protocol.
pub(super) const PROTOCOL: &str = "graphql-transport-ws";

/// What a client says.
#[derive(Debug)]
pub(super) enum Incoming {
    /// Who it is.
    Init(Map<String, Value>),
    /// Are you there?
    Ping(Option<Map<String, Value>>),
    /// I am.
    Pong,
    /// Run this.
    Subscribe {
        /// The operation's name on this connection.
        id: String,
        /// What to run.
        parameters: Box<Parameters>,
    },
    /// I want no more of it.
    Complete(String),
}

/// Reads a message; the error says what is wrong with it.
pub(super) fn read(text: &str) -> Result<Incoming, String> {
    let json: Value =
        serde_json::from_str(text).map_err(|error| format!("It is not JSON: {error}"))?;
    let Value::Object(mut map) = json else {
        return Err("It is not a JSON object".to_owned());
    };
    let Some(Value::String(kind)) = map.remove("type") else {
        return Err("It has no type".to_owned());
    };
    match kind.as_str() {
        "connection_init" => Ok(Incoming::Init(payload(&mut map)?.unwrap_or_default())),
        "ping" => Ok(Incoming::Ping(payload(&mut map)?)),
        "pong" => payload(&mut map).map(|_| Incoming::Pong),
        "complete" => Ok(Incoming::Complete(id(&mut map)?)),
        "subscribe" => {
            let id = id(&mut map)?;
            let payload = payload(&mut map)?.ok_or("subscribe needs a payload")?;
            let is_persisted = payload.get("extensions").is_some_and(Value::is_object);
            if !payload.get("query").is_some_and(Value::is_string) && !is_persisted {
                return Err("subscribe needs the document as a string in payload.query".to_owned());
            }
            let parameters = parameters::from_map(payload).map_err(|refused| {
                let errors = refused.errors();
                let message = errors.first().map(|error| error.message.clone());
                message.unwrap_or_else(|| "Its payload cannot be read".to_owned())
            })?;
            let parameters = Box::new(parameters);
            Ok(Incoming::Subscribe { id, parameters })
        }
        _ => Err("Its type is not one of graphql-transport-ws".to_owned()),
    }
}

fn payload(map: &mut Map<String, Value>) -> Result<Option<Map<String, Value>>, String> {
    match map.remove("payload") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(payload)) => Ok(Some(payload)),
        Some(_) => Err("Its payload is not an object".to_owned()),
    }
}

fn id(map: &mut Map<String, Value>) -> Result<String, String> {
    match map.remove("id") {
        Some(Value::String(id)) if !id.is_empty() => Ok(id),
        _ => Err("It needs an id that is a string and not empty".to_owned()),
    }
}

/// What the server says.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Outgoing<'a> {
    ConnectionAck,
    Ping,
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Map<String, Value>>,
    },
    Next {
        id: &'a str,
        payload: &'a RawValue,
    },
    Error {
        id: &'a str,
        payload: &'a [ServerError],
    },
    Complete {
        id: &'a str,
    },
}

/// Why a connection is closed: the code, and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Close {
    pub(super) code: u16,
    pub(super) reason: String,
}

/// Longest reason that a close frame has room for.
const REASON_MAX: usize = 123;

impl Close {
    pub(super) fn new(code: u16, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        let mut end = reason.len().min(REASON_MAX);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        reason.truncate(end);
        Self { code, reason }
    }

    pub(super) fn invalid(why: &str) -> Self {
        Self::new(4400, format!("Invalid message: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_message_is_named() {
        for (text, why) in [
            ("{", "not JSON"),
            ("[]", "not a JSON object"),
            ("{}", "no type"),
            (r#"{"type":1}"#, "no type"),
            (r#"{"type":"start","id":"1"}"#, "not one of"),
            (
                r#"{"type":"connection_init","payload":"token"}"#,
                "not an object",
            ),
            (r#"{"type":"ping","payload":[]}"#, "not an object"),
            (r#"{"type":"complete"}"#, "needs an id"),
            (r#"{"type":"complete","id":""}"#, "needs an id"),
            (r#"{"type":"complete","id":1}"#, "needs an id"),
            (r#"{"type":"subscribe","id":"1"}"#, "needs a payload"),
            (
                r#"{"type":"subscribe","id":"1","payload":{}}"#,
                "payload.query",
            ),
            (
                r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#,
                "payload.query",
            ),
            (
                r#"{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":[]}}"#,
                "variables must be an object",
            ),
        ] {
            let found = read(text).unwrap_err();
            assert!(found.contains(why), "{text}: {found}");
        }
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        let close = Close::new(4400, "ä".repeat(100));
        assert_eq!(close.reason.len(), 122);
    }
}
