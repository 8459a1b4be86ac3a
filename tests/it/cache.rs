//! The cache: one load a stampede, nothing older than what was answered, lists under all their arguments.

use crate::support::redis_server::RedisServer;
use crate::support::wait::eventually;
use crate::support::{Profile, Sold, TestApp, mysql_value, profile};
use entity::catalog::{Availability, ProductStatus};
use entity::ids::ProductId;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tradepost::app::App;
use tradepost::cache::{Faults, Step};
use tradepost::domain::catalog::model::{ProductBy, ProductChanges, VariantChanges};
use tradepost::error::Fault;
use tradepost::health::State;

/// Connects a replica to the others and waits until it keeps what it reads.
pub(crate) async fn start(app: &App) {
    app.push().start(app.workers());
    app.cache().start();
    eventually("the cache is in use", async || {
        (app.cache().state().state == State::Ok).then_some(())
    })
    .await;
}

/// A product for sale.
pub(crate) async fn tea(test: &TestApp) -> Sold {
    let warehouse = test.warehouse("MAIN", 0).await;
    test.product("TEA-1", 250, warehouse, 100).await
}

async fn name_of(app: &App, id: ProductId) -> Option<String> {
    let found = app.catalog().product_by(ProductBy::Id(id)).await.unwrap();
    found.map(|product| product.name)
}

fn renamed(name: &str) -> ProductChanges {
    ProductChanges {
        name: Some(name.to_owned()),
        ..ProductChanges::default()
    }
}

/// How many rows of the table of products were read so far, as the database counts.
async fn products_read(test: &TestApp) -> u64 {
    let sql = "SELECT CAST(COALESCE(SUM(ROWS_READ), 0) AS SIGNED) FROM information_schema.TABLE_STATISTICS \
               WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'products'";
    u64::try_from(mysql_value(&test.database_url(), sql).await).unwrap()
}

async fn count_rows(test: &TestApp) {
    crate::support::mysql(&test.database_url(), "SET GLOBAL userstat = 1").await;
}

const DETAIL: &str = "query($id: ID!) { product(by: {id: $id}) { name price { amount } variants { sku } images { url } } }";

