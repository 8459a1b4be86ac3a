//! The cache while Redis is killed, frozen, restarted empty or with old data, and without Redis.

use crate::cache::{start, tea};
use crate::support::redis_server::RedisServer;
use crate::support::wait::eventually;
use crate::support::{Profile, Sold, TestApp, profile};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tradepost::app::App;
use tradepost::domain::catalog::model::{ProductBy, ProductFilter, ProductOrder, VariantChanges};
use tradepost::health::State;
use tradepost::page::PageRequest;

async fn price(app: &App, sold: Sold) -> i64 {
    let by = ProductBy::Id(sold.product);
    let found = app.catalog().product_by(by).await.unwrap();
    found.unwrap().product.price_minor
}

async fn listed_price(app: &App, sold: Sold) -> i64 {
    let (filter, request) = (ProductFilter::default(), PageRequest::first(10));
    let catalog = app.catalog();
    let list = catalog.products_page(&filter, ProductOrder::default(), &request);
    let page = list.await.unwrap_or_else(|error| panic!("{error:?}"));
    let items = page.into_items();
    let mut rows = items.iter().map(|found| &found.product);
    rows.find(|row| row.id == sold.product).unwrap().price_minor
}

async fn set_price(app: &App, sold: Sold, price_minor: i64) {
    let changes = VariantChanges {
        price_minor: Some(price_minor),
        ..VariantChanges::default()
    };
    let catalog = app.catalog();
    catalog
        .variant_update(sold.variant, &changes)
        .await
        .unwrap();
}

async fn on_own_redis() -> Option<(RedisServer, TestApp)> {
    on_own_redis_with(&[]).await
}

