//! An event as a line: for people, or as JSON.

use crate::events::reader::Place;
use crate::events::record::Record;
use serde_json::{Map, Value};

/// `TIME  TYPE vVERSION  KEY  PLACE  BODY`.
pub(super) fn human(record: &Record, place: &Place) -> String {
    let of = |name| record.header(name).unwrap_or("-");
    let version = record
        .header("ce_aggregateversion")
        .map(|version| format!(" v{version}"))
        .unwrap_or_default();
    let place = match place {
        Place::Log(position) => format!("#{position}"),
        Place::Partition(partition, offset) => format!("{}/{partition}@{offset}", record.topic),
    };
    format!(
        "{}  {}{version}  {}  {place}  {}",
        of("ce_time"),
        of("ce_type"),
        record.key,
        String::from_utf8_lossy(&record.value)
    )
}

/// CloudEvents' JSON format: the attributes, then `data`; where it stands is an extension.
pub(super) fn json(record: &Record, place: Option<&Place>) -> String {
    let mut event = Map::new();
    for (name, value) in &record.headers {
        let value = String::from_utf8_lossy(value).into_owned();
        match name.strip_prefix("ce_") {
            Some(attribute) => event.insert(attribute.to_owned(), value.into()),
            None if name == "content-type" => event.insert("datacontenttype".into(), value.into()),
            None => None,
        };
    }
    match place {
        Some(Place::Log(position)) => {
            event.insert("logposition".into(), (*position).into());
        }
        Some(Place::Partition(partition, offset)) => {
            event.insert("kafkatopic".into(), record.topic.clone().into());
            event.insert("kafkapartition".into(), (*partition).into());
            event.insert("kafkaoffset".into(), (*offset).into());
        }
        None => {}
    }
    // A body that is no JSON is somebody else's record; it is shown as text.
    let data = serde_json::from_slice(&record.value)
        .unwrap_or_else(|_| String::from_utf8_lossy(&record.value).into_owned().into());
    event.insert("data".into(), data);
    Value::Object(event).to_string()
}
