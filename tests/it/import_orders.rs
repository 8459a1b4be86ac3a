//! `import orders` through the function that the command calls, and as a process that is killed.

use crate::support::process::log_in;
use crate::support::wait::eventually;
use crate::support::{TestApp, retail};
use chrono_tz::Tz;
use entity::accounts::Role;
use entity::events::outbox_event;
use entity::inventory::{reservation, stock_movement};
use entity::orders::{OrderOrigin, OrderStatus, PaymentStatus, order, order_history, order_line};
use sea_orm::{EntityTrait, PaginatorTrait as _};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tradepost::clock::to_text;
use tradepost::error::{Fault, chain};
use tradepost::import::orders::{Options, Report, run};

/// Everything that an import of orders can write.
#[derive(Debug, PartialEq)]
struct State {
    orders: Vec<order::Model>,
    lines: Vec<order_line::Model>,
    history: Vec<order_history::Model>,
}

async fn state(test: &TestApp) -> State {
    test.app
        .db()
        .read("test.state", async |c| {
            let mut state = State {
                orders: order::Entity::find().all(&*c).await?,
                lines: order_line::Entity::find().all(&*c).await?,
                history: order_history::Entity::find().all(&*c).await?,
            };
            state
                .orders
                .sort_by(|a, b| a.external_reference.cmp(&b.external_reference));
            state.lines.sort_by_key(|row| (row.order_id, row.position));
            state.history.sort_by_key(|row| row.order_id);
            Ok::<_, Fault>(state)
        })
        .await
        .unwrap()
}

impl State {
    fn order(&self, reference: &str) -> &order::Model {
        let mut found = self.orders.iter();
        found
            .find(|order| order.external_reference.as_deref() == Some(reference))
            .unwrap()
    }

    /// SKU, name, quantity, price and total of the lines of an order, in their places.
    fn lines(&self, reference: &str) -> Vec<(&str, &str, i64, i64, i64)> {
        let id = self.order(reference).id;
        let lines = self.lines.iter().filter(|line| line.order_id == id);
        lines
            .map(|line| {
                (
                    line.sku.as_str(),
                    line.name.as_str(),
                    line.quantity,
                    line.unit_price_minor,
                    line.total_minor,
                )
            })
            .collect()
    }

    /// Everything without ids, numbers and the time of the import: alike after every import of the same file.
    fn without_ids(&self) -> Vec<String> {
        self.orders
            .iter()
            .map(|order| {
                let reference = order.external_reference.as_deref().unwrap();
                format!(
                    "{:?} {reference} {:?} {} {} {} {} {:?}",
                    order.source,
                    order.customer_reference,
                    order.status,
                    order.payment_status,
                    order.total_minor,
                    to_text(order.created_at),
                    self.lines(reference),
                )
            })
            .collect()
    }
}

const PRODUCTS: &str =
    "sku,name,price,stock\nEG,Earl Grey,4.95,12\nCUP,Cup,12.00,3\nPOT,Teapot,20,0\n";

fn options(test: &TestApp) -> Options {
    Options {
        source: Some("old-shop".to_owned()),
        zone: Tz::Europe__London,
        dry_run: false,
        whole_orders: false,
        rejects: test.rejects(),
    }
}

/// Rows that were imported, unchanged and rejected, and orders that were created, unchanged and refused.
fn counts(report: &Report) -> [u64; 6] {
    assert_eq!(
        report.imported + report.unchanged + report.rejected,
        report.rows,
        "every row is one of the three: {report:?}"
    );
    [
        report.imported,
        report.unchanged,
        report.rejected,
        report.orders_created,
        report.orders_unchanged,
        report.orders_refused,
    ]
}

impl TestApp {
    async fn orders_with(&self, content: &str, options: &Options) -> Report {
        let file = self.file("orders.csv", content);
        let report = run(&self.app, &file, options).await.unwrap();
        assert_eq!(self.refused().len() as u64, report.rejected, "{report:?}");
        report
    }

    async fn orders_from(&self, content: &str) -> Report {
        self.orders_with(content, &options(self)).await
    }

