//! A backlog: rows read, sent, acknowledged and marked, beside Kafka's producer performance tool, in alternating rounds.

use super::{commit, event, needed, number, open, option};
use entity::events::outbox_event;
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use serde_json::json;
use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;
use tradepost::app::App;
use tradepost::error::Fault;
use uuid::Uuid;

/// Rows of one transaction of the filling.
const FILL: u64 = 999;
/// Versions of an order.
const VERSIONS: i32 = 3;
/// Different payloads of the comparator.
const PAYLOADS: usize = 1_000;

pub(super) async fn run() {
    let rows = number("--rows", 1_000_000);
    let rounds = number("--rounds", 5);
    // Between two rounds the relay stands still for longer than a lease lives otherwise.
    let mut settings = vec![("events.lease_ms", json!(600_000))];
    for (name, key) in [
        ("--batch-size", "events.batch_size"),
        ("--in-flight", "events.in_flight_max"),
    ] {
        settings.extend(option(name).map(|_| (key, json!(number(name, 0)))));
    }
    let app = open(&settings).await;
    let bytes = record_bytes(&app);
    println!(
        "{rows} rows; a record has {} bytes and {} of headers",
        bytes.0, bytes.1
    );
    fill(&app, rows).await;
    let payloads = payloads(&app, bytes.1);
    app.events().relay().broker().prepare().await.unwrap();
    println!("| round | rows    | relay rows/s | producer-perf records/s | ratio | resident MiB |");
    println!("| ----- | ------- | ------------ | ----------------------- | ----- | ------------ |");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut left = pending(&app).await;
    for round in 1..=rounds {
        let share = left / (rounds - round + 1);
        let last = waiting_id(&app, share.saturating_sub(1)).await;
        let began = Instant::now();
        drain(&app, last).await;
        let took = began.elapsed().as_secs_f64();
        let now = pending(&app).await;
        let done = left - now;
        let rate = done as f64 / took;
        let records = (rows / rounds).max(100_000);
        let other = producer_perf(payloads.path(), records, &format!("perf-{round}"));
        println!(
            "| {round:5} | {done:7} | {rate:12.0} | {other:23.0} | {:5.2} | {:12} |",
            rate / other,
            resident_mib()
        );
        ours.push(rate);
        theirs.push(other);
        left = now;
    }
    // Its leases are long: the next run would wait for their end.
    app.events().relay().release().await.unwrap();
    let (ours, theirs) = (median(ours), median(theirs));
    println!(
        "median: {ours:.0} rows/s beside {theirs:.0} records/s = {:.2} (floor 0.20, goal 0.40); largest resident {} MiB",
        ours / theirs,
        largest_mib()
    );
}

async fn pending(app: &App) -> u64 {
    app.events().measure().await.unwrap().pending
}

/// The row that has `before` others that wait before it.
async fn waiting_id(app: &App, before: u64) -> i64 {
    let ids = app.db().read("bench.waiting_id", async |c| {
        let ids = outbox_event::Entity::find()
            .filter(outbox_event::Column::PublishedAt.is_null())
            .select_only()
            .column(outbox_event::Column::Id)
            .order_by_asc(outbox_event::Column::Id)
            .offset(before)
            .limit(1);
        Ok::<Option<i64>, Fault>(ids.into_tuple().one(&*c).await?)
    });
    ids.await.unwrap().unwrap()
}

/// Relays until this row is marked: they go in the order of their ids, so that all before it are by then, but for what is
/// under way. Counting what waits would cost the database as much as relaying it.
async fn drain(app: &App, last: i64) {
    let pass = async {
        app.events().relay().run_once().await.unwrap();
    };
    let watch = async {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let row = app.db().read("bench.row", async |c| {
                let row = outbox_event::Entity::find_by_id(last).one(&*c);
                Ok::<_, Fault>(row.await?)
            });
            if row.await.unwrap().unwrap().published_at.is_some() {
                return;
            }
        }
    };
    tokio::select! {
        () = pass => {}
        () = watch => {}
    }
}

