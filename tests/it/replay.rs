//! Real invoices replayed through the API by the load tool, while the server is killed.

use crate::kill::created_events;
use crate::real_day::{Book, Invoice, SERVICES, whole_book};
use crate::support::csv_file::counts;
use crate::support::process::Process;
use crate::support::wait::within;
use crate::support::{TestApp, env, retail, services};
use entity::catalog::variant;
use entity::inventory::stock;
use entity::orders::{OrderStatus, order, order_line, order_saga};
use load::book::{self, Order};
use load::replay::{self, Live, Options, Report};
use sea_orm::{ColumnTrait as _, EntityTrait, PaginatorTrait as _, QueryFilter as _};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tradepost::domain::orders::tasks::checkouts_resume;
use tradepost::domain::payments::tasks::drive_due;
use tradepost::error::Fault;
use tradepost::event_tools::Tail;

const CLIENTS: usize = 32;
/// A kill counts only when at least this many requests wait for their answers.
const IN_FLIGHT_LEAST: usize = 16;
/// The real file has one code whose price cannot be imported.
const UNKNOWN: &str = "pads";
/// Between two kills, on a slow machine.
const KILL_LIMIT: Duration = Duration::from_secs(900);

/// Kills the server again and again while orders are in flight, evenly over all orders.
async fn kill(server: &mut Process, live: &Live, orders: usize, kills: usize) {
    for kill in 1..=kills {
        let target = orders * kill / (kills + 1);
        let in_flight = within(KILL_LIMIT, "enough orders are in flight", async || {
            let enough = live.acknowledged.load(Ordering::SeqCst) >= target;
            let in_flight = live.in_flight.load(Ordering::SeqCst);
            (enough && in_flight >= IN_FLIGHT_LEAST).then_some(in_flight)
        })
        .await;
        server.kill();
        println!("killed with {in_flight} requests in flight");
        server.restart().await;
    }
}

/// The real catalogue in an app whose orders do not expire while the test runs.
async fn shop(path: &Path) -> TestApp {
    let test = TestApp::with(&[
        ("shop.reservation_min", json!(600)),
        ("database.statement_timeout_ms", json!(120_000)),
    ])
    .await;
    let (file, _) = retail::catalogue(path, test.dir.path());
    let report = test.import_file(&file, false).await.unwrap();
    assert_eq!(counts(&report), [3_270, 0, 0, 1]);
    test
}

/// How the orders are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By `orderCreate`; they wait for their payment.
    Orders,
    /// Through carts and checkouts, paid by card.
    Carts,
}

async fn replay_with_kills(test: &TestApp, orders: &[Order], kills: usize, way: Way) -> Report {
    let mut server = Process::start(test).await;
    let live = Live::default();
    let options = Options {
        url: format!("http://{}/graphql", server.address),
        clients: CLIENTS,
        speed: None,
        accounts: None,
        carts: way == Way::Carts,
        card: (way == Way::Carts).then(|| "tok_ok".to_owned()),
        patience: Duration::from_secs(300),
        run: "real".to_owned(),
    };
    let (report, ()) = tokio::join!(
        async { replay::run(orders, &options, &live).await.unwrap() },
        kill(&mut server, &live, orders.len(), kills),
    );
    println!("{report}");
    // The relay of the running server sends what is left.
    within(KILL_LIMIT, "all events are published", async || {
        (test.app.events().measure().await.unwrap().pending == 0).then_some(())
    })
    .await;
    assert_eq!(server.terminate(), Some(0), "{}", server.log());
    report
}

fn pence(amount: &str) -> i64 {
    amount.replace('.', "").parse().unwrap()
}

