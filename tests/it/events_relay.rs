//! The relay to a broker: shards, what is on its way at once, and what holds up what.

use crate::events::{MANY, Probe, commit, embedded, embedded_with, event, process};
use crate::support::wait::eventually;
use crate::support::{Profile, profile};
use chrono::TimeDelta;
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use tradepost::error::Fault;
use tradepost::events::outbox;
use uuid::Uuid;

/// How often each id was sent, by all relays.
fn counts(relays: &[&Probe]) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for (_, id) in relays.iter().flat_map(|relay| relay.sent()) {
        *counts.entry(id).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn relays_share_the_shards_fairly_and_take_over_from_the_dead() {
    let test = embedded().await;
    let app = &test.app;
    let (probe_a, probe_b) = (Probe::new(MANY), Probe::new(MANY));
    let (a, b) = (process(&test, &probe_a), process(&test, &probe_b));
    // The first one has all shards, the second one finds none free and is seen by the first, which gives half of them
    // up when it next renews.
    a.relay().run_once().await.unwrap();
    b.relay().run_once().await.unwrap();
    app.clock().advance(TimeDelta::seconds(16));
    a.relay().run_once().await.unwrap();
    b.relay().run_once().await.unwrap();
    let events = (0..640).map(|_| event(app, app.clock().id(), 1));
    commit(app, events.collect()).await;
    let (one, two) = tokio::join!(a.relay().run_once(), b.relay().run_once());
    one.unwrap();
    two.unwrap();
    let share = probe_a.sent().len();
    assert!((200..=440).contains(&share), "{share} of 640 went one way");
    let counts_now = counts(&[&probe_a, &probe_b]);
    assert_eq!(counts_now.len(), 640);
    assert!(counts_now.values().all(|&count| count == 1));

    // One dies without a word.
    drop(a);
    app.clock().advance(TimeDelta::seconds(61));
    let events = (0..64).map(|_| event(app, app.clock().id(), 1));
    commit(app, events.collect()).await;
    b.relay().run_once().await.unwrap();
    let counts_now = counts(&[&probe_a, &probe_b]);
    assert_eq!(counts_now.len(), 704);
    assert_eq!(probe_a.sent().len(), share);
    assert_eq!(b.measure().await.unwrap().pending, 0);
}

#[tokio::test]
async fn a_relay_that_was_frozen_repeats_and_never_reorders() {
    const VERSIONS: i32 = 5;
    let test = embedded().await;
    let app = &test.app;
    let order = app.clock().id();
    let events = (1..=VERSIONS).map(|version| event(app, order, version));
    commit(app, events.collect()).await;
    // Both remember what reached the one broker that they share.
    let broker = Probe::new(0);
    let (frozen, other) = (process(&test, &broker), process(&test, &broker));
    let mut pass = std::pin::pin!(frozen.relay().run_once());
    tokio::select! {
        _ = &mut pass => panic!("it waits for its broker"),
        () = eventually("the first one sends", async || (broker.sent().len() == 1).then_some(())) => {}
    }
    app.clock().advance(TimeDelta::seconds(61));
    broker.acknowledge.add_permits(MANY);
    // The other one takes over while the first one does not know of it.
    let (one, two) = tokio::join!(pass, other.relay().run_once());
    one.unwrap();
    two.unwrap();
    // One of them may have given the order's shard up when the other had looked already: it goes with the next renewal.
    for _ in 0..4 {
        if other.measure().await.unwrap().pending == 0 {
            break;
        }
        app.clock().advance(TimeDelta::seconds(16));
        let (one, two) = tokio::join!(frozen.relay().run_once(), other.relay().run_once());
        one.unwrap();
        two.unwrap();
    }
    let mut first = Vec::new();
    for (_, id) in broker.sent() {
        if !first.contains(&id) {
            first.push(id);
        }
    }
    let rows = rows_in_order(&test.app).await;
    assert_eq!(
        first, rows,
        "first appearances are in the order of the rows"
    );
}

/// The ids of all events, in the order of their rows.
async fn rows_in_order(app: &tradepost::app::App) -> Vec<String> {
    use sea_orm::{EntityTrait as _, QueryOrder as _};
    let rows = app
        .db()
        .read("test.rows", async |c| {
            let rows = entity::events::outbox_event::Entity::find();
            let rows = rows.order_by_asc(entity::events::outbox_event::Column::Id);
            Ok::<_, Fault>(rows.all(&*c).await?)
        })
        .await
        .unwrap();
    rows.iter().map(|row| row.event_id.to_string()).collect()
}

#[tokio::test]
async fn what_is_slow_holds_up_nothing_but_its_aggregate() {
    const OTHERS: usize = 1_500;
    let test = embedded_with(&[
        ("events.batch_size", json!(50)),
        ("events.in_flight_max", json!(100)),
        ("events.poll_ms", json!(20)),
    ])
    .await;
    let app = &test.app;
    let slow: Uuid = app.clock().id();
    let events = (1..=300).map(|version| event(app, slow, version));
    commit(app, events.collect()).await;
    for _ in 0..OTHERS / 500 {
        let events = (0..500).map(|_| event(app, app.clock().id(), 1));
        commit(app, events.collect()).await;
    }
    let broker = Probe::new(MANY);
    *broker.hold.lock().unwrap() = Some(slow);
    let events = process(&test, &broker);
    let mut pass = std::pin::pin!(events.relay().run_once());
    let others = async || (broker.sent().len() == OTHERS + 1).then_some(());
    tokio::select! {
        _ = &mut pass => panic!("it waits for the slow one"),
        () = eventually("all others are sent", others) => {}
    }
    let aggregates: HashSet<Uuid> = broker.sent().into_iter().map(|(of, _)| of).collect();
    assert_eq!(aggregates.len(), OTHERS + 1);
}

#[tokio::test]
async fn a_row_whose_transaction_ends_late_is_not_passed_by() {
    if profile() == Profile::Embedded {
        // SQLite writes one transaction at a time.
        return;
    }
    let test = embedded().await;
    let app = &test.app;
    let broker = Probe::new(MANY);
    let events = process(&test, &broker);
    let (late, early): (Uuid, Uuid) = (app.clock().id(), app.clock().id());
    app.db()
        .write("test.late", async |tx| {
            outbox::insert(&*tx, app.clock(), vec![event(app, late, 1)]).await?;
            // The next row is written, committed and published before this one is committed.
            commit(app, vec![event(app, early, 1)]).await;
            events.relay().run_once().await?;
            Ok::<_, Fault>(())
        })
        .await
        .unwrap();
    events.relay().run_once().await.unwrap();
    let sent: Vec<Uuid> = broker.sent().into_iter().map(|(of, _)| of).collect();
    assert_eq!(sent, [early, late]);
}

#[tokio::test]
async fn what_waits_is_found_in_one_index_alone_and_in_its_order() {
    let test = embedded().await;
    let app = &test.app;
    // Most rows were published, as in life.
    let events = |count| {
        (0..count)
            .map(|_| event(app, app.clock().id(), 1))
            .collect()
    };
    commit(app, events(3_000)).await;
    app.events().run_until_idle().await.unwrap();
    commit(app, events(300)).await;
    let half: Vec<i32> = (0..32).collect();
    for shards in [None, Some(&half[..])] {
        let plan = app.events().waiting_explain(shards).await.unwrap();
        let index = "idx_outbox_events_waiting";
        let covers = |line: &String| {
            line.contains(&format!("COVERING INDEX {index}"))
                || (line.contains(&format!("key={index}")) && line.contains("Using index"))
        };
        let sorts = |line: &String| line.contains("TEMP B-TREE") || line.contains("filesort");
        assert!(plan.iter().any(covers), "{plan:#?}");
        assert!(!plan.iter().any(sorts), "{plan:#?}");
    }
}

#[tokio::test]
async fn a_broker_without_room_is_asked_again() {
    let test = embedded().await;
    let app = &test.app;
    let broker = Probe::new(MANY);
    let relay = process(&test, &broker);
    let (one, two) = (app.clock().id(), app.clock().id());
    let events = (1..=3).flat_map(|version| [event(app, one, version), event(app, two, version)]);
    commit(app, events.collect()).await;
    broker.full.store(true, Ordering::Relaxed);
    let pass = async { relay.relay().run_once().await.unwrap() };
    let make_room = eventually("it was asked again", async || {
        let is_asked = broker.turned_away.load(Ordering::Relaxed) > 2;
        is_asked.then(|| broker.full.store(false, Ordering::Relaxed))
    });
    tokio::join!(pass, make_room);
    assert_eq!(relay.measure().await.unwrap().pending, 0);
    let (of_one, of_two): (Vec<_>, Vec<_>) = broker
        .sent()
        .into_iter()
        .partition(|(aggregate, _)| *aggregate == one);
    assert_eq!((of_one.len(), of_two.len()), (3, 3));
    for sent in [of_one, of_two] {
        assert!(sent.is_sorted_by_key(|(_, id)| id.clone()), "{sent:?}");
    }
}
