//! Reports: sums that are computed here by other code, and the plans of the statements.

use crate::support::{TestApp, retail};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use entity::accounts::Role;
use entity::ids::{OrderId, OrderLineId, UserId};
use entity::orders::{OrderStatus, order};
use sea_orm::sea_query::{Expr, SelectStatement};
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, EntityTrait, QueryFilter, Statement};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use tradepost::db::Engine;
use tradepost::domain::catalog::model::VariantReference;
use tradepost::domain::orders::model::Scope;
use tradepost::domain::orders::service::{Details, NewLine, NewOrder, NewRefund};
use tradepost::domain::payments::service::Method;
use tradepost::domain::reports::model::{Part, Period};
use tradepost::domain::reports::store;
use tradepost::error::Fault;
use tradepost::import::orders::{Options, run};

const ALL: Part = Part {
    offset: 0,
    limit: 100_000,
};

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn first_half_of_2011() -> Period {
    Period {
        from: time("2010-12-01T00:00:00Z"),
        to: time("2011-06-30T23:59:59.999999Z"),
    }
}

async fn import(test: &TestApp, source: &str, content: &str) {
    let file = test.file("orders.csv", content);
    let options = Options {
        source: Some(source.to_owned()),
        zone: Tz::UTC,
        dry_run: false,
        whole_orders: false,
        rejects: test.rejects(),
    };
    let report = run(&test.app, &file, &options).await.unwrap();
    assert_eq!(report.rejected, 0, "{report}");
}

/// An order of a user in a state, made now.
async fn live(
    test: &TestApp,
    email: &str,
    sku: &str,
    quantity: i64,
    status: OrderStatus,
) -> OrderId {
    let user = match test
        .app
        .accounts()
        .user_promote(email, Role::Customer)
        .await
    {
        Ok(user) => user.id,
        Err(_) => test.user(email, Role::Customer).await,
    };
    let new = NewOrder {
        lines: vec![NewLine {
            reference: VariantReference::Sku(sku.to_owned()),
            quantity,
        }],
        details: Details::default(),
    };
    let (paid, _) = test
        .app
        .orders()
        .order_create(user, &new, None)
        .await
        .unwrap();
    let order = paid.order;
    let id = order.id;
    let written = test.app.db().write("test.status", async |tx| {
        order::Entity::update_many()
            .col_expr(order::Column::Status, Expr::value(status.as_str()))
            .filter(order::COLUMN.id.eq(id))
            .exec(&*tx)
            .await?;
        Ok::<_, Fault>(())
    });
    written.await.unwrap();
    id
}

const STATISTICS: &str = "query($from: DateTime, $to: DateTime, $first: Int, $page: Int) {
  salesStatistics(from: $from, to: $to) {
    from to unitCount
    total { orderCount revenue { amount currencyCode } }
    days { day orderCount revenue { amount } }
    products(first: $first, page: $page) { product { name } orderCount unitCount revenue { amount } }
    customers(first: $first, page: $page) { source customerReference user { name } orderCount revenue { amount } }
  } }";

const IMPORTED: &str = "order,ordered_at,sku,quantity,unit_price,customer_reference\n\
    1,2011-01-01 23:59:59.999999,EG,2,5.00,c1\n\
    1,2011-01-01 23:59:59.999999,CUP,1,1.00,\n\
    1,2011-01-01 23:59:59.999999,EG,1,4.00,\n\
    2,2011-01-02 00:00,CUP,3,2.00,c1\n\
    3,2011-01-02 12:00,POT,1,0,\n\
    4,2011-01-03 00:00,POT,1,9.99,c2\n";

async fn shop() -> TestApp {
    let test = TestApp::new().await;
    test.import("sku,name,price,stock\nEG,Earl Grey,4.95,99\nCUP,Cup,12.00,99\nPOT,Teapot,20,99\n")
        .await;
    test
}

