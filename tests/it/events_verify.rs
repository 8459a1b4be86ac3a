//! `events verify` on real orders, and on data that are damaged on purpose.

use crate::support::services::kafka_in_use;
use crate::support::{Profile, TestApp, need, profile, spawn};
use entity::accounts::Role;
use entity::events::outbox_event;
use entity::ids::{EventId, OrderId, UserId};
use entity::orders::{OrderOrigin, order, order_history};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tradepost::app::App;
use tradepost::domain::catalog::model::VariantReference;
use tradepost::domain::orders::service::{Details, NewLine, NewOrder};
use tradepost::error::Fault;
use tradepost::event_tools::verify::Verify;
use tradepost::events::outbox;
use uuid::Uuid;

const NOTHING_WAITS: Verify = Verify {
    since: None,
    is_settled: true,
};

/// A shop where events are published when a test says so.
pub(crate) struct Shop {
    pub(crate) test: TestApp,
    pub(crate) user: UserId,
}

impl Shop {
    pub(crate) async fn open(changes: &[(&'static str, serde_json::Value)]) -> Self {
        let test = TestApp::with(changes).await;
        let warehouse = test.warehouse("MAIN", 0).await;
        test.product("TEA", 1_485, warehouse, 100_000).await;
        let user = test.user("buyer@example.com", Role::Customer).await;
        Self { test, user }
    }

    pub(crate) fn app(&self) -> &App {
        &self.test.app
    }

    pub(crate) async fn order(&self) -> OrderId {
        order(self.app(), self.user).await
    }

    /// One more version.
    pub(crate) async fn note(&self, id: OrderId) {
        note(self.app(), self.user, id).await;
    }

    /// An order with so many versions.
    pub(crate) async fn order_at(&self, version: usize) -> OrderId {
        let id = self.order().await;
        for _ in 1..version {
            self.note(id).await;
        }
        id
    }

    pub(crate) async fn publish(&self) {
        self.app().events().run_until_idle().await.unwrap();
    }

    pub(crate) async fn rows(&self, id: OrderId) -> Vec<outbox_event::Model> {
        let query = outbox_event::Entity::find()
            .filter(outbox_event::Column::AggregateId.eq(id.0))
            .order_by_asc(outbox_event::Column::Id);
        self.app()
            .db()
            .read("test.rows", async |c| Ok::<_, Fault>(query.all(&*c).await?))
            .await
            .unwrap()
    }

    /// Puts a value into a row of the outbox.
    pub(crate) async fn set(
        &self,
        event: EventId,
        column: outbox_event::Column,
        value: impl Into<sea_orm::Value> + Clone + Sync,
    ) {
        let value = &value;
        self.app()
            .db()
            .write("test.set", async |tx| {
                let done = outbox_event::Entity::update_many()
                    .col_expr(column, Expr::value(value.clone()))
                    .filter(outbox_event::Column::EventId.eq(event))
                    .exec(&*tx)
                    .await?;
                assert_eq!(done.rows_affected, 1);
                Ok::<_, Fault>(())
            })
            .await
            .unwrap();
    }

    pub(crate) async fn delete(&self, event: EventId) {
        self.app()
            .db()
            .write("test.delete", async |tx| {
                outbox_event::Entity::delete_many()
                    .filter(outbox_event::Column::EventId.eq(event))
                    .exec(&*tx)
                    .await?;
                Ok::<_, Fault>(())
            })
            .await
            .unwrap();
    }

    async fn insert(&self, order: Uuid, version: i32) {
        let event = crate::events::event(self.app(), order, version);
        let event = &event;
        self.app()
            .db()
            .write("test.insert", async |tx| {
                outbox::insert(&*tx, self.app().clock(), vec![event.clone()]).await?;
                Ok::<_, Fault>(())
            })
            .await
            .unwrap();
    }

    /// Makes an order one that was imported.
    pub(crate) async fn import(&self, id: OrderId) {
        self.app()
            .db()
            .write("test.imported", async |tx| {
                order::Entity::update_many()
                    .col_expr(
                        order::Column::Origin,
                        Expr::value(OrderOrigin::Import.as_str()),
                    )
                    .filter(order::Column::Id.eq(id))
                    .exec(&*tx)
                    .await?;
                Ok::<_, Fault>(())
            })
            .await
            .unwrap();
    }

    /// What is wrong with an order.
    async fn problems(&self, id: impl std::fmt::Display) -> Vec<String> {
        let (_, problems) = self.test.events_verify(&Verify::default()).await;
        of(&problems, id)
    }
}

fn of(problems: &[String], id: impl std::fmt::Display) -> Vec<String> {
    let begin = format!("order {id}: ");
    let of = problems.iter().filter_map(|line| line.strip_prefix(&begin));
    of.map(str::to_owned).collect()
}

pub(crate) async fn order(app: &App, user: UserId) -> OrderId {
    let new = NewOrder {
        lines: vec![NewLine {
            reference: VariantReference::Sku("tea".to_owned()),
            quantity: 1,
        }],
        details: Details::default(),
    };
    let (made, _) = app.orders().order_create(user, &new, None).await.unwrap();
    made.order.id
}

pub(crate) async fn note(app: &App, user: UserId, id: OrderId) {
    app.orders()
        .order_note_add(user, id, "a note", None)
        .await
        .unwrap();
}

/// Sends a record to the orders' topic as somebody else would, and waits until it is there.
async fn produce(app: &App, key: &str, partition: Option<i32>, headers: &[(&str, String)]) {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", need("TRADEPOST_TEST_KAFKA_BROKERS"))
        .set("partitioner", "murmur2_random")
        .create()
        .unwrap();
    let topic = format!("{}.orders.v1", app.config().events.topic_prefix);
    let headers = headers
        .iter()
        .fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: Some(value),
            })
        });
    let mut record = FutureRecord::to(&topic)
        .key(key)
        .payload("{}")
        .timestamp(app.clock().now().timestamp_millis())
        .headers(headers);
    if let Some(partition) = partition {
        record = record.partition(partition);
    }
    producer
        .send(record, Duration::from_secs(30))
        .await
        .unwrap();
}

