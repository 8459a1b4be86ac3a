//! Nothing older than what was answered: a writer against readers on both replicas, over HTTP, so that whole answers,
//! entries and lists are all in the race.

use crate::cache::{start, tea};
use crate::support::http::Client;
use crate::support::process::log_in;
use crate::support::wait::eventually;
use crate::support::{Profile, Sold, TestApp, profile};
use entity::accounts::Role;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::broadcast::Receiver;
use tradepost::app::App;
use tradepost::cache::push::Message;
use tradepost::cache::{Faults, Step, Tag};

/// How long the writer writes, and how often at least: a machine that is busy with other tests writes slowly.
const RACE: Duration = Duration::from_secs(4);
const WRITES_LEAST: i64 = 20;
/// After so many writes the writer waits until the other replica was told.
const TOLD_EVERY: i64 = 5;
/// Longer than this no value stays old, whatever was lost: else the race is lost.
const OLD_MAX: Duration = Duration::from_secs(30);
/// Changes of what nobody reads: once so many more were handled, what was sent before them was too.
const MARKERS: u64 = 4;

/// The same answer for everybody, kept whole; one that is private, made of entries; and a list.
const QUERIES: [&str; 3] = [
    "query($id: ID!) { product(by: {id: $id}) { name price { amount } } }",
    "query($id: ID!) { me { id } product(by: {id: $id}) { name price { amount } } }",
    "query { products(first: 5) { nodes { name price { amount } } } }",
];
const WRITE: &str = "mutation($id: ID!, $name: String!, $price: Decimal!) {
    productUpdate(id: $id, input: {name: $name, price: $price}) { product { version } userErrors { code path } } }";

/// Pauses loads before and after the database is asked, each at random.
fn pauses() -> Faults {
    Faults::default().at_steps(|step| {
        Box::pin(async move {
            if step != Step::BeforeForget {
                tokio::time::sleep(Duration::from_micros(tradepost::random::between(0, 5_000)))
                    .await;
            }
        })
    })
}

/// What all of the race know.
#[derive(Default)]
struct Board {
    stop: AtomicBool,
    /// What the writer was answered.
    answered: AtomicI64,
    /// What the other replica was told.
    told: AtomicI64,
    /// Answers of the writing replica that were older than what it had answered.
    stale_here: AtomicU64,
    /// Answers of the other replica that were older than what it had been told.
    stale_there: AtomicU64,
    /// Answers whose name and price were not written together.
    torn: AtomicU64,
    reads: AtomicU64,
}

/// What came of the race.
#[derive(Debug)]
struct Seen {
    written: i64,
    stale: (u64, u64),
    torn: u64,
    reads: u64,
    /// From the answer to the mutation until the other replica had heard of it.
    lags: Vec<Duration>,
    /// Whether something old stayed for seconds.
    lost: bool,
}

impl Seen {
    fn is_clean(&self) -> bool {
        self.stale == (0, 0) && self.torn == 0 && !self.lost
    }
}

/// The number in the name and the one in the price of the only product, in pence.
async fn shown(client: &Client, query: &str, sold: Sold) -> (i64, i64) {
    let variables = match query.contains("$id") {
        true => json!({ "id": sold.product.to_string() }),
        false => json!({}),
    };
    let mut data = client.data(query, variables).await;
    let product = match data.get_mut("product") {
        Some(product) => product.take(),
        None => data["products"]["nodes"][0].take(),
    };
    let name = product["name"].as_str().unwrap();
    let price = product["price"]["amount"].as_str().unwrap();
    (
        name.strip_prefix("Tea ").unwrap().parse().unwrap(),
        price.replace('.', "").parse().unwrap(),
    )
}

async fn write(staff: &Client, sold: Sold, number: i64) {
    let variables = json!({
        "id": sold.product.to_string(),
        "name": format!("Tea {number}"),
        "price": format!("{}.{:02}", number / 100, number % 100),
    });
    let answer = staff.data(WRITE, variables).await;
    assert_eq!(answer["productUpdate"]["userErrors"], json!([]));
}

/// Reads until the race is over; `least` is what no answer may be older than, and `stale` counts those that are.
fn read(
    client: Client,
    query: &'static str,
    sold: Sold,
    board: Arc<Board>,
    is_there: bool,
) -> tokio::task::JoinHandle<()> {
    crate::support::spawn(async move {
        let (least, stale) = match is_there {
            true => (&board.told, &board.stale_there),
            false => (&board.answered, &board.stale_here),
        };
        while !board.stop.load(Ordering::SeqCst) {
            let least = least.load(Ordering::SeqCst);
            let (name, price) = shown(&client, query, sold).await;
            if name.min(price) < least {
                stale.fetch_add(1, Ordering::SeqCst);
            }
            if name != price {
                board.torn.fetch_add(1, Ordering::SeqCst);
            }
            board.reads.fetch_add(1, Ordering::SeqCst);
        }
    })
}

/// Waits until a replica has heard of a change of the product that was made at `since` or later, or that it may have
/// missed something, which makes it forget everything.
async fn heard(messages: &mut Receiver<Message>, sold: Sold, since: i64) {
    loop {
        match messages.recv().await {
            Ok(Message::Lost) | Err(_) => return,
            Ok(Message::CacheChanged { tags, at_us })
                if at_us >= since && tags.contains(&Tag::Product(sold.product)) =>
            {
                return;
            }
            Ok(_) => {}
        }
    }
}

