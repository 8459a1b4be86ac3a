//! The cache: one load a stampede, every change seen at once, entries in use that do not end.

use crate::support::redis_server::RedisServer;
use crate::support::wait::eventually;
use crate::support::{Profile, Sold, TestApp, mysql_value, profile};
use entity::catalog::{Availability, ProductStatus};
use entity::ids::ProductId;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tradepost::app::App;
use tradepost::cache::{Faults, Generation, Key, Step, Tag};
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

/// With replicas it remembers only once it hears of what others change.
pub(crate) async fn remembering(test: &TestApp) {
    if profile() == Profile::Services {
        start(&test.app).await;
    }
}

/// A product for sale.
pub(crate) async fn tea(test: &TestApp) -> Sold {
    let warehouse = test.warehouse("MAIN", 0).await;
    test.product("TEA-1", 250, warehouse, 100).await
}

async fn name_of(app: &App, id: ProductId) -> Option<String> {
    let found = app.catalog().product_by(ProductBy::Id(id)).await.unwrap();
    found.map(|found| found.product.name.clone())
}

fn renamed(name: &str) -> ProductChanges {
    ProductChanges {
        name: Some(name.to_owned()),
        ..ProductChanges::default()
    }
}

/// Whether the database is MariaDB, which counts in another place than MySQL.
async fn is_mariadb(test: &TestApp) -> bool {
    let sql = "SELECT CAST(VERSION() LIKE '%MariaDB%' AS SIGNED)";
    mysql_value(&test.database_url(), sql).await == 1
}

/// How many rows of the table of products were read so far, as the database counts.
async fn products_read(test: &TestApp) -> u64 {
    let sql = if is_mariadb(test).await {
        "SELECT CAST(COALESCE(SUM(ROWS_READ), 0) AS SIGNED) FROM information_schema.TABLE_STATISTICS \
         WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'products'"
    } else {
        "SELECT CAST(COALESCE(SUM(COUNT_READ), 0) AS SIGNED) FROM performance_schema.table_io_waits_summary_by_table \
         WHERE OBJECT_SCHEMA = DATABASE() AND OBJECT_NAME = 'products'"
    };
    u64::try_from(mysql_value(&test.database_url(), sql).await).unwrap()
}

async fn count_rows(test: &TestApp) {
    // MySQL counts always.
    if is_mariadb(test).await {
        crate::support::mysql(&test.database_url(), "SET GLOBAL userstat = 1").await;
    }
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

#[tokio::test]
async fn a_change_is_seen_at_once_and_a_renamed_product_is_found_by_its_new_name_only() {
    let test = TestApp::new().await;
    remembering(&test).await;
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
    assert_eq!(found.product.id, sold.product);
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
    remembering(&test).await;
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
async fn a_load_that_fails_is_told_to_all_who_wait_and_is_not_kept() {
    let test = TestApp::new().await;
    remembering(&test).await;
    let cache = test.app.cache();
    let generation = Generation(test.app.clock().id());
    let key = Key::list(Tag::Products, generation, &"test");
    let id: ProductId = test.app.clock().id();
    let loads = Arc::new(AtomicU64::new(0));
    let go = Arc::new(Semaphore::new(0));
    let ask = |fails: bool| {
        let (loads, go) = (loads.clone(), go.clone());
        let load = move || {
            let (loads, go) = (loads.clone(), go.clone());
            async move {
                loads.fetch_add(1, Ordering::SeqCst);
                drop(go.acquire().await.unwrap());
                match fails {
                    true => Err(Fault::Broken("the test lets it fail".to_owned())),
                    false => Ok(Some(id)),
                }
            }
        };
        cache.get::<ProductId, _, _>(key, || load)
    };
    let release = async {
        eventually("it is being loaded", async || {
            (loads.load(Ordering::SeqCst) > 0).then_some(())
        })
        .await;
        go.add_permits(1);
    };
    let asking = futures::future::join_all((0..20).map(|_| ask(true)));
    let (found, ()) = tokio::join!(asking, release);
    assert!(found.iter().all(Result::is_err), "{found:?}");
    assert_eq!(loads.load(Ordering::SeqCst), 1, "they shared one load");
    let found = ask(false).await.unwrap();
    assert_eq!(found.as_deref(), Some(&id));
    assert_eq!(loads.load(Ordering::SeqCst), 2, "the failure was not kept");
}

#[tokio::test]
async fn a_hot_entry_is_renewed_without_anybody_waiting() {
    if profile() != Profile::Embedded {
        return;
    }
    let (loads, go) = (Arc::new(AtomicU64::new(0)), Arc::new(Semaphore::new(1)));
    let (counted, gate) = (loads.clone(), go.clone());
    let faults = Faults::default().at_steps(move |step| {
        let (counted, gate) = (counted.clone(), gate.clone());
        Box::pin(async move {
            if step == Step::BeforeLoad {
                counted.fetch_add(1, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
            }
        })
    });
    let test = TestApp::with_faults(&[], faults).await;
    let sold = tea(&test).await;
    name_of(&test.app, sold.product).await.unwrap();
    // It lives for 540 to 600 seconds and is renewed from eight tenths of that on.
    test.app.clock().advance(chrono::TimeDelta::seconds(539));
    for _ in 0..50 {
        // The load of the renewal stands still: who waited for it would wait for ever.
        name_of(&test.app, sold.product).await.unwrap();
    }
    eventually("one renews it", async || {
        (loads.load(Ordering::SeqCst) == 2).then_some(())
    })
    .await;
    go.add_permits(1);
    eventually("the renewal has ended", async || {
        (test.app.cache().sizes().loads_under_way == 0).then_some(())
    })
    .await;
    test.app.clock().advance(chrono::TimeDelta::seconds(400));
    name_of(&test.app, sold.product).await.unwrap();
    assert_eq!(loads.load(Ordering::SeqCst), 2, "what came is what is kept");
}

#[tokio::test]
async fn lists_show_every_change_at_once() {
    let test = TestApp::new().await;
    remembering(&test).await;
    // Over HTTP, where whole answers are kept too. Each list is asked for twice: the second answer is the first.
    let server = test.serve().await;
    let guest = server.client();
    let sold = tea(&test).await;
    let names = async |filter: serde_json::Value| {
        let query = "query($filter: ProductFilter) { products(filter: $filter) { nodes { name availability } totalCount } }";
        let ask = || guest.data(query, json!({ "filter": filter }));
        let first = ask().await;
        let before = test.app.db().statements();
        let again = ask().await;
        // The sweep of told changes may ask the database meanwhile.
        if profile() == Profile::Embedded {
            assert_eq!(test.app.db().statements(), before, "{filter} is remembered");
        }
        assert_eq!(first, again);
        first["products"].clone()
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
