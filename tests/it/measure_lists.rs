//! How quick lists of orders are on the real half year: a table, for a release build
//! (`cargo test --release --test it measure_lists -- --ignored --nocapture`).

use crate::support::http::Client;
use crate::support::process::log_in;
use crate::support::{TestApp, retail};
use chrono_tz::Tz;
use entity::accounts::Role;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tradepost::import::orders::{Options, run};

/// Requests of one measurement; the median counts.
const REQUESTS: usize = 101;
/// What the first page of a list may take at the median, in a release build.
const FIRST_PAGE_MAX: Duration = Duration::from_millis(10);
/// Orders of a page, so that the half year has more than a thousand pages.
const PAGE: i64 = 8;
/// How much longer a page far down may take.
const FAR_MOST: f64 = 1.5;

const LIST: &str =
    "query($first: Int, $after: String, $filter: OrderFilter, $orderBy: OrderOrder) {
  orders(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    nodes { id number status createdAt customerReference cost { total { amount currencyCode } } }
    pageInfo { hasNextPage endCursor } } }";
const ONE: &str = "query($number: String!) { order(by: {number: $number}) {
  id lines { sku name quantity total { amount } } history { version toStatus createdAt } } }";

/// The median time of an answer, over HTTP.
async fn median(client: &Client, document: &str, variables: &Value) -> Duration {
    let mut times = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let began = Instant::now();
        client.data(document, variables.clone()).await;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    times[REQUESTS / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: the whole half year, best in release"]
async fn lists_of_the_real_half_year_are_quick_and_as_quick_far_down() {
    let Some(invoices) = retail::invoices("lists_of_the_real_half_year") else {
        return;
    };
    let test = TestApp::new().await;
    let (products, _) = retail::catalogue(&invoices, test.dir.path());
    test.import_file(&products, false).await.unwrap();
    let (orders, _, _) = retail::orders(&invoices, test.dir.path());
    let options = Options {
        source: Some("online-retail".to_owned()),
        zone: Tz::Europe__London,
        dry_run: false,
        whole_orders: false,
        rejects: test.rejects(),
    };
    let report = run(&test.app, &orders, &options).await.unwrap();
    println!("{report}");
    let created = test.app.accounts().user_create(
        "chief@example.com",
        "Chief",
        "correct horse battery",
        Role::Staff,
    );
    created.await.unwrap();
    let server = test.serve().await;
    let staff = log_in(
        &server.client(),
        "chief@example.com",
        "correct horse battery",
    )
    .await;
    let product = "{ product(by: {sku: \"85123A\"}) { id } }";
    let product = staff.data(product, json!({})).await["product"]["id"].take();
    let first = staff.data(LIST, json!({ "first": 1 })).await;
    let number = &first["orders"]["nodes"][0]["number"];
    let total = |direction: &str| json!({ "field": "TOTAL", "direction": direction });
    let mut slow = Vec::new();
    println!("{:<44} {:>10}", "first page of 20, median over HTTP", "ms");
    for (name, document, variables) in [
        ("all, newest first", LIST, json!({})),
        (
            "all, greatest first",
            LIST,
            json!({ "orderBy": total("DESC") }),
        ),
        (
            "status",
            LIST,
            json!({ "filter": { "status": { "eq": "FULFILLED" } } }),
        ),
        (
            "customer reference",
            LIST,
            json!({ "filter": { "customerReference": "17850" } }),
        ),
        (
            "external reference",
            LIST,
            json!({ "filter": { "externalReference": "550193" } }),
        ),
        (
            "product",
            LIST,
            json!({ "filter": { "productId": product } }),
        ),
        (
            "a month",
            LIST,
            json!({ "filter": { "createdAt": { "gte": "2011-02-01T00:00:00Z", "lte": "2011-02-28T23:59:59Z" } } }),
        ),
        (
            "total from 1,000",
            LIST,
            json!({ "filter": { "total": { "gte": "1000.00" } } }),
        ),
        (
            "one order with lines and history",
            ONE,
            json!({ "number": number }),
        ),
    ] {
        let time = median(&staff, document, &variables).await;
        println!("{name:<44} {:>10.2}", time.as_secs_f64() * 1_000.0);
        if time > FIRST_PAGE_MAX {
            slow.push(name);
        }
    }
    let page = json!({ "first": PAGE });
    let near = median(&staff, LIST, &page).await;
    let mut after = Value::Null;
    for _ in 1..1_000 {
        let data = staff
            .data(LIST, json!({ "first": PAGE, "after": after }))
            .await;
        after = data["orders"]["pageInfo"]["endCursor"].clone();
    }
    let far = median(&staff, LIST, &json!({ "first": PAGE, "after": after })).await;
    let ratio = far.as_secs_f64() / near.as_secs_f64();
    println!("page 1 of {PAGE}: {near:?}; page 1,000 by cursor: {far:?}; ratio {ratio:.2}");
    assert!(
        ratio <= FAR_MOST,
        "page 1,000 takes {ratio:.2} times page 1"
    );
    // A debug build says nothing about the program's speed.
    assert!(
        cfg!(debug_assertions) || slow.is_empty(),
        "too slow: {slow:?}"
    );
}