/// Writes what the backlog of [`run`] lacks, so that a run can begin with one that is there.
pub(super) async fn fill_only() {
    fill(&open(&[]).await, number("--rows", 1_000_000)).await;
}

/// Orders with three versions each; those of one order stand some hundred rows apart.
async fn fill(app: &App, rows: u64) {
    let mut written = pending(app).await;
    while written < rows {
        let per_version = usize::try_from(FILL.min(rows - written) / 3)
            .unwrap()
            .max(1);
        let orders: Vec<Uuid> = (0..per_version).map(|_| app.clock().id()).collect();
        let events = (1..=VERSIONS).flat_map(|version| {
            orders
                .iter()
                .map(move |&order| event(app, order, version))
                .collect::<Vec<_>>()
        });
        let events: Vec<_> = events.collect();
        written += events.len() as u64;
        commit(app, events).await;
    }
}

/// Bytes of a record's key and value, and of its headers.
fn record_bytes(app: &App) -> (usize, usize) {
    let order: Uuid = app.clock().id();
    let value = event(app, order, 2).payload.to_string().len();
    // As `src/events/record.rs` makes them; lengths of names and values.
    let headers = [
        ("ce_specversion", 3),
        ("ce_id", 36),
        ("ce_type", 23),
        ("ce_source", 22),
        ("ce_subject", 36),
        ("ce_time", 27),
        ("ce_recordedtime", 27),
        ("ce_aggregateversion", 1),
        ("ce_partitionkey", 36),
        ("ce_dataschema", 65),
        ("content-type", 16),
    ];
    let headers = headers.iter().map(|(name, length)| name.len() + length);
    (value + 36, headers.sum())
}

/// The same bodies for the comparator, longer by the headers and the key, which it cannot send. As random as they are:
/// ids differ, the rest repeats.
fn payloads(app: &App, headers: usize) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    for _ in 0..PAYLOADS {
        let order: Uuid = app.clock().id();
        let body = event(app, order, 2).payload.to_string();
        let mut more: String = std::iter::repeat_with(|| app.clock().id::<Uuid>().to_string())
            .take(3)
            .collect();
        more.extend(std::iter::repeat_n(
            'h',
            (headers + 36).saturating_sub(more.len()),
        ));
        writeln!(file, "{body}{more}").unwrap();
    }
    file.flush().unwrap();
    file
}

/// Records a second of `org.apache.kafka.tools.ProducerPerformance`.
fn producer_perf(payloads: &std::path::Path, records: u64, topic: &str) -> f64 {
    let kafka = needed("--kafka");
    let classes = format!("{}/*", needed("--jars"));
    let made = Command::new("java")
        .args(["-cp", &classes, "org.apache.kafka.tools.TopicCommand"])
        .args(["--bootstrap-server", &kafka, "--create", "--if-not-exists"])
        .args(["--topic", topic, "--partitions", "12"])
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let output = Command::new("java")
        .args([
            "-cp",
            &classes,
            "org.apache.kafka.tools.ProducerPerformance",
        ])
        .args(["--topic", topic, "--throughput", "-1"])
        .args(["--num-records", &records.to_string()])
        .args(["--payload-file", payloads.to_str().unwrap()])
        .arg("--producer-props")
        .arg(format!("bootstrap.servers={kafka}"))
        .args(["acks=all", "compression.type=zstd", "linger.ms=1"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().rev().find(|line| line.contains("records/sec"));
    let line = line.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    let rate = line.split("records sent, ").nth(1).unwrap();
    rate.split(' ').next().unwrap().parse().unwrap()
}

fn status_mib(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1_024
}

fn resident_mib() -> u64 {
    status_mib("VmRSS:")
}

fn largest_mib() -> u64 {
    status_mib("VmHWM:")
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