/// Everything agrees with the invoices: orders, totals, stock and events.
async fn agree(test: &TestApp, report: &Report, book: &Book, invoices: &[&Invoice], way: Way) {
    assert_eq!(
        (report.refused.len(), report.acknowledged.len()),
        (0, invoices.len())
    );
    let known = |invoice: &Invoice| -> Vec<(String, i64)> {
        let lines = invoice.lines.iter().filter(|(code, _)| code != UNKNOWN);
        lines.cloned().collect()
    };
    let mut sum = 0;
    let mut sold: HashMap<String, i64> = HashMap::new();
    for invoice in invoices {
        let mut total = 0;
        for (code, quantity) in known(invoice) {
            total += quantity * book.prices[&code].unwrap();
            *sold.entry(code).or_default() += quantity;
        }
        assert_eq!(
            pence(&report.acknowledged[&invoice.number].total),
            total,
            "{}",
            invoice.number
        );
        sum += total;
    }
    let rows = test.app.db().read("test.rows", async |c| {
        Ok::<_, Fault>((
            order::Entity::find().all(&*c).await?,
            order_line::Entity::find().all(&*c).await?,
            variant::Entity::find().all(&*c).await?,
            stock::Entity::find().all(&*c).await?,
        ))
    });
    let (orders, lines, variants, stocks) = rows.await.unwrap();
    let expected: HashSet<&str> = report
        .acknowledged
        .values()
        .map(|done| done.id.as_str())
        .collect();
    let found: Vec<String> = orders.iter().map(|row| row.id.to_string()).collect();
    assert_eq!(
        found.len(),
        invoices.len(),
        "an order is missing or was made twice"
    );
    assert_eq!(
        found.iter().map(String::as_str).collect::<HashSet<_>>(),
        expected
    );
    assert_eq!(orders.iter().map(|row| row.total_minor).sum::<i64>(), sum);
    assert_eq!(lines.iter().map(|row| row.total_minor).sum::<i64>(), sum);
    let sent = |row: &order::Model| row.status == OrderStatus::Paid;
    let paid: HashSet<_> = orders
        .iter()
        .filter(|o| sent(o))
        .map(|order| order.id)
        .collect();
    if way == Way::Orders {
        assert!(paid.is_empty());
    }
    // Units of paid orders have left the stock.
    let mut out: HashMap<_, i64> = HashMap::new();
    for line in lines.iter().filter(|line| paid.contains(&line.order_id)) {
        *out.entry(line.variant_id).or_default() += line.quantity;
    }
    let stocks: HashMap<_, _> = stocks
        .into_iter()
        .map(|row| (row.variant_id, row))
        .collect();
    for variant in &variants {
        let Some(units) = book.units.get(&variant.sku_folded) else {
            continue;
        };
        if SERVICES.contains(&variant.sku_folded.as_str()) {
            assert!(!stocks.contains_key(&variant.id), "{}", variant.sku);
            continue;
        }
        let (row, taken) = (
            &stocks[&variant.id],
            sold.get(&variant.sku_folded).copied().unwrap_or(0),
        );
        let gone = out.get(&variant.id).copied().unwrap_or(0);
        assert_eq!(
            (row.on_hand, row.reserved),
            (units - gone, taken - gone),
            "{}",
            variant.sku
        );
    }
    let tail = Tail {
        from_beginning: true,
        json: true,
        event_type: Some("order.created".to_owned()),
        ..Tail::default()
    };
    let events = created_events(test, &tail).await;
    assert_eq!(
        events.keys().map(String::as_str).collect::<HashSet<_>>(),
        expected
    );
    assert!(
        events.values().all(|ids| ids.len() == 1),
        "an event was repeated under another id"
    );
}

