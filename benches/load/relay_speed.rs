//! How fast events leave for Kafka: a backlog beside Kafka's own producer performance tool, and the way of one event from
//! its commit to a consumer. `benches/load/README.md` says how to run it.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on ends where it stands"
)]

#[path = "relay_speed/backlog.rs"]
mod backlog;
#[path = "relay_speed/latency.rs"]
mod latency;

use serde_json::{Value, json};
use tradepost::app::App;
use tradepost::clock::{Clock, to_text};
use tradepost::config::Config;
use tradepost::db::migrate::{self, Direction};
use tradepost::error::Fault;
use tradepost::events::outbox::{self, NewEvent};
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The value of `--name` on the command line.
fn option(name: &str) -> Option<String> {
    std::env::args()
        .skip_while(|argument| argument != name)
        .nth(1)
}

fn number(name: &str, default: u64) -> u64 {
    option(name).map_or(default, |text| text.replace('_', "").parse().unwrap())
}

fn needed(name: &str) -> String {
    option(name).unwrap_or_else(|| panic!("{name} is missing, see benches/load/README.md"))
}

/// The settings of this run: topics of its own, and nobody else who relays.
fn settings() -> Vec<(&'static str, Value)> {
    let run: Uuid = Clock::system().id();
    let prefix = format!("bench-{}", run.simple());
    vec![
        ("server.env", json!("development")),
        ("database.url", json!(needed("--mysql"))),
        ("kafka.brokers", json!(needed("--kafka"))),
        ("redis.url", json!(option("--redis").unwrap_or_default())),
        ("redis.prefix", json!(prefix)),
        ("events.topic_prefix", json!(prefix)),
        // One record a row, as the comparator sends one.
        ("events.order_created_topic", json!("")),
        ("auth.bcrypt_cost", json!(4)),
    ]
}

async fn open(changes: &[(&'static str, Value)]) -> App {
    let settings = [&settings()[..], changes].concat();
    let config = Config::with(settings).unwrap();
    let app = App::new(config, Clock::system()).await.unwrap();
    migrate::run(app.db(), app.config(), Direction::Up)
        .await
        .unwrap();
    app
}

/// A version of an order with one line, in the form of `docs/events.md`.
fn event(app: &App, order: Uuid, version: i32) -> NewEvent {
    let now = app.clock().now();
    let money = json!({"amount": "150.00", "currencyCode": "GBP"});
    let zero = json!({"amount": "0.00", "currencyCode": "GBP"});
    let id = || app.clock().id::<Uuid>();
    NewEvent {
        aggregate_type: "order",
        aggregate_id: order,
        aggregate_version: Some(version),
        event_type: match version {
            1 => "tradepost.order.created.v1",
            2 => "tradepost.order.paid.v1",
            _ => "tradepost.order.fulfilled.v1",
        },
        payload: json!({
            "orderId": order, "number": "ORD-2026-000001", "version": version, "status": "AWAITING_PAYMENT",
            "paymentStatus": "UNPAID", "userId": id(), "total": money, "refunded": zero,
            "lines": [{
                "lineId": id(), "productId": id(), "variantId": id(), "sku": "MUG-BLUE", "name": "Mug, blue",
                "quantity": 2, "fulfilledQuantity": 0, "refundedQuantity": 0,
                "unitPrice": {"amount": "75.00", "currencyCode": "GBP"}, "total": money,
            }],
            "createdAt": to_text(now), "updatedAt": to_text(now),
        }),
        created_at: now,
    }
}

async fn commit(app: &App, events: Vec<NewEvent>) {
    let events = &events;
    app.db()
        .write("bench.events", async |tx| {
            outbox::insert(&*tx, app.clock(), events.clone()).await?;
            Ok::<_, Fault>(())
        })
        .await
        .unwrap();
}

fn main() {
    // Work at the database and the client's answers share the two threads that a server would have.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match option("--what").as_deref() {
        Some("latency") => runtime.block_on(latency::run()),
        Some("backlog") => runtime.block_on(backlog::run()),
        Some("fill") => runtime.block_on(backlog::fill_only()),
        // `cargo bench` without a name runs all benchmarks; this one needs services.
        _ => println!("relay_speed: --what fill|backlog|latency, see benches/load/README.md"),
    }
}