    async fn orders_error(&self, content: &str, options: &Options) -> String {
        let file = self.file("orders.csv", content);
        chain(&run(&self.app, &file, options).await.unwrap_err())
    }

    fn reasons(&self) -> Vec<(u64, String)> {
        let refused = self.refused().into_iter();
        refused.map(|row| (row.row, row.reason)).collect()
    }
}

async fn shop() -> TestApp {
    let test = TestApp::new().await;
    test.import(PRODUCTS).await;
    test
}

const ORDERS: &str = "order,ordered_at,sku,quantity,unit_price,name,customer_reference\n\
    A1,2011-06-30 20:08,eg,2,5.10,Earl Grey tin,c1\n\
    A1,2011-06-30 20:05,CUP,1,12.00,,\n\
    A1,2011-06-30 20:08,eg,2,5.10,Earl Grey tin,c1\n\
    A2,2010-12-31T23:30:00-02:00,POT,3,0,,\n";

#[tokio::test]
async fn an_order_is_written_as_it_was() {
    let test = shop().await;
    let report = test.orders_from(ORDERS).await;
    assert_eq!(counts(&report), [4, 0, 0, 2, 0, 0]);
    assert_eq!(report.total_minor, 3240);
    let state = state(&test).await;
    let order = state.order("A1");
    assert_eq!(order.source.as_deref(), Some("old-shop"));
    assert_eq!(order.customer_reference.as_deref(), Some("c1"));
    assert_eq!((order.origin, order.user_id), (OrderOrigin::Import, None));
    assert_eq!(
        (order.status, order.payment_status),
        (OrderStatus::Fulfilled, PaymentStatus::Paid)
    );
    assert_eq!(
        (order.subtotal_minor, order.total_minor, order.version),
        (3240, 3240, 1)
    );
    // The earliest line, and summer time in London.
    assert_eq!(to_text(order.created_at), "2011-06-30T19:05:00.000000Z");
    assert_eq!(order.paid_at, Some(order.created_at));
    assert_eq!(order.number, "ORD-2011-000001");
    assert_eq!(
        state.lines("A1"),
        [
            ("eg", "Earl Grey tin", 2, 510, 1020),
            ("CUP", "Cup", 1, 1200, 1200),
            ("eg", "Earl Grey tin", 2, 510, 1020),
        ]
    );
    let second = state.order("A2");
    assert_eq!(to_text(second.created_at), "2011-01-01T01:30:00.000000Z");
    assert_eq!(second.customer_reference, None);
    assert!(
        second.number.starts_with("ORD-2011-"),
        "the year in UTC: {}",
        second.number
    );
    assert_eq!(state.history.len(), 2);
    let entry = &state.history[0];
    assert_eq!(
        (entry.version, entry.from_status, entry.to_status),
        (1, None, OrderStatus::Fulfilled)
    );
    assert_eq!(entry.reason.as_deref(), Some("imported from old-shop"));
}

#[tokio::test]
async fn neither_stock_nor_events_come_of_an_imported_order() {
    let test = shop().await;
    let of = async || {
        test.app
            .db()
            .read("test.effects", async |c| {
                Ok::<_, Fault>((
                    entity::inventory::stock::Entity::find().all(&*c).await?,
                    stock_movement::Entity::find().all(&*c).await?.len(),
                    reservation::Entity::find().all(&*c).await?.len(),
                    outbox_event::Entity::find().all(&*c).await?.len(),
                ))
            })
            .await
            .unwrap()
    };
    let before = of().await;
    test.orders_from(ORDERS).await;
    assert_eq!(of().await, before);
}