#[tokio::test]
async fn live_and_imported_orders_count_together_and_only_sales_do() {
    let test = shop().await;
    import(&test, "old", IMPORTED).await;
    import(
        &test,
        "older",
        "order,ordered_at,sku,quantity,unit_price,customer_reference\n1,2011-01-02,EG,1,7.00,c1\n",
    )
    .await;
    use OrderStatus::{
        AwaitingPayment, Cancelled, Expired, Failed, Fulfilled, Paid, PartlyFulfilled, Pending,
    };
    for status in [AwaitingPayment, Pending, Cancelled, Expired, Failed] {
        live(&test, "nobody@example.com", "EG", 1, status).await;
    }
    let now = test.app.clock().now();
    live(&test, "ann@example.com", "CUP", 1, Paid).await;
    live(&test, "ann@example.com", "EG", 2, PartlyFulfilled).await;
    live(&test, "bob@example.com", "EG", 1, Fulfilled).await;
    let server = test.serve().await;
    test.user("staff@example.com", Role::Staff).await;
    let staff = staff(&test, &server.client()).await;
    // The past, to the microsecond.
    let variables =
        json!({ "from": "2011-01-01T23:59:59.999999Z", "to": "2011-01-02T23:59:59.999999Z" });
    let data = staff.data(STATISTICS, variables).await;
    let found = &data["salesStatistics"];
    let total = json!({ "orderCount": 4, "revenue": { "amount": "28.00", "currencyCode": "GBP" } });
    assert_eq!((&found["total"], &found["unitCount"]), (&total, &json!(9)));
    assert_eq!(
        found["days"],
        json!([
            { "day": "2011-01-01", "orderCount": 1, "revenue": { "amount": "15.00" } },
            { "day": "2011-01-02", "orderCount": 3, "revenue": { "amount": "13.00" } },
        ])
    );
    assert_eq!(
        found["products"],
        json!([
            { "product": { "name": "Earl Grey" }, "orderCount": 2, "unitCount": 4, "revenue": { "amount": "21.00" } },
            { "product": { "name": "Cup" }, "orderCount": 2, "unitCount": 4, "revenue": { "amount": "7.00" } },
            { "product": { "name": "Teapot" }, "orderCount": 1, "unitCount": 1, "revenue": { "amount": "0.00" } },
        ])
    );
    assert_eq!(
        found["customers"],
        json!([
            { "source": "old", "customerReference": "c1", "user": null, "orderCount": 2, "revenue": { "amount": "21.00" } },
            { "source": "older", "customerReference": "c1", "user": null, "orderCount": 1, "revenue": { "amount": "7.00" } },
            { "source": "old", "customerReference": null, "user": null, "orderCount": 1, "revenue": { "amount": "0.00" } },
        ])
    );
    // Now: three live sales of two users.
    let from = tradepost::clock::to_text(now);
    let data = staff
        .data(STATISTICS, json!({ "from": from, "first": 1, "page": 2 }))
        .await;
    let found = &data["salesStatistics"];
    assert_eq!(
        found["total"],
        json!({ "orderCount": 3, "revenue": { "amount": "26.85", "currencyCode": "GBP" } })
    );
    assert_eq!(
        found["products"],
        json!([{ "product": { "name": "Cup" }, "orderCount": 1, "unitCount": 1, "revenue": { "amount": "12.00" } }])
    );
    assert_eq!(
        found["customers"],
        json!([{ "source": null, "customerReference": null, "user": { "name": "bob@example.com" }, "orderCount": 1, "revenue": { "amount": "4.95" } }])
    );
    let empty = staff
        .data(
            STATISTICS,
            json!({ "from": "2009-01-01T00:00:00Z", "to": "2009-01-02T00:00:00Z" }),
        )
        .await;
    let none = json!({ "orderCount": 0, "revenue": { "amount": "0.00", "currencyCode": "GBP" } });
    assert_eq!(empty["salesStatistics"]["total"], none);
    assert_eq!(
        (
            &empty["salesStatistics"]["days"],
            &empty["salesStatistics"]["unitCount"]
        ),
        (&json!([]), &json!(0))
    );
}

/// An order of lines that is paid by card.
async fn paid(test: &TestApp, user: UserId, lines: &[(&str, i64)]) -> OrderId {
    let line = |&(sku, quantity): &(&str, i64)| NewLine {
        reference: VariantReference::Sku(sku.to_owned()),
        quantity,
    };
    let token = "tok_ok".to_owned();
    let new = NewOrder {
        lines: lines.iter().map(line).collect(),
        details: Details {
            payment: Some(Method::Card { token }),
            ..Details::default()
        },
    };
    let made = test.app.orders().order_create(user, &new, None).await;
    let order = made.unwrap().0.order;
    assert_eq!(order.status, OrderStatus::Paid);
    order.id
}

