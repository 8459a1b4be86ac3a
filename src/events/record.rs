//! What is sent: the records of an outbox row, in the forms of `docs/events.md`.
//!
//! Everything here is a pure function of the row and the settings, so a repeat sends the same records again. A new
//! kind of aggregate is a line in [`STREAMS`].
//!
//! The relay reads bodies as the text that the database has (`Body::Text`) and sends them so: taking JSON apart and
//! putting it together again costs as much as all else that the program does for a record.

use super::contract::values;
use crate::clock::to_text;
use crate::config::Config;
use chrono::{DateTime, Utc};
use entity::events::outbox_event;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use uuid::Uuid;

/// The type of the event that older consumers read from a topic of its own.
pub const ORDER_CREATED: &str = "tradepost.order.created.v1";
/// What they call it.
pub const ORDER_CREATED_FLAT: &str = "OrderCreatedEvent";

/// The stream of the states of orders, which `events snapshot` fills.
pub const STATES: &str = "orders.state";

/// Which topic the events of an aggregate go to: `<prefix>.<stream>.v1`, source `/tradepost/<instance>/<stream>`.
pub const STREAMS: &[(&str, &str)] = &[
    ("order", "orders"),
    ("product", "catalog"),
    ("category", "catalog"),
    ("variant", "inventory"),
    ("user", "accounts"),
];

/// The stream of the events of an aggregate.
#[must_use]
pub fn stream_of(aggregate: &str) -> Option<&'static str> {
    let found = STREAMS.iter().find(|(known, _)| *known == aggregate);
    found.map(|(_, stream)| *stream)
}

/// The body for consumers of the older topic. They type all of its fields as text, so nothing here becomes a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OrderCreatedEvent {
    /// The order.
    #[schemars(with = "Uuid")]
    pub order_id: String,
    /// Who ordered.
    #[schemars(with = "Uuid")]
    pub user_id: String,
    /// The user's e-mail address; null unless the operator of Tradepost has switched it on.
    pub user_email: Option<String>,
    /// What is to be paid: an exact decimal.
    #[schemars(regex(pattern = values::DECIMAL))]
    pub total_price: String,
    /// When it was made.
    #[schemars(with = "values::Time")]
    pub created_at: String,
    /// The currency of the total.
    #[schemars(regex(pattern = values::CURRENCY))]
    pub currency: String,
}

/// A record as a broker takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Topic.
    pub topic: String,
    /// The aggregate's id: records with the same key stay in order.
    pub key: String,
    /// CloudEvents attributes (`ce_…`) and `content-type`.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Body, JSON.
    pub value: Vec<u8>,
    /// When it happened.
    pub timestamp: DateTime<Utc>,
}

impl Record {
    /// A header's text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(found, _)| found == name)?;
        std::str::from_utf8(value).ok()
    }
}

/// Why a row cannot be sent, now or later, as it is.
#[derive(Debug, thiserror::Error)]
pub enum Unsendable {
    /// The aggregate's kind has no topic.
    #[error("no topic for aggregates of type {0}")]
    Aggregate(String),
    /// The body lacks what a record needs.
    #[error("the payload has no {0}")]
    Missing(&'static str),
    /// The body is not JSON.
    #[error("the payload cannot be read or written as JSON")]
    Json(#[from] serde_json::Error),
}

/// What of a row its records are made of.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    pub(super) event_id: Uuid,
    pub(super) aggregate_type: &'a str,
    pub(super) aggregate_id: Uuid,
    pub(super) aggregate_version: Option<i32>,
    pub(super) event_type: &'a str,
    pub(super) payload: Body<'a>,
    pub(super) headers: Body<'a>,
    pub(super) created_at: DateTime<Utc>,
}

/// JSON of a row.
#[derive(Clone, Copy, Debug)]
pub(super) enum Body<'a> {
    /// Taken apart.
    Value(&'a Value),
    /// As it is written: compact, with the names of objects in their order.
    Text(&'a str),
}

impl<'a> Body<'a> {
    fn value(self) -> Result<Cow<'a, Value>, Unsendable> {
        Ok(match self {
            Self::Value(value) => Cow::Borrowed(value),
            Self::Text(text) => Cow::Owned(serde_json::from_str(text)?),
        })
    }

    fn bytes(self) -> Result<Vec<u8>, Unsendable> {
        Ok(match self {
            Self::Value(value) => serde_json::to_vec(value)?,
            Self::Text(text) => text.as_bytes().to_vec(),
        })
    }

    fn is_empty_object(self) -> bool {
        match self {
            Self::Value(value) => value.as_object().is_some_and(serde_json::Map::is_empty),
            Self::Text(text) => text == "{}",
        }
    }
}

impl<'a> From<&'a outbox_event::Model> for Source<'a> {
    fn from(row: &'a outbox_event::Model) -> Self {
        Self {
            event_id: row.event_id.0,
            aggregate_type: &row.aggregate_type,
            aggregate_id: row.aggregate_id,
            aggregate_version: row.aggregate_version,
            event_type: &row.event_type,
            payload: Body::Value(&row.payload),
            headers: Body::Value(&row.headers),
            created_at: row.created_at,
        }
    }
}

