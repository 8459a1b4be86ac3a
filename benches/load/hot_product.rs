//! How many orders of one product a second, beside a bare SQL client that commits the same statements.
//!
//! `cargo bench --bench hot_product`, with `TRADEPOST_TEST_MYSQL_URL` for a MariaDB or MySQL server, else on SQLite alone
//! and without comparator. 64 clients send `orderCreate` over HTTP as fast as they are answered; then as many tasks of
//! the bare client, on as many connections, commit what such an order writes, one order a transaction, with the update
//! of the one stock row last. Five rounds alternate in the same database; rates are medians.
//!
//! The statements are those of `orders::service` for one line without addresses (a general log of the server shows them): whoever changes
//! what an order writes changes them here too. The program besides reads the variant, the stock and the order it answers
//! with, and checks who asks. No worker runs, so that neither side publishes events meanwhile.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on ends where it stands"
)]

use futures::future::join_all;
use sea_orm::sqlx::mysql::{MySqlPool, MySqlPoolOptions};
use sea_orm::sqlx::query;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tradepost::app::App;
use tradepost::clock::Clock;
use tradepost::config::Config;
use tradepost::db::migrate::{self, Direction};
use tradepost::graphql::schema;
use tradepost::http::Server;
use tradepost::seed;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CLIENTS: usize = 64;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(5);
const DATABASE: &str = "tradepost_hot_product";
const UNITS: i64 = 100_000_000;

/// Orders a second of all clients, and the slowest of each hundred and of all.
#[derive(Clone, Copy)]
struct Rate {
    per_second: f64,
    p50: Duration,
    p99: Duration,
    worst: Duration,
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            per_second,
            p50,
            p99,
            worst,
        } = self;
        write!(
            f,
            "{per_second:.0} orders/s, p50 {p50:.1?}, p99 {p99:.1?}, slowest {worst:.1?}"
        )
    }
}

/// Runs `order` in all clients until the round is over.
async fn round(order: impl AsyncFn()) -> Rate {
    let began = Instant::now();
    let clients = (0..CLIENTS).map(|_| {
        let order = &order;
        async move {
            let mut waits = Vec::new();
            while began.elapsed() < ROUND {
                let asked = Instant::now();
                order().await;
                waits.push(asked.elapsed());
            }
            waits
        }
    });
    let mut waits: Vec<Duration> = join_all(clients).await.into_iter().flatten().collect();
    let taken = began.elapsed();
    waits.sort_unstable();
    let at = |percent: usize| waits[(waits.len() - 1) * percent / 100];
    Rate {
        per_second: waits.len() as f64 / taken.as_secs_f64(),
        p50: at(50),
        p99: at(99),
        worst: at(100),
    }
}

fn median(mut rates: Vec<Rate>) -> Rate {
    rates.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    rates[rates.len() / 2]
}

// --- the shop -------------------------------------------------------------------------------------------------------

async fn app(folder: &std::path::Path, server: Option<&str>) -> App {
    let mut settings = vec![
        ("server.env", json!("development")),
        ("server.data_dir", json!(folder.to_str().unwrap())),
        ("server.address", json!("127.0.0.1:0")),
        ("http.admin_address", json!("")),
        ("auth.bcrypt_cost", json!(4)),
        ("log.filter", json!("warn")),
    ];
    if let Some(server) = server {
        settings.push(("database.url", json!(format!("{server}/{DATABASE}"))));
        settings.push(("cache.single_replica", json!(true)));
    }
    let config = Config::with(settings).unwrap();
    let app = App::new(config, Clock::system()).await.unwrap();
    migrate::run(app.db(), app.config(), Direction::Up)
        .await
        .unwrap();
    seed::run(&app).await.unwrap();
    app.cache().start();
    app
}

/// The clients of the shop.
struct Shop {
    client: reqwest::Client,
    url: String,
    token: String,
    refused: AtomicU64,
}