#[tokio::test]
async fn what_was_paid_back_is_taken_off_where_it_was_sold() {
    let test = shop().await;
    let user = test.user("ann@example.com", Role::Customer).await;
    // 3 × 4.95 and 2 × 12.00, of which 2 and 1 units go back; 20.00 that goes back in full; 4.95 that is cancelled.
    let parts = paid(&test, user, &[("EG", 3), ("CUP", 2)]).await;
    let whole = paid(&test, user, &[("POT", 1)]).await;
    let cancelled = paid(&test, user, &[("EG", 1)]).await;
    let orders = test.app.orders();
    let lines = test.books().await.lines;
    let first = |id: OrderId, sku: &str| {
        let line = lines
            .iter()
            .find(|line| line.order_id == id && line.sku == sku);
        line.unwrap().id
    };
    let refund = async |id: OrderId, lines: Option<Vec<(OrderLineId, i64)>>| {
        let new = NewRefund {
            lines,
            restock: true,
            reason: None,
        };
        orders.order_refund(user, id, &new, None).await.unwrap();
    };
    refund(parts, Some(vec![(first(parts, "EG"), 2)])).await;
    refund(parts, Some(vec![(first(parts, "CUP"), 1)])).await;
    refund(whole, None).await;
    let own = Scope::Own(user);
    let cancel = orders.order_cancel(own, user, cancelled, None, None);
    cancel.await.unwrap();
    test.settle(&test.app).await.agree();
    import(&test, "old", IMPORTED).await;
    test.user("staff@example.com", Role::Staff).await;
    let server = test.serve().await;
    let staff = staff(&test, &server.client()).await;
    let now = staff.data(STATISTICS, json!({})).await["salesStatistics"].take();
    // 4.95 of the Earl Grey and 12.00 of the cups stay.
    let total = json!({ "orderCount": 2, "revenue": { "amount": "16.95", "currencyCode": "GBP" } });
    assert_eq!((&now["total"], &now["unitCount"]), (&total, &json!(2)));
    assert_eq!(now["days"][0]["revenue"]["amount"], "16.95");
    assert_eq!(
        now["products"],
        json!([
            { "product": { "name": "Cup" }, "orderCount": 1, "unitCount": 1, "revenue": { "amount": "12.00" } },
            { "product": { "name": "Earl Grey" }, "orderCount": 1, "unitCount": 1, "revenue": { "amount": "4.95" } },
            { "product": { "name": "Teapot" }, "orderCount": 1, "unitCount": 0, "revenue": { "amount": "0.00" } },
        ])
    );
    assert_eq!(
        now["customers"],
        json!([{ "source": null, "customerReference": null, "user": { "name": "ann@example.com" }, "orderCount": 2, "revenue": { "amount": "16.95" } }])
    );
    // Imported orders are as they were.
    let past = json!({ "from": "2011-01-01T00:00:00Z", "to": "2011-01-04T00:00:00Z" });
    let past = staff.data(STATISTICS, past).await["salesStatistics"].take();
    assert_eq!(past["total"]["revenue"]["amount"], "30.99");
    assert_eq!(past["unitCount"], 9);
}

async fn staff(
    test: &TestApp,
    client: &crate::support::http::Client,
) -> crate::support::http::Client {
    let created = test.app.accounts().user_create(
        "chief@example.com",
        "Chief",
        "correct horse battery",
        Role::Staff,
    );
    created.await.unwrap();
    crate::support::process::log_in(client, "chief@example.com", "correct horse battery").await
}

#[tokio::test]
async fn bad_periods_and_pages_are_refused_with_a_reason() {
    let test = shop().await;
    let server = test.serve().await;
    let staff = staff(&test, &server.client()).await;
    for (variables, reason) in [
        (
            json!({ "from": "2011-01-02T00:00:00Z", "to": "2011-01-01T00:00:00Z" }),
            "to must not be before from",
        ),
        (
            json!({ "from": "2010-01-01T00:00:00Z", "to": "2012-01-01T00:00:00Z" }),
            "at most 400 days apart",
        ),
        (json!({ "first": 101 }), "first must be between 1 and 100"),
        (json!({ "page": 0 }), "page counts from 1"),
    ] {
        let (_, _, answer) = staff.post(STATISTICS, variables).await;
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
        assert!(
            error["message"].as_str().unwrap().contains(reason),
            "{answer}"
        );
    }
    let default = staff.data(STATISTICS, json!({})).await;
    let period = &default["salesStatistics"];
    let days = time(period["to"].as_str().unwrap()) - time(period["from"].as_str().unwrap());
    assert_eq!(days.num_days(), 30);
}

