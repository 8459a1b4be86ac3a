//! The commands `tradepost events …` on both brokers; `events verify` has a file of its own.

use crate::events_verify::Shop;
use crate::support::services::kafka_in_use;
use crate::support::wait::{eventually, within};
use crate::support::{Profile, TestApp, profile};
use entity::events::outbox_event;
use entity::ids::OrderId;
use entity::orders::order;
use sea_orm::{EntityTrait, QueryOrder};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;
use tradepost::app::App;
use tradepost::clock::to_text;
use tradepost::error::Fault;
use tradepost::event_tools::{
    self, Error, List, Listed, Replay, Replayed, Selection, Snapshot, Tail, Waiting,
};

fn lines(text: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(text).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Everything that a tail from the beginning prints.
async fn tailed(app: &App, tail: Tail) -> Vec<Value> {
    let tail = Tail {
        from_beginning: true,
        json: true,
        ..tail
    };
    let mut text = Vec::new();
    event_tools::tail(app, &tail, &mut text).await.unwrap();
    lines(&text)
}

/// What is on a topic of Kafka, or what a command printed instead.
async fn sent(app: &App, topic: &str, printed: &[u8]) -> Vec<Value> {
    if profile() == Profile::Embedded {
        return lines(printed);
    }
    assert!(printed.is_empty());
    let topic = Some(format!("{}.{topic}", app.config().events.topic_prefix));
    let tail = Tail {
        topic,
        ..Tail::default()
    };
    tailed(app, tail).await
}

async fn replayed(app: &App, selection: Selection) -> Result<(Replayed, Vec<u8>), Error> {
    let replay = Replay {
        selection,
        ..Replay::default()
    };
    let mut printed = Vec::new();
    let done = event_tools::replay(app, &replay, &mut printed).await?;
    Ok((done, printed))
}

fn of_order(id: OrderId) -> Selection {
    Selection {
        aggregate: Some(id.0),
        ..Selection::default()
    }
}

fn ids(events: &[Value]) -> Vec<String> {
    let id = |event: &Value| event["id"].as_str().unwrap().to_owned();
    events.iter().map(id).collect()
}

async fn stored_ids(shop: &Shop, id: OrderId) -> Vec<String> {
    let rows = shop.rows(id).await;
    rows.iter().map(|row| row.event_id.to_string()).collect()
}

#[tokio::test]
async fn tail_shows_what_is_asked_for() {
    let _kafka = kafka_in_use().await;
    let shop = Shop::open(&[]).await;
    let app = shop.app();
    let (one, two) = (shop.order_at(3).await, shop.order_at(2).await);
    shop.publish().await;
    let between = shop.rows(two).await[0].created_at;

    let by_order = tailed(
        app,
        Tail {
            aggregate: Some(one.0),
            ..Tail::default()
        },
    )
    .await;
    assert_eq!(ids(&by_order), stored_ids(&shop, one).await);
    let event_type = Some("order.updated".to_owned());
    let by_type = tailed(
        app,
        Tail {
            event_type,
            ..Tail::default()
        },
    )
    .await;
    assert_eq!(by_type.len(), 3);
    let by_time = Tail {
        since: Some(between),
        json: true,
        ..Tail::default()
    };
    let mut text = Vec::new();
    event_tools::tail(app, &by_time, &mut text).await.unwrap();
    // Times are compared by their millisecond: what is as old as the moment is shown.
    let shown = ids(&lines(&text));
    assert!(shown.ends_with(&stored_ids(&shop, two).await), "{shown:?}");
    let later = Tail {
        since: Some(app.clock().now() + chrono::TimeDelta::seconds(1)),
        ..by_time
    };
    let mut text = Vec::new();
    event_tools::tail(app, &later, &mut text).await.unwrap();
    assert!(text.is_empty());

    let people = Tail {
        from_beginning: true,
        aggregate: Some(two.0),
        ..Tail::default()
    };
    let mut text = Vec::new();
    event_tools::tail(app, &people, &mut text).await.unwrap();
    let text = String::from_utf8(text).unwrap();
    let begin = format!(
        "{}  tradepost.order.created.v1 v1  {two}  ",
        to_text(between)
    );
    assert!(text.starts_with(&begin), "{text}");

    let nowhere = Tail {
        topic: Some("nowhere".to_owned()),
        ..Tail::default()
    };
    let error = event_tools::tail(app, &nowhere, &mut Vec::new()).await;
    assert_eq!(error.unwrap_err().to_string(), "there is no topic nowhere");
}

#[tokio::test]
async fn replay_repeats_the_same_ids_in_order_and_touches_no_row() {
    let _kafka = kafka_in_use().await;
    let shop = Shop::open(&[]).await;
    let app = shop.app();
    let (one, two) = (shop.order_at(4).await, shop.order_at(3).await);
    shop.publish().await;
    shop.note(one).await;
    let before = (shop.rows(one).await, shop.rows(two).await);
    let published = &ids_of(&before.0)[..4];

    let count = Replay {
        selection: of_order(one),
        dry_run: true,
        ..Replay::default()
    };
    let mut printed = Vec::new();
    let counted = event_tools::replay(app, &count, &mut printed)
        .await
        .unwrap();
    // The created event is on both topics; the last version waits, and is none of them.
    assert_eq!(
        (counted.events, counted.records.values().sum::<u64>()),
        (4, 5)
    );
    assert!(printed.is_empty());

    let (done, printed) = replayed(app, of_order(one)).await.unwrap();
    assert_eq!(done, counted);
    let again = sent(app, "orders.v1.replay", &printed).await;
    let again: Vec<Value> = again
        .into_iter()
        .filter(|event| event["type"] != "OrderCreatedEvent")
        .collect();
    assert_eq!(ids(&again), published);
    assert!(again.iter().all(|event| event["replay"] == "true"));
    assert_eq!(again[1]["aggregateversion"], "2");
    assert_eq!(again[1]["data"]["version"], 2);
    let flat = sent(app, "order_created.replay", &printed).await;
    let flat: Vec<&Value> = flat
        .iter()
        .filter(|event| event["type"] == "OrderCreatedEvent")
        .collect();
    assert_eq!(flat.len(), 1);
    assert_eq!(flat[0]["id"], published[0].as_str());

    // By type and time: everything since the second order was made, one order after the other.
    let since = Selection {
        from: Some(before.1[0].created_at),
        event_type: Some("order.updated".to_owned()),
        ..Selection::default()
    };
    let (done, _) = replayed(app, since.clone()).await.unwrap();
    assert_eq!(done.events, 2);
    let until = Selection {
        to: Some(before.1[1].created_at),
        ..since
    };
    let (done, _) = replayed(app, until).await.unwrap();
    assert_eq!(done.events, 1);
    let after = (shop.rows(one).await, shop.rows(two).await);
    assert_eq!(after, before, "a row was touched");
}

fn ids_of(rows: &[outbox_event::Model]) -> Vec<String> {
    rows.iter().map(|row| row.event_id.to_string()).collect()
}

#[tokio::test]
async fn a_live_replay_repeats_what_consumers_have_seen_and_verify_agrees() {
    let _kafka = kafka_in_use().await;
    let shop = Shop::open(&[]).await;
    let app = shop.app();
    let id = shop.order_at(3).await;
    shop.publish().await;
    let live = Replay {
        selection: of_order(id),
        live: true,
        ..Replay::default()
    };
    let done = event_tools::replay(app, &live, &mut Vec::new()).await;
    if profile() == Profile::Embedded {
        assert!(matches!(done, Err(Error::NeedsKafka)));
        return;
    }
    assert_eq!(done.unwrap().events, 3);
    let seen = tailed(
        app,
        Tail {
            aggregate: Some(id.0),
            ..Tail::default()
        },
    )
    .await;
    let stored = stored_ids(&shop, id).await;
    assert_eq!(ids(&seen), [&stored[..], &stored[..]].concat());
    let marked = seen.iter().filter(|event| event["replay"] == "true");
    assert_eq!(marked.count(), 3);
    let verified = shop.test.events_agree().await;
    assert_eq!((verified.records, verified.repeats), (6, 3));
}

#[tokio::test]
async fn what_cannot_be_replayed_is_told() {
    let shop = Shop::open(&[("kafka.brokers", json!(""))]).await;
    let app = shop.app();
    let nobody: OrderId = app.clock().id();
    let error = replayed(app, of_order(nobody)).await.unwrap_err();
    assert!(
        matches!(error, Error::NoOrder(id) if id == nobody.0),
        "{error}"
    );
    // Of an order whose events went by age, its id is known.
    let id = shop.order().await;
    let error = replayed(app, of_order(id)).await.unwrap_err();
    assert!(
        matches!(error, Error::NothingKept(of) if of == id.0),
        "{error}"
    );
    let now = app.clock().now();
    let backwards = Selection {
        from: Some(now),
        to: Some(now - chrono::TimeDelta::seconds(1)),
        ..Selection::default()
    };
    let error = replayed(app, backwards).await.unwrap_err();
    assert!(matches!(error, Error::EmptyPeriod));
}

/// What a team knows of orders that applies a record only if its version follows.
#[derive(Default)]
struct LateTeam {
    orders: HashMap<String, (i64, Value)>,
}

impl LateTeam {
    fn load(&mut self, states: &[Value]) {
        for state in states {
            assert_eq!(state["type"], "tradepost.order.snapshot.v1");
            self.apply(state);
        }
    }

    /// Goes on with the stream; a version that does not follow is a gap.
    fn follow(&mut self, events: &[Value]) {
        for event in events {
            let id = event["subject"].as_str().unwrap();
            let known = self.orders.get(id).map_or(0, |(version, _)| *version);
            let version = version(event);
            if version <= known {
                continue;
            }
            assert_eq!(version, known + 1, "a gap in order {id}");
            self.apply(event);
        }
    }

    fn apply(&mut self, event: &Value) {
        let id = event["subject"].as_str().unwrap().to_owned();
        let of = self.orders.entry(id).or_insert((0, Value::Null));
        if version(event) > of.0 {
            *of = (version(event), event["data"].clone());
        }
    }
}

fn version(event: &Value) -> i64 {
    event["aggregateversion"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_team_that_starts_late_gets_the_state_of_the_database() {
    let _kafka = kafka_in_use().await;
    let shop = Shop::open(&[]).await;
    let app = shop.app();
    let mut orders = Vec::new();
    for version in 1..=6 {
        orders.push(shop.order_at(version).await);
    }
    shop.publish().await;
    // Events of the first orders are gone when the team comes: only their state tells of them.
    for id in &orders[..2] {
        for row in shop.rows(*id).await {
            shop.delete(row.event_id).await;
        }
    }
    let mut printed = Vec::new();
    let done = event_tools::snapshot(app, &Snapshot::default(), &mut printed).await;
    assert_eq!(done.unwrap().orders, 6);
    // Changes since, and an order that the snapshot does not know.
    shop.note(orders[0]).await;
    shop.note(orders[4]).await;
    orders.push(shop.order_at(2).await);
    shop.publish().await;

    let mut team = LateTeam::default();
    team.load(&sent(app, "orders.state.v1", &printed).await);
    assert_eq!(team.orders.len(), 6);
    let stream = Tail {
        event_type: Some("tradepost.order.".to_owned()),
        ..Tail::default()
    };
    team.follow(&tailed(app, stream).await);

    let query = order::Entity::find().order_by_asc(order::Column::Id);
    let rows = app
        .db()
        .read("test.orders", async |c| {
            Ok::<_, Fault>(query.all(&*c).await?)
        })
        .await
        .unwrap();
    assert_eq!(team.orders.len(), rows.len());
    for row in rows {
        let (version, state) = &team.orders[&row.id.to_string()];
        assert_eq!(*version, i64::from(row.version));
        assert_eq!(state["version"], row.version);
        assert_eq!(state["status"], row.status.as_str());
        assert_eq!(state["number"], row.number.as_str());
        assert_eq!(state["updatedAt"], to_text(row.updated_at).as_str());
        assert_eq!(state["lines"][0]["sku"], "TEA");
        assert!(state.get("previousStatus").is_none() || *version > 1);
    }
    // A second run sends newer states of the same keys; compaction keeps the newest.
    let mut printed = Vec::new();
    let done = event_tools::snapshot(app, &Snapshot::default(), &mut printed).await;
    assert_eq!(done.unwrap().orders, 7);
    let mut late = LateTeam::default();
    late.load(&sent(app, "orders.state.v1", &printed).await);
    // Imported orders come only when they are asked for.
    shop.import(orders[3]).await;
    for (with_imported, expected) in [(false, 6), (true, 7)] {
        let options = Snapshot {
            with_imported,
            print: true,
        };
        let mut printed = Vec::new();
        let done = event_tools::snapshot(app, &options, &mut printed).await;
        assert_eq!(done.unwrap().orders, expected);
        assert_eq!(lines(&printed).len() as u64, expected);
    }
    let versions = |team: &LateTeam| -> HashMap<String, i64> {
        let versions = team.orders.iter();
        versions
            .map(|(id, (version, _))| (id.clone(), *version))
            .collect()
    };
    assert_eq!(versions(&late), versions(&team));
}

async fn listed(app: &App, waiting: Waiting) -> (Listed, Vec<Value>) {
    let mut text = Vec::new();
    let list = List {
        waiting,
        json: true,
    };
    let listed = event_tools::list(app, &list, &mut text).await.unwrap();
    (listed, lines(&text))
}

/// Publishes until an event is set aside, over the pauses between its attempts, and returns what is listed of it.
async fn set_aside(shop: &Shop) -> (Listed, Vec<Value>) {
    eventually("an event is set aside", async || {
        shop.publish().await;
        let (parked, events) = listed(shop.app(), Waiting::Parked).await;
        if parked.total == 0 {
            shop.app().clock().advance(chrono::TimeDelta::seconds(61));
        }
        (parked.total > 0).then_some((parked, events))
    })
    .await
}

#[tokio::test]
async fn what_was_set_aside_goes_again_in_order_once_its_cause_is_mended() {
    let _kafka = kafka_in_use().await;
    let shop = Shop::open(&[]).await;
    let app = shop.app();
    let (bad, good) = (shop.order_at(3).await, shop.order_at(2).await);
    let first = shop.rows(bad).await.remove(0);
    // The record for older consumers cannot be made of it.
    let payload = outbox_event::Column::Payload;
    shop.set(first.event_id, payload, json!({})).await;
    let (parked, of_parked) = set_aside(&shop).await;
    assert_eq!((parked.total, of_parked.len()), (1, 1));
    assert_eq!(of_parked[0]["id"], json!(first.event_id));
    assert_eq!(of_parked[0]["attempts"], 10);
    assert_eq!(parked.reasons[0].1, 1);
    let reason = "1 × the payload has no /userId";
    assert!(parked.to_string().contains(reason), "{parked}");
    let (pending, of_pending) = listed(app, Waiting::Pending).await;
    assert_eq!((pending.total, of_pending.len()), (2, 2));
    assert!(of_pending.iter().all(|event| event["behindParked"] == true));
    let of_good = Tail {
        aggregate: Some(good.0),
        ..Tail::default()
    };
    assert_eq!(tailed(app, of_good).await.len(), 2);

    let unknown = app.clock().id();
    let error = event_tools::unpark(app, Some(unknown)).await.unwrap_err();
    assert!(
        matches!(error, Error::NotParked(id) if id == unknown.0),
        "{error}"
    );
    // Not mended, it is set aside again, after all its attempts.
    let unparked = event_tools::unpark(app, Some(first.event_id)).await;
    assert_eq!(unparked.unwrap(), 1);
    let (_, of_parked) = set_aside(&shop).await;
    assert_eq!(of_parked[0]["attempts"], 10);

    shop.set(first.event_id, payload, first.payload.clone())
        .await;
    assert_eq!(event_tools::unpark(app, None).await.unwrap(), 1);
    // At once: the pause after the last of ten failures would be 51 seconds.
    within(Duration::from_secs(20), "it is published", async || {
        shop.publish().await;
        let rows = shop.rows(bad).await;
        rows.iter()
            .all(|row| row.published_at.is_some())
            .then_some(())
    })
    .await;
    let of_bad = Tail {
        aggregate: Some(bad.0),
        ..Tail::default()
    };
    let seen = tailed(app, of_bad).await;
    assert_eq!(seen.iter().map(version).collect::<Vec<_>>(), [1, 2, 3]);
    let (pending, _) = listed(app, Waiting::Pending).await;
    assert_eq!(pending.to_string(), "0 events wait");
    shop.test.events_agree().await;
    assert_eq!(event_tools::unpark(app, None).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_takes_at_once_what_another_process_lets_go() {
    let _kafka = kafka_in_use().await;
    let shop = Shop::open(&[("events.attempts_max", json!(1))]).await;
    let app = shop.app();
    let id = shop.order().await;
    let first = shop.rows(id).await.remove(0);
    let payload = outbox_event::Column::Payload;
    shop.set(first.event_id, payload, json!({})).await;
    app.push().start(app.workers());
    app.events().start(app.workers());
    eventually("it is set aside", async || {
        let (parked, _) = listed(app, Waiting::Parked).await;
        (parked.total == 1).then_some(())
    })
    .await;
    shop.set(first.event_id, payload, first.payload.clone())
        .await;
    let other = shop.test.replica().await;
    event_tools::unpark(&other, None).await.unwrap();
    eventually("it is published", async || {
        shop.rows(id).await[0].published_at.map(drop)
    })
    .await;
    assert!(app.workers().shut_down(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn kafka_away_is_told_by_each_command() {
    let away = [("kafka.brokers", json!("127.0.0.1:1"))];
    let test = TestApp::with(&away).await;
    let app = &test.app;
    let began = std::time::Instant::now();
    let tail = event_tools::tail(app, &Tail::default(), &mut Vec::new()).await;
    let snapshot = event_tools::snapshot(app, &Snapshot::default(), &mut Vec::new()).await;
    for error in [tail.unwrap_err(), snapshot.unwrap_err()] {
        let text = error.to_string();
        assert!(matches!(error, Error::Broker(_)), "{text}");
        assert!(text.contains("`tradepost doctor` looks at it"), "{text}");
    }
    assert!(began.elapsed() < Duration::from_secs(60));
}

/// The binary on a shop's database, with the log in it.
fn command(shop: &Shop, arguments: &[&str], more: &[(&str, &str)]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tradepost"))
        .args(arguments)
        .current_dir(shop.test.dir.path())
        .env_remove("REDIS_URL")
        .env_remove("KAFKA_BROKERS")
        .env("DATABASE_URL", shop.test.database_url())
        .env("TRADEPOST_SERVER__ENV", "development")
        .env("TRADEPOST_SERVER__DATA_DIR", shop.test.dir.path())
        .envs(more.iter().copied())
        .output()
        .unwrap();
    (
        output.status.success(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[tokio::test]
async fn the_commands_say_what_is_wrong_and_how_they_ended() {
    let shop = Shop::open(&[("kafka.brokers", json!(""))]).await;
    let id = shop.order_at(2).await;
    let done = |arguments: &[&str]| {
        let (ok, out, err) = command(&shop, arguments, &[]);
        assert!(ok, "{arguments:?}: {out} {err}");
        (out, err)
    };
    let refused = |arguments: &[&str]| {
        let (ok, out, err) = command(&shop, arguments, &[]);
        assert!(!ok, "{arguments:?}: {out} {err}");
        (out, err)
    };
    let (out, _) = done(&["events", "list", "--pending"]);
    assert!(out.ends_with("2 events wait\n"), "{out}");
    let (out, _) = done(&["events", "verify"]);
    assert!(out.contains("2 events wait, 0 are set aside."), "{out}");
    let (out, err) = refused(&["events", "verify", "--settled"]);
    assert!(out.starts_with(&format!("order {id}: event ")), "{out}");
    assert!(err.contains("do not agree in 2 places"), "{err}");
    shop.publish().await;
    let (out, _) = done(&["events", "verify", "--since", "2026-01-01", "--settled"]);
    assert!(
        out.starts_with("1 orders, 2 events and 2 records were compared"),
        "{out}"
    );

    let id = id.to_string();
    let (out, err) = done(&["events", "replay", "--order", &id]);
    assert!(err.starts_with("2 events were sent again.\n"), "{err}");
    // Both events, and the flat form of the first.
    assert_eq!(out.lines().count(), 3);
    let (out, err) = done(&["events", "replay", "--from", "2026-01-01", "--dry-run"]);
    assert!(
        out.is_empty() && err.starts_with("2 events would be sent again"),
        "{err}"
    );
    let (out, err) = done(&["events", "snapshot"]);
    assert_eq!((out.lines().count(), err.as_str()), (1, "1 orders\n"));
    let (out, _) = done(&[
        "events",
        "tail",
        "--since",
        "2026-01-01",
        "--no-follow",
        "--json",
    ]);
    assert_eq!(out.lines().count(), 2);
    let (out, _) = done(&["events", "unpark", "--all"]);
    assert_eq!(out, "0 events go again.\n");

    for (arguments, why) in [
        (
            &["events", "tail", "--since", "yesterday"][..],
            "a UTC day, as 2026-11-29",
        ),
        (&["events", "replay"], "--order"),
        (&["events", "replay", "--to", "2026-01-01"], "--order"),
        (
            &["events", "replay", "--order", &id, "--live"],
            "without Kafka there is no topic",
        ),
        (&["events", "unpark"], "--all"),
        (&["events", "unpark", &id], "events list --parked"),
        (
            &["events", "list", "--parked", "--pending"],
            "cannot be used with",
        ),
    ] {
        let (_, err) = refused(arguments);
        assert!(err.contains(why), "{arguments:?}: {err}");
    }
    // The first of the commands above made it.
    let key = shop.test.dir.path().join("access-token-key.pem");
    let production = [
        ("TRADEPOST_SERVER__ENV", "production"),
        ("TRADEPOST_AUTH__KEY_FILE", key.to_str().unwrap()),
    ];
    let live = ["events", "replay", "--order", &id, "--live"];
    let (ok, _, err) = command(&shop, &live, &production);
    assert!(
        !ok && err.contains("say --yes-live if you mean it"),
        "{err}"
    );
}
