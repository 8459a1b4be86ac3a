//! Publishing to the real Kafka of the services profile.

use crate::events::{commit, event};
use crate::support::services::{kafka_alone, kafka_in_use, services};
use crate::support::wait::eventually;
use crate::support::{Profile, TestApp, need, profile};
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::message::Headers as _;
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use tradepost::app::App;
use tradepost::clock::to_text;
use tradepost::event_tools::{self, Tail};
use tradepost::health::State;
use uuid::Uuid;

/// A record as a consumer gets it.
#[derive(Clone, Debug)]
struct Received {
    key: String,
    headers: HashMap<String, String>,
    body: Value,
    timestamp_ms: i64,
}

/// The first `count` records of a topic of the tests, which have two partitions. No more must follow them.
async fn receive(topic: &str, count: usize) -> Vec<Received> {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", need("TRADEPOST_TEST_KAFKA_BROKERS"))
        .set("group.id", "test")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut partitions = TopicPartitionList::new();
    for partition in 0..2 {
        partitions
            .add_partition_offset(topic, partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&partitions).unwrap();
    let mut received = Vec::new();
    while received.len() < count {
        let message = tokio::time::timeout(Duration::from_secs(60), consumer.recv())
            .await
            .unwrap_or_else(|_| panic!("{} of {count} records of {topic}", received.len()));
        // While Kafka starts, the client says so and goes on.
        let Ok(message) = message else { continue };
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).unwrap().to_owned();
        received.push(Received {
            key: text(message.key().unwrap()),
            headers: message
                .headers()
                .unwrap()
                .iter()
                .map(|header| (header.key.to_owned(), text(header.value.unwrap())))
                .collect(),
            body: serde_json::from_slice(message.payload().unwrap()).unwrap(),
            timestamp_ms: message.timestamp().to_millis().unwrap(),
        });
    }
    let ends: i64 = (0..2)
        .map(|partition| {
            let (low, high) = consumer
                .fetch_watermarks(topic, partition, Duration::from_secs(10))
                .unwrap();
            high - low
        })
        .sum();
    assert_eq!(ends, i64::try_from(count).unwrap(), "records of {topic}");
    received
}