/// How the database would run a statement: one line a step.
async fn plan(test: &TestApp, statement: &SelectStatement) -> Vec<String> {
    let engine = test.app.db().engine();
    test.app
        .db()
        .read("test.explain", async |c| {
            let backend = c.get_database_backend();
            let Statement { sql, values, .. } = backend.build(statement);
            let (explain, columns): (_, &[&str]) = match engine {
                Engine::Sqlite => ("EXPLAIN QUERY PLAN", &["detail"]),
                Engine::MySql => (
                    "EXPLAIN FORMAT=TRADITIONAL",
                    &["table", "type", "key", "Extra"],
                ),
            };
            let values = values.unwrap_or_else(|| sea_orm::sea_query::Values(Vec::new()));
            let explain =
                Statement::from_sql_and_values(backend, format!("{explain} {sql}"), values.0);
            let rows = c.query_all_raw(explain).await?;
            let text = |row: &sea_orm::QueryResult, name: &str| {
                row.try_get::<Option<String>>("", name)
                    .unwrap()
                    .unwrap_or_default()
            };
            Ok::<_, Fault>(
                rows.iter()
                    .map(|row| {
                        columns
                            .iter()
                            .map(|name| text(row, name))
                            .collect::<Vec<_>>()
                            .join(" | ")
                    })
                    .collect(),
            )
        })
        .await
        .unwrap()
}

/// A step that reads a table reads an index alone, and a part of it.
fn reads_an_index(engine: Engine, step: &str) -> bool {
    match engine {
        Engine::Sqlite => {
            step.starts_with("USE TEMP B-TREE")
                || (step.starts_with("SEARCH") && step.contains("USING COVERING INDEX"))
        }
        Engine::MySql => {
            let [_, kind, _, extra] = step.split(" | ").collect::<Vec<_>>()[..] else {
                panic!("{step}");
            };
            matches!(kind, "range" | "ref")
                && extra.contains("Using index")
                && !extra.contains("Using index condition")
        }
    }
}

#[tokio::test]
async fn every_statement_reads_indexes_alone() {
    let test = shop().await;
    let mut content = "order,ordered_at,sku,quantity,unit_price,customer_reference\n".to_owned();
    for number in 0..2_000 {
        let (year, month, day) = (2001 + number % 20, number % 12 + 1, number % 28 + 1);
        let sku = ["EG", "CUP", "POT"][number % 3];
        content.push_str(&format!(
            "{number},{year}-{month:02}-{day:02},{sku},1,1.00,c{}\n",
            number % 90
        ));
        content.push_str(&format!(
            "{number},{year}-{month:02}-{day:02},CUP,2,3.00,\n"
        ));
    }
    import(&test, "old", &content).await;
    let engine = test.app.db().engine();
    if engine == Engine::MySql {
        let url = test.database_url();
        crate::support::mysql(&url, "ANALYZE TABLE orders, order_lines").await;
    }
    let (period, part) = (
        first_half_of_2011(),
        Part {
            offset: 20,
            limit: 20,
        },
    );
    for (name, statement) in [
        ("sales", store::sales(engine, period)),
        ("units", store::units(engine, period)),
        ("days", store::days(engine, period)),
        ("products", store::products(engine, period, part)),
        ("customers", store::customers(engine, period, part)),
    ] {
        let plan = plan(&test, &statement).await;
        println!("{name}: {plan:#?}");
        assert!(!plan.is_empty());
        for step in &plan {
            assert!(reads_an_index(engine, step), "{name}: {plan:#?}");
        }
    }
}

/// Sums of the file: of each UTC day, product and customer, in pence.
#[derive(Debug, Default)]
struct Book {
    days: BTreeMap<String, (i64, i64)>,
    products: HashMap<String, (i64, i64)>,
    customers: HashMap<String, (i64, i64)>,
    units: i64,
    total: i64,
}

