//! What a domain says of each of its events.

use crate::events::outbox::NewEvent;
use crate::events::record;
use entity::events::outbox_event;
use entity::ids::EventId;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::json;
use uuid::Uuid;

/// The id of the event of a sample.
const EVENT: Uuid = Uuid::from_u128(0x019a_9e5c_0b01_7000_8000_0000_0000_0003);
/// What the samples say of their cause.
const TRACE_PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const REQUEST: &str = "019a9e5c-0b00-7000-8000-00000000000f";

/// A type of event.
#[derive(Clone, Copy, Debug)]
pub struct EventType {
    /// Its name with its version, as `ce_type` has it.
    pub name: &'static str,
    /// What it happens to; it decides the topic, unless the type has one of its own.
    pub aggregate: &'static str,
    /// The stream of its own topic; types with one are no rows of the outbox.
    own_stream: Option<&'static str>,
    /// What happened, in a sentence.
    pub summary: &'static str,
    /// The schema of its bodies.
    pub body: fn(&mut SchemaGenerator) -> Schema,
    /// One of them.
    pub sample: fn() -> NewEvent,
}

impl EventType {
    /// A type with bodies of `B`.
    #[must_use]
    pub const fn of<B: JsonSchema>(
        name: &'static str,
        aggregate: &'static str,
        summary: &'static str,
        sample: fn() -> NewEvent,
    ) -> Self {
        Self {
            name,
            aggregate,
            own_stream: None,
            summary,
            body: SchemaGenerator::subschema_for::<B>,
            sample,
        }
    }

    /// The same on a topic of its own instead of its aggregate's.
    #[must_use]
    pub const fn on(self, stream: &'static str) -> Self {
        Self {
            own_stream: Some(stream),
            ..self
        }
    }

    /// The stream of its topic, see [`record::STREAMS`].
    #[must_use]
    pub fn stream(&self) -> Option<&'static str> {
        self.own_stream
            .or_else(|| record::stream_of(self.aggregate))
    }

    /// Whether events of this type are rows of the outbox.
    #[must_use]
    pub const fn is_of_outbox(&self) -> bool {
        self.own_stream.is_none()
    }

    /// The row of the outbox that its sample would be.
    #[must_use]
    pub fn sample_row(&self) -> outbox_event::Model {
        let event = (self.sample)();
        outbox_event::Model {
            id: 1,
            event_id: EventId(EVENT),
            shard: 0,
            aggregate_type: event.aggregate_type.to_owned(),
            aggregate_id: event.aggregate_id,
            aggregate_version: event.aggregate_version,
            event_type: event.event_type.to_owned(),
            payload: event.payload,
            headers: json!({
                "traceparent": TRACE_PARENT, "correlationid": REQUEST, "causationid": REQUEST,
            }),
            created_at: event.created_at,
            published_at: None,
            attempts: 0,
            last_error: None,
            parked_at: None,
            log_position: None,
        }
    }
}