/// Whether there is a Kafka to test with, and a database of its own for the test.
async fn services_app(changes: &[(&'static str, Value)]) -> Option<TestApp> {
    if profile() != Profile::Services {
        return None;
    }
    Some(TestApp::with(changes).await)
}

async fn published(app: &App) {
    eventually("all events are published", async || {
        (app.events().measure().await.unwrap().pending == 0).then_some(())
    })
    .await;
}

fn main_topic(app: &App) -> String {
    format!("{}.orders.v1", app.config().events.topic_prefix)
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_read_what_the_documentation_promises() {
    let Some(test) = services_app(&[("http.public_url", json!("https://shop.example.com"))]).await
    else {
        return;
    };
    let _kafka = kafka_in_use().await;
    let app = &test.app;
    app.events().start(app.workers());
    let order: Uuid = app.clock().id();
    let created = event(app, order, 1);
    let updated = event(app, order, 2);
    commit(app, vec![created.clone(), updated.clone()]).await;
    published(app).await;

    let topic = main_topic(app);
    let records = receive(&topic, 2).await;
    for (record, event) in records.iter().zip([&created, &updated]) {
        assert_eq!(record.key, order.to_string());
        assert_eq!(record.body, event.payload);
        assert_eq!(record.timestamp_ms, event.created_at.timestamp_millis());
        let mut headers = record.headers.clone();
        let id: Uuid = headers.remove("ce_id").unwrap().parse().unwrap();
        assert_eq!(id.get_version_num(), 7);
        // There when the row was written in a later millisecond than the event happened in.
        headers.remove("ce_recordedtime");
        let expected = [
            ("ce_specversion", "1.0".to_owned()),
            ("ce_type", event.event_type.to_owned()),
            ("ce_source", "/tradepost/main/orders".to_owned()),
            ("ce_subject", order.to_string()),
            ("ce_time", to_text(event.created_at)),
            (
                "ce_aggregateversion",
                event.aggregate_version.unwrap().to_string(),
            ),
            ("ce_partitionkey", order.to_string()),
            (
                "ce_dataschema",
                format!(
                    "https://shop.example.com/events/schemas/{}.json",
                    event.event_type
                ),
            ),
            ("content-type", "application/json".to_owned()),
        ];
        let expected: HashMap<String, String> = expected
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        assert_eq!(headers, expected);
    }

    let flat = receive(&app.config().events.order_created_topic, 1)
        .await
        .remove(0);
    assert_eq!(flat.key, order.to_string());
    assert_eq!(
        flat.headers["ce_id"], records[0].headers["ce_id"],
        "the same id"
    );
    assert_eq!(flat.headers["ce_type"], "OrderCreatedEvent");
    assert_eq!(
        flat.body,
        json!({
            "order_id": order, "user_id": created.payload["userId"], "user_email": null,
            "total_price": "150.00", "created_at": created.payload["createdAt"], "currency": "GBP"
        })
    );
    assert_eq!(app.events().state().state, State::Ok);

    let tail = Tail {
        from_beginning: true,
        json: true,
        ..Tail::default()
    };
    let mut text = Vec::new();
    event_tools::tail(app, &tail, &mut text).await.unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0]["type"], "tradepost.order.created.v1");
    assert_eq!(lines[1]["kafkatopic"], json!(topic));
    assert!(app.workers().shut_down(Duration::from_secs(10)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_wakes_the_relay_of_another() {
    // Polling once a minute: only Redis can be what wakes it.
    let Some(test) = services_app(&[("events.poll_ms", json!(60_000))]).await else {
        return;
    };
    let _kafka = kafka_in_use().await;
    let (api, worker) = (&test.app, test.replica().await);
    api.push().start(api.workers());
    worker.push().start(worker.workers());
    worker.events().start(worker.workers());
    eventually("both are connected", async || {
        let ok = |app: &App| app.push().state().state == State::Ok;
        (ok(api) && ok(&worker) && worker.events().state().state == State::Ok).then_some(())
    })
    .await;
    for _ in 0..3 {
        commit(api, vec![event(api, api.clock().id(), 1)]).await;
        published(api).await;
    }
    receive(&main_topic(api), 3).await;
    assert_eq!(api.events().state().state, State::Off);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_kafka_never_takes_is_set_aside() {
    let Some(test) = services_app(&[("events.attempts_max", json!(2))]).await else {
        return;
    };
    let _kafka = kafka_in_use().await;
    let app = &test.app;
    let (large, small) = (app.clock().id(), app.clock().id());
    let mut too_large = event(app, large, 1);
    too_large.payload["note"] = json!("x".repeat(1_100_000));
    commit(
        app,
        vec![too_large, event(app, large, 2), event(app, small, 1)],
    )
    .await;
    for _ in 0..3 {
        app.events().run_until_idle().await.unwrap();
        app.clock().advance(chrono::TimeDelta::seconds(1));
    }
    let backlog = app.events().measure().await.unwrap();
    assert_eq!((backlog.pending, backlog.parked), (2, 1));
    let records = receive(&main_topic(app), 1).await;
    assert_eq!(records[0].key, small.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_kafka_is_down_events_wait_and_then_arrive_in_order() {
    const ORDERS: usize = 20;
    const VERSIONS: i32 = 30;
    let Some(test) = services_app(&[]).await else {
        return;
    };
    let _kafka = kafka_alone().await;
    let app = &test.app;
    app.events().start(app.workers());
    let orders: Vec<Uuid> = (0..ORDERS).map(|_| app.clock().id()).collect();
    let write = async |versions: std::ops::RangeInclusive<i32>| {
        let writers = orders.iter().map(|&order| {
            let versions = versions.clone();
            async move {
                for version in versions {
                    commit(app, vec![event(app, order, version)]).await;
                }
            }
        });
        futures::future::join_all(writers).await;
    };
    write(1..=10).await;
    // Without waiting for the first ones: some are on their way when Kafka ends.
    services("stop", "kafka").await;
    write(11..=20).await;
    assert!(app.events().measure().await.unwrap().pending > 0);
    eventually("it is told", async || {
        (app.events().state().state == State::Degraded).then_some(())
    })
    .await;
    services("start", "kafka").await;
    write(21..=VERSIONS).await;
    published(app).await;
    assert_eq!(app.events().state().state, State::Ok);
    assert_eq!(app.events().measure().await.unwrap().parked, 0);

    let records = receive_first(&main_topic(app), ORDERS * VERSIONS as usize).await;
    for order in orders {
        let versions: Vec<i32> = records
            .iter()
            .filter(|record| record.key == order.to_string())
            .map(|record| record.headers["ce_aggregateversion"].parse().unwrap())
            .collect();
        assert_eq!(
            versions,
            (1..=VERSIONS).collect::<Vec<_>>(),
            "order {order}"
        );
    }
    assert!(app.workers().shut_down(Duration::from_secs(10)).await);
}

/// The first appearance of each id, in the order of each partition. Repeats are allowed here and checked: they repeat
/// an id that was seen before.
async fn receive_first(topic: &str, distinct: usize) -> Vec<Received> {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", need("TRADEPOST_TEST_KAFKA_BROKERS"))
        .set("group.id", "test")
        .create()
        .unwrap();
    let count: i64 = (0..2)
        .map(|partition| {
            let (low, high) = consumer
                .fetch_watermarks(topic, partition, Duration::from_secs(20))
                .unwrap();
            high - low
        })
        .sum();
    let all = receive(topic, usize::try_from(count).unwrap()).await;
    let mut first: HashMap<String, Received> = HashMap::new();
    let mut records = Vec::new();
    for record in all {
        let id = record.headers["ce_id"].clone();
        if let Some(before) = first.get(&id) {
            assert_eq!(before.body, record.body);
            continue;
        }
        first.insert(id, record.clone());
        records.push(record);
    }
    println!("{count} records of {distinct} events");
    assert_eq!(records.len(), distinct);
    records
}
