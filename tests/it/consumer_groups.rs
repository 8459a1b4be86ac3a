//! Consumers as a library: the same tests on Kafka and on the embedded log.

use crate::events::{commit, event};
use crate::support::services::kafka_in_use;
use crate::support::wait::eventually;
use crate::support::{Profile, TestApp, profile};
use entity::events::consumers::inbox_event;
use entity::events::outbox_event;
use entity::ids::EventId;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue::Set, EntityTrait as _, PaginatorTrait as _, QueryFilter as _};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tradepost::app::App;
use tradepost::error::Fault;
use tradepost::events::consumer::dead::Letter;
use tradepost::events::consumer::{Consumer, Event, Setback};
use uuid::Uuid;

const ORDERS: usize = 8;
const VERSIONS: i32 = 3;

/// Settings of consumers that do not keep a test waiting. Kafka accepts no shorter session.
pub(crate) fn quick() -> Vec<(&'static str, Value)> {
    let session_ms = match profile() {
        Profile::Embedded => 600,
        Profile::Services => 6_000,
    };
    vec![
        ("consumer.retry_least_ms", json!(10)),
        ("consumer.retry_most_ms", json!(50)),
        ("consumer.wait_most_ms", json!(50)),
        ("consumer.session_ms", json!(session_ms)),
        ("consumer.poll_ms", json!(20)),
    ]
}