impl Shop {
    async fn ask(&self, query: &str, variables: Value) -> Value {
        let answer = self
            .client
            .post(&self.url)
            .bearer_auth(&self.token)
            .json(&json!({ "query": query, "variables": variables }))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["errors"], Value::Null, "{answer}");
        answer["data"].clone()
    }

    async fn log_in(&mut self, name: &str, password: &str) {
        let answer: Value = self
            .client
            .post(&self.url)
            .json(&json!({
                "query": "mutation($input: SessionCreateInput!) { sessionCreate(input: $input) { accessToken } }",
                "variables": { "input": { "identifier": name, "password": password } }
            }))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let token = &answer["data"]["sessionCreate"]["accessToken"];
        self.token = token.as_str().unwrap().to_owned();
    }

    async fn order(&self) {
        let mutation = "mutation { orderCreate(input: {lines: [{sku: \"GIFT-CARD\", quantity: 1}]}) { order { id number } userErrors { code } } }";
        let data = self.ask(mutation, json!({})).await;
        if data["orderCreate"]["userErrors"] != json!([]) {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn open(app: &App) -> Shop {
    let server = Server::bind(app.clone(), schema::build(app)).await.unwrap();
    let url = format!("http://{}/graphql", server.local_addr());
    app.workers().spawn(server.serve(CancellationToken::new()));
    let mut shop = Shop {
        client: reqwest::Client::new(),
        url,
        token: String::new(),
        refused: AtomicU64::new(0),
    };
    shop.log_in("staff@example.com", "staff1234").await;
    let query = "{ product(by: {sku: \"GIFT-CARD\"}) { defaultVariant { id stock { warehouse { id } } } } }";
    let found = shop.ask(query, json!({})).await["product"]["defaultVariant"].clone();
    let mutation = "mutation($input: StockAdjustInput!) { stockAdjust(input: $input) { userErrors { code message } } }";
    let input = json!({
        "variantId": found["id"], "warehouseId": found["stock"][0]["warehouse"]["id"],
        "delta": UNITS, "reason": "RECEIVED",
    });
    let data = shop.ask(mutation, json!({ "input": input })).await;
    assert_eq!(data["stockAdjust"]["userErrors"], json!([]));
    shop.log_in("customer@example.com", "customer123").await;
    shop
}

// --- the bare client ------------------------------------------------------------------------------------------------

/// What its orders have in common.
struct Bare {
    pool: MySqlPool,
    user: Vec<u8>,
    product: Vec<u8>,
    variant: Vec<u8>,
    warehouse: Vec<u8>,
    number: AtomicU64,
}

impl Bare {
    async fn connect(server: &str, connections: u32) -> Self {
        let pool = MySqlPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(60))
            .after_connect(|connection, _| {
                Box::pin(async move {
                    let level = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
                    query(level).execute(connection).await.map(drop)
                })
            })
            .connect(&format!("{server}/{DATABASE}"))
            .await
            .unwrap();
        let found: (Vec<u8>, Vec<u8>, Vec<u8>) = sea_orm::sqlx::query_as(
            "SELECT v.product_id, v.id, s.warehouse_id FROM variants v JOIN stock s ON s.variant_id = v.id WHERE v.sku = 'GIFT-CARD' LIMIT 1",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        let user: (Vec<u8>,) =
            sea_orm::sqlx::query_as("SELECT id FROM users WHERE email = 'customer@example.com'")
                .fetch_one(&pool)
                .await
                .unwrap();
        Self {
            pool,
            user: user.0,
            product: found.0,
            variant: found.1,
            warehouse: found.2,
            number: AtomicU64::new(0),
        }
    }

    async fn order(&self) {
        let id = || tradepost::random::bytes::<16>().to_vec();
        let (order, line) = (id(), id());
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let mut tx = self.pool.begin().await.unwrap();
        query("INSERT INTO orders (id, number, user_id, status, payment_status, origin, source, external_reference, customer_reference, client_reference, note, shipping_address, billing_address, cancel_reason, subtotal_minor, total_minor, refunded_minor, currency, reservation_expires_at, reservation_extended_at, version, created_at, updated_at, paid_at, cancelled_at, fulfilled_at) VALUES (?, ?, ?, 'AWAITING_PAYMENT', 'UNPAID', 'LIVE', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 495, 495, 0, 'GBP', NOW(6) + INTERVAL 15 MINUTE, NULL, 1, NOW(6), NOW(6), NULL, NULL, NULL)")
            .bind(&order)
            .bind(format!("BARE-{number:012}"))
            .bind(&self.user)
            .execute(&mut *tx).await.unwrap();
        query("INSERT INTO order_requests (order_id, ip, user_agent, platform, api_version, session_id, created_at) VALUES (?, '127.0.0.1', 'bare', 'api', 'v1', ?, NOW(6))")
            .bind(&order).bind(id())
            .execute(&mut *tx).await.unwrap();
        query("INSERT INTO order_lines (id, order_id, position, product_id, variant_id, sku, name, is_stocked, quantity, unit_price_minor, total_minor, fulfilled, refunded, refunded_minor, dropped, restocked) VALUES (?, ?, 0, ?, ?, 'GIFT-CARD', 'Gift card', TRUE, 1, 495, 495, 0, 0, 0, 0, 0)")
            .bind(&line).bind(&order).bind(&self.product).bind(&self.variant)
            .execute(&mut *tx).await.unwrap();
        query("INSERT INTO order_history (id, order_id, version, from_status, to_status, actor_id, reason, created_at) VALUES (?, ?, 1, NULL, 'AWAITING_PAYMENT', ?, NULL, NOW(6))")
            .bind(id()).bind(&order).bind(&self.user)
            .execute(&mut *tx).await.unwrap();
        query("INSERT INTO reservations (id, order_id, order_line_id, variant_id, warehouse_id, quantity, returned, status, expires_at, created_at, updated_at) VALUES (?, ?, ?, ?, ?, 1, 0, 'ACTIVE', NOW(6) + INTERVAL 15 MINUTE, NOW(6), NOW(6))")
            .bind(id()).bind(&order).bind(&line).bind(&self.variant).bind(&self.warehouse)
            .execute(&mut *tx).await.unwrap();
        query("INSERT INTO outbox_events (event_id, shard, aggregate_type, aggregate_id, aggregate_version, type, payload, headers, created_at, published_at, attempts, last_error, parked_at, log_position) VALUES (?, ?, 'order', ?, 1, 'tradepost.order.created.v1', ?, '{}', NOW(6), NULL, 0, NULL, NULL, NULL)")
            .bind(id()).bind(i32::from(order[15] % 64)).bind(&order).bind(PAYLOAD)
            .execute(&mut *tx).await.unwrap();
        let sold = query("UPDATE stock SET reserved = reserved + 1, updated_at = NOW(6) WHERE variant_id = ? AND warehouse_id = ? AND on_hand - reserved >= 7")
            .bind(&self.variant).bind(&self.warehouse)
            .execute(&mut *tx).await.unwrap();
        assert_eq!(sold.rows_affected(), 1);
        tx.commit().await.unwrap();
    }
}

/// As long as the body of the event of such an order.
const PAYLOAD: &str = r#"{"createdAt":"2026-11-21T11:13:07.032347Z","lines":[{"fulfilledQuantity":0,"lineId":"01a1fdcf-59dc-74d1-a85d-03d105f06c93","name":"Gift card","productId":"01930000-0000-7000-8000-000300000000","quantity":1,"refundedQuantity":0,"sku":"GIFT-CARD","total":{"amount":"4.95","currencyCode":"GBP"},"unitPrice":{"amount":"4.95","currencyCode":"GBP"},"variantId":"01930000-0000-7000-8000-000400000000"}],"number":"ORD-2026-000003","orderId":"01a1fdcf-59d8-727f-bc71-fe05f321cefe","paymentStatus":"UNPAID","refunded":{"amount":"0.00","currencyCode":"GBP"},"status":"AWAITING_PAYMENT","total":{"amount":"4.95","currencyCode":"GBP"},"updatedAt":"2026-11-21T11:13:07.032347Z","userId":"01930000-0000-7000-8000-000100000002","version":1}"#;

// --- the comparison -------------------------------------------------------------------------------------------------

async fn make_database(server: &str) {
    let pool = MySqlPool::connect(server).await.unwrap();
    for statement in [
        "DROP DATABASE IF EXISTS tradepost_hot_product",
        "CREATE DATABASE tradepost_hot_product",
    ] {
        query(statement).execute(&pool).await.unwrap();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the address of a server to measure is no setting of the program"
)]
fn server() -> Option<String> {
    std::env::var("TRADEPOST_TEST_MYSQL_URL").ok()
}

#[tokio::main]
async fn main() {
    let server = server();
    if let Some(server) = &server {
        make_database(server).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path(), server.as_deref()).await;
    let shop = open(&app).await;
    let connections = app.config().database.connections;
    let bare = match &server {
        Some(server) => Some(Bare::connect(server, connections).await),
        None => None,
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for number in 0..ROUNDS {
        ours.push(round(async || shop.order().await).await);
        if let Some(bare) = &bare {
            theirs.push(round(async || bare.order().await).await);
        }
        let both = ours.last().into_iter().chain(theirs.last());
        let both: Vec<String> = both.map(ToString::to_string).collect();
        eprintln!("round {}: {}", number + 1, both.join("; bare: "));
    }
    let refused = shop.refused.load(Ordering::Relaxed);
    assert_eq!(
        refused, 0,
        "orders were refused: a deadlock or a time-out reached a client"
    );
    println!(
        "{CLIENTS} clients, {connections} connections, {ROUNDS} alternating rounds of {ROUND:?}, medians; {:?}",
        app.db().engine()
    );
    let ours = median(ours);
    println!("tradepost, orderCreate over HTTP: {ours}");
    if bare.is_some() {
        let theirs = median(theirs);
        println!("bare SQL client:                  {theirs}");
        println!("ratio: {:.2}", ours.per_second / theirs.per_second);
    }
}