async fn on_own_redis_with(
    changes: &[(&'static str, serde_json::Value)],
) -> Option<(RedisServer, TestApp)> {
    if profile() != Profile::Services {
        return None;
    }
    let redis = RedisServer::start().await;
    let own = [("redis.url", json!(redis.url()))];
    let test = TestApp::with(&[&own[..], changes].concat()).await;
    start(&test.app).await;
    Some((redis, test))
}

async fn recovered(app: &App) {
    eventually("the cache uses Redis again", async || {
        (app.cache().state().state == State::Ok).then_some(())
    })
    .await;
}

/// Readers on two replicas who fail at nothing and note the longest they waited.
struct Load {
    stop: Arc<AtomicBool>,
    reads: Arc<AtomicU64>,
    slowest_us: Arc<AtomicU64>,
    /// Answers of the writing replica that were older than what it had answered.
    stale: Arc<AtomicU64>,
    least: Arc<AtomicI64>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn begin(one: &App, two: &App, sold: Sold) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            reads: Arc::default(),
            slowest_us: Arc::default(),
            stale: Arc::default(),
            least: Arc::default(),
            tasks: Vec::new(),
        };
        for n in 0..8 {
            let app = if n % 2 == 0 { one.clone() } else { two.clone() };
            let (stop, reads) = (load.stop.clone(), load.reads.clone());
            let (slowest, stale, least) = (
                load.slowest_us.clone(),
                load.stale.clone(),
                load.least.clone(),
            );
            load.tasks.push(crate::support::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let (least, began) = (least.load(Ordering::SeqCst), Instant::now());
                    let found = if n % 4 < 2 {
                        price(&app, sold).await
                    } else {
                        listed_price(&app, sold).await
                    };
                    let waited = u64::try_from(began.elapsed().as_micros()).unwrap();
                    slowest.fetch_max(waited, Ordering::SeqCst);
                    reads.fetch_add(1, Ordering::SeqCst);
                    if n % 2 == 0 && found < least {
                        stale.fetch_add(1, Ordering::SeqCst);
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }));
        }
        load
    }

    /// Raises the price some times and remembers what was answered.
    async fn write(&self, app: &App, sold: Sold, prices: std::ops::Range<i64>) {
        for price in prices {
            set_price(app, sold, price).await;
            self.least.store(price, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The longest that anybody waited until now; begins to measure anew.
    fn slowest(&self) -> Duration {
        Duration::from_micros(self.slowest_us.swap(0, Ordering::SeqCst))
    }

    /// Ends it; a reader that failed fails the test here.
    async fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        assert!(self.reads.load(Ordering::SeqCst) > 100);
        assert_eq!(self.stale.load(Ordering::SeqCst), 0);
    }
}

/// What follows within the half second after which the other replica may not be older.
async fn both_show(one: &App, two: &App, sold: Sold, expected: i64) {
    for app in [one, two] {
        eventually("the last price is there", async || {
            (price(app, sold).await == expected && listed_price(app, sold).await == expected)
                .then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_frozen_killed_and_restarted_and_no_reader_notices() {
    let Some((mut redis, test)) = on_own_redis().await else {
        return;
    };
    let two = test.replica().await;
    start(&two).await;
    let (one, sold) = (&test.app, tea(&test).await);
    set_price(one, sold, 1_000).await;
    both_show(one, &two, sold, 1_000).await;
    let load = Load::begin(one, &two, sold);
    load.write(one, sold, 1_001..1_010).await;
    // What a machine that is busy with other tests takes while all is well.
    let usual = load.slowest();

    redis.pause();
    load.write(one, sold, 1_010..1_030).await;
    both_show(one, &two, sold, 1_029).await;
    assert_eq!(one.cache().state().state, State::Degraded);
    redis.resume();
    recovered(one).await;
    recovered(&two).await;
    both_show(one, &two, sold, 1_029).await;

    // Back with what it held before the changes that follow.
    redis.save().await;
    load.write(one, sold, 1_030..1_040).await;
    redis.kill();
    load.write(one, sold, 1_040..1_050).await;
    redis.restart().await;
    load.write(one, sold, 1_050..1_060).await;
    recovered(one).await;
    recovered(&two).await;
    both_show(one, &two, sold, 1_059).await;

    // Back with nothing.
    redis.kill();
    redis.lose_data();
    load.write(one, sold, 1_060..1_070).await;
    redis.restart().await;
    recovered(one).await;
    recovered(&two).await;
    both_show(one, &two, sold, 1_069).await;

    let slowest = load.slowest();
    load.end().await;
    println!("the slowest answer took {slowest:?}, while all was well {usual:?}");
    // The limit of a command is 50 ms, and of three in a row nobody asks any more; the rest is loads.
    let most = 4 * usual + Duration::from_secs(1);
    assert!(slowest < most, "{slowest:?}, while all was well {usual:?}");
}

#[tokio::test]
async fn a_restored_copy_of_redis_shows_nothing_old() {
    let Some((mut redis, test)) = on_own_redis().await else {
        return;
    };
    let sold = tea(&test).await;
    set_price(&test.app, sold, 100).await;
    assert_eq!(price(&test.app, sold).await, 100);
    assert_eq!(listed_price(&test.app, sold).await, 100);
    redis.save().await;
    set_price(&test.app, sold, 200).await;
    assert_eq!(listed_price(&test.app, sold).await, 200);
    // The change is told and its row is gone: nothing but the epoch protects what follows.
    eventually("the change is settled", async || {
        let pending = test.app.cache().changes_pending().await.unwrap();
        (pending == 0).then_some(())
    })
    .await;
    redis.kill();
    redis.restart().await;
    recovered(&test.app).await;
    let fresh = test.replica().await;
    start(&fresh).await;
    for app in [&test.app, &fresh] {
        assert_eq!(price(app, sold).await, 200);
        assert_eq!(listed_price(app, sold).await, 200);
    }
}

/// A lease that is longer than a test takes.
const LEASE_MS: u64 = 20_000;

#[tokio::test]
async fn who_holds_a_lease_and_dies_keeps_others_waiting_only_as_long_as_it_lasts() {
    // So long that nobody gives up waiting before the other one's lease ends.
    let patient = [("cache.lease_ms", json!(LEASE_MS))];
    let Some((redis, test)) = on_own_redis_with(&patient).await else {
        return;
    };
    let sold = tea(&test).await;
    let prefix = &test.app.config().redis.prefix;
    let lease = format!("{prefix}:{{product:detail:{}}}:lease", sold.product);
    let _: () = redis::cmd("SET")
        .arg(&lease)
        .arg("somebody who died")
        .arg("PX")
        .arg(600)
        .query_async(&mut redis.connection().await.unwrap())
        .await
        .unwrap();
    let began = Instant::now();
    assert_eq!(price(&test.app, sold).await, 250);
    let waited = began.elapsed();
    let bounds = Duration::from_millis(400)..Duration::from_millis(2 * LEASE_MS);
    assert!(bounds.contains(&waited), "{waited:?}");
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_is_a_miss() {
    let Some((redis, test)) = on_own_redis().await else {
        return;
    };
    let sold = tea(&test).await;
    assert_eq!(price(&test.app, sold).await, 250);
    let mut connection = redis.connection().await.unwrap();
    let prefix = &test.app.config().redis.prefix;
    let key = format!("{prefix}:{{product:detail:{}}}", sold.product);
    let stored = eventually("it is stored", async || {
        let mut get = redis::cmd("GET");
        let stored: Option<Vec<u8>> = get.arg(&key).query_async(&mut connection).await.unwrap();
        stored
    })
    .await;
    // What another version wrote: the same head, another body.
    let mut other = stored[..26].to_vec();
    other.extend_from_slice(b"\x81\xa5other\x01");
    for junk in [other, b"".to_vec(), b"junk".to_vec(), stored[..40].to_vec()] {
        let mut set = redis::cmd("SET");
        let _: () = set
            .arg(&key)
            .arg(junk)
            .query_async(&mut connection)
            .await
            .unwrap();
        let fresh = test.replica().await;
        start(&fresh).await;
        assert_eq!(price(&fresh, sold).await, 250);
    }
}

#[tokio::test]
async fn over_tls_with_a_password_replicas_share_and_a_wrong_authority_is_not_believed() {
    if profile() != Profile::Services {
        return;
    }
    let redis = RedisServer::start_secured().await;
    let test = TestApp::with(&[
        ("redis.url", json!(redis.url())),
        ("redis.ca_file", json!(redis.ca_file())),
    ])
    .await;
    let two = test.replica().await;
    start(&test.app).await;
    start(&two).await;
    let sold = tea(&test).await;
    assert_eq!(price(&test.app, sold).await, 250);
    let before = two.db().statements();
    assert_eq!(price(&two, sold).await, 250);
    assert_eq!(two.db().statements(), before, "it came over TLS");
    set_price(&test.app, sold, 251).await;
    eventually("the other replica was told over TLS", async || {
        (price(&two, sold).await == 251).then_some(())
    })
    .await;

    // Another authority: the shop goes on without Redis.
    let other = RedisServer::start_secured().await;
    let mut config = test.app.config().clone();
    config.redis.ca_file = other.ca_file().to_str().unwrap().to_owned();
    let certificates = redis::TlsCertificates {
        client_tls: None,
        root_cert: Some(std::fs::read(other.ca_file()).unwrap()),
    };
    let client = redis::Client::build_with_tls(redis.url(), certificates).unwrap();
    let refused = client.get_multiplexed_async_connection().await;
    let refused = format!("{:?}", refused.err());
    assert!(
        refused.contains("UnknownIssuer") || refused.contains("BadSignature"),
        "{refused}"
    );
    let doubting = test.replica_with(config).await;
    doubting.push().start(doubting.workers());
    doubting.cache().start();
    assert_eq!(price(&doubting, sold).await, 251);
    assert_eq!(doubting.cache().state().state, State::Degraded);
}

#[tokio::test]
async fn on_mysql_without_redis_only_a_single_replica_remembers() {
    if profile() != Profile::Services {
        return;
    }
    let test = TestApp::with(&[("redis.url", json!(""))]).await;
    let two = test.replica().await;
    let (one, sold) = (&test.app, tea(&test).await);
    let servers = [test.serve().await, test.serve_replica(&two).await];
    let query = "query($id: ID!) { product(by: {id: $id}) { price { amount } } }";
    let id = json!({ "id": sold.product.to_string() });
    for expected in 300..305 {
        set_price(one, sold, expected).await;
        for server in &servers {
            let data = server.client().data(query, id.clone()).await;
            let amount = format!("3.{:02}", expected - 300);
            assert_eq!(data["product"]["price"]["amount"], amount, "whole answers");
        }
        for app in [one, &two] {
            let before = app.db().statements();
            assert_eq!(price(app, sold).await, expected);
            assert_eq!(listed_price(app, sold).await, expected);
            assert!(app.db().statements() > before, "nothing is remembered");
        }
    }
    assert_eq!(one.cache().state().state, State::Off);

    let alone = [
        ("redis.url", json!("")),
        ("cache.single_replica", json!(true)),
    ];
    let test = TestApp::with(&alone).await;
    let sold = tea(&test).await;
    assert_eq!(price(&test.app, sold).await, 250);
    let before = test.app.db().statements();
    assert_eq!(price(&test.app, sold).await, 250);
    assert_eq!(test.app.db().statements(), before);
    set_price(&test.app, sold, 251).await;
    assert_eq!(price(&test.app, sold).await, 251);
}

#[tokio::test]
async fn a_change_by_a_process_that_died_is_told_by_another() {
    let test = TestApp::new().await;
    if profile() == Profile::Services {
        start(&test.app).await;
    }
    let sold = tea(&test).await;
    assert_eq!(price(&test.app, sold).await, 250);
    // It knows of no other process, and nobody hears it: only its row says what it did.
    let mut config = test.app.config().clone();
    config.redis.prefix = format!("{}-elsewhere", config.redis.prefix);
    let dead = test.replica_with(config).await;
    set_price(&dead, sold, 999).await;
    if profile() == Profile::Embedded {
        assert_eq!(price(&test.app, sold).await, 250);
        test.app.cache().sweep().await.unwrap();
        assert_eq!(test.app.cache().changes_pending().await.unwrap(), 0);
    }
    eventually("it was told", async || {
        (price(&test.app, sold).await == 999).then_some(())
    })
    .await;
}