/// Computed from the invoices alone: an order belongs to the day of its earliest line.
fn book(path: &Path) -> Book {
    type Order = (String, String, i64);
    let file = flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap());
    let mut book = Book::default();
    let mut orders: HashMap<String, Order> = HashMap::new();
    for row in csv::Reader::from_reader(file).records() {
        let row = row.unwrap();
        let quantity: i64 = row[3].parse().unwrap();
        let price: f64 = row[5].parse().unwrap();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "prices of the file are small"
        )]
        let pence = (price * 100.0).round() as i64;
        // The price of a tenth of a penny rounds to nothing: that line is refused.
        if row[0].starts_with(['C', 'A']) || quantity <= 0 || pence <= 0 || row[6].is_empty() {
            continue;
        }
        // London is an hour ahead of UTC in summer, and no invoice is written before one o'clock.
        let day = row[4][..10].to_owned();
        assert!(&row[4][11..13] >= "01", "{row:?}");
        let order = orders
            .entry(row[0].to_owned())
            .or_insert((day.clone(), row[6].to_owned(), 0));
        order.0 = order.0.clone().min(day);
        order.2 += quantity * pence;
        let product = book.products.entry(row[1].to_lowercase()).or_default();
        product.0 += quantity;
        product.1 += quantity * pence;
        book.units += quantity;
        book.total += quantity * pence;
    }
    for (day, customer, total) in orders.into_values() {
        let customer = customer.trim_end_matches(".0").to_owned();
        for entry in [
            book.days.entry(day).or_default(),
            book.customers.entry(customer).or_default(),
        ] {
            entry.0 += 1;
            entry.1 += total;
        }
    }
    book
}

/// What the statistics say of the imported invoices is what the file says.
pub(crate) async fn agree_with_the_invoices(test: &TestApp, invoices: &Path) {
    let book = book(invoices);
    let (reports, period) = (test.app.reports(), first_half_of_2011());
    let total = reports.sales(period).await.unwrap();
    assert_eq!((total.orders, total.revenue_minor), (8_802, book.total));
    assert_eq!(reports.units(period).await.unwrap(), book.units);
    let days = reports.days(period).await.unwrap().into_iter();
    let days: BTreeMap<String, (i64, i64)> = days
        .map(|day| (day.day, (day.sales.orders, day.sales.revenue_minor)))
        .collect();
    assert_eq!(days, book.days);
    let variants = test.app.db().read("test.variants", async |c| {
        Ok::<_, Fault>(entity::catalog::variant::Entity::find().all(&*c).await?)
    });
    let skus: HashMap<_, _> = variants
        .await
        .unwrap()
        .into_iter()
        .map(|row| (row.product_id, row.sku_folded))
        .collect();
    let products = reports.products(period, ALL).await.unwrap();
    assert!(products.is_sorted_by(|a, b| a.revenue_minor >= b.revenue_minor));
    let products: HashMap<String, (i64, i64)> = products
        .into_iter()
        .map(|row| {
            (
                skus[&row.product_id].clone(),
                (row.units, row.revenue_minor),
            )
        })
        .collect();
    assert_eq!(products, book.products);
    let customers = reports.customers(period, ALL).await.unwrap().into_iter();
    let customers: HashMap<String, (i64, i64)> = customers
        .map(|row| {
            (
                row.customer_reference.unwrap(),
                (row.sales.orders, row.sales.revenue_minor),
            )
        })
        .collect();
    assert_eq!(customers, book.customers);
}

/// The same through the API for one real month, which is quick to import.
#[tokio::test]
async fn a_real_month_by_day_is_what_the_invoices_say() {
    let Some(invoices) = retail::invoices("a_real_month_by_day") else {
        return;
    };
    let test = TestApp::new().await;
    let (products, _) = retail::catalogue(&invoices, test.dir.path());
    test.import_file(&products, false).await.unwrap();
    let (orders, _, _) = retail::orders(&invoices, test.dir.path());
    let all = std::fs::read_to_string(orders).unwrap();
    let month: Vec<&str> = all
        .lines()
        .enumerate()
        .filter(|(place, line)| {
            *place == 0 || line.split(',').nth(1).unwrap().starts_with("2011-02")
        })
        .map(|(_, line)| line)
        .collect();
    import(&test, "old", &month.join("\n")).await;
    let server = test.serve().await;
    let staff = staff(&test, &server.client()).await;
    let variables = json!({ "from": "2011-02-01T00:00:00Z", "to": "2011-02-28T23:59:59Z" });
    let data = staff.data(STATISTICS, variables).await;
    let book = book(&invoices);
    let expected: Vec<Value> = book
        .days
        .iter()
        .filter(|(day, _)| day.starts_with("2011-02"))
        .map(|(day, (orders, pence))| {
            let amount = format!("{}.{:02}", pence / 100, pence % 100);
            json!({ "day": day, "orderCount": orders, "revenue": { "amount": amount } })
        })
        .collect();
    assert_eq!(data["salesStatistics"]["days"], json!(expected));
}
