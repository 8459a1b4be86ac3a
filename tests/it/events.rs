//! The outbox, the relay and the embedded log, on the database of this run.

use crate::support::services::kafka_in_use;
use crate::support::wait::{eventually, within};
use crate::support::{Profile, TestApp, profile};
use chrono::TimeDelta;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;
use tradepost::app::App;
use tradepost::clock::to_text;
use tradepost::error::Fault;
use tradepost::event_tools::{self, List, Tail, Waiting};
use tradepost::events::Events;
use tradepost::events::broker::{Broker, Outcome, Outgoing};
use tradepost::events::outbox::{self, NewEvent};
use tradepost::events::record::Record;
use tradepost::health::{Health, State};
use tradepost::workers::Progress;
use uuid::Uuid;

/// An app that publishes into its own log, also on MariaDB; only a wake-up makes the relay look before a minute is over.
pub(crate) async fn embedded() -> TestApp {
    embedded_with(&[]).await
}

pub(crate) async fn embedded_with(changes: &[(&'static str, Value)]) -> TestApp {
    let mut all = vec![
        ("kafka.brokers", json!("")),
        ("events.poll_ms", json!(60_000)),
        ("events.lease_ms", json!(60_000)),
    ];
    all.extend_from_slice(changes);
    TestApp::with(&all).await
}

/// The event of an order's version, in the shape the orders write.
pub(crate) fn event(app: &App, order: Uuid, version: i32) -> NewEvent {
    let now = app.clock().now();
    let money = json!({"amount": "150.00", "currencyCode": "GBP"});
    let event_type = match version {
        1 => "tradepost.order.created.v1",
        _ => "tradepost.order.updated.v1",
    };
    NewEvent {
        aggregate_type: "order",
        aggregate_id: order,
        aggregate_version: Some(version),
        event_type,
        payload: json!({
            "orderId": order, "number": "ORD-2026-000001", "version": version, "status": "AWAITING_PAYMENT",
            "paymentStatus": "UNPAID", "userId": "01918f2c-0000-7000-8000-000000000001", "total": money,
            "lines": [], "createdAt": to_text(now),
        }),
        created_at: now,
    }
}

/// Commits events in one transaction and wakes the relay.
pub(crate) async fn commit(app: &App, events: Vec<NewEvent>) {
    let events = &events;
    app.db()
        .write("test.events", async |tx| {
            outbox::insert(&*tx, app.clock(), events.clone()).await?;
            Ok::<_, Fault>(())
        })
        .await
        .unwrap();
    app.events().wake();
}

/// Everything in the log from its beginning, as `events tail --json` prints it.
pub(crate) async fn read_log(app: &App) -> Vec<Value> {
    let tail = Tail {
        from_beginning: true,
        json: true,
        ..Tail::default()
    };
    let mut text = Vec::new();
    event_tools::tail(app, &tail, &mut text).await.unwrap();
    String::from_utf8(text)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn versions(events: &[Value]) -> HashMap<String, Vec<i64>> {
    let mut versions: HashMap<String, Vec<i64>> = HashMap::new();
    for event in events {
        let subject = event["subject"].as_str().unwrap().to_owned();
        let version = event["aggregateversion"].as_str().unwrap().parse().unwrap();
        versions.entry(subject).or_default().push(version);
    }
    versions
}

/// A broker whose behaviour a test chooses. It remembers what reached it.
#[derive(Clone, Debug)]
pub(crate) struct Probe(Arc<Behaviour>);

#[derive(Debug)]
pub(crate) struct Behaviour {
    sent: Mutex<Vec<(Uuid, String)>>,
    /// Acknowledgements that may be given; taken from after the record has reached the broker.
    pub(crate) acknowledge: Semaphore,
    pub(crate) down: AtomicBool,
    pub(crate) refuse: Mutex<Option<Uuid>>,
    /// An aggregate that is never acknowledged.
    pub(crate) hold: Mutex<Option<Uuid>>,
    pub(crate) abandoned: AtomicBool,
    /// There is no room for anything.
    pub(crate) full: AtomicBool,
    /// How often there was none.
    pub(crate) turned_away: AtomicUsize,
}

impl std::ops::Deref for Probe {
    type Target = Behaviour;

    fn deref(&self) -> &Behaviour {
        &self.0
    }
}

impl Probe {
    pub(crate) fn new(acknowledge: usize) -> Self {
        Self(Arc::new(Behaviour {
            sent: Mutex::default(),
            acknowledge: Semaphore::new(acknowledge),
            down: AtomicBool::new(false),
            refuse: Mutex::default(),
            hold: Mutex::default(),
            abandoned: AtomicBool::new(false),
            full: AtomicBool::new(false),
            turned_away: AtomicUsize::new(0),
        }))
    }

    /// Aggregate and `ce_id` of what reached it, in order.
    pub(crate) fn sent(&self) -> Vec<(Uuid, String)> {
        self.sent.lock().unwrap().clone()
    }

    /// What becomes of a row at once; none if that is still to come.
    fn take(&self, aggregate: Uuid, record: &Record) -> Option<Outcome> {
        if self.down.load(Ordering::Relaxed) {
            return Some(Outcome::Unreachable("down on purpose".to_owned()));
        }
        if *self.refuse.lock().unwrap() == Some(aggregate) {
            return Some(Outcome::Refused("refused on purpose".to_owned()));
        }
        let id = record.header("ce_id").unwrap().to_owned();
        self.sent.lock().unwrap().push((aggregate, id));
        None
    }
}

impl Broker for Probe {
    fn prepare(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a broker's answer comes from a thread that the program does not know either"
    )]
    fn send(&self, row: &mut Outgoing) -> bool {
        if self.full.load(Ordering::Relaxed) {
            self.turned_away.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let records: Vec<Record> = row.records.drain(..).collect();
        let aggregate = records[0].key.parse().unwrap();
        if let Some(outcome) = self.take(aggregate, &records[0]) {
            for _ in &records {
                row.ticket.end(outcome.clone());
            }
        } else if *self.hold.lock().unwrap() != Some(aggregate) {
            let (probe, ticket, count) = (self.clone(), Arc::clone(&row.ticket), records.len());
            tokio::spawn(async move {
                probe.acknowledge.acquire().await.unwrap().forget();
                for _ in 0..count {
                    ticket.end(Outcome::Sent);
                }
            });
        }
        true
    }

    fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    fn is_log(&self) -> bool {
        false
    }

    fn health(&self) -> Health {
        Health::ok("probe")
    }
}

/// The events of another process with this broker.
pub(crate) fn process(test: &TestApp, broker: &Probe) -> Events {
    let app = &test.app;
    let broker: Arc<dyn Broker> = Arc::new(broker.clone());
    let holder = app.clock().id();
    Events::new(
        app.config(),
        app.db(),
        app.clock(),
        app.push(),
        holder,
        broker,
    )
}

pub(crate) const MANY: usize = 1_000_000;

#[tokio::test]
async fn what_was_rolled_back_is_never_published() {
    let test = embedded().await;
    let app = &test.app;
    let (kept, lost) = (app.clock().id(), app.clock().id());
    let result = app
        .db()
        .write("test.rollback", async |tx| {
            outbox::insert(&*tx, app.clock(), vec![event(app, lost, 1)]).await?;
            Err::<(), _>(Fault::Broken("on purpose".to_owned()))
        })
        .await;
    assert!(result.is_err());
    commit(app, vec![event(app, kept, 1)]).await;
    app.events().run_until_idle().await.unwrap();
    let log = read_log(app).await;
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!(log[0]["subject"], json!(kept));
    assert_eq!(log[0]["logposition"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_aggregate_keeps_its_order_and_the_log_has_no_gaps() {
    const WRITERS: usize = 16;
    const VERSIONS: i32 = 25;
    let test = embedded_with(&[("events.batch_size", json!(37))]).await;
    let app = &test.app;
    app.events().start(app.workers());
    let writers = (0..WRITERS).map(|_| async {
        let order = app.clock().id();
        for version in 1..=VERSIONS {
            commit(app, vec![event(app, order, version)]).await;
        }
    });
    futures::future::join_all(writers).await;
    // The relay's period is a minute: that it has ended by then is the work of wake-ups.
    let log = eventually("all events are in the log", async || {
        let log = read_log(app).await;
        (log.len() == WRITERS * VERSIONS as usize).then_some(log)
    })
    .await;
    let positions: Vec<i64> = log
        .iter()
        .map(|e| e["logposition"].as_i64().unwrap())
        .collect();
    assert_eq!(positions, (1..=log.len() as i64).collect::<Vec<_>>());
    let versions = versions(&log);
    assert_eq!(versions.len(), WRITERS);
    for versions in versions.values() {
        assert_eq!(*versions, (1..=i64::from(VERSIONS)).collect::<Vec<_>>());
    }
    assert_eq!(app.events().measure().await.unwrap().pending, 0);
    assert_eq!(app.events().state(), Health::ok("embedded log"));
    assert!(app.workers().shut_down(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn two_relays_of_one_log_leave_no_gap() {
    let test = embedded_with(&[("events.batch_size", json!(3))]).await;
    let app = &test.app;
    let other = test.replica().await;
    for _ in 0..20 {
        commit(
            app,
            vec![
                event(app, app.clock().id(), 1),
                event(app, app.clock().id(), 1),
            ],
        )
        .await;
        let (one, two) = tokio::join!(
            app.events().run_until_idle(),
            other.events().run_until_idle()
        );
        one.unwrap();
        two.unwrap();
        // Whoever has the lease loses it, so both publish.
        app.clock().advance(TimeDelta::seconds(61));
    }
    app.events().run_until_idle().await.unwrap();
    other.events().run_until_idle().await.unwrap();
    let log = read_log(app).await;
    let positions: Vec<i64> = log
        .iter()
        .map(|e| e["logposition"].as_i64().unwrap())
        .collect();
    assert_eq!(positions, (1..=40).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_relay_that_dies_between_sending_and_marking_repeats_the_same_ids() {
    let test = embedded().await;
    let app = &test.app;
    let order = app.clock().id();
    commit(
        app,
        vec![
            event(app, order, 1),
            event(app, order, 2),
            event(app, app.clock().id(), 1),
        ],
    )
    .await;

    // The broker has the first rows of both and has acknowledged none when the process is killed.
    let broker = Probe::new(0);
    let first = process(&test, &broker);
    {
        let mut pass = std::pin::pin!(first.relay().run_once());
        let ended = tokio::select! {
            _ = &mut pass => true,
            () = eventually("two were sent", async || (broker.sent().len() == 2).then_some(())) => false,
        };
        assert!(!ended);
    }
    drop(first);
    let before = broker.sent();

    broker.acknowledge.add_permits(MANY);
    let second = process(&test, &broker);
    second.run_until_idle().await.unwrap();
    assert_eq!(broker.sent(), before, "the dead relay's leases hold");
    app.clock().advance(TimeDelta::seconds(61));
    second.run_until_idle().await.unwrap();
    let after = broker.sent()[2..].to_vec();
    assert_eq!(after.len(), 3);
    assert_eq!(after[..2], before, "the same ids in the same order");
    second.run_until_idle().await.unwrap();
    assert_eq!(broker.sent().len(), 5, "what is marked is not sent again");
}

#[tokio::test]
async fn two_relays_never_send_at_once_and_the_second_takes_over() {
    let test = embedded().await;
    let app = &test.app;
    commit(app, vec![event(app, app.clock().id(), 1)]).await;

    let (slow, quick) = (Probe::new(0), Probe::new(MANY));
    let (one, two) = (process(&test, &slow), process(&test, &quick));
    let mut pass = std::pin::pin!(one.relay().run_once());
    tokio::select! {
        _ = &mut pass => panic!("it waits for its broker"),
        () = eventually("the first one sends", async || (slow.sent().len() == 1).then_some(())) => {}
    }
    two.run_until_idle().await.unwrap();
    assert_eq!(quick.sent(), [], "the first one has the leases");

    app.clock().advance(TimeDelta::seconds(61));
    two.relay().run_once().await.unwrap();
    assert_eq!(quick.sent(), slow.sent(), "the second one repeats the id");

    // The first one purges what it had queued; an acknowledgement comes too late, and it sends nothing more.
    commit(app, vec![event(app, app.clock().id(), 1)]).await;
    let purged = async || slow.abandoned.load(Ordering::Relaxed).then_some(());
    tokio::select! {
        _ = &mut pass => panic!("it waits for its broker"),
        () = eventually("it purges", purged) => {}
    }
    slow.acknowledge.add_permits(MANY);
    assert_eq!(pass.await.unwrap(), Progress::Idle);
    one.run_until_idle().await.unwrap();
    assert_eq!(slow.sent().len(), 1);
    two.relay().run_once().await.unwrap();
    assert_eq!(quick.sent().len(), 2);
}

#[tokio::test]
async fn a_broker_that_is_down_sets_nothing_aside() {
    let test = embedded_with(&[("events.attempts_max", json!(1))]).await;
    let app = &test.app;
    let (one, two) = (app.clock().id(), app.clock().id());
    let broker = Probe::new(MANY);
    let events = process(&test, &broker);
    broker.down.store(true, Ordering::Relaxed);
    for version in 1..=3 {
        commit(
            app,
            vec![event(app, one, version), event(app, two, version)],
        )
        .await;
        events.run_until_idle().await.unwrap();
        app.clock().advance(TimeDelta::seconds(6));
    }
    let backlog = events.measure().await.unwrap();
    assert_eq!((backlog.pending, backlog.parked), (6, 0));

    broker.down.store(false, Ordering::Relaxed);
    events.run_until_idle().await.unwrap();
    let mut sent: Vec<Uuid> = broker
        .sent()
        .into_iter()
        .map(|(aggregate, _)| aggregate)
        .collect();
    sent.sort_unstable();
    assert_eq!(sent, [one, one, one, two, two, two]);
    assert_eq!(events.measure().await.unwrap().pending, 0);
}

#[tokio::test]
async fn an_event_that_is_refused_too_often_is_set_aside_and_only_its_aggregate_waits() {
    let test = embedded_with(&[("events.attempts_max", json!(3))]).await;
    let app = &test.app;
    let (bad, good) = (app.clock().id(), app.clock().id());
    let broker = Probe::new(MANY);
    let events = process(&test, &broker);
    *broker.refuse.lock().unwrap() = Some(bad);
    commit(
        app,
        vec![event(app, bad, 1), event(app, bad, 2), event(app, good, 1)],
    )
    .await;
    for _ in 0..5 {
        events.run_until_idle().await.unwrap();
        app.clock().advance(TimeDelta::seconds(2));
    }
    commit(app, vec![event(app, bad, 3), event(app, good, 2)]).await;
    events.run_until_idle().await.unwrap();
    let sent: Vec<Uuid> = broker
        .sent()
        .into_iter()
        .map(|(aggregate, _)| aggregate)
        .collect();
    assert_eq!(sent, [good, good]);

    let mut parked = Vec::new();
    let which = List {
        waiting: Waiting::Parked,
        json: true,
    };
    let listed = event_tools::list(app, &which, &mut parked).await.unwrap();
    assert_eq!((listed.shown, listed.total), (1, 1));
    assert_eq!(listed.reasons, [("refused on purpose".to_owned(), 1)]);
    let parked: Value = serde_json::from_slice(&parked).unwrap();
    assert_eq!(parked["aggregateId"], json!(bad));
    assert_eq!(parked["aggregateVersion"], 1);
    assert_eq!(parked["attempts"], 3);
    assert_eq!(parked["lastError"], "refused on purpose");
    let mut pending = Vec::new();
    let which = List {
        waiting: Waiting::Pending,
        json: false,
    };
    let listed = event_tools::list(app, &which, &mut pending).await.unwrap();
    assert_eq!((listed.shown, listed.total), (2, 2));
    let pending = String::from_utf8(pending).unwrap();
    assert!(
        pending.contains("tradepost.order.updated.v1 v2  order"),
        "{pending}"
    );
    assert_eq!(
        pending
            .matches("waits behind one that is set aside")
            .count(),
        2
    );

    app.events().start(app.workers());
    let health = eventually("it is told", async || {
        let health = app.events().state();
        (health.state == State::Degraded).then_some(health)
    })
    .await;
    assert!(
        health.detail.contains("1 events are set aside"),
        "{health:?}"
    );
}

#[tokio::test]
async fn a_row_without_records_is_set_aside_too() {
    let test = embedded_with(&[("events.attempts_max", json!(1))]).await;
    let app = &test.app;
    let mut broken = event(app, app.clock().id(), 1);
    broken.payload = json!({});
    commit(app, vec![broken, event(app, app.clock().id(), 1)]).await;
    app.events().run_until_idle().await.unwrap();
    assert_eq!(read_log(app).await.len(), 1);
    let backlog = app.events().measure().await.unwrap();
    assert_eq!((backlog.pending, backlog.parked), (1, 1));
}

#[tokio::test]
async fn old_events_go_and_places_in_the_log_are_never_given_twice() {
    let test = embedded().await;
    let app = &test.app;
    commit(
        app,
        (0..1_200)
            .map(|_| event(app, app.clock().id(), 1))
            .collect(),
    )
    .await;
    app.events().run_until_idle().await.unwrap();
    app.clock().advance(TimeDelta::days(13));
    app.events().clean().await.unwrap();
    assert_eq!(read_log(app).await.len(), 1_200);
    app.clock().advance(TimeDelta::days(2));
    app.events().clean().await.unwrap();
    assert_eq!(read_log(app).await.len(), 1, "the end of the log stays");
    commit(app, vec![event(app, app.clock().id(), 1)]).await;
    app.events().run_until_idle().await.unwrap();
    let last = read_log(app).await.pop().unwrap();
    assert_eq!(last["logposition"], 1_201);
}

#[tokio::test]
async fn on_sqlite_a_restart_does_not_wait_for_the_dead_lease() {
    if profile() != Profile::Embedded {
        return;
    }
    let test = embedded().await;
    let app = &test.app;
    commit(app, vec![event(app, app.clock().id(), 1)]).await;
    app.events().run_until_idle().await.unwrap();
    // It still has the lease when it is killed, for a minute.
    commit(app, vec![event(app, app.clock().id(), 1)]).await;
    let next = test.replica().await;
    next.events().run_until_idle().await.unwrap();
    assert_eq!(read_log(app).await.len(), 1, "without a start it waits");
    next.events().start(next.workers());
    next.events().wake();
    within(
        Duration::from_secs(10),
        "the new process publishes",
        async || (read_log(&next).await.len() == 2).then_some(()),
    )
    .await;
    assert!(next.workers().shut_down(Duration::from_secs(10)).await);
    // A process that was told to stop leaves no lease behind.
    commit(app, vec![event(app, app.clock().id(), 1)]).await;
    within(
        Duration::from_secs(10),
        "the first one goes on",
        async || {
            app.events().run_until_idle().await.unwrap();
            (read_log(app).await.len() == 3).then_some(())
        },
    )
    .await;
}

#[tokio::test]
async fn tail_filters_and_follows() {
    let test = embedded().await;
    let app = &test.app;
    let (one, two) = (app.clock().id(), app.clock().id());
    commit(
        app,
        vec![event(app, one, 1), event(app, two, 1), event(app, one, 2)],
    )
    .await;
    app.events().run_until_idle().await.unwrap();
    let tail = Tail {
        from_beginning: true,
        aggregate: Some(one),
        event_type: Some("order.updated".to_owned()),
        ..Tail::default()
    };
    let mut text = Vec::new();
    event_tools::tail(app, &tail, &mut text).await.unwrap();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.lines().count(), 1);
    assert!(
        text.contains(&format!("tradepost.order.updated.v1 v2  {one}  #3  {{")),
        "{text}"
    );

    let follow = Tail {
        follow: true,
        json: true,
        ..Tail::default()
    };
    let mut text = Vec::new();
    {
        let mut following = std::pin::pin!(event_tools::tail(app, &follow, &mut text));
        // One poll brings it behind its first look at the end of the log.
        assert!(
            tokio::time::timeout(Duration::from_millis(50), &mut following)
                .await
                .is_err()
        );
        commit(app, vec![event(app, two, 2)]).await;
        app.events().run_until_idle().await.unwrap();
        assert!(
            tokio::time::timeout(Duration::from_secs(1), &mut following)
                .await
                .is_err()
        );
    }
    let event: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(event["subject"], json!(two));
    assert_eq!(event["data"]["version"], 2);
    assert_eq!(event["datacontenttype"], "application/json");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: tells how many events a second the relay publishes, to Kafka on the services profile"]
async fn how_fast_events_are_published() {
    const EVENTS: usize = 20_000;
    let _kafka = kafka_in_use().await;
    let test = TestApp::new().await;
    let app = &test.app;
    // The topics are there, and the lease is held.
    commit(app, vec![event(app, app.clock().id(), 1)]).await;
    app.events().run_until_idle().await.unwrap();
    for _ in 0..EVENTS / 500 {
        let events = (0..500).map(|_| event(app, app.clock().id(), 1));
        commit(app, events.collect()).await;
    }
    let start = std::time::Instant::now();
    app.events().run_until_idle().await.unwrap();
    let rate = EVENTS as f64 / start.elapsed().as_secs_f64();
    assert_eq!(app.events().measure().await.unwrap().pending, 0);
    println!("{rate:.0} events/s of one record (embedded) or two (Kafka)");

    app.push().start(app.workers());
    app.events().start(app.workers());
    let mut waits = Vec::new();
    for _ in 0..200 {
        let start = std::time::Instant::now();
        commit(app, vec![event(app, app.clock().id(), 1)]).await;
        let committed = start.elapsed();
        while app.events().measure().await.unwrap().pending > 0 {
            tokio::task::yield_now().await;
        }
        waits.push(start.elapsed() - committed);
    }
    waits.sort_unstable();
    println!(
        "from commit to mark: median {:?}, p99 {:?}",
        waits[100], waits[198]
    );
}