fn headers(id: OrderId, event: Uuid, version: i32) -> Vec<(&'static str, String)> {
    vec![
        ("ce_subject", id.to_string()),
        ("ce_id", event.to_string()),
        ("ce_aggregateversion", version.to_string()),
    ]
}

#[tokio::test]
async fn a_shop_whose_events_are_published_agrees_and_what_waits_is_told() {
    let _kafka = kafka_in_use().await;
    let shop = Shop::open(&[]).await;
    for version in [1, 2, 5] {
        shop.order_at(version).await;
    }
    let (verified, problems) = shop.test.events_verify(&Verify::default()).await;
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!((verified.orders, verified.events), (3, 8));
    assert_eq!((verified.waiting, verified.records), (8, 0));
    let (_, problems) = shop.test.events_verify(&NOTHING_WAITS).await;
    assert_eq!(problems.len(), 8, "{problems:?}");
    assert!(problems[0].contains("waits to be published"));

    shop.publish().await;
    let verified = shop.test.events_agree().await;
    assert_eq!((verified.waiting, verified.records), (0, 8));
    assert_eq!(verified.repeats, 0);
}

#[tokio::test]
async fn imported_orders_are_skipped() {
    let _kafka = kafka_in_use().await;
    let shop = Shop::open(&[]).await;
    let id = shop.order().await;
    shop.publish().await;
    shop.import(id).await;
    let event = shop.rows(id).await.remove(0);
    shop.delete(event.event_id).await;
    shop.order().await;
    shop.publish().await;
    let verified = shop.test.events_agree().await;
    assert_eq!((verified.orders, verified.imported), (1, 1));
}