/// Asks both replicas for one product, many times at once.
async fn stampede(test: &TestApp, replicas: [&App; 2], id: ProductId, requests: usize) {
    let servers = [
        test.serve_replica(replicas[0]).await,
        test.serve_replica(replicas[1]).await,
    ];
    let clients = [servers[0].client(), servers[1].client()];
    let asking = (0..requests).map(|n| {
        let client = clients[n % 2].clone();
        async move { client.data(DETAIL, json!({ "id": id.to_string() })).await }
    });
    let answers = futures::future::join_all(asking).await;
    for answer in answers {
        assert_eq!(answer["product"]["variants"][0]["sku"], "TEA-1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_who_want_one_cold_product_on_two_replicas_load_it_once() {
    if profile() != Profile::Services {
        return;
    }
    // A thousand requests at once keep a test's build busy for seconds; Redis is not what is slow here.
    let patient = [("redis.response_timeout_ms", json!(10_000))];
    let test = TestApp::with(&patient).await;
    let (one, two) = (&test.app, test.replica().await);
    start(one).await;
    start(&two).await;
    let sold = tea(&test).await;
    count_rows(&test).await;
    let before = products_read(&test).await;
    stampede(&test, [one, &two], sold.product, 1_000).await;
    assert_eq!(products_read(&test).await - before, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_redis_down_each_replica_loads_a_cold_product_once() {
    if profile() != Profile::Services {
        return;
    }
    // Slow enough that all have asked before the first is answered.
    let slow = || {
        Faults::default().at_steps(|step| {
            Box::pin(async move {
                if step == Step::BeforeLoad {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            })
        })
    };
    let mut redis = RedisServer::start().await;
    let test = TestApp::with_faults(&[("redis.url", json!(redis.url()))], slow()).await;
    let two = test.replica_with_faults(slow()).await;
    start(&test.app).await;
    start(&two).await;
    let sold = tea(&test).await;
    redis.kill();
    count_rows(&test).await;
    let before = products_read(&test).await;
    let asking = (0..1_000).map(|n| {
        let app = if n % 2 == 0 { &test.app } else { &two };
        name_of(app, sold.product)
    });
    for name in futures::future::join_all(asking).await {
        assert_eq!(name.unwrap(), "Product TEA-1");
    }
    let loads = products_read(&test).await - before;
    assert!((1..=2).contains(&loads), "{loads} loads");
}

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

/// What readers saw while a writer counted a product's price up.
struct Seen {
    written: i64,
    /// Answers that were older than what the same replica had answered to the writer.
    stale_here: u64,
    reads: u64,
    lags: Vec<Duration>,
    /// Whether the other replica kept an older value for seconds.
    lost: bool,
}

/// Writes on the first replica as fast as it can, names and prices alternately in one number, and reads on both.
async fn race(test: &TestApp, two: &App, sold: Sold, duration: Duration) -> Seen {
    let answered = Arc::new(AtomicI64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let (stale, reads) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let readers: Vec<_> = (0..16)
        .map(|_| {
            let (app, answered) = (test.app.clone(), answered.clone());
            let (stop, stale, reads) = (stop.clone(), stale.clone(), reads.clone());
            crate::support::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let least = answered.load(Ordering::SeqCst);
                    let by = ProductBy::Id(sold.product);
                    let found = app.catalog().product_detail(&by).await.unwrap().unwrap();
                    let price = found.variants[0].price_minor;
                    if found.product.price_minor < least || price < least {
                        stale.fetch_add(1, Ordering::SeqCst);
                    }
                    reads.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let others: Vec<_> = (0..8)
        .map(|_| {
            let (app, stop) = (two.clone(), stop.clone());
            crate::support::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let by = ProductBy::Id(sold.product);
                    app.catalog().product_detail(&by).await.unwrap();
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let began = Instant::now();
    let (mut price, mut lags, mut lost) = (1_000, Vec::new(), false);
    while began.elapsed() < duration && !lost {
        price += 1;
        let changes = VariantChanges {
            price_minor: Some(price),
            ..VariantChanges::default()
        };
        let catalog = test.app.catalog();
        catalog
            .variant_update(sold.variant, &changes)
            .await
            .unwrap();
        answered.store(price, Ordering::SeqCst);
        if price % 20 == 0 {
            match lag(two, sold.product, price).await {
                Some(lag) => lags.push(lag),
                None => lost = true,
            }
        }
    }
    stop.store(true, Ordering::SeqCst);
    futures::future::join_all(readers.into_iter().chain(others)).await;
    // When all is quiet, both show the last word.
    for app in [&test.app, two].into_iter().filter(|_| !lost) {
        eventually("the last price is everywhere", async || {
            let by = ProductBy::Id(sold.product);
            let found = app.catalog().product_by(by).await.unwrap().unwrap();
            (found.price_minor == price).then_some(())
        })
        .await;
    }
    Seen {
        written: price - 1_000,
        stale_here: stale.load(Ordering::SeqCst),
        reads: reads.load(Ordering::SeqCst),
        lags,
        lost,
    }
}

/// How long after the writer was answered the other replica shows what was written; `None`: not within seconds.
async fn lag(two: &App, id: ProductId, price: i64) -> Option<Duration> {
    let began = Instant::now();
    loop {
        let began_read = began.elapsed();
        let found = two.catalog().product_by(ProductBy::Id(id)).await.unwrap();
        if found.unwrap().price_minor >= price {
            // A read that began then found it, however long it took.
            return Some(began_read);
        }
        if began.elapsed() > Duration::from_secs(5) {
            return None;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_reader_sees_less_than_the_writer_was_answered() {
    if profile() != Profile::Services {
        return;
    }
    let test = TestApp::with_faults(&[], pauses()).await;
    let two = test.replica_with_faults(pauses()).await;
    start(&test.app).await;
    start(&two).await;
    let sold = tea(&test).await;
    let mut seen = race(&test, &two, sold, Duration::from_secs(4)).await;
    seen.lags.sort_unstable();
    let median = seen.lags.get(seen.lags.len() / 2).copied();
    println!(
        "{} writes, {} reads, lag of the other replica: median {median:?}, greatest {:?}",
        seen.written,
        seen.reads,
        seen.lags.last()
    );
    assert!(seen.written > 20 && seen.reads > 100);
    assert_eq!((seen.stale_here, seen.lost), (0, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_refusal_of_stale_values_the_race_is_lost() {
    if profile() != Profile::Services {
        return;
    }
    let faults = || pauses().without_refusal();
    let test = TestApp::with_faults(&[], faults()).await;
    let two = test.replica_with_faults(faults()).await;
    start(&test.app).await;
    start(&two).await;
    let sold = tea(&test).await;
    let stale = tokio::time::timeout(
        Duration::from_secs(30),
        race(&test, &two, sold, Duration::from_secs(4)),
    );
    // Old values may stay for ever, so that the race does not even end.
    let lost = stale
        .await
        .map_or(true, |seen| seen.lost || seen.stale_here > 0);
    assert!(lost, "the refusal is not what makes the race safe");
}

#[tokio::test]
async fn a_change_is_seen_at_once_and_a_renamed_product_is_found_by_its_new_name_only() {
    let test = TestApp::new().await;
    let sold = tea(&test).await;
    let catalog = test.app.catalog();
    let by_slug = |slug: &str| ProductBy::Slug(slug.to_owned());
    for _ in 0..2 {
        assert_eq!(
            name_of(&test.app, sold.product).await.unwrap(),
            "Product TEA-1"
        );
        assert!(
            catalog
                .product_by(by_slug("tea-1"))
                .await
                .unwrap()
                .is_some()
        );
        assert!(
            catalog
                .product_by(by_slug("tea-2"))
                .await
                .unwrap()
                .is_none()
        );
    }
    let changes = ProductChanges {
        slug: Some("tea-2".to_owned()),
        ..renamed("Better tea")
    };
    catalog
        .product_update(sold.product, &changes)
        .await
        .unwrap();
    assert_eq!(
        name_of(&test.app, sold.product).await.unwrap(),
        "Better tea"
    );
    assert!(
        catalog
            .product_by(by_slug("tea-1"))
            .await
            .unwrap()
            .is_none()
    );
    let found = catalog.product_by(by_slug("tea-2")).await.unwrap().unwrap();
    assert_eq!(found.id, sold.product);
    catalog.product_delete(sold.product).await.unwrap();
    assert_eq!(name_of(&test.app, sold.product).await, None);
    assert!(
        catalog
            .product_by(by_slug("tea-2"))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn what_is_remembered_costs_no_statement_and_ends_with_its_time() {
    let test = TestApp::new().await;
    if profile() == Profile::Services {
        start(&test.app).await;
    }
    let sold = tea(&test).await;
    let statements = async || {
        let before = test.app.db().statements();
        name_of(&test.app, sold.product).await.unwrap();
        test.app.db().statements() - before
    };
    assert!(statements().await > 0);
    if profile() == Profile::Embedded {
        assert_eq!(statements().await, 0);
        test.app.clock().advance(chrono::TimeDelta::seconds(601));
        assert!(statements().await > 0);
    }
}

#[tokio::test]
async fn a_hot_entry_is_renewed_without_anybody_waiting() {
    if profile() != Profile::Embedded {
        return;
    }
    let loads = Arc::new(AtomicU64::new(0));
    let counted = loads.clone();
    let faults = Faults::default().at_steps(move |step| {
        let counted = counted.clone();
        Box::pin(async move {
            if step == Step::BeforeLoad && counted.fetch_add(1, Ordering::SeqCst) > 0 {
                // Who waits for this waits for ever.
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        })
    });
    let test = TestApp::with_faults(&[], faults).await;
    let sold = tea(&test).await;
    name_of(&test.app, sold.product).await.unwrap();
    // It lives for 540 to 600 seconds and is renewed from eight tenths of that on.
    test.app.clock().advance(chrono::TimeDelta::seconds(539));
    for _ in 0..50 {
        let began = Instant::now();
        name_of(&test.app, sold.product).await.unwrap();
        assert!(began.elapsed() < Duration::from_millis(200));
    }
    eventually("it was renewed", async || {
        (loads.load(Ordering::SeqCst) == 2).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    test.app.clock().advance(chrono::TimeDelta::seconds(400));
    name_of(&test.app, sold.product).await.unwrap();
    assert_eq!(loads.load(Ordering::SeqCst), 2, "what came is what is kept");
}

#[tokio::test]
async fn lists_show_every_change_at_once() {
    let test = TestApp::new().await;
    let guest = test.guest();
    let sold = tea(&test).await;
    let names = async |filter: serde_json::Value| {
        let query = "query($filter: ProductFilter) { products(filter: $filter) { nodes { name availability } totalCount } }";
        let data = guest.data(query, json!({ "filter": filter })).await;
        data["products"].clone()
    };
    let one = |name: &str, availability: &str| json!({ "nodes": [{ "name": name, "availability": availability }], "totalCount": 1 });
    let none = json!({ "nodes": [], "totalCount": 0 });
    let all = json!({});
    assert_eq!(names(all.clone()).await, one("Product TEA-1", "IN_STOCK"));
    let catalog = test.app.catalog();
    catalog
        .product_update(sold.product, &renamed("Tea"))
        .await
        .unwrap();
    assert_eq!(names(all.clone()).await, one("Tea", "IN_STOCK"));
    let archived = ProductChanges {
        status: Some(ProductStatus::Archived),
        ..ProductChanges::default()
    };
    catalog
        .product_update(sold.product, &archived)
        .await
        .unwrap();
    assert_eq!(names(all.clone()).await, none);
    let active = ProductChanges {
        status: Some(ProductStatus::Active),
        ..ProductChanges::default()
    };
    catalog.product_update(sold.product, &active).await.unwrap();
    assert_eq!(names(all.clone()).await, one("Tea", "IN_STOCK"));
    let sold_out = json!({ "availability": { "in": ["OUT_OF_STOCK"] } });
    assert_eq!(names(sold_out.clone()).await, none);
    test.app
        .db()
        .write("test.sell_out", async |tx| {
            let change = [(sold.variant, Availability::OutOfStock)];
            test.app.catalog().availability_set_in(&tx, &change).await?;
            Ok::<_, Fault>(())
        })
        .await
        .unwrap();
    assert_eq!(names(sold_out).await, one("Tea", "OUT_OF_STOCK"));
    let cheap = json!({ "price": { "lte": "2.00" } });
    assert_eq!(names(cheap.clone()).await, none);
    let price = VariantChanges {
        price_minor: Some(199),
        ..VariantChanges::default()
    };
    catalog.variant_update(sold.variant, &price).await.unwrap();
    assert_eq!(names(cheap).await, one("Tea", "OUT_OF_STOCK"));
    let staff = test.viewer(entity::accounts::Role::Staff);
    let create = "mutation { productCreate(input: {name: \"Second\", status: ACTIVE, variants: [{sku: \"S\", price: \"1\"}]}) { product { id } userErrors { code } } }";
    staff.done(create, json!({})).await;
    assert_eq!(names(all).await["totalCount"], 2);
}
