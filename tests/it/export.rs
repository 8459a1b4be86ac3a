//! `export`: what was imported and exported again is equal.

use crate::support::{TestApp, retail};
use chrono_tz::Tz;
use entity::accounts::Role;
use entity::orders::{OrderStatus, order};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait, QueryFilter};
use std::path::PathBuf;
use tradepost::domain::catalog::model::VariantReference;
use tradepost::domain::orders::service::{Details, NewLine, NewOrder};
use tradepost::error::Fault;
use tradepost::export;
use tradepost::import::orders::{Options, Report, run};

impl TestApp {
    async fn products_out(&self) -> String {
        let file = self.dir.path().join("out-products.csv");
        export::products::run(&self.app, &file).await.unwrap();
        std::fs::read_to_string(file).unwrap()
    }

    async fn orders_out(&self, source: Option<&str>) -> (PathBuf, String) {
        let file = self.dir.path().join("out-orders.csv");
        export::orders::run(&self.app, &file, source).await.unwrap();
        assert!(!self.dir.path().join("out-orders.csv.part").exists());
        let content = std::fs::read_to_string(&file).unwrap();
        (file, content)
    }

    async fn orders_in(&self, content: &str, source: Option<&str>) -> Report {
        let file = self.file("in-orders.csv", content);
        let options = Options {
            source: source.map(str::to_owned),
            zone: Tz::Europe__London,
            dry_run: false,
            whole_orders: false,
            rejects: self.rejects(),
        };
        run(&self.app, &file, &options).await.unwrap()
    }
}

const PRODUCTS: &str = "sku,name,price,description,categories,status,stock,warehouse,external_reference,product,variant\n\
    EG,Earl Grey,4.95,\"Black, \"\"fine\"\"\ntea\",black-tea|tea,ACTIVE,12,MAIN,x-1,earl-grey-tea,\n\
    S50,Sencha,3.00,Green tea,,ACTIVE,5|0,MAIN|NORTH,,sencha,50 g\n\
    S100,Sencha,5.50,Green tea,,ACTIVE,,,,sencha,100 g\n\
    CUP,Cup,12.00,,,DRAFT,0,NORTH,,cup,\n\
    OLD,Old pot,0.00,,,ARCHIVED,,,,old-pot,\n";

const ORDERS: &str = "order,ordered_at,sku,quantity,unit_price,name,customer_reference\n\
    A1,2011-06-30 20:08,eg,2,5.10,\"Earl Grey, tin\",c1\n\
    A1,2011-06-30 20:05,CUP,1,12.00,,\n\
    A1,2011-06-30 20:08,eg,2,5.10,\"Earl Grey, tin\",c1\n\
    A2,2010-12-31T23:30:00-02:00,OLD,3,0,,\n";

async fn shop() -> TestApp {
    let test = TestApp::new().await;
    test.warehouse("MAIN", 0).await;
    test.warehouse("NORTH", 1).await;
    test
}

#[tokio::test]
async fn products_that_were_imported_and_exported_again_are_equal() {
    let test = shop().await;
    let report = test.import(PRODUCTS).await;
    assert_eq!((report.created, report.rejected), (5, 0));
    let out = test.products_out().await;
    assert_eq!(
        out, PRODUCTS,
        "all columns were given, in the exported form"
    );
    assert_eq!(test.import(&out).await.unchanged, 5);
    let other = shop().await;
    assert_eq!(other.import(&out).await.created, 5);
    assert_eq!(other.products_out().await, out);
}

#[tokio::test]
async fn products_are_exported_over_many_pages() {
    let test = TestApp::new().await;
    let mut content = "sku,name,price,stock\n".to_owned();
    for number in 0..650 {
        content.push_str(&format!("P{number},Thing {number},1.00,{number}\n"));
    }
    test.import(&content).await;
    let out = test.products_out().await;
    let skus: Vec<&str> = out
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().unwrap())
        .collect();
    let expected: Vec<String> = (0..650).map(|number| format!("P{number}")).collect();
    assert_eq!(skus, expected);
}

