//! Whole answers that are kept: without a statement, for everybody, never for one, and true.

use crate::cache::{remembering, tea};
use crate::support::TestApp;
use crate::support::http::{Client, Running, answer};
use crate::support::process::{Process, log_in};
use crate::support::wait::eventually;
use entity::accounts::Role;
use entity::catalog::ProductStatus;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use tradepost::domain::catalog::model::{ProductChanges, VariantChanges};
use tradepost::domain::catalog::service::VariantReference;
use tradepost::domain::orders::service::{Details, NewLine, NewOrder};

const DETAIL: &str = "query Detail($id: ID!) { product(by: {id: $id}) { name status price { amount } variants { sku } } }";
const NAMES: &str = "{ products { nodes { name price { amount } availability } } }";

/// How many statements a request costs.
async fn statements(
    test: &TestApp,
    client: &Client,
    query: &str,
    variables: Value,
) -> (u64, Value) {
    let before = test.app.db().statements();
    let data = client.data(query, variables).await;
    (test.app.db().statements() - before, data)
}

/// A server whose staff member, customer and guest are at hand.
struct Shop {
    test: TestApp,
    #[expect(dead_code, reason = "held for its Drop")]
    running: Running,
    staff: Client,
    customer: Client,
    guest: Client,
}

async fn shop() -> Shop {
    let test = TestApp::new().await;
    remembering(&test).await;
    let running = test.serve().await;
    let guest = running.client();
    for (email, role) in [
        ("staff@example.org", Role::Staff),
        ("customer@example.org", Role::Customer),
    ] {
        let accounts = test.app.accounts();
        accounts
            .user_create(email, email, "correct horse", role)
            .await
            .unwrap();
    }
    let staff = log_in(&guest, "staff@example.org", "correct horse").await;
    let customer = log_in(&guest, "customer@example.org", "correct horse").await;
    Shop {
        test,
        running,
        staff,
        customer,
        guest,
    }
}

#[tokio::test]
async fn a_public_answer_is_made_once_for_guests_and_users_and_anew_after_a_change() {
    let shop = shop().await;
    let sold = tea(&shop.test).await;
    let id = json!({ "id": sold.product.to_string() });
    let (cost, first) = statements(&shop.test, &shop.guest, DETAIL, id.clone()).await;
    assert!(cost > 0);
    for client in [&shop.guest, &shop.customer, &shop.staff] {
        // The first with a token reads the session.
        client.data("{ me { id } }", json!({})).await;
        let (cost, data) = statements(&shop.test, client, DETAIL, id.clone()).await;
        assert_eq!((cost, &data), (0, &first));
    }
    let changes = VariantChanges {
        price_minor: Some(777),
        ..VariantChanges::default()
    };
    let catalog = shop.test.app.catalog();
    catalog
        .variant_update(sold.variant, &changes)
        .await
        .unwrap();
    let (_, data) = statements(&shop.test, &shop.guest, DETAIL, id).await;
    assert_eq!(data["product"]["price"]["amount"], "7.77");
}