#[tokio::test]
async fn mutations_refuse_an_imported_order() {
    let test = shop().await;
    test.orders_from(ORDERS).await;
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
    let before = state(&test).await;
    let cancel =
        "mutation($id: ID!) { orderCancel(id: $id) { order { id } userErrors { code message } } }";
    let id = json!({ "id": before.order("A1").id.to_string() });
    let data = staff.data(cancel, id).await;
    let codes = data["orderCancel"]["userErrors"].as_array().unwrap();
    assert_eq!(codes.len(), 1, "{data}");
    assert_eq!(
        (&codes[0]["code"], &codes[0]["message"]),
        (
            &json!("INVALID"),
            &json!("The order was imported from another system and cannot be changed here.")
        )
    );
    assert_eq!(state(&test).await, before);
    // Staff find it by the ids of the other system.
    let list = "query($filter: OrderFilter) { orders(filter: $filter) { nodes {
      origin source externalReference customerReference user { id } lines { sku product { name } } history { reason } } } }";
    for filter in [
        json!({ "customerReference": "c1" }),
        json!({ "externalReference": "A1" }),
    ] {
        let data = staff.data(list, json!({ "filter": filter })).await;
        let nodes = data["orders"]["nodes"].as_array().unwrap();
        assert_eq!(nodes.len(), 1, "{data}");
        assert_eq!(nodes[0]["origin"], "IMPORT");
        assert_eq!(
            (&nodes[0]["source"], &nodes[0]["user"]),
            (&json!("old-shop"), &json!(null))
        );
        assert_eq!(nodes[0]["lines"][1]["product"]["name"], "Cup");
    }
}

#[tokio::test]
async fn the_same_file_again_changes_nothing() {
    let test = shop().await;
    test.orders_from(ORDERS).await;
    let before = state(&test).await;
    let report = test.orders_from(ORDERS).await;
    assert_eq!(counts(&report), [0, 4, 0, 0, 2, 0]);
    assert_eq!(state(&test).await, before);
    // The same orders of another system are other orders.
    let other = Options {
        source: Some("other-shop".to_owned()),
        ..options(&test)
    };
    let report = test.orders_with(ORDERS, &other).await;
    assert_eq!(counts(&report), [4, 0, 0, 2, 0, 0]);
}

#[tokio::test]
async fn a_changed_row_of_an_imported_order_is_named_and_changes_nothing() {
    let test = shop().await;
    test.orders_from(ORDERS).await;
    let before = state(&test).await;
    let without = "without such a row; imported orders are not changed";
    for (from, to, reasons) in [
        ("CUP,1", "CUP,2", vec![(3, without)]),
        ("12.00", "12.01", vec![(3, without)]),
        (
            "A1,2011-06-30 20:08,eg,2,5.10,Earl Grey tin",
            "A1,2011-06-30 20:08,eg,2,5.10,Tin",
            vec![(2, without)],
        ),
        (
            "A1,2011-06-30 20:05,CUP,1,12.00,,\n",
            "A1,2011-06-30 20:05,CUP,1,12.00,,\nA1,2011-06-30 20:08,POT,1,1,,\n",
            vec![(4, without)],
        ),
        (
            "A1,2011-06-30 20:08,eg,2,5.10,Earl Grey tin,c1\n",
            "",
            vec![(2, "with 1 more rows")],
        ),
        ("POT,3", "POT,4", vec![(5, without)]),
        (
            "20:05",
            "20:04",
            vec![
                (2, "with the date 2011-06-30T19:05:00"),
                (3, "with the date"),
                (4, "with the date"),
            ],
        ),
        (
            "c1",
            "c2",
            vec![
                (2, "customer reference \"c1\""),
                (3, "customer"),
                (4, "customer_reference differs from row 2"),
            ],
        ),
    ] {
        let changed = ORDERS.replacen(from, to, 1);
        let report = test.orders_from(&changed).await;
        let found = test.reasons();
        assert_eq!(found.len(), reasons.len(), "{changed}: {found:?}");
        for ((row, reason), (expected_row, expected)) in found.iter().zip(&reasons) {
            assert_eq!(row, expected_row, "{changed}");
            assert!(reason.contains(expected), "{changed}: {reason}");
        }
        assert_eq!(counts(&report)[3..], [0, 1, 1]);
        assert_eq!(state(&test).await, before, "{changed}");
    }
}

