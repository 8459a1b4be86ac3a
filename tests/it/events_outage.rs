//! Orders while Kafka comes and goes and relays are killed: the topic has every event, in order, and nothing else.

use crate::kill::{Load, order, stock_up};
use crate::support::http::Client;
use crate::support::process::Process;
use crate::support::services::{kafka_alone, services};
use crate::support::wait::within;
use crate::support::{Profile, TestApp, profile};
use futures::future::join_all;
use serde_json::json;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tradepost::event_tools::verify::Verify;

const CLIENTS: usize = 16;
/// A kill counts only with at least so many records that the broker has not acknowledged.
const IN_FLIGHT_LEAST: usize = 16;
/// Orders made while Kafka takes nothing, for a kill: each relay has the events of about half of them.
const UNANSWERED: usize = 4 * IN_FLIGHT_LEAST;
/// How long anything may take: Kafka needs some seconds to start, on a machine that does much else.
const LIMIT: Duration = Duration::from_secs(180);

const CANCEL: &str = "mutation($id: ID!) { orderCancel(id: $id, idempotencyKey: null) { order { version } userErrors { code } } }";

/// How much of everything.
#[derive(Clone, Copy)]
struct Size {
    orders: usize,
    outages: usize,
    kills: usize,
}

/// A relay in a process of its own: `tradepost worker`.
struct Worker(Child);

impl Worker {
    fn start(server: &Process) -> Self {
        let mut command = server.command(&["worker"]);
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(server.log_path().with_file_name("worker.log"))
            .unwrap();
        command.stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        Self(command.spawn().unwrap())
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.0.try_wait().is_ok_and(|status| status.is_none()) {
            self.kill();
        }
    }
}

/// The orders, made no faster than the disturbances come: so that each meets some.
#[derive(Default)]
struct Pace {
    load: Load,
    next: AtomicUsize,
    allowed: AtomicUsize,
}

/// Creates orders, and cancels every other one: two versions.
async fn buy(client: &Client, pace: &Pace, orders: usize) {
    let load = &pace.load;
    loop {
        let number = pace.next.fetch_add(1, Ordering::SeqCst);
        if number >= orders {
            return;
        }
        within(LIMIT, "more orders are asked for", async || {
            (number < pace.allowed.load(Ordering::SeqCst)).then_some(())
        })
        .await;
        let id = order(client, load, &format!("order-{number}")).await;
        if number.is_multiple_of(2) {
            let data = client.data(CANCEL, json!({ "id": id })).await;
            assert_eq!(data["orderCancel"]["order"]["version"], 2, "{data}");
        }
    }
}

async fn waiting(test: &TestApp) -> u64 {
    test.app.events().measure().await.unwrap().pending
}

/// Waits until at least so many orders are made.
async fn made(load: &Load, orders: usize) {
    within(LIMIT, "so many orders are made", async || {
        (load.acknowledged.load(Ordering::SeqCst) >= orders).then_some(())
    })
    .await;
}

/// Makes some orders more, whose events Kafka cannot answer for: it is away.
async fn made_unanswered(pace: &Pace) -> usize {
    let load = &pace.load;
    // All that was asked for may be made by now: sending Kafka away takes its time.
    pace.allowed
        .fetch_add(UNANSWERED + CLIENTS, Ordering::SeqCst);
    let before = load.acknowledged.load(Ordering::SeqCst);
    made(load, before + UNANSWERED).await;
    load.acknowledged.load(Ordering::SeqCst) - before
}

/// Lets Kafka freeze until enough is in flight, kills a relay, and lets Kafka go on.
async fn kill_in_flight(pace: &Pace, worker: &mut Worker) {
    services("pause", "kafka").await;
    let unanswered = made_unanswered(pace).await;
    // Time to read the last of them: the relay looks at each commit, and its window holds thousands.
    tokio::time::sleep(Duration::from_millis(200)).await;
    worker.kill();
    services("resume", "kafka").await;
    assert!(
        unanswered / 2 >= IN_FLIGHT_LEAST,
        "only {unanswered} records were in flight"
    );
}

/// Outages and kills, spread over the orders.
async fn disturb(test: &TestApp, server: &Process, pace: &Pace, size: Size) {
    let load = &pace.load;
    let mut workers = [Worker::start(server), Worker::start(server)];
    let steps = size.kills + size.outages;
    let mut outages = 0;
    for step in 0..steps {
        let part = size.orders / (steps + 1);
        pace.allowed.store(part * (step + 1), Ordering::SeqCst);
        made(load, part * step + part / 4).await;
        let is_outage = (step + 1) * size.outages / steps > outages;
        if is_outage {
            outages += 1;
            services("stop", "kafka").await;
            made_unanswered(pace).await;
            services("start", "kafka").await;
        } else {
            let worker = &mut workers[step % 2];
            kill_in_flight(pace, worker).await;
            *worker = Worker::start(server);
        }
    }
    pace.allowed.store(size.orders, Ordering::SeqCst);
    made(load, size.orders).await;
    within(LIMIT, "all events are published", async || {
        (waiting(test).await == 0).then_some(())
    })
    .await;
}

async fn every_event_arrives(size: Size) {
    if profile() != Profile::Services {
        return;
    }
    let _kafka = kafka_alone().await;
    let test = TestApp::new().await;
    let server = Process::start_with(&test, &["serve", "--no-workers"]).await;
    let staff = server.log_in("staff@example.com", "staff1234").await;
    stock_up(&staff, 1_000_000).await;
    let customer = server.log_in("customer@example.com", "customer123").await;
    let pace = Pace::default();
    let buying = join_all((0..CLIENTS).map(|_| buy(&customer, &pace, size.orders)));
    tokio::join!(buying, disturb(&test, &server, &pace, size));

    // Cancellations may have come after the last look.
    within(LIMIT, "all events are published", async || {
        test.app.events().run_until_idle().await.unwrap();
        (waiting(&test).await == 0).then_some(())
    })
    .await;
    let settled = Verify {
        since: None,
        is_settled: true,
    };
    let (verified, problems) = test.events_verify(&settled).await;
    println!("{verified:?}");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert_eq!(verified.orders, size.orders as u64);
    assert_eq!(
        verified.events,
        (size.orders + size.orders.div_ceil(2)) as u64
    );
    // Whoever leaves repeats out has each event once.
    assert_eq!(verified.records - verified.repeats, verified.events);
    assert_eq!((verified.waiting, verified.parked), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_arrives_although_kafka_stops_and_relays_are_killed() {
    every_event_arrives(Size {
        orders: 600,
        outages: 1,
        kills: 3,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: runs with scripts/test --full"]
async fn ten_thousand_orders_arrive_although_kafka_stops_and_relays_are_killed() {
    every_event_arrives(Size {
        orders: 10_000,
        outages: 3,
        kills: 10,
    })
    .await;
}