/// What the records depend on beside the row.
#[derive(Clone, Debug)]
pub struct Settings {
    prefix: String,
    /// "" = off.
    order_created_topic: String,
    include_email: bool,
    instance: String,
    public_url: String,
}

impl Settings {
    /// From the configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let public_url = match config.http.public_url.trim_end_matches('/') {
            "" => format!("http://{}", config.server.address),
            url => url.to_owned(),
        };
        Self {
            prefix: config.events.topic_prefix.clone(),
            order_created_topic: config.events.order_created_topic.clone(),
            include_email: config.events.include_email,
            instance: config.server.instance.clone(),
            public_url,
        }
    }

    /// Topics that exist as soon as Kafka is reachable, so that consumers can be started before the first order.
    #[must_use]
    pub fn first_topics(&self) -> Vec<String> {
        let mut topics = vec![self.topic("orders")];
        topics.extend(self.order_created_topic().map(str::to_owned));
        topics
    }

    /// The main topics, without the one of older consumers, which repeats what is in them.
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        let mut topics: Vec<String> = STREAMS
            .iter()
            .map(|(_, stream)| self.topic(stream))
            .collect();
        topics.dedup();
        topics
    }

    /// Where the JSON Schema of a type is.
    #[must_use]
    pub fn schema_url(&self, event_type: &str) -> String {
        format!("{}/events/schemas/{event_type}.json", self.public_url)
    }

    /// The topic of older consumers; nothing when it is switched off.
    pub(super) fn order_created_topic(&self) -> Option<&str> {
        Some(self.order_created_topic.as_str()).filter(|topic| !topic.is_empty())
    }

    pub(super) fn topic(&self, stream: &str) -> String {
        format!("{}.{stream}.v1", self.prefix)
    }

    /// The topic of the orders' events.
    #[must_use]
    pub fn orders_topic(&self) -> String {
        self.topic("orders")
    }

    /// The compacted topic that `events snapshot` sends the state of every order to.
    #[must_use]
    pub fn orders_state_topic(&self) -> String {
        self.topic(STATES)
    }

    /// The user whose e-mail address the row's records show; none unless `events.include_email` is set.
    #[must_use]
    pub fn wants_email_of<'a>(&self, row: impl Into<Source<'a>>) -> Option<Uuid> {
        if !self.include_email {
            return None;
        }
        let row = row.into();
        if self.order_created_topic().is_none() || row.event_type != ORDER_CREATED {
            return None;
        }
        let payload = row.payload.value().ok()?;
        payload.get("userId")?.as_str()?.parse().ok()
    }
}

/// All records of a row, the main one first. `email` is the user's address where [`Settings::wants_email_of`] asks.
///
/// # Errors
/// The row cannot be sent as it is.
pub fn records<'a>(
    settings: &Settings,
    row: impl Into<Source<'a>>,
    email: Option<&str>,
) -> Result<Vec<Record>, Unsendable> {
    let row = row.into();
    let mut records = vec![main(settings, row)?];
    if let Some(topic) = settings.order_created_topic()
        && row.event_type == ORDER_CREATED
    {
        records.push(flat(settings, row, email, topic)?);
    }
    Ok(records)
}