#[tokio::test]
async fn every_refused_row_is_named_and_the_others_are_taken() {
    let test = shop().await;
    let content = "order,ordered_at,sku,quantity,unit_price,customer_reference,currency\n\
        B1,2011-01-01,EG,1,0.001,c1,GBP\n\
        B1,2011-01-01,EG,1,1.00,c1,\n\
        B1,2011-01-01,NONE,1,1.00,c1,\n\
        ,2011-01-01,EG,1,1.00,,\n\
        B1,2011-01-01,CUP,1,2.00,c2,\n\
        B1,2011-01-01,CUP,1,2.00,,EUR\n\
        B2,2011-01-01,NONE,1,1.00,,\n\
        B3,yesterday,EG,1,1.00,,\n\
        B4,2011-01-01,EG,9223372036854775807,1.00,,\n\
        B5,2011-01-01,EG,1\n\
        B6,2011-01-01,EG,2147483647,100000000.00,,\n";
    let report = test.orders_from(content).await;
    assert_eq!(counts(&report), [1, 0, 10, 1, 0, 2]);
    let expected = [
        (2, "unit_price has more decimals than the 2 of GBP"),
        (4, "no product has the sku NONE: import the products first"),
        (5, "order is empty"),
        (
            6,
            "customer_reference differs from row 3, which has the same order",
        ),
        (7, "currency is not the shop's, which is GBP"),
        (8, "no product has the sku NONE"),
        (9, "ordered_at is not a time"),
        (10, "quantity is more than"),
        (11, "the row has 4 columns instead of 7"),
        (12, "the total of its order is too large"),
    ];
    let found = test.reasons();
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((row, reason), (expected_row, expected)) in found.iter().zip(expected) {
        assert_eq!(*row, expected_row);
        assert!(reason.starts_with(expected), "{reason}");
    }
    let before = state(&test).await;
    assert_eq!(before.lines("B1"), [("EG", "Earl Grey", 1, 100, 100)]);
    assert_eq!(
        counts(&test.orders_from(content).await),
        [0, 1, 10, 0, 1, 2]
    );
    assert_eq!(state(&test).await, before);
}

#[tokio::test]
async fn an_order_can_be_wanted_whole() {
    let test = shop().await;
    let content = "order,ordered_at,sku,quantity,unit_price\n\
        B1,2011-01-01,EG,1,1.00\n\
        B1,2011-01-01,EG,1,0.001\n\
        B2,2011-01-01,EG,1,1.00\n\
        B2,2011-01-01,NONE,1,1.00\n\
        B3,2011-01-01,EG,1,1.00\n";
    let whole = Options {
        whole_orders: true,
        ..options(&test)
    };
    let report = test.orders_with(content, &whole).await;
    assert_eq!(counts(&report)[..4], [1, 0, 4, 1]);
    let reasons = test.reasons();
    assert_eq!(
        reasons[0],
        (2, "row 3 of the same order is refused".to_owned())
    );
    assert_eq!(
        reasons[2],
        (4, "another row of the same order is refused".to_owned())
    );
    // The refused rows, mended, are whole orders.
    let mended = std::fs::read_to_string(test.rejects()).unwrap();
    let mended = mended.replace("0.001", "0.01").replace("NONE", "POT");
    let report = test.orders_with(&mended, &whole).await;
    assert_eq!(counts(&report), [4, 0, 0, 2, 0, 0]);
}

#[tokio::test]
async fn an_order_whose_rows_stand_apart_is_named_and_no_row_of_it_is_taken() {
    let test = shop().await;
    let mut content =
        "order,ordered_at,sku,quantity,unit_price\nAPART,2011-01-01,EG,1,1.00\n".to_owned();
    // More than a batch between the two.
    for number in 0..1_200 {
        content.push_str(&format!("N{number},2011-01-01,EG,1,1.00\n"));
    }
    content.push_str("APART,2011-01-01,CUP,1,1.00\n");
    let report = test.orders_from(&content).await;
    assert_eq!(counts(&report), [1_200, 0, 2, 1_200, 0, 0]);
    let reason =
        "the rows of its order stand apart, in row 2 and again in row 1203: sort the file by order";
    assert_eq!(
        test.reasons(),
        [(2, reason.to_owned()), (1_203, reason.to_owned())]
    );
    assert!(
        state(&test)
            .await
            .orders
            .iter()
            .all(|o| o.external_reference.as_deref() != Some("APART"))
    );
}

