//! An event as a consumer gets it.

use super::Setback;
use crate::events::record::Record;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use uuid::Uuid;

/// An event with the attributes of CloudEvents, each in its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The same on every repeat (`ce_id`).
    pub id: Uuid,
    /// What happened, with the version of its form (`tradepost.order.created.v1`).
    pub event_type: String,
    /// Who tells it (`/tradepost/main/orders`).
    pub source: String,
    /// What it is about: the order's id.
    pub subject: String,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// 1, 2, 3 … for each order, without a gap; none for aggregates without a version.
    pub aggregate_version: Option<i32>,
    /// W3C trace context of its cause.
    pub trace_parent: Option<String>,
    /// Partition; 0 in the embedded log.
    pub partition: i32,
    /// Offset; the place in the embedded log.
    pub offset: i64,
    record: Arc<Record>,
}

impl Event {
    /// Reads the attributes of a record.
    ///
    /// # Errors
    /// Says what a CloudEvent has and this record lacks.
    pub(super) fn read(record: Arc<Record>, partition: i32, offset: i64) -> Result<Self, String> {
        let need = |name: &str| {
            record
                .header(name)
                .map(str::to_owned)
                .ok_or_else(|| format!("the record has no header {name}"))
        };
        let id = need("ce_id")?;
        let version = record.header("ce_aggregateversion").map(str::parse);
        let time = record.header("ce_time").map(DateTime::parse_from_rfc3339);
        Ok(Self {
            id: id
                .parse()
                .map_err(|_| format!("the header ce_id is no UUID: {id}"))?,
            event_type: need("ce_type")?,
            source: need("ce_source")?,
            subject: record
                .header("ce_subject")
                .unwrap_or(&record.key)
                .to_owned(),
            time: match time {
                Some(time) => time
                    .map_err(|error| format!("the header ce_time is no time: {error}"))?
                    .to_utc(),
                None => record.timestamp,
            },
            aggregate_version: version
                .transpose()
                .map_err(|error| format!("the header ce_aggregateversion is no number: {error}"))?,
            trace_parent: record.header("ce_traceparent").map(str::to_owned),
            partition,
            offset,
            record,
        })
    }

    /// The body as it was sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.record.value
    }

    /// The body as a type. Fields may be added to bodies at any time: ignore those you do not know.
    ///
    /// # Errors
    /// The body is no JSON of this form. No repeat can change that, so it is [`Setback::Dead`].
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, Setback> {
        serde_json::from_slice(self.bytes())
            .map_err(|error| Setback::Dead(format!("the body cannot be read: {error}")))
    }

    /// Where it was read.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.record.topic
    }

    /// The record's key: events with the same one come in order.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.record.key
    }

    /// A header as it was sent.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.record.header(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(headers: &[(&str, &str)], value: &[u8]) -> Arc<Record> {
        Arc::new(Record {
            topic: "tradepost.orders.v1".to_owned(),
            key: "key".to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
                .collect(),
            value: value.to_vec(),
            timestamp: DateTime::default(),
        })
    }

    const HEADERS: &[(&str, &str)] = &[
        ("ce_id", "01918f2c-0000-7000-8000-000000000001"),
        ("ce_type", "tradepost.order.created.v1"),
        ("ce_source", "/tradepost/main/orders"),
        ("ce_subject", "an order"),
        ("ce_time", "2026-01-15T10:30:00.123456Z"),
        ("ce_aggregateversion", "3"),
    ];

    #[test]
    fn attributes_have_their_types() {
        let event = Event::read(record(HEADERS, b"{\"version\": 3}"), 1, 7).unwrap();
        assert_eq!(event.aggregate_version, Some(3));
        assert_eq!(
            crate::clock::to_text(event.time),
            "2026-01-15T10:30:00.123456Z"
        );
        assert_eq!((event.partition, event.offset), (1, 7));
        assert_eq!(event.subject, "an order");
        let body: serde_json::Value = event.body().unwrap();
        assert_eq!(body["version"], 3);
    }

    #[test]
    fn what_is_no_event_says_why() {
        let error = |headers: &[(&str, &str)]| Event::read(record(headers, b""), 0, 0).unwrap_err();
        assert_eq!(error(&[]), "the record has no header ce_id");
        assert!(error(&[("ce_id", "7")]).contains("no UUID"));
        assert_eq!(error(&HEADERS[..1]), "the record has no header ce_type");
        let event = Event::read(record(HEADERS, b"no JSON"), 0, 0).unwrap();
        assert!(matches!(
            event.body::<serde_json::Value>(),
            Err(Setback::Dead(_))
        ));
    }
}