#[tokio::test]
async fn damage_in_the_database_is_found() {
    let _kafka = kafka_in_use().await;
    let shop = Shop::open(&[]).await;
    let mut orders = Vec::new();
    for _ in 0..5 {
        orders.push(shop.order_at(3).await);
    }
    let [lost, swapped, more, unrecorded, unsent] = orders[..] else {
        panic!("five orders");
    };
    shop.publish().await;
    shop.test.events_agree().await;
    let is_kafka = profile() == Profile::Services;

    // The row of an event is gone.
    let rows = shop.rows(lost).await;
    shop.delete(rows[1].event_id).await;
    // Two versions are swapped.
    let rows = shop.rows(swapped).await;
    for (row, version) in [(1, 1_002), (2, 2), (1, 3)] {
        let column = outbox_event::Column::AggregateVersion;
        shop.set(rows[row].event_id, column, version).await;
    }
    // Events of a version that the order never had, and of an order that is not there.
    shop.insert(more.0, 4).await;
    let nobody: Uuid = shop.app().clock().id();
    shop.insert(nobody, 1).await;
    // A row of history is gone.
    shop.app()
        .db()
        .write("test.history", async |tx| {
            order_history::Entity::delete_many()
                .filter(order_history::Column::OrderId.eq(unrecorded))
                .filter(order_history::Column::Version.eq(2))
                .exec(&*tx)
                .await?;
            Ok::<_, Fault>(())
        })
        .await
        .unwrap();
    // A row says that it was published, and never was.
    shop.note(unsent).await;
    let row = shop.rows(unsent).await.pop().unwrap();
    let (column, long_ago) = (
        outbox_event::Column::PublishedAt,
        shop.app().clock().now() - chrono::TimeDelta::minutes(1),
    );
    shop.set(row.event_id, column, long_ago).await;

    let (verified, problems) = shop.test.events_verify(&Verify::default()).await;
    let one = |id: Uuid, text: &str| {
        let of = of(&problems, id);
        assert!(of.len() == 1 && of[0].contains(text), "{of:?}");
    };
    if is_kafka {
        one(lost.0, "of version 2 is in the topic and not in the outbox");
        // Each of both versions is another event in the topic than in the outbox.
        let of = of(&problems, swapped);
        assert_eq!(of.len(), 2, "{of:?}");
        assert!(of.iter().all(|line| line.contains("comes with the id")));
        one(
            unsent.0,
            "of version 4 was published and is not in the topic",
        );
        assert_eq!(problems.len(), 7, "{problems:?}");
    } else {
        one(lost.0, "version 2 has no event");
        one(swapped.0, "of version 2 first appears behind version 3");
        let gap = "the log has 1 gaps between ";
        assert!(problems[0].starts_with(gap), "{problems:?}");
        // A row without a place counts as published to Kafka.
        assert_eq!(verified.elsewhere, 1);
        assert_eq!(problems.len(), 6, "{problems:?}");
    }
    one(
        more.0,
        "is of version 4, which the order at version 3 never had",
    );
    one(nobody, "of version 1 is of no order that is there");
    one(unrecorded.0, "version 2 has no row of history");
}

#[tokio::test]
async fn damage_in_the_topic_is_found() {
    if profile() != Profile::Services {
        return;
    }
    let _kafka = kafka_in_use().await;
    let shop = Shop::open(&[]).await;
    let app = shop.app();
    let (other, key, place, swapped, more) = (
        shop.order_at(2).await,
        shop.order_at(2).await,
        shop.order_at(2).await,
        shop.order().await,
        shop.order_at(2).await,
    );
    shop.publish().await;
    let verified = shop.test.events_agree().await;
    assert_eq!(verified.records, 9);

    // A repeat is none; the same version under another id is.
    let id = shop.rows(other).await[0].event_id.0;
    produce(app, &other.to_string(), None, &headers(other, id, 1)).await;
    let verified = shop.test.events_agree().await;
    assert_eq!((verified.records, verified.repeats), (10, 1));
    let changed: Uuid = app.clock().id();
    produce(app, &other.to_string(), None, &headers(other, changed, 1)).await;
    let found = shop.problems(other).await;
    assert_eq!(
        found,
        [format!(
            "version 1 comes with the id {changed}; it was {id}"
        )]
    );

    // Another key, which may lead it to another partition; and the right key in the wrong one.
    let id = shop.rows(key).await[1].event_id.0;
    produce(app, "somebody", None, &headers(key, id, 2)).await;
    let found = shop.problems(key).await;
    assert!(
        found.len() == 1 && found[0].contains("another key than its order's id"),
        "{found:?}"
    );
    let id = shop.rows(place).await[1].event_id.0;
    for partition in 0..2 {
        produce(
            app,
            &place.to_string(),
            Some(partition),
            &headers(place, id, 2),
        )
        .await;
    }
    let found = shop.problems(place).await;
    assert!(
        found
            .iter()
            .any(|line| line.contains("belongs in partition")),
        "{found:?}"
    );

    // Version 3 before version 2.
    shop.note(swapped).await;
    shop.note(swapped).await;
    let rows = shop.rows(swapped).await;
    for (row, version) in [(2, 3), (1, 2)] {
        let headers = headers(swapped, rows[row].event_id.0, version);
        produce(app, &swapped.to_string(), None, &headers).await;
    }
    let found = shop.problems(swapped).await;
    assert!(
        found.len() == 1 && found[0].contains("of version 2 first appears behind version 3"),
        "{found:?}"
    );

    // An event that nobody wrote, of an order that is there, of one that is not, and something that is no event.
    produce(
        app,
        &more.to_string(),
        None,
        &headers(more, app.clock().id(), 3),
    )
    .await;
    let found = shop.problems(more).await;
    assert!(
        found.len() == 1 && found[0].contains("which the order at version 2 never had"),
        "{found:?}"
    );
    let nobody: OrderId = app.clock().id();
    produce(
        app,
        &nobody.to_string(),
        None,
        &headers(nobody, app.clock().id(), 1),
    )
    .await;
    let found = shop.problems(nobody).await;
    assert!(
        found.len() == 1 && found[0].contains("is of no order"),
        "{found:?}"
    );
    produce(app, "x", None, &[]).await;
    let (_, problems) = shop.test.events_verify(&Verify::default()).await;
    assert!(
        problems
            .iter()
            .any(|line| line.ends_with("is no event: it has no ce_subject")),
        "{problems:?}"
    );
}