/// Waits until a replica has handled every message that it had heard. Messages are handled in their order.
async fn handled(two: &App) {
    let before = two.cache().moment();
    for _ in 0..MARKERS {
        let tags = vec![Tag::Category(two.clock().id())];
        let at_us = two.clock().now().timestamp_micros();
        two.push().send(Message::CacheChanged { tags, at_us });
    }
    eventually("the messages are handled", async || {
        (two.cache().moment() >= before + MARKERS).then_some(())
    })
    .await;
}

/// The replicas of a race, their clients, and who writes.
struct Race<'a> {
    test: &'a TestApp,
    two: Option<App>,
    sold: Sold,
    staff: Client,
    here: Vec<Client>,
    there: Vec<Client>,
}

impl Race<'_> {
    /// Writes as fast as it is answered, and waits now and then until the other replica was told.
    async fn write(&self, board: &Board) -> (i64, Vec<Duration>, bool) {
        let began = Instant::now();
        let (mut number, mut lags) = (1_000, Vec::new());
        while began.elapsed() < RACE || number < 1_000 + WRITES_LEAST {
            number += 1;
            let messages = self.two.as_ref().map(|two| two.push().subscribe());
            let since = self.test.app.clock().now().timestamp_micros();
            write(&self.staff, self.sold, number).await;
            board.answered.store(number, Ordering::SeqCst);
            let (Some(two), Some(mut messages)) = (&self.two, messages) else {
                continue;
            };
            if number % TOLD_EVERY != 0 {
                continue;
            }
            let answered = Instant::now();
            let told = heard(&mut messages, self.sold, since);
            if tokio::time::timeout(OLD_MAX, told).await.is_err() {
                return (number, lags, true);
            }
            lags.push(answered.elapsed());
            handled(two).await;
            board.told.store(number, Ordering::SeqCst);
        }
        (number, lags, false)
    }

    /// When all is quiet, both replicas show the last word.
    async fn shows_at_last(&self, number: i64) -> bool {
        for client in self.here.first().into_iter().chain(self.there.first()) {
            for query in QUERIES {
                let began = Instant::now();
                while shown(client, query, self.sold).await != (number, number) {
                    if began.elapsed() > OLD_MAX {
                        return false;
                    }
                }
            }
        }
        true
    }

    async fn run(&self) -> Seen {
        write(&self.staff, self.sold, 1_000).await;
        let board = Arc::new(Board::default());
        let mut readers = Vec::new();
        for (clients, is_there) in [(&self.here, false), (&self.there, true)] {
            for (place, client) in clients.iter().enumerate() {
                let query = QUERIES[place % QUERIES.len()];
                let client = client.clone();
                readers.push(read(client, query, self.sold, board.clone(), is_there));
            }
        }
        let (number, lags, lost) = self.write(&board).await;
        board.stop.store(true, Ordering::SeqCst);
        for reader in readers {
            reader.await.unwrap();
        }
        let count = |of: &AtomicU64| of.load(Ordering::SeqCst);
        let mut seen = Seen {
            written: number - 1_000,
            stale: (count(&board.stale_here), count(&board.stale_there)),
            torn: count(&board.torn),
            reads: count(&board.reads),
            lags,
            lost,
        };
        seen.lost |= seen.is_clean() && !self.shows_at_last(number).await;
        seen
    }
}

/// Two replicas with Redis between them, or the only one of the embedded form; readers are guests and a customer.
async fn race(faults: fn() -> Faults) -> Seen {
    let test = TestApp::with_faults(&[], faults()).await;
    let sold = tea(&test).await;
    let two = match profile() {
        Profile::Services => Some(test.replica_with_faults(faults()).await),
        Profile::Embedded => None,
    };
    for (email, role) in [
        ("staff@example.org", Role::Staff),
        ("customer@example.org", Role::Customer),
    ] {
        let accounts = test.app.accounts();
        let made = accounts.user_create(email, email, "correct horse", role);
        made.await.unwrap();
    }
    let mut servers = vec![test.serve().await];
    if let Some(two) = &two {
        start(&test.app).await;
        start(two).await;
        servers.push(test.serve_replica(two).await);
    }
    let staff = log_in(&servers[0].client(), "staff@example.org", "correct horse").await;
    let mut clients = Vec::new();
    for (place, server) in servers.iter().enumerate() {
        let guest = server.client();
        let customer = log_in(&guest, "customer@example.org", "correct horse").await;
        let count = if place == 0 { 15 } else { 9 };
        clients.push(
            (0..count)
                .map(|n| match n % 2 {
                    0 => guest.clone(),
                    _ => customer.clone(),
                })
                .collect::<Vec<_>>(),
        );
    }
    let mut clients = clients.into_iter();
    let race = Race {
        test: &test,
        two,
        sold,
        staff,
        here: clients.next().unwrap_or_default(),
        there: clients.next().unwrap_or_default(),
    };
    race.run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_reader_sees_less_than_the_writer_was_answered() {
    let mut seen = Box::pin(race(pauses)).await;
    seen.lags.sort_unstable();
    println!(
        "{} writes, {} reads; the other replica has heard after {:?} (median), {:?} (longest)",
        seen.written,
        seen.reads,
        seen.lags.get(seen.lags.len() / 2),
        seen.lags.last()
    );
    assert!(seen.reads > 100, "{seen:?}");
    assert!(seen.is_clean(), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_refusal_of_stale_values_the_race_is_lost() {
    let seen = Box::pin(race(|| pauses().without_refusal())).await;
    assert!(
        !seen.is_clean(),
        "the refusal is not what makes the race safe: {seen:?}"
    );
}
