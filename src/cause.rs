//! Why something is done: set once where work begins, told by every event that is written in it.
//!
//! Work begins with a request (`src/http`), with a pass of background work (`src/workers`) or with a command
//! (`src/cli`). Each says so by [`Cause::during`], and [`crate::events::outbox::insert`] asks [`headers`]; nothing in
//! between hands it on. Work that takes up what an earlier event began runs under [`Cause::of_event`].
//! `docs/decisions/0260-events-and-their-contract.md` says why it is no argument.

use crate::random;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

tokio::task_local! {
    static CAUSE: Cause;
}

/// Names of the headers, as the outbox keeps them; records put `ce_` before them.
const TRACE_PARENT: &str = "traceparent";
const CORRELATION_ID: &str = "correlationid";
const CAUSATION_ID: &str = "causationid";

/// Why something is done.
#[derive(Clone, Debug)]
pub struct Cause {
    /// W3C trace context, as the caller sent it; else made when it is first asked for.
    trace_parent: OnceLock<String>,
    /// What all events of one flow have in common; none of its own means the id of the trace.
    correlation_id: Option<Arc<str>>,
    /// The command or the event that this follows from.
    causation_id: Option<Arc<str>>,
    is_request: bool,
}

impl Cause {
    /// A request, with the header `traceparent` if it has one. Both ids are the request's: it is the command that its
    /// events follow from.
    #[must_use]
    pub fn of_request(request_id: &Arc<str>, trace_parent: Option<&str>) -> Self {
        let known = OnceLock::new();
        if let Some(given) = trace_parent.and_then(understood) {
            known.get_or_init(|| given);
        }
        Self {
            trace_parent: known,
            correlation_id: Some(Arc::clone(request_id)),
            causation_id: Some(Arc::clone(request_id)),
            is_request: true,
        }
    }

    /// A pass of background work, or a command of an operator: it begins a flow of its own.
    #[must_use]
    pub fn begun() -> Self {
        Self {
            trace_parent: OnceLock::new(),
            correlation_id: None,
            causation_id: None,
            is_request: false,
        }
    }

    /// What goes on with what an event began: the same flow and trace, caused by that event.
    #[must_use]
    pub fn of_event(event_id: &str, headers: &Value) -> Self {
        let text = |name| headers.get(name).and_then(Value::as_str);
        let known = OnceLock::new();
        if let Some(given) = text(TRACE_PARENT).and_then(understood) {
            known.get_or_init(|| given);
        }
        Self {
            trace_parent: known,
            correlation_id: text(CORRELATION_ID).map(Arc::from),
            causation_id: Some(event_id.into()),
            is_request: false,
        }
    }

    /// Does work for this cause.
    pub async fn during<T>(self, work: impl Future<Output = T>) -> T {
        CAUSE.scope(self, work).await
    }

    /// What events tell of it.
    fn headers(&self) -> Value {
        let trace_parent = self.trace_parent.get_or_init(fresh);
        let correlation_id = self.correlation_id.as_deref();
        let mut headers = Map::new();
        let mut put = |name: &str, value: &str| headers.insert(name.to_owned(), value.into());
        put(
            CORRELATION_ID,
            correlation_id.unwrap_or(trace_id(trace_parent)),
        );
        put(TRACE_PARENT, trace_parent);
        if let Some(id) = &self.causation_id {
            put(CAUSATION_ID, id);
        }
        Value::Object(headers)
    }
}

/// What an event that is written now tells of its cause. Where nobody said why something is done, it begins a flow.
#[must_use]
pub fn headers() -> Value {
    CAUSE
        .try_with(Cause::headers)
        .unwrap_or_else(|_| Cause::begun().headers())
}

/// Whether this is the work of a request.
#[must_use]
pub fn is_request() -> bool {
    CAUSE.try_with(|cause| cause.is_request).unwrap_or(false)
}

/// A trace context as version 00, if the text is one. It is handed on as it came: this program exports no spans, so
/// the caller's span is the parent of what consumers do.
fn understood(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.trim().split('-').collect();
    let [version, trace, parent, flags, rest @ ..] = parts.as_slice() else {
        return None;
    };
    let is_hex = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_set = |part: &str| part.bytes().any(|byte| byte != b'0');
    let is_right = is_hex(version, 2)
        && *version != "ff"
        && (*version != "00" || rest.is_empty())
        && is_hex(trace, 32)
        && is_set(trace)
        && is_hex(parent, 16)
        && is_set(parent)
        && is_hex(flags, 2);
    is_right.then(|| format!("00-{trace}-{parent}-{flags}"))
}

/// A trace that begins here, and that nobody records.
fn fresh() -> String {
    let (trace, parent): ([u8; 16], [u8; 8]) = (random::bytes(), random::bytes());
    format!("00-{}-{}-00", hex(&trace), hex(&parent))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

fn trace_id(trace_parent: &str) -> &str {
    trace_parent.split('-').nth(1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[tokio::test]
    async fn a_request_hands_its_trace_on_and_is_the_cause() {
        let cause = Cause::of_request(&"req-1".into(), Some(GIVEN));
        let (told, is) = cause.during(async { (headers(), is_request()) }).await;
        let expected =
            json!({ "traceparent": GIVEN, "correlationid": "req-1", "causationid": "req-1" });
        assert_eq!((told, is), (expected, true));
    }

    #[tokio::test]
    async fn all_events_of_a_pass_are_of_one_trace_and_two_passes_of_two() {
        let pass = || async {
            Cause::begun()
                .during(async { [headers(), headers()] })
                .await
        };
        let ([one, again], [other, _]) = (pass().await, pass().await);
        assert_eq!(one, again);
        assert_ne!(one, other);
        let trace = one["traceparent"].as_str().unwrap();
        assert_eq!(understood(trace).as_deref(), Some(trace));
        assert_eq!(one["correlationid"], trace_id(trace));
        assert_eq!(one.get("causationid"), None);
        assert_ne!(headers(), headers(), "outside of all work");
    }

    #[tokio::test]
    async fn what_goes_on_with_an_event_stays_in_its_flow() {
        let first =
            json!({ "traceparent": GIVEN, "correlationid": "req-1", "causationid": "req-1" });
        let told = Cause::of_event("event-1", &first).during(async { headers() });
        let expected =
            json!({ "traceparent": GIVEN, "correlationid": "req-1", "causationid": "event-1" });
        assert_eq!(told.await, expected);
    }

    #[test]
    fn what_is_no_trace_context_is_not_handed_on() {
        assert_eq!(understood(GIVEN).as_deref(), Some(GIVEN));
        let later = "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more";
        assert_eq!(understood(later).as_deref(), Some(GIVEN));
        for wrong in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        ] {
            assert_eq!(understood(wrong), None, "{wrong}");
        }
    }
}