#[tokio::test]
async fn orders_that_were_imported_and_exported_again_are_equal() {
    let test = shop().await;
    test.import(PRODUCTS).await;
    test.orders_in(ORDERS, Some("old-shop")).await;
    let (_, out) = test.orders_out(None).await;
    let expected = "source,order,ordered_at,customer_reference,sku,name,quantity,unit_price,currency\n\
        old-shop,A2,2011-01-01T01:30:00.000000Z,,OLD,Old pot,3,0.00,GBP\n\
        old-shop,A1,2011-06-30T19:05:00.000000Z,c1,eg,\"Earl Grey, tin\",2,5.10,GBP\n\
        old-shop,A1,2011-06-30T19:05:00.000000Z,c1,CUP,Cup,1,12.00,GBP\n\
        old-shop,A1,2011-06-30T19:05:00.000000Z,c1,eg,\"Earl Grey, tin\",2,5.10,GBP\n";
    assert_eq!(out, expected);
    let again = test.orders_in(&out, None).await;
    assert_eq!((again.unchanged, again.orders_unchanged), (4, 2), "{again}");
    let other = shop().await;
    other.import(PRODUCTS).await;
    let report = other.orders_in(&out, None).await;
    assert_eq!((report.imported, report.rejected), (4, 0), "{report}");
    assert_eq!(other.orders_out(None).await.1, out);
}

#[tokio::test]
async fn orders_of_one_moment_are_exported_over_many_pages_without_a_gap() {
    let test = shop().await;
    test.import(PRODUCTS).await;
    let mut content = "order,ordered_at,sku,quantity,unit_price\n".to_owned();
    for number in 0..1_250 {
        content.push_str(&format!("N{number},2011-01-01,EG,1,1.00\n"));
    }
    test.orders_in(&content, Some("old")).await;
    let (_, out) = test.orders_out(None).await;
    let mut orders: Vec<&str> = out
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(1).unwrap())
        .collect();
    assert_eq!(orders.len(), 1_250);
    orders.sort_unstable();
    orders.dedup();
    assert_eq!(orders.len(), 1_250, "an order stands twice");
}

#[tokio::test]
async fn live_sales_are_exported_and_what_was_not_sold_is_not() {
    let test = shop().await;
    test.import(PRODUCTS).await;
    test.orders_in(ORDERS, Some("old-shop")).await;
    let user = test.user("ann@example.com", Role::Customer).await;
    let mut numbers = Vec::new();
    for status in [
        OrderStatus::Paid,
        OrderStatus::Cancelled,
        OrderStatus::AwaitingPayment,
    ] {
        let new = NewOrder {
            lines: vec![NewLine {
                reference: VariantReference::Sku("EG".to_owned()),
                quantity: 1,
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
        numbers.push(order.number);
    }
    let (_, all) = test.orders_out(None).await;
    assert_eq!(all.lines().count(), 1 + 4 + 1);
    let (_, live) = test.orders_out(Some(export::orders::SOURCE)).await;
    let row = live.lines().nth(1).unwrap();
    assert!(
        row.starts_with(&format!("tradepost,{},", numbers[0])),
        "{row}"
    );
    assert!(
        row.ends_with(&format!(",{user},EG,Earl Grey,1,4.95,GBP")),
        "{row}"
    );
    assert_eq!(live.lines().count(), 2);
    let (_, imported) = test.orders_out(Some("old-shop")).await;
    assert_eq!(imported.lines().count(), 5);
    let other = shop().await;
    other.import(PRODUCTS).await;
    assert_eq!(other.orders_in(&all, None).await.rejected, 0);
    assert_eq!(other.orders_out(None).await.1, all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: the whole half year twice"]
async fn the_real_shop_moves_to_another_one_and_is_equal() {
    let Some(invoices) = retail::invoices("the_real_shop_moves") else {
        return;
    };
    let (test, other) = (TestApp::new().await, TestApp::new().await);
    let (products, _) = retail::catalogue(&invoices, test.dir.path());
    test.import_file(&products, false).await.unwrap();
    let (orders, _, _) = retail::orders(&invoices, test.dir.path());
    let orders = std::fs::read_to_string(orders).unwrap();
    assert_eq!(
        test.orders_in(&orders, Some("online-retail"))
            .await
            .rejected,
        1
    );
    let products = test.products_out().await;
    let (_, sold) = test.orders_out(None).await;
    assert_eq!(other.import(&products).await.created, 3_270);
    let report = other.orders_in(&sold, None).await;
    assert_eq!((report.imported, report.rejected), (172_634, 0));
    assert_eq!(other.products_out().await, products);
    assert_eq!(other.orders_out(None).await.1, sold);
}