#[tokio::test]
async fn a_bad_token_is_refused_also_for_what_is_kept() {
    let shop = shop().await;
    let sold = tea(&shop.test).await;
    let id = json!({ "id": sold.product.to_string() });
    shop.guest.data(DETAIL, id.clone()).await;
    let (status, headers, body) = shop.guest.with_token("nonsense").post(DETAIL, id).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(headers.contains_key("www-authenticate"));
    assert_eq!(body["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
}

#[tokio::test]
async fn what_staff_see_more_of_is_kept_for_nobody() {
    let shop = shop().await;
    let sold = tea(&shop.test).await;
    let draft = ProductChanges {
        status: Some(ProductStatus::Draft),
        ..ProductChanges::default()
    };
    let catalog = shop.test.app.catalog();
    catalog.product_update(sold.product, &draft).await.unwrap();
    let id = json!({ "id": sold.product.to_string() });
    for _ in 0..2 {
        let data = shop.staff.data(DETAIL, id.clone()).await;
        assert_eq!(data["product"]["status"], "DRAFT");
        for client in [&shop.guest, &shop.customer] {
            let data = client.data(DETAIL, id.clone()).await;
            assert_eq!(data["product"], Value::Null);
        }
    }
}

async fn get(client: &Client, query: &str, known: Option<&str>) -> (StatusCode, HeaderMap, Value) {
    let path = format!("/graphql?query={}", query.replace(' ', "%20"));
    let mut request = client.raw(Method::GET, &path);
    if let Some(etag) = known {
        request = request.header("if-none-match", etag);
    }
    answer(request).await
}

#[tokio::test]
async fn caches_in_front_are_told_what_they_may_keep() {
    let shop = shop().await;
    tea(&shop.test).await;
    let text = |headers: &HeaderMap, name: &str| {
        let all = headers.get_all(name).iter();
        let all: Vec<&str> = all.map(|value| value.to_str().unwrap()).collect();
        all.join(", ").to_lowercase()
    };
    let (status, first, body) = get(&shop.guest, NAMES, None).await;
    assert_eq!(status, StatusCode::OK);
    let (_, second, same) = get(&shop.customer, NAMES, None).await;
    assert_eq!(body, same);
    assert_eq!(first["etag"], second["etag"]);
    assert!(second.contains_key("age") && second.contains_key("x-query-cost"));
    for headers in [&first, &second] {
        assert_eq!(text(headers, "cache-control"), "public, no-cache");
        let vary = text(headers, "vary");
        assert!(
            vary.contains("accept") && vary.contains("authorization"),
            "{vary}"
        );
    }
    let etag = first["etag"].to_str().unwrap();
    for known in [
        etag.to_owned(),
        format!("\"other\", W/{etag}"),
        "*".to_owned(),
    ] {
        let (status, headers, body) = get(&shop.guest, NAMES, Some(&known)).await;
        assert_eq!((status, body), (StatusCode::NOT_MODIFIED, json!("")));
        assert_eq!(headers["etag"], etag);
    }
    let (status, _, _) = get(&shop.guest, NAMES, Some("\"other\"")).await;
    assert_eq!(status, StatusCode::OK);
    for query in ["{ me { id } }", "{ nonsense }", ""] {
        let (_, headers, _) = get(&shop.customer, query, Some("*")).await;
        assert_eq!(
            text(&headers, "cache-control"),
            "private, no-store",
            "{query}"
        );
        assert!(!headers.contains_key("etag"));
    }
    let (status, _, _) = get(&shop.guest.with_token("nonsense"), NAMES, Some(etag)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let (_, headers, _) = shop.guest.post(NAMES, json!({})).await;
    assert!(!headers.contains_key("etag") && !headers.contains_key("cache-control"));
}

#[tokio::test]
async fn an_order_that_crosses_no_threshold_drops_nothing() {
    let shop = shop().await;
    let sold = tea(&shop.test).await;
    let user = shop.test.user("buyer@example.org", Role::Customer).await;
    let order = async |quantity: i64| {
        let new = NewOrder {
            lines: vec![NewLine {
                reference: VariantReference::Variant(sold.variant),
                quantity,
            }],
            details: Details::default(),
        };
        shop.test
            .app
            .orders()
            .order_create(user, &new, None)
            .await
            .unwrap();
    };
    let cache = shop.test.app.cache();
    let first = shop.guest.data(NAMES, json!({})).await;
    eventually("what is told is settled", async || {
        cache.sweep().await.unwrap();
        (cache.changes_pending().await.unwrap() == 0).then_some(())
    })
    .await;
    let moment = cache.moment();
    for _ in 0..10 {
        order(2).await;
    }
    assert_eq!(cache.moment(), moment, "no change was told");
    assert_eq!(cache.changes_pending().await.unwrap(), 0);
    // On a busy machine Redis may be silent for so long that everything is dropped; then it is tried with another order.
    let mut left = 80;
    eventually("an answer outlives an order", async || {
        assert_eq!(shop.guest.data(NAMES, json!({})).await, first);
        order(1).await;
        left -= 1;
        let (cost, data) = statements(&shop.test, &shop.guest, NAMES, json!({})).await;
        assert_eq!(data, first);
        (cost == 0).then_some(())
    })
    .await;
    assert_eq!(cache.moment(), moment, "no change was told");
    // Four are left, which is few.
    order(left - 4).await;
    assert!(cache.moment() > moment);
    let data = shop.guest.data(NAMES, json!({})).await;
    assert_eq!(data["products"]["nodes"][0]["availability"], "LOW_STOCK");
}

/// Memory in bytes that a process holds by itself. The pages of its program do not count: the system drops them and
/// reads them again as it likes, and those of a debug build are more than what is measured here.
fn held(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_distinct_queries_takes_no_more_memory_than_the_bounds_and_64_mib() {
    const MIB: u64 = 1 << 20;
    const FLOOD: usize = 4_000;
    let test = TestApp::new().await;
    let bound = (4 * MIB).to_string();
    let bounds = [
        ("TRADEPOST_CACHE__MEMORY_BYTES_MAX", bound.as_str()),
        ("TRADEPOST_CACHE__RESPONSE_BYTES_MAX", bound.as_str()),
        ("TRADEPOST_CACHE__DOCUMENT_BYTES_MAX", bound.as_str()),
    ];
    let server = Process::start_set(&test, &["serve", "--no-workers"], &bounds).await;
    // Each is another document, another answer, and every fourth another list.
    let ask = async |client: &Client, n: usize| {
        let first = 1 + n / 4 % 100;
        let query = format!(
            "{{ a{n}: products(first: {first}, filter: {{price: {{gte: \"0.{:02}\"}}}}) {{ nodes {{ id slug name description b{n}: name }} }} }} # {}",
            n % 97,
            "x".repeat(2_000)
        );
        client.data(&query, json!({})).await;
    };
    let flood = async |range: std::ops::Range<usize>| {
        let (next, end) = (AtomicUsize::new(range.start), range.end);
        let clients = (0..16).map(|_| async {
            let client = server.client();
            loop {
                let n = next.fetch_add(1, Ordering::SeqCst);
                if n >= end {
                    return;
                }
                ask(&client, n).await;
            }
        });
        futures::future::join_all(clients).await;
    };
    flood(0..200).await;
    let before = held(server.id());
    flood(200..FLOOD).await;
    println!(
        "{} MiB before, {} MiB after",
        before / MIB,
        held(server.id()) / MIB
    );
    // The allocator gives back what is free a moment after it became free.
    let most = before + (3 * 4 + 64) * MIB;
    eventually("no more memory is held than allowed", async || {
        (held(server.id()) <= most).then_some(())
    })
    .await;
}

#[tokio::test]
async fn junk_neither_fills_the_memory_nor_drives_out_what_is_asked_often() {
    let bound = 1 << 20;
    let test = TestApp::with(&[("cache.response_bytes_max", json!(bound))]).await;
    remembering(&test).await;
    let running = test.serve().await;
    let client = running.client();
    let sold = tea(&test).await;
    let id = json!({ "id": sold.product.to_string() });
    for _ in 0..20 {
        client.data(DETAIL, id.clone()).await;
    }
    for n in 0..600 {
        let junk = format!("{{ shop {{ name }} }} # {n} {}", "x".repeat(4_000));
        client.data(&junk, json!({})).await;
        if n % 5 == 0 {
            client.data(DETAIL, id.clone()).await;
        }
    }
    let sizes = test.app.cache().sizes();
    assert!(sizes.response_bytes <= bound, "{sizes:?}");
    assert!(sizes.responses > 10, "{sizes:?}");
    let (cost, _) = statements(&test, &client, DETAIL, id).await;
    assert_eq!(cost, 0, "the hot answer is still there");
}