#[tokio::test]
async fn a_file_that_is_none_is_refused_as_a_whole_and_says_why() {
    let test = shop().await;
    let heading = "order,ordered_at,sku,quantity,unit_price\n";
    let options = options(&test);
    for (content, reason) in [
        ("", "the file is empty"),
        (
            "order,sku,quantity,unit_price\n",
            "the column `ordered_at` is missing",
        ),
        (
            "order,ordered_at,sku,quantity,unit_price,colour\n",
            "the column `colour` is not known",
        ),
    ] {
        let error = test.orders_error(content, &options).await;
        assert!(
            error.contains(reason) && error.contains("orders.csv"),
            "{error}"
        );
    }
    let nobody = Options {
        source: None,
        ..options.clone()
    };
    let error = test.orders_error(heading, &nobody).await;
    assert!(error.contains("--source"), "{error}");
    let error = run(&test.app, Path::new("-"), &options).await.unwrap_err();
    assert!(chain(&error).contains("standard input"));
    let sourced = "source,order,ordered_at,sku,quantity,unit_price\nx,1,2011-01-01,EG,1,1\n,2,2011-01-01,EG,1,1\n";
    let report = test.orders_with(sourced, &nobody).await;
    assert_eq!(counts(&report)[..3], [1, 0, 1]);
    assert_eq!(state(&test).await.order("1").source.as_deref(), Some("x"));
}

#[tokio::test]
async fn a_dry_run_reports_the_same_and_writes_nothing() {
    let test = shop().await;
    let content = format!("{ORDERS}A3,2011-01-01,NONE,1,1,,\nA4,2011-01-01,EG,1,1,,\n");
    let dry = Options {
        dry_run: true,
        ..options(&test)
    };
    let report = test.orders_with(&content, &dry).await;
    let refused = test.reasons();
    assert!(state(&test).await.orders.is_empty());
    assert!(
        report
            .to_string()
            .ends_with("a dry run: nothing was written"),
        "{report}"
    );
    let real = test.orders_from(&content).await;
    assert_eq!((counts(&report), refused), (counts(&real), test.reasons()));
    assert_eq!(report.total_minor, real.total_minor);
    assert_eq!(counts(&real), [5, 0, 1, 3, 0, 1]);
}

#[tokio::test]
async fn two_imports_of_one_file_at_the_same_time_write_each_order_once() {
    let test = shop().await;
    let other = test.replica().await;
    let mut content = "order,ordered_at,sku,quantity,unit_price\n".to_owned();
    for number in 0..3_000 {
        content.push_str(&format!(
            "N{},2011-01-01,EG,{},1.00\n",
            number / 2,
            number % 2 + 1
        ));
    }
    let file = test.file("orders.csv", &content);
    let mut others = options(&test);
    others.rejects = test.dir.path().join("others.csv");
    let (one, two) = tokio::join!(
        async { run(&test.app, &file, &options(&test)).await.unwrap() },
        async { run(&other, &file, &others).await.unwrap() },
    );
    let created = one.orders_created + two.orders_created;
    assert_eq!(
        (created, one.rejected + two.rejected),
        (1_500, 0),
        "{one:?} {two:?}"
    );
    let state = state(&test).await;
    assert_eq!((state.orders.len(), state.lines.len()), (1_500, 3_000));
    let numbers: BTreeSet<_> = state.orders.iter().map(|order| &order.number).collect();
    assert_eq!(numbers.len(), 1_500);
}

#[tokio::test]
async fn a_batch_costs_the_same_statements_whatever_is_in_it() {
    let mut costs = Vec::new();
    for orders in [20, 300] {
        let test = shop().await;
        let mut content = "order,ordered_at,sku,quantity,unit_price\n".to_owned();
        for number in 0..orders * 3 {
            content.push_str(&format!(
                "N{},2011-01-01,EG,{},1.00\n",
                number / 3,
                number + 1
            ));
        }
        let mut cost = Vec::new();
        for _ in 0..2 {
            let before = test.app.db().statements();
            test.orders_from(&content).await;
            cost.push(test.app.db().statements() - before);
        }
        costs.push(cost);
    }
    assert_eq!(costs[0], costs[1], "new and unchanged");
    assert!(costs[0].iter().all(|cost| *cost <= 20), "{costs:?}");
}