/// A shop that publishes, with quick consumers.
async fn shop(changes: &[(&'static str, Value)]) -> TestApp {
    let test = TestApp::with(&[&quick(), changes].concat()).await;
    test.app.events().start(test.app.workers());
    test
}

/// What a consumer was given, in the order in which it was.
type Seen = Arc<Mutex<Vec<Event>>>;

/// A consumer at work in the background.
struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start<F>(consumer: Consumer, handler: F) -> Self
    where
        F: Fn(&Event) -> Result<(), Setback> + Send + Sync + 'static,
    {
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let handler = Arc::new(handler);
        let task = crate::support::spawn(async move {
            let handle = move |event: Event| {
                let handler = handler.clone();
                async move { handler(&event) }
            };
            consumer.run(&stopping, handle).await;
        });
        Self { stop, task }
    }

    /// Notes what it is given.
    fn noting(consumer: Consumer, seen: &Seen) -> Self {
        let seen = seen.clone();
        Self::start(consumer, move |event| {
            seen.lock().unwrap().push(event.clone());
            Ok(())
        })
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

fn consumer(app: &App, group: &str) -> Consumer {
    app.consumers().consumer(group, &["orders"]).unwrap()
}

async fn orders(app: &App, versions: std::ops::RangeInclusive<i32>) -> Vec<Uuid> {
    let orders: Vec<Uuid> = (0..ORDERS).map(|_| app.clock().id()).collect();
    change(app, &orders, versions).await;
    orders
}

async fn change(app: &App, orders: &[Uuid], versions: std::ops::RangeInclusive<i32>) {
    for version in versions {
        let events = orders.iter().map(|id| event(app, *id, version)).collect();
        commit(app, events).await;
    }
}

async fn seen(all: &Seen, least: usize) -> Vec<Event> {
    eventually("the consumer was given the events", async || {
        let seen = all.lock().unwrap().clone();
        (seen.len() >= least).then_some(seen)
    })
    .await
}

fn ids(events: &[Event]) -> HashSet<Uuid> {
    events.iter().map(|event| event.id).collect()
}

/// Publishes everything again, under the ids it had.
async fn repeat_all(app: &App) {
    eventually("all events are published", async || {
        (app.events().measure().await.unwrap().pending == 0).then_some(())
    })
    .await;
    app.db()
        .write("test.repeat", async |tx| {
            let none = Option::<chrono::DateTime<chrono::Utc>>::None;
            outbox_event::Entity::update_many()
                .col_expr(outbox_event::Column::PublishedAt, Expr::value(none))
                .filter(outbox_event::COLUMN.published_at.is_not_null())
                .exec(&*tx)
                .await?;
            Ok::<_, Fault>(())
        })
        .await
        .unwrap();
    app.events().wake();
}

async fn letters(consumer: &Consumer) -> Vec<Letter> {
    let mut letters = Vec::new();
    consumer
        .dead_letters(|letter| letters.push(letter))
        .await
        .unwrap();
    letters
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_one_order_come_in_order_and_one_that_has_to_wait_keeps_only_its_own_waiting() {
    let _kafka = kafka_in_use().await;
    let test = shop(&[("consumer.attempts_max", json!(1_000))]).await;
    let orders = orders(&test.app, 1..=VERSIONS).await;
    let slow = orders[0];
    let all = ORDERS * usize::try_from(VERSIONS).unwrap();
    let others = all - usize::try_from(VERSIONS).unwrap();
    let given = Seen::default();
    let noted = given.clone();
    let running = Running::start(consumer(&test.app, "waiting"), move |event| {
        let mut noted = noted.lock().unwrap();
        let of_slow = event.subject == slow.to_string();
        // It fails again and again until every other order has gone by.
        if of_slow
            && noted
                .iter()
                .filter(|event| event.subject != slow.to_string())
                .count()
                < others
        {
            return Err(Setback::Retry("not yet".to_owned()));
        }
        noted.push(event.clone());
        Ok(())
    });
    let events = seen(&given, all).await;
    running.stop().await;
    assert_eq!(events.len(), all);
    let mut versions: HashMap<String, Vec<i32>> = HashMap::new();
    for event in &events {
        assert_eq!(event.source, "/tradepost/main/orders");
        let body: Value = event.body().unwrap();
        assert_eq!(body["orderId"], event.subject);
        versions
            .entry(event.subject.clone())
            .or_default()
            .push(event.aggregate_version.unwrap());
    }
    assert_eq!(versions.len(), ORDERS);
    assert!(versions.values().all(|versions| *versions == [1, 2, 3]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_goes_on_where_it_was_and_another_one_begins_at_the_oldest() {
    let _kafka = kafka_in_use().await;
    let test = shop(&[]).await;
    let app = &test.app;
    let ids_of_orders = orders(app, 1..=1).await;
    let first = Seen::default();
    let running = Running::noting(consumer(app, "first"), &first);
    seen(&first, ORDERS).await;
    running.stop().await;

    change(app, &ids_of_orders, 2..=2).await;
    let running = Running::noting(consumer(app, "first"), &first);
    let events = seen(&first, 2 * ORDERS).await;
    running.stop().await;
    assert_eq!(
        events.len(),
        2 * ORDERS,
        "what was done does not come again"
    );
    assert_eq!(ids(&events).len(), 2 * ORDERS);

    let second = Seen::default();
    let running = Running::noting(consumer(app, "second"), &second);
    let events = seen(&second, 2 * ORDERS).await;
    running.stop().await;
    assert_eq!(ids(&events), ids(&first.lock().unwrap()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_handled_goes_to_the_dead_letters_with_its_facts_and_can_be_replayed() {
    let _kafka = kafka_in_use().await;
    let test = shop(&[("consumer.attempts_max", json!(3))]).await;
    let app = &test.app;
    let orders = orders(app, 1..=2).await;
    let (hopeless, failing, panicking) = (orders[0], orders[1], orders[2]);
    let given = Seen::default();
    let noted = given.clone();
    let group = consumer(app, "burying").remembering();
    let running = Running::start(group.clone(), move |event| {
        let is =
            |order: Uuid| event.subject == order.to_string() && event.aggregate_version == Some(1);
        if is(hopeless) {
            return Err(Setback::Dead("of no use".to_owned()));
        }
        if is(failing) {
            return Err(Setback::Retry("failed".to_owned()));
        }
        assert!(!is(panicking), "a panic on purpose");
        noted.lock().unwrap().push(event.clone());
        Ok(())
    });
    seen(&given, 2 * ORDERS - 3).await;
    running.stop().await;

    let mut dead = letters(&group).await;
    dead.sort_by_key(|letter| letter.record.key.clone());
    let facts: Vec<(&str, &str, i32)> = dead
        .iter()
        .map(|letter| {
            (
                letter.record.key.as_str(),
                letter.error.as_str(),
                letter.attempts,
            )
        })
        .collect();
    let mut expected = [
        (hopeless.to_string(), "of no use", 1),
        (failing.to_string(), "failed", 3),
        (panicking.to_string(), "the handler panicked", 3),
    ];
    expected.sort();
    let expected: Vec<(&str, &str, i32)> = expected
        .iter()
        .map(|(key, error, attempts)| (key.as_str(), *error, *attempts))
        .collect();
    assert_eq!(facts, expected);
    for letter in &dead {
        let topic = format!("{}.orders.v1", app.config().events.topic_prefix);
        assert_eq!(letter.record.topic, topic);
        assert!(letter.offset >= 0 && letter.partition >= 0, "{letter:?}");
        assert_eq!(letter.record.header("ce_aggregateversion"), Some("1"));
        let body: Value = serde_json::from_slice(&letter.record.value).unwrap();
        assert_eq!(body["orderId"], letter.record.key);
        assert!(letter.line().contains(&letter.error), "{}", letter.line());
    }
    replay_by_and_by(&group, hopeless).await;
}

/// First something is away, then one still fails, then all is well; what was replayed does not come again.
async fn replay_by_and_by(group: &Consumer, hopeless: Uuid) {
    let replayed = group
        .dead_letters_replay(async |_| Err(Setback::Wait("nobody is there".to_owned())))
        .await
        .unwrap();
    assert_eq!((replayed.handled, replayed.dead), (0, 0));
    assert_eq!(replayed.waits_for.as_deref(), Some("nobody is there"));
    assert_eq!(letters(group).await.len(), 3);

    let replayed = group
        .dead_letters_replay(async |event: Event| {
            if event.subject == hopeless.to_string() {
                return Err(Setback::Dead("still of no use".to_owned()));
            }
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!((replayed.handled, replayed.dead), (2, 1));
    let dead = letters(group).await;
    assert_eq!(dead.len(), 1);
    assert_eq!(
        (dead[0].error.as_str(), dead[0].attempts),
        ("still of no use", 2)
    );

    let replayed = group.dead_letters_replay(async |_| Ok(())).await.unwrap();
    assert_eq!((replayed.handled, replayed.dead), (1, 0));
    assert_eq!(letters(group).await, []);
    let replayed = group.dead_letters_replay(async |_| Ok(())).await.unwrap();
    assert_eq!((replayed.handled, replayed.dead), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_away_is_waited_for_however_often_that_fails() {
    let _kafka = kafka_in_use().await;
    let test = shop(&[("consumer.attempts_max", json!(2))]).await;
    let orders = orders(&test.app, 1..=1).await;
    let tries = Arc::new(Mutex::new(HashMap::<String, u32>::new()));
    let given = Seen::default();
    let noted = given.clone();
    let group = consumer(&test.app, "patient");
    let running = Running::start(group.clone(), move |event| {
        let mut tries = tries.lock().unwrap();
        let tried = tries.entry(event.subject.clone()).or_default();
        *tried += 1;
        if *tried < 6 {
            return Err(Setback::Wait("away".to_owned()));
        }
        noted.lock().unwrap().push(event.clone());
        Ok(())
    });
    let events = seen(&given, orders.len()).await;
    running.stop().await;
    assert_eq!(ids(&events).len(), orders.len());
    assert_eq!(letters(&group).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_remembers_is_given_each_event_once_through_repeats() {
    let _kafka = kafka_in_use().await;
    let test = shop(&[]).await;
    let app = &test.app;
    let ids_of_orders = orders(app, 1..=1).await;
    let given = Seen::default();
    let running = Running::noting(consumer(app, "remembering").remembering(), &given);
    seen(&given, ORDERS).await;
    repeat_all(app).await;
    // Behind the repeats there is something new.
    change(app, &ids_of_orders, 2..=2).await;
    let events = seen(&given, 2 * ORDERS).await;
    running.stop().await;
    assert_eq!(events.len(), 2 * ORDERS);
    assert_eq!(ids(&events).len(), 2 * ORDERS);

    // A consumer without a memory is given the repeats too: they did come.
    let all = Seen::default();
    let running = Running::noting(consumer(app, "forgetful"), &all);
    let least = match profile() {
        // In the embedded log a repeat takes a new place, and leaves the old one.
        Profile::Embedded => 2 * ORDERS,
        Profile::Services => 3 * ORDERS,
    };
    seen(&all, least).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_of_a_group_share_its_events_and_take_over_from_one_another() {
    let _kafka = kafka_in_use().await;
    let test = shop(&[]).await;
    let app = &test.app;
    let (left, right) = (Seen::default(), Seen::default());
    let group = consumer(app, "shared").remembering();
    let first = Running::noting(group.clone(), &left);
    let second = Running::noting(group.clone(), &right);
    orders(app, 1..=2).await;
    let both = async |least: usize| {
        eventually("the group was given the events", async || {
            let (left, right) = (left.lock().unwrap().len(), right.lock().unwrap().len());
            (left + right >= least).then_some(())
        })
        .await;
    };
    both(2 * ORDERS).await;
    first.stop().await;
    orders(app, 1..=2).await;
    both(4 * ORDERS).await;
    second.stop().await;
    let events = [left.lock().unwrap().clone(), right.lock().unwrap().clone()].concat();
    assert_eq!(ids(&events).len(), 4 * ORDERS);
    // A rebalance may give an event to both; the inbox knows it once.
    let known = count_of_inbox(app).await;
    assert_eq!(known, 4 * ORDERS as u64);
}

async fn count_of_inbox(app: &App) -> u64 {
    app.db()
        .read("test.inbox", async |c| {
            Ok::<_, Fault>(inbox_event::Entity::find().count(&*c).await?)
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn an_effect_that_is_rows_happens_once() {
    let test = TestApp::new().await;
    let (app, event_id) = (&test.app, test.app.clock().id::<Uuid>());
    let group = consumer(app, "rows");
    let (inbox, other) = (group.inbox(), consumer(app, "others"));
    let first = async |inbox: &tradepost::events::consumer::Inbox| {
        app.db()
            .write("test.effect", async |tx| {
                inbox.first_in(&tx, event_id).await
            })
            .await
            .unwrap()
    };
    let (one, two) = tokio::join!(first(inbox), first(inbox));
    assert!(one != two, "one of both has the effect: {one} {two}");
    assert!(!first(inbox).await);
    assert!(inbox.contains(event_id).await.unwrap());
    assert!(first(other.inbox()).await, "each group handles each event");

    // An effect that is rolled back takes its note along.
    let undone: Uuid = app.clock().id();
    let result: Result<(), Fault> = app
        .db()
        .write("test.effect", async |tx| {
            assert!(inbox.first_in(&tx, undone).await?);
            Err(Fault::Broken("undone on purpose".to_owned()))
        })
        .await;
    assert!(result.is_err());
    assert!(!inbox.contains(undone).await.unwrap());
}

#[tokio::test]
async fn what_was_handled_is_forgotten_in_pieces_when_it_cannot_come_again() {
    let test = TestApp::new().await;
    let app = &test.app;
    let insert = async |count: usize| {
        let now = app.clock().now();
        let rows: Vec<inbox_event::ActiveModel> = (0..count)
            .map(|number| inbox_event::ActiveModel {
                consumer_group: Set(format!("group-{}", number % 3)),
                event_id: Set(app.clock().id::<EventId>()),
                handled_at: Set(now),
            })
            .collect();
        let rows = &rows;
        app.db()
            .write("test.inbox", async |tx| {
                inbox_event::Entity::insert_many(rows.clone())
                    .exec_without_returning(&*tx)
                    .await?;
                Ok::<_, Fault>(())
            })
            .await
            .unwrap();
    };
    insert(1_200).await;
    app.clock().advance(chrono::TimeDelta::days(20));
    insert(10).await;
    app.consumers().clean().await.unwrap();
    assert_eq!(count_of_inbox(app).await, 1_210);
    app.clock().advance(chrono::TimeDelta::days(11));
    app.consumers().clean().await.unwrap();
    assert_eq!(count_of_inbox(app).await, 10);
}

#[tokio::test]
async fn a_group_needs_a_name_and_streams_that_are_there() {
    let test = TestApp::new().await;
    let consumers = test.app.consumers();
    assert!(consumers.consumer("", &["orders"]).is_err());
    assert!(consumers.consumer(&"g".repeat(51), &["orders"]).is_err());
    let error = consumers.consumer("group", &["weather"]).unwrap_err();
    assert!(error.to_string().contains("weather"), "{error}");
}
