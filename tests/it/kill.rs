//! The server killed under load: nothing that was acknowledged is lost, nothing happens twice.

use crate::support::http::Client;
use crate::support::process::Process;
use crate::support::wait::eventually;
use crate::support::{Profile, TestApp, profile, services};
use entity::orders::OrderStatus;
use futures::future::join_all;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tradepost::event_tools::{self, Tail};

const CLIENTS: usize = 32;
const KILLS: usize = 5;
/// Acknowledged orders between two kills.
const ORDERS_BETWEEN_KILLS: usize = 60;
/// A kill counts only when at least this many requests wait for their answers.
const IN_FLIGHT_LEAST: usize = 16;
const PAUSE: Duration = Duration::from_millis(5);

const CREATE: &str = "mutation($key: String!) {
  done: orderCreate(input: { lines: [{ sku: \"GIFT-CARD\", quantity: 1 }], clientReference: $key }, idempotencyKey: $key) {
    order { id } userErrors { code } } }";
const PURCHASE: &str = "mutation($key: String!) {
  done: transactionCreate(input: { lines: [{ sku: \"GIFT-CARD\", quantity: 1 }], payment: { wallet: { asset: \"GBP\" } } }, idempotencyKey: $key) {
    order { id } userErrors { code } } }";
/// What a gift card costs.
const PRICE_MINOR: i64 = 2_500;

/// What the clients of the load know together.
pub(crate) struct Load {
    /// What they send, with a key.
    document: &'static str,
    pub(crate) in_flight: AtomicUsize,
    pub(crate) acknowledged: AtomicUsize,
    done: AtomicBool,
}

/// Of clients that order.
impl Default for Load {
    fn default() -> Self {
        Self::of(CREATE)
    }
}

impl Load {
    const fn of(document: &'static str) -> Self {
        Self {
            document,
            in_flight: AtomicUsize::new(0),
            acknowledged: AtomicUsize::new(0),
            done: AtomicBool::new(false),
        }
    }
}

/// Sends one order until it is acknowledged: the same key through crashes and restarts.
pub(crate) async fn order(client: &Client, load: &Load, key: &str) -> String {
    loop {
        let body = json!({ "query": load.document, "variables": { "key": key } });
        load.in_flight.fetch_add(1, Ordering::SeqCst);
        let sent = client
            .raw(http::Method::POST, "/graphql")
            .json(&body)
            .send()
            .await;
        let answer = match sent {
            Ok(response) => response.json::<Value>().await.ok(),
            Err(_) => None,
        };
        load.in_flight.fetch_sub(1, Ordering::SeqCst);
        let id = answer
            .as_ref()
            .and_then(|answer| answer["data"]["done"]["order"]["id"].as_str());
        if let Some(id) = id {
            load.acknowledged.fetch_add(1, Ordering::SeqCst);
            return id.to_owned();
        }
        if let Some(answer) = answer {
            let code = &answer["errors"][0]["extensions"]["code"];
            assert_eq!(
                code, "SERVICE_UNAVAILABLE",
                "an order was refused: {answer}"
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn buy(client: &Client, load: &Load, number: usize) -> Vec<(String, String)> {
    let mut acknowledged = Vec::new();
    while !load.done.load(Ordering::SeqCst) {
        let key = format!("client-{number}-order-{}", acknowledged.len());
        let id = order(client, load, &key).await;
        acknowledged.push((key, id));
    }
    acknowledged
}

/// Kills the server when enough is in flight, and starts it again.
async fn kill_under_load(server: &mut Process, load: &Load, kill: usize) {
    let target = (kill + 1) * ORDERS_BETWEEN_KILLS;
    let in_flight = eventually("enough orders are in flight", async || {
        let enough = load.acknowledged.load(Ordering::SeqCst) >= target;
        let in_flight = load.in_flight.load(Ordering::SeqCst);
        (enough && in_flight >= IN_FLIGHT_LEAST).then_some(in_flight)
    })
    .await;
    server.kill();
    println!("killed with {in_flight} requests in flight");
    server.restart().await;
}

/// The kills, with Kafka away from the second to the fourth.
async fn kill_again_and_again(server: &mut Process, load: &Load) {
    for kill in 0..KILLS {
        if profile() == Profile::Services && kill == 1 {
            services::services("stop", "kafka").await;
        }
        if profile() == Profile::Services && kill == 3 {
            services::services("start", "kafka").await;
        }
        kill_under_load(server, load, kill).await;
    }
    load.done.store(true, Ordering::SeqCst);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_five_times_under_load_loses_and_repeats_nothing() {
    let _kafka = services::kafka_alone().await;
    let test = TestApp::new().await;
    let mut server = Process::start(&test).await;
    let staff = server.log_in("staff@example.com", "staff1234").await;
    stock_up(&staff, 1_000_000).await;
    let customer = server.log_in("customer@example.com", "customer123").await;
    let load = Load::default();
    let buying = join_all((0..CLIENTS).map(|number| buy(&customer, &load, number)));
    let (bought, ()) = tokio::join!(buying, kill_again_and_again(&mut server, &load));
    let acknowledged: HashMap<String, String> = bought.into_iter().flatten().collect();
    assert!(acknowledged.len() >= KILLS * ORDERS_BETWEEN_KILLS);
    verify(&test, &staff, &acknowledged).await;
    assert_eq!(server.terminate(), Some(0), "{}", server.log());
}

/// What the demo customer can spend, in pence.
async fn spendable(client: &Client) -> i64 {
    let wallet = "{ wallet { balances { asset { code } available { amount } held { amount } } } }";
    let data = client.data(wallet, json!({})).await;
    let balances = data["wallet"]["balances"].as_array().unwrap();
    let pounds = balances.iter().find(|one| one["asset"]["code"] == "GBP");
    let pounds = pounds.unwrap();
    assert_eq!(pounds["held"]["amount"], "0.00", "nothing stays set aside");
    let amount = pounds["available"]["amount"].as_str().unwrap();
    amount.replace('.', "").parse().unwrap()
}

/// Staff give a customer money to spend.
async fn grant(staff: &Client, customer: &Client, amount: &str) {
    let me = customer.data("{ me { id } }", json!({})).await["me"]["id"].take();
    let mutation = "mutation($input: WalletDepositInput!) { walletDeposit(input: $input) { userErrors { code } } }";
    let input = json!({ "asset": "GBP", "amount": amount, "userId": me,
        "source": { "grant": { "reason": "For a test" } } });
    let data = staff.data(mutation, json!({ "input": input })).await;
    assert_eq!(data["walletDeposit"]["userErrors"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn purchases_from_a_wallet_happen_once_although_the_server_is_killed() {
    const TIMES: usize = 3;
    let _kafka = services::kafka_in_use().await;
    let test = TestApp::new().await;
    let mut server = Process::start(&test).await;
    let staff = server.log_in("staff@example.com", "staff1234").await;
    stock_up(&staff, 1_000_000).await;
    let customer = server.log_in("customer@example.com", "customer123").await;
    grant(&staff, &customer, "1000000.00").await;
    let before = spendable(&customer).await;
    let load = Load::of(PURCHASE);
    let buying = join_all((0..CLIENTS).map(|number| buy(&customer, &load, number)));
    let killing = async {
        for kill in 0..TIMES {
            kill_under_load(&mut server, &load, kill).await;
        }
        load.done.store(true, Ordering::SeqCst);
    };
    let (bought, ()) = tokio::join!(buying, killing);
    let acknowledged: HashMap<String, String> = bought.into_iter().flatten().collect();
    let ids: HashSet<&String> = acknowledged.values().collect();
    assert_eq!(ids.len(), acknowledged.len(), "a key is one purchase");
    assert!(ids.len() >= TIMES * ORDERS_BETWEEN_KILLS);
    // What is left open is finished by its workers; what they hold is theirs for a while.
    eventually("nothing is set aside or open", async || {
        let open = "{ orders(first: 1, filter: {status: {eq: PENDING}}) { totalCount } }";
        let data = staff.data(open, json!({})).await;
        (data["orders"]["totalCount"] == 0).then_some(())
    })
    .await;
    let spent = before - spendable(&customer).await;
    assert_eq!(spent, PRICE_MINOR * i64::try_from(ids.len()).unwrap());
    assert_eq!(server.terminate(), Some(0), "{}", server.log());
    let books = test.settle(&test.app).await;
    books.agree();
    test.ledger_agrees().await;
    let found: HashSet<String> = books.orders.iter().map(|row| row.id.to_string()).collect();
    assert_eq!(found.iter().collect::<HashSet<_>>(), ids);
    assert!(
        books
            .orders
            .iter()
            .all(|row| row.status == OrderStatus::Paid),
        "{:?}",
        books.states()
    );
}

pub(crate) async fn stock_up(staff: &Client, units: i64) {
    let query = "{ product(by: {sku: \"GIFT-CARD\"}) { defaultVariant { id stock { warehouse { id } } } } }";
    let product = staff.data(query, json!({})).await["product"].clone();
    let mutation = "mutation($input: StockAdjustInput!) { stockAdjust(input: $input) { userErrors { code } } }";
    let input = json!({
        "variantId": product["defaultVariant"]["id"],
        "warehouseId": product["defaultVariant"]["stock"][0]["warehouse"]["id"],
        "delta": units,
        "reason": "RECEIVED",
    });
    let data = staff.data(mutation, json!({ "input": input })).await;
    assert_eq!(data["stockAdjust"]["userErrors"], json!([]));
}

/// Every acknowledged order is there once, each order has its event, and no event is without an order.
async fn verify(test: &TestApp, staff: &Client, acknowledged: &HashMap<String, String>) {
    let data = staff
        .data("{ orders(first: 1) { totalCount } }", json!({}))
        .await;
    assert_eq!(
        data["orders"]["totalCount"],
        acknowledged.len(),
        "an order is missing or was made twice"
    );
    let tail = Tail {
        from_beginning: true,
        json: true,
        event_type: Some("order.created".to_owned()),
        ..Tail::default()
    };
    let expected: HashSet<&str> = acknowledged.values().map(String::as_str).collect();
    eventually("every order has its event", async || {
        (created_events(test, &tail).await.len() >= expected.len()).then_some(())
    })
    .await;
    let events = created_events(test, &tail).await;
    let found: HashSet<&str> = events.keys().map(String::as_str).collect();
    assert_eq!(found, expected);
    assert!(
        events.values().all(|ids| ids.len() == 1),
        "an event was repeated under another id"
    );
    let verified = test.events_agree().await;
    assert_eq!(verified.orders, acknowledged.len() as u64);
}

/// The ids of the events of each order; a repeat has the same id.
pub(crate) async fn created_events(
    test: &TestApp,
    tail: &Tail,
) -> HashMap<String, HashSet<String>> {
    let mut out = Vec::new();
    event_tools::tail(&test.app, tail, &mut out).await.unwrap();
    let mut events: HashMap<String, HashSet<String>> = HashMap::new();
    for line in String::from_utf8(out).unwrap().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let order = event["data"]["orderId"].as_str().unwrap().to_owned();
        events
            .entry(order)
            .or_default()
            .insert(event["id"].as_str().unwrap().to_owned());
    }
    events
}
