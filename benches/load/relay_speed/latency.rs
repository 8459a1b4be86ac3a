//! From the commit of an event to the consumer that has it, with two replicas that relay and a steady rate of commits.

use super::{commit, event, needed, number, open, option};
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::{ClientConfig, Message as _};
use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tradepost::app::App;
use uuid::Uuid;

/// Commits that may be under way at once.
const WRITERS: u64 = 32;
/// How long the last records may take.
const LAST: Duration = Duration::from_secs(20);

struct Replica(
    Child,
    #[expect(dead_code, reason = "the folder lives as long")] TempDir,
);

impl Replica {
    fn start(app: &App) -> Self {
        let (folder, events) = (tempfile::tempdir().unwrap(), &app.config().events);
        let child = Command::new(env!("CARGO_BIN_EXE_tradepost"))
            .arg("worker")
            .env("DATABASE_URL", needed("--mysql"))
            .env("KAFKA_BROKERS", needed("--kafka"))
            .env("REDIS_URL", option("--redis").unwrap_or_default())
            .env("TRADEPOST_REDIS__PREFIX", &app.config().redis.prefix)
            .env("TRADEPOST_SERVER__ENV", "development")
            .env("TRADEPOST_SERVER__DATA_DIR", folder.path())
            .env("TRADEPOST_AUTH__BCRYPT_COST", "4")
            // Two processes on one machine.
            .env("TRADEPOST_HTTP__ADMIN_ADDRESS", "")
            .env("TRADEPOST_EVENTS__TOPIC_PREFIX", &events.topic_prefix)
            .env("TRADEPOST_EVENTS__ORDER_CREATED_TOPIC", "")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child, folder)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// When the commit of each order's event was answered.
type Committed = Mutex<HashMap<Uuid, Instant>>;

pub(super) async fn run() {
    let rate = number("--rate", 1_000);
    let warm_up = Duration::from_secs(number("--warm-up", 30));
    let measured = Duration::from_secs(number("--seconds", 30));
    let app = open(&[]).await;
    app.push().start(app.workers());
    app.events().relay().broker().prepare().await.unwrap();
    let first = Replica::start(&app);
    // In development the first process fills an empty shop; one beside it would want to do so too.
    while tradepost::seed::is_empty(&app).await.unwrap() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut replicas = [first, Replica::start(&app)];
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", needed("--kafka"))
        .set("group.id", &app.config().events.topic_prefix)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let topic = format!("{}.orders.v1", app.config().events.topic_prefix);
    consumer.subscribe(&[&topic]).unwrap();
    let (committed, began) = (Committed::default(), Instant::now());
    let end = began + warm_up + measured;
    let mut received: HashMap<Uuid, Instant> = HashMap::new();
    let receive = async {
        let mut last = Instant::now();
        loop {
            let now = Instant::now();
            let all = committed.lock().unwrap().len();
            if now > end && (received.len() >= all || now - last > LAST) {
                return;
            }
            let message = tokio::time::timeout(Duration::from_millis(500), consumer.recv()).await;
            if let Ok(Ok(message)) = message {
                last = Instant::now();
                let order = std::str::from_utf8(message.key().unwrap()).unwrap();
                received.entry(order.parse().unwrap()).or_insert(last);
            }
        }
    };
    let writers = (0..WRITERS).map(|writer| write(&app, &committed, (writer, rate), began, end));
    tokio::join!(receive, futures::future::join_all(writers));
    for replica in &mut replicas {
        let ended = replica.0.try_wait().unwrap();
        assert!(ended.is_none(), "a replica has ended: {ended:?}");
    }
    drop(replicas);
    report(
        &committed.lock().unwrap(),
        &received,
        began + warm_up,
        measured,
    );
}

/// Commits one event a turn; the turns of all writers together have the rate.
async fn write(app: &App, committed: &Committed, turn: (u64, u64), began: Instant, end: Instant) {
    let (mut number, rate) = turn;
    loop {
        let due = began + Duration::from_micros(number * 1_000_000 / rate);
        if due >= end {
            return;
        }
        tokio::time::sleep_until(due.into()).await;
        let order: Uuid = app.clock().id();
        commit(app, vec![event(app, order, 1)]).await;
        committed.lock().unwrap().insert(order, Instant::now());
        app.events().wake();
        number += WRITERS;
    }
}

fn report(
    committed: &HashMap<Uuid, Instant>,
    received: &HashMap<Uuid, Instant>,
    since: Instant,
    measured: Duration,
) {
    let counted = committed.iter().filter(|(_, at)| **at >= since);
    let mut waits: Vec<Duration> = Vec::new();
    let mut missing = 0;
    for (order, at) in counted {
        match received.get(order) {
            Some(then) => waits.push(then.saturating_duration_since(*at)),
            None => missing += 1,
        }
    }
    waits.sort_unstable();
    println!(
        "{} committed and {} received, warm-up included",
        committed.len(),
        received.len()
    );
    if waits.is_empty() {
        println!("none of {missing} events of the measured time was received");
        return;
    }
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    println!(
        "{} events in {measured:?} ({:.0}/s): median {:?}, p90 {:?}, p99 {:?}, longest {:?}; {missing} missing",
        waits.len(),
        waits.len() as f64 / measured.as_secs_f64(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
}