/// The first invoices of the file, or all.
async fn real_invoices(path: &Path, count: usize, kills: usize, way: Way) {
    let _kafka = services::kafka_in_use().await;
    let (book, _) = whole_book(path);
    let test = shop(path).await;
    let (file, _, _) = retail::orders(path, test.dir.path());
    let mut orders = book::read(&file).unwrap();
    assert_eq!(orders.len(), 8_802, "what shared/data/README.md says");
    orders.truncate(count);
    let wanted: HashSet<&str> = orders
        .iter()
        .map(|order| order.reference.as_str())
        .collect();
    let invoices: Vec<&Invoice> = book
        .invoices
        .iter()
        .filter(|invoice| wanted.contains(invoice.number.as_str()))
        .collect();
    let report = replay_with_kills(&test, &orders, kills, way).await;
    let dropped: Vec<&str> = report.dropped.iter().map(|(_, sku)| sku.as_str()).collect();
    let has_pads = invoices
        .iter()
        .any(|i| i.lines.iter().any(|(code, _)| code == UNKNOWN));
    assert_eq!(dropped, if has_pads { vec!["PADS"] } else { vec![] });
    if way == Way::Carts {
        settled(&test).await;
    }
    agree(&test, &report, &book, &invoices, way).await;
    let mut drifts = Vec::new();
    let verified = test.app.inventory().stock_verify(|d| drifts.push(*d)).await;
    assert!(verified.unwrap().places >= 3_266);
    assert!(drifts.is_empty(), "{drifts:?}");
    test.ledger_agrees().await;
}

/// What kills left open of checkouts comes to its end: nearly all orders are paid, those whose card was forgotten with
/// the process that had it wait for another one.
async fn settled(test: &TestApp) {
    let open = async || {
        // A pause of the worker's, or a lease of a process that is gone.
        test.app.clock().advance(chrono::TimeDelta::seconds(11));
        drive_due(test.app.payments()).await.unwrap();
        checkouts_resume(test.app.orders()).await.unwrap();
        let rows = test.app.db().read("test.open", async |c| {
            let open = order_saga::Entity::find()
                .filter(order_saga::Column::NextRunAt.is_not_null())
                .count(&*c)
                .await?;
            let waiting = order::Entity::find()
                .filter(order::COLUMN.status.eq(OrderStatus::AwaitingPayment))
                .count(&*c)
                .await?;
            let all = order::Entity::find().count(&*c).await?;
            Ok::<_, Fault>((open, waiting, all))
        });
        rows.await.unwrap()
    };
    let (waiting, all) = within(KILL_LIMIT, "all checkouts are settled", async || {
        let (left, waiting, all) = open().await;
        (left == 0).then_some((waiting, all))
    })
    .await;
    println!("{waiting} of {all} orders lost their card in a kill");
    assert!(waiting * 2 < all, "{waiting} of {all} wait for a payment");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_invoices_are_replayed_while_the_server_is_killed() {
    let Some(path) = retail::invoices("real_invoices_are_replayed") else {
        return;
    };
    real_invoices(&path, 150, 1, Way::Orders).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_invoices_go_through_carts_and_checkouts_while_the_server_is_killed() {
    let Some(path) = retail::invoices("real_invoices_go_through_carts") else {
        return;
    };
    real_invoices(&path, 150, 2, Way::Carts).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: all 8,802 invoices, or TRADEPOST_TEST_REPLAY_INVOICES of them"]
async fn all_real_invoices_are_replayed_while_the_server_is_killed_five_times() {
    let Some(path) = retail::invoices("all_real_invoices_are_replayed") else {
        return;
    };
    let count = env("TRADEPOST_TEST_REPLAY_INVOICES").map_or(8_802, |count| count.parse().unwrap());
    real_invoices(&path, count, 5, Way::Orders).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: all 8,802 invoices, or TRADEPOST_TEST_REPLAY_INVOICES of them"]
async fn all_real_invoices_go_through_carts_while_the_server_is_killed_ten_times() {
    let Some(path) = retail::invoices("all_real_invoices_go_through_carts") else {
        return;
    };
    let count = env("TRADEPOST_TEST_REPLAY_INVOICES").map_or(8_802, |count| count.parse().unwrap());
    real_invoices(&path, count, 10, Way::Carts).await;
}