#[tokio::test]
async fn what_is_older_than_the_retention_is_not_demanded() {
    // Kafka takes no record of tomorrow, so the log on this run's database it is.
    let shop = Shop::open(&[("kafka.brokers", json!(""))]).await;
    let old = shop.order_at(3).await;
    shop.publish().await;
    let before = shop.app().clock().now();
    shop.app().clock().advance(chrono::TimeDelta::days(15));
    let lost = shop.order_at(2).await;
    shop.note(old).await;
    shop.publish().await;
    shop.app().events().clean().await.unwrap();
    assert_eq!(shop.rows(old).await.len(), 1, "three of four went by age");
    shop.test.events_agree().await;

    let since = Verify {
        since: Some(before),
        is_settled: true,
    };
    let (verified, problems) = shop.test.events_verify(&since).await;
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(verified.records, 3);
    // What is lost after that moment is found, and what is lost before another one is not.
    let row = shop.rows(lost).await.remove(0);
    shop.delete(row.event_id).await;
    let (_, problems) = shop.test.events_verify(&since).await;
    assert_eq!(of(&problems, lost).len(), 1, "{problems:?}");
    let later = Verify {
        since: Some(shop.app().clock().now()),
        is_settled: true,
    };
    let (_, problems) = shop.test.events_verify(&later).await;
    assert!(of(&problems, lost).is_empty(), "{problems:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_that_is_busy_raises_no_false_alarm() {
    const BUYERS: usize = 24;
    let _kafka = kafka_in_use().await;
    let shop = Shop::open(&[]).await;
    let app = shop.app();
    app.events().start(app.workers());
    let (done, busy) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let buying: Vec<_> = (0..BUYERS)
        .map(|_| {
            let (app, user) = (app.clone(), shop.user);
            let (done, busy) = (Arc::clone(&done), Arc::clone(&busy));
            spawn(async move {
                busy.fetch_add(1, Ordering::SeqCst);
                while !done.load(Ordering::SeqCst) {
                    let id = order(&app, user).await;
                    for _ in 0..3 {
                        note(&app, user, id).await;
                    }
                }
                busy.fetch_sub(1, Ordering::SeqCst);
            })
        })
        .collect();
    let mut last = 0;
    let mut passes = 0;
    while passes < 8 || last < 100 {
        passes += 1;
        let (verified, problems) = shop.test.events_verify(&Verify::default()).await;
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        last = verified.orders;
        assert_eq!(busy.load(Ordering::SeqCst), BUYERS);
    }
    done.store(true, Ordering::SeqCst);
    futures::future::join_all(buying).await;
    shop.test.events_agree().await;
    assert!(app.workers().shut_down(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn kafka_away_is_told_within_seconds() {
    let test = TestApp::with(&[("kafka.brokers", json!("127.0.0.1:1"))]).await;
    let began = std::time::Instant::now();
    let error = tradepost::event_tools::verify(&test.app, &Verify::default(), |_| {})
        .await
        .unwrap_err();
    assert!(
        error.to_string().starts_with("Kafka does not answer"),
        "{error}"
    );
    assert!(began.elapsed() < Duration::from_secs(30));
}