/// The record on the aggregate's own topic.
///
/// # Errors
/// The row cannot be sent as it is.
pub fn main<'a>(settings: &Settings, row: impl Into<Source<'a>>) -> Result<Record, Unsendable> {
    let row = row.into();
    let stream = stream(row)?;
    Ok(Record {
        topic: settings.topic(stream),
        key: row.aggregate_id.to_string(),
        headers: headers(settings, row, stream, row.event_type)?,
        value: row.payload.bytes()?,
        timestamp: row.created_at,
    })
}

fn stream(row: Source<'_>) -> Result<&'static str, Unsendable> {
    stream_of(row.aggregate_type)
        .ok_or_else(|| Unsendable::Aggregate(row.aggregate_type.to_owned()))
}

/// The record for consumers of the older topic: five flat fields and the currency.
fn flat(
    settings: &Settings,
    row: Source<'_>,
    email: Option<&str>,
    topic: &str,
) -> Result<Record, Unsendable> {
    let body = OrderCreatedEvent::of(row, email)?;
    Ok(Record {
        topic: topic.to_owned(),
        key: row.aggregate_id.to_string(),
        headers: headers(settings, row, stream(row)?, ORDER_CREATED_FLAT)?,
        value: serde_json::to_vec(&body)?,
        timestamp: row.created_at,
    })
}

impl OrderCreatedEvent {
    /// From the event of a created order, with the user's address if it is wanted.
    pub(super) fn of<'a>(
        row: impl Into<Source<'a>>,
        email: Option<&str>,
    ) -> Result<Self, Unsendable> {
        let row = row.into();
        let payload = row.payload.value()?;
        let text = |pointer: &'static str| {
            let value = payload.pointer(pointer).and_then(Value::as_str);
            value.map(str::to_owned).ok_or(Unsendable::Missing(pointer))
        };
        Ok(Self {
            order_id: row.aggregate_id.to_string(),
            user_id: text("/userId")?,
            user_email: email.map(str::to_owned),
            total_price: text("/total/amount")?,
            created_at: text("/createdAt")?,
            currency: text("/total/currencyCode")?,
        })
    }
}

/// CloudEvents 1.0, Kafka binding, binary mode: attributes are headers, the value is the data alone.
fn headers(
    settings: &Settings,
    row: Source<'_>,
    stream: &str,
    event_type: &str,
) -> Result<Vec<(String, Vec<u8>)>, Unsendable> {
    let subject = row.aggregate_id.to_string();
    let mut headers = vec![
        ("ce_specversion".to_owned(), "1.0".to_owned()),
        ("ce_id".to_owned(), row.event_id.to_string()),
        ("ce_type".to_owned(), event_type.to_owned()),
        (
            "ce_source".to_owned(),
            format!("/tradepost/{}/{stream}", settings.instance),
        ),
        ("ce_subject".to_owned(), subject.clone()),
        ("ce_time".to_owned(), to_text(row.created_at)),
    ];
    if let Some(recorded_at) = recorded_at(row) {
        headers.push(("ce_recordedtime".to_owned(), to_text(recorded_at)));
    }
    if let Some(version) = row.aggregate_version {
        headers.push(("ce_aggregateversion".to_owned(), version.to_string()));
    }
    headers.push(("ce_partitionkey".to_owned(), subject));
    headers.push(("ce_dataschema".to_owned(), settings.schema_url(event_type)));
    // Trace context and the like, as the transaction wrote them.
    if !row.headers.is_empty_object() {
        for (name, value) in row.headers.value()?.as_object().into_iter().flatten() {
            if let Some(value) = value.as_str() {
                headers.push((format!("ce_{name}"), value.to_owned()));
            }
        }
    }
    headers.push(("content-type".to_owned(), "application/json".to_owned()));
    let headers = headers.into_iter();
    Ok(headers
        .map(|(name, value)| (name, value.into_bytes()))
        .collect())
}

/// When the row was written, if that is later than when the event happened: the event's id is made at that moment
/// and holds its millisecond.
fn recorded_at(row: Source<'_>) -> Option<DateTime<Utc>> {
    let (seconds, nanos) = row.event_id.get_timestamp()?.to_unix();
    let recorded = DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)?;
    (recorded > row.created_at).then_some(recorded)
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