/// A file of some batches.
fn batches(orders: usize) -> String {
    let mut content = "order,ordered_at,sku,quantity,unit_price,customer_reference\n".to_owned();
    for order in 0..orders {
        for line in 0..order % 7 + 1 {
            let sku = ["EG", "CUP", "POT"][(order + line) % 3];
            let (minute, pence) = (order % 60, line * 10 + order % 10);
            content.push_str(&format!(
                "N{order:05},2011-02-03 10:{minute:02},{sku},{},1.{pence:02},c{}\n",
                line + 1,
                order % 50
            ));
        }
    }
    content
}

/// Imports a file with the binary.
fn import_process(test: &TestApp, file: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_tradepost"))
        .args(["import", "orders"])
        .arg(file)
        .args([
            "--source",
            "old-shop",
            "--timezone",
            "Europe/London",
            "--rejects",
        ])
        .arg(test.rejects())
        .current_dir(test.dir.path())
        .env_remove("REDIS_URL")
        .env_remove("KAFKA_BROKERS")
        .env("DATABASE_URL", test.database_url())
        .env("TRADEPOST_SERVER__ENV", "development")
        .env("TRADEPOST_SERVER__DATA_DIR", test.dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

async fn lines_written(test: &TestApp) -> u64 {
    let counted = test.app.db().read("test.count", async |c| {
        Ok::<_, Fault>(order_line::Entity::find().count(&*c).await?)
    });
    counted.await.unwrap()
}

/// Imports a file with the binary, kills it when it has written so many of `total` lines, and lets it end the last time.
async fn import_with_kills(test: &TestApp, file: &Path, at: &[u64]) -> String {
    let mut killed = 0;
    for lines in at {
        let mut child = import_process(test, file);
        eventually("some batches are written", async || {
            (lines_written(test).await >= *lines || child.try_wait().unwrap().is_some())
                .then_some(())
        })
        .await;
        killed += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(killed, at.len(), "an import ended before it was killed");
    let child = import_process(test, file);
    let wait = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap());
    let output = wait.await.unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_was_killed_three_times_ends_the_same() {
    let content = batches(6_000);
    let whole = shop().await;
    let report = whole.orders_from(&content).await;
    assert_eq!((report.rejected, report.orders_created), (0, 6_000));
    let expected = state(&whole).await.without_ids();
    let test = shop().await;
    let file = test.file("orders.csv", &content);
    let said = import_with_kills(&test, &file, &[1, 4_000, 8_000]).await;
    assert!(
        said.contains(" 0 rejected") && !said.contains(" 0 unchanged,"),
        "{said}"
    );
    assert_eq!(state(&test).await.without_ids(), expected);
}

/// What the file of invoices says, computed by other code than the converter's.
#[derive(Debug, Default)]
struct Book {
    lines: u64,
    /// Sales of each invoice: customer, lines and total in thousandths of a pound.
    sales: BTreeMap<String, (String, u64, i64)>,
}

fn thousandths(text: &str) -> i64 {
    let (pounds, rest) = text.split_once('.').unwrap_or((text, ""));
    let rest = format!("{rest:0<3}");
    assert_eq!(rest.len(), 3, "{text}");
    let sign = if text.starts_with('-') { -1 } else { 1 };
    pounds.parse::<i64>().unwrap() * 1_000 + sign * rest.parse::<i64>().unwrap()
}

fn book(path: &Path) -> Book {
    let file = flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap());
    let mut book = Book::default();
    for row in csv::Reader::from_reader(file).records() {
        let row = row.unwrap();
        book.lines += 1;
        let quantity: i64 = row[3].parse().unwrap();
        let price = thousandths(&row[5]);
        if row[0].starts_with(['C', 'A']) || quantity <= 0 || price <= 0 || row[6].is_empty() {
            continue;
        }
        let customer = row[6].strip_suffix(".0").unwrap().to_owned();
        let sale = book
            .sales
            .entry(row[0].to_owned())
            .or_insert((customer, 0, 0));
        sale.1 += 1;
        sale.2 += quantity * price;
    }
    book
}

/// Products and orders of the real shop in files of the test's folder; nothing when the data are not there.
async fn real_shop(test: &TestApp, name: &str) -> Option<(PathBuf, PathBuf)> {
    let invoices = retail::invoices(name)?;
    let (products, _) = retail::catalogue(&invoices, test.dir.path());
    test.import_file(&products, false).await.unwrap();
    let (orders, _, summary) = retail::orders(&invoices, test.dir.path());
    assert_eq!(summary.sales + summary.others, summary.lines);
    Some((invoices, orders))
}

/// An app that may read a table of 172,634 rows at once, which a debug build on a busy machine does slowly.
async fn patient() -> TestApp {
    TestApp::with(&[("database.statement_timeout_ms", json!(120_000))]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_lines_of_the_real_shop_are_accounted_for() {
    let test = patient().await;
    let Some((invoices, file)) = real_shop(&test, "all_lines_of_the_real_shop").await else {
        return;
    };
    let book = book(&invoices);
    let total: i64 = book.sales.values().map(|(_, _, total)| total).sum();
    let sold: u64 = book.sales.values().map(|(_, lines, _)| lines).sum();
    // The sums that shared/data/README.md states.
    assert_eq!(
        (book.lines, sold, book.sales.len(), total),
        (245_903, 172_635, 8_802, 3_993_805_651)
    );
    let mut others = csv::ReaderBuilder::new()
        .flexible(true)
        .from_path(test.dir.path().join("not-a-sale.csv"))
        .unwrap();
    let others = others.byte_records().inspect(|row| {
        let row = row.as_ref().unwrap();
        assert!(!row[1].is_empty(), "every line has its reason");
    });
    assert_eq!(
        others.count() as u64 + sold,
        book.lines,
        "a line is in exactly one file"
    );
    let report = run(&test.app, &file, &options(&test)).await.unwrap();
    println!("{report}");
    assert_eq!(counts(&report), [172_634, 0, 1, 8_802, 0, 0]);
    let refused = test.refused();
    assert_eq!(
        refused[0].reason,
        "unit_price has more decimals than the 2 of GBP"
    );
    assert_eq!(
        (
            refused[0].cells[0].as_slice(),
            refused[0].cells[2].as_slice()
        ),
        (b"550193".as_slice(), b"PADS".as_slice())
    );
    let state = state(&test).await;
    let mut customers = BTreeSet::new();
    for order in &state.orders {
        let invoice = order.external_reference.as_deref().unwrap();
        let (customer, _, total) = &book.sales[invoice];
        assert_eq!(order.customer_reference.as_ref(), Some(customer));
        // The line that is refused is a tenth of a penny.
        assert_eq!(order.total_minor, total / 10, "{invoice}");
        customers.insert(customer);
    }
    assert_eq!(
        (state.orders.len(), state.lines.len(), customers.len()),
        (8_802, 172_634, 2_960)
    );
    assert_eq!(
        state
            .orders
            .iter()
            .map(|order| order.total_minor)
            .sum::<i64>(),
        399_380_565
    );
    assert_eq!(report.total_minor, 399_380_565);
    crate::reports::agree_with_the_invoices(&test, &invoices).await;
    let again = run(&test.app, &file, &options(&test)).await.unwrap();
    assert_eq!(counts(&again), [0, 172_634, 1, 0, 8_802, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: the whole half year four times"]
async fn the_real_shop_is_imported_whole_although_the_import_is_killed_three_times() {
    let whole = patient().await;
    let Some((_, file)) = real_shop(&whole, "the_real_shop_killed").await else {
        return;
    };
    run(&whole.app, &file, &options(&whole)).await.unwrap();
    let expected = state(&whole).await.without_ids();
    let test = patient().await;
    let (_, file) = real_shop(&test, "the_real_shop_killed").await.unwrap();
    let said = import_with_kills(&test, &file, &[20_000, 70_000, 120_000]).await;
    assert!(said.contains(" 1 rejected"), "{said}");
    assert_eq!(state(&test).await.without_ids(), expected);
}
