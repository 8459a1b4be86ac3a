//! What is sent: the records of an outbox row, in the forms of `docs/events.md`.
//!
//! Everything here is a pure function of the row and the settings, so a repeat sends the same records again. A new
//! kind of aggregate is a line in `STREAMS`.

use crate::clock::to_text;
use crate::config::Config;
use chrono::{DateTime, Utc};
use entity::events::outbox_event;
use serde_json::{Value, json};
use uuid::Uuid;

/// The type of the event that older consumers read from a topic of its own.
const ORDER_CREATED: &str = "tradepost.order.created.v1";
/// What they call it.
const ORDER_CREATED_FLAT: &str = "OrderCreatedEvent";

/// Which topic the events of an aggregate go to: `<prefix>.<stream>.v1`, source `/tradepost/<instance>/<stream>`.
const STREAMS: &[(&str, &str)] = &[
    ("order", "orders"),
    ("product", "catalog"),
    ("category", "catalog"),
    ("variant", "inventory"),
    ("user", "accounts"),
];

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
    /// The body cannot be written.
    #[error("the payload cannot be written as JSON")]
    Json(#[from] serde_json::Error),
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
        if !self.order_created_topic.is_empty() {
            topics.push(self.order_created_topic.clone());
        }
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

    fn topic(&self, stream: &str) -> String {
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
        self.topic("orders.state")
    }

    /// The user whose e-mail address the row's records show; none unless `events.include_email` is set.
    #[must_use]
    pub fn wants_email_of(&self, row: &outbox_event::Model) -> Option<Uuid> {
        if !self.include_email
            || self.order_created_topic.is_empty()
            || row.event_type != ORDER_CREATED
        {
            return None;
        }
        row.payload.get("userId")?.as_str()?.parse().ok()
    }
}

/// All records of a row, the main one first. `email` is the user's address where [`Settings::wants_email_of`] asks.
///
/// # Errors
/// The row cannot be sent as it is.
pub fn records(
    settings: &Settings,
    row: &outbox_event::Model,
    email: Option<&str>,
) -> Result<Vec<Record>, Unsendable> {
    let mut records = vec![main(settings, row)?];
    if row.event_type == ORDER_CREATED && !settings.order_created_topic.is_empty() {
        records.push(flat(settings, row, email)?);
    }
    Ok(records)
}

/// The record on the aggregate's own topic.
///
/// # Errors
/// The row cannot be sent as it is.
pub fn main(settings: &Settings, row: &outbox_event::Model) -> Result<Record, Unsendable> {
    let stream = stream(row)?;
    Ok(Record {
        topic: settings.topic(stream),
        key: row.aggregate_id.to_string(),
        headers: headers(settings, row, stream, &row.event_type),
        value: serde_json::to_vec(&row.payload)?,
        timestamp: row.created_at,
    })
}

fn stream(row: &outbox_event::Model) -> Result<&'static str, Unsendable> {
    STREAMS
        .iter()
        .find(|(aggregate, _)| *aggregate == row.aggregate_type)
        .map(|(_, stream)| *stream)
        .ok_or_else(|| Unsendable::Aggregate(row.aggregate_type.clone()))
}

/// The record for consumers of the older topic: five flat fields and the currency.
fn flat(
    settings: &Settings,
    row: &outbox_event::Model,
    email: Option<&str>,
) -> Result<Record, Unsendable> {
    let text = |pointer: &'static str| {
        row.payload
            .pointer(pointer)
            .and_then(Value::as_str)
            .ok_or(Unsendable::Missing(pointer))
    };
    let body = json!({
        "order_id": row.aggregate_id,
        "user_id": row.payload.get("userId"),
        "user_email": email,
        "total_price": text("/total/amount")?,
        "created_at": text("/createdAt")?,
        "currency": text("/total/currencyCode")?,
    });
    Ok(Record {
        topic: settings.order_created_topic.clone(),
        key: row.aggregate_id.to_string(),
        headers: headers(settings, row, stream(row)?, ORDER_CREATED_FLAT),
        value: serde_json::to_vec(&body)?,
        timestamp: row.created_at,
    })
}

/// CloudEvents 1.0, Kafka binding, binary mode: attributes are headers, the value is the data alone.
fn headers(
    settings: &Settings,
    row: &outbox_event::Model,
    stream: &str,
    event_type: &str,
) -> Vec<(String, Vec<u8>)> {
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
    headers.push((
        "ce_dataschema".to_owned(),
        format!("{}/events/schemas/{event_type}.json", settings.public_url),
    ));
    // Trace context and the like, as the transaction wrote them.
    for (name, value) in row.headers.as_object().into_iter().flatten() {
        if let Some(value) = value.as_str() {
            headers.push((format!("ce_{name}"), value.to_owned()));
        }
    }
    headers.push(("content-type".to_owned(), "application/json".to_owned()));
    headers
        .into_iter()
        .map(|(name, value)| (name, value.into_bytes()))
        .collect()
}

/// When the row was written, if that is later than when the event happened: the event's id is made at that moment
/// and holds its millisecond.
fn recorded_at(row: &outbox_event::Model) -> Option<DateTime<Utc>> {
    let (seconds, nanos) = row.event_id.0.get_timestamp()?.to_unix();
    let recorded = DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)?;
    (recorded > row.created_at).then_some(recorded)
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
