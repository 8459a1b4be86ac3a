//! `import products` through the function that the command calls.

use crate::support::csv_file::counts;
use crate::support::wait::eventually;
use crate::support::{TestApp, retail};
use entity::catalog::{Availability, ProductStatus, category, product, product_category, variant};
use entity::inventory::{MovementReason, WarehouseStatus, stock, stock_movement, warehouse};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait, QueryFilter};
use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tradepost::error::Fault;
use tradepost::import::products::{self, Report};

/// Everything that an import can write.
#[derive(Debug, PartialEq)]
struct State {
    products: Vec<product::Model>,
    variants: Vec<variant::Model>,
    categories: Vec<category::Model>,
    links: Vec<product_category::Model>,
    warehouses: Vec<warehouse::Model>,
    stock: Vec<stock::Model>,
    movements: Vec<stock_movement::Model>,
}

async fn state(test: &TestApp) -> State {
    test.app
        .db()
        .read("test.state", async |c| {
            let mut state = State {
                products: product::Entity::find().all(&*c).await?,
                variants: variant::Entity::find().all(&*c).await?,
                categories: category::Entity::find().all(&*c).await?,
                links: product_category::Entity::find().all(&*c).await?,
                warehouses: warehouse::Entity::find().all(&*c).await?,
                stock: stock::Entity::find().all(&*c).await?,
                movements: stock_movement::Entity::find().all(&*c).await?,
            };
            state.products.sort_by_key(|row| row.id);
            state.variants.sort_by_key(|row| row.id);
            state.categories.sort_by_key(|row| row.id);
            state
                .links
                .sort_by_key(|row| (row.product_id, row.category_id));
            state.stock.sort_by_key(|row| row.variant_id);
            state.movements.sort_by_key(|row| row.id);
            Ok::<_, Fault>(state)
        })
        .await
        .unwrap()
}

impl State {
    /// The variant with a SKU and its product.
    fn sku(&self, sku: &str) -> (&product::Model, &variant::Model) {
        let variant = self.variants.iter().find(|row| row.sku == sku).unwrap();
        let product = self
            .products
            .iter()
            .find(|row| row.id == variant.product_id);
        (product.unwrap(), variant)
    }

    /// Units on hand of a SKU by the code of the warehouse.
    fn on_hand(&self, sku: &str) -> HashMap<String, i64> {
        let (_, variant) = self.sku(sku);
        let code = |row: &stock::Model| {
            let warehouse = self.warehouses.iter().find(|w| w.id == row.warehouse_id);
            warehouse.unwrap().code.clone()
        };
        let rows = self.stock.iter().filter(|row| row.variant_id == variant.id);
        rows.map(|row| (code(row), row.on_hand)).collect()
    }

    /// Everything by SKU without ids and times: alike in two shops with the same goods.
    fn without_ids(&self) -> Vec<String> {
        let mut all: Vec<String> = self
            .variants
            .iter()
            .map(|variant| {
                let (product, _) = self.sku(&variant.sku);
                let mut categories: Vec<&str> = self
                    .links
                    .iter()
                    .filter(|link| link.product_id == product.id)
                    .filter_map(|link| self.categories.iter().find(|c| c.id == link.category_id))
                    .map(|category| category.slug.as_str())
                    .collect();
                categories.sort_unstable();
                let movements = self.movements.iter().filter(|m| m.variant_id == variant.id);
                format!(
                    "{} {} {} {:?} {} {} {} {} {} {:?} {:?} {}",
                    variant.sku,
                    variant.price_minor,
                    variant.version,
                    variant.availability,
                    product.slug,
                    product.name,
                    product.version,
                    product.price_min_minor,
                    product.price_max_minor,
                    categories,
                    self.on_hand(&variant.sku),
                    movements.map(|m| m.delta).sum::<i64>(),
                )
            })
            .collect();
        all.sort_unstable();
        all
    }
}

#[tokio::test]
async fn columns_stand_in_any_order_behind_a_byte_order_mark() {
    let test = TestApp::new().await;
    let report = test
        .import(
            "\u{feff}price,Name,stock,sku,external_reference,status,description\r\n\
             4.95, Earl Grey ,120,EG-1,old-17,,\"Bergamot,\nand tea\"\r\n\
             12,Teapot,0,TP,,draft,\r\n",
        )
        .await;
    assert_eq!(counts(&report), [2, 0, 0, 0]);
    let state = state(&test).await;
    let (product, variant) = state.sku("EG-1");
    assert_eq!(
        (product.name.as_str(), product.slug.as_str()),
        ("Earl Grey", "earl-grey")
    );
    assert_eq!(
        (product.name_folded.as_str(), product.version),
        ("earl grey", 1)
    );
    assert_eq!(product.description, "Bergamot,\nand tea");
    assert_eq!(product.external_reference.as_deref(), Some("old-17"));
    assert_eq!(
        (product.status, variant.price_minor),
        (ProductStatus::Active, 495)
    );
    assert_eq!(product.price_minor, 495);
    assert_eq!(product.default_variant_id, variant.id);
    assert_eq!(product.availability, Availability::InStock);
    assert_eq!(
        state.on_hand("EG-1"),
        HashMap::from([("MAIN".to_owned(), 120)])
    );
    let (product, variant) = state.sku("TP");
    assert_eq!(
        (product.status, variant.price_minor),
        (ProductStatus::Draft, 1200)
    );
    assert_eq!(variant.availability, Availability::OutOfStock);
    assert_eq!(state.on_hand("TP"), HashMap::from([("MAIN".to_owned(), 0)]));
    assert_eq!(state.movements.len(), 1, "no movement of nothing");
    let movement = &state.movements[0];
    assert_eq!(
        (movement.delta, movement.reason),
        (120, MovementReason::Received)
    );
    assert_eq!(movement.reference.as_deref(), Some("import products.csv"));
}

#[tokio::test]
async fn a_file_that_is_none_is_refused_as_a_whole_and_says_why() {
    let test = TestApp::new().await;
    for (content, reason) in [
        ("", "the file is empty"),
        (
            "sku,name,price,colour\nA,Tea,1,red\n",
            "the column `colour` is not known",
        ),
        ("sku,name\nA,Tea\n", "the column `price` is missing"),
        (
            "sku,name,price,SKU\nA,Tea,1,A\n",
            "the column `sku` is there twice",
        ),
    ] {
        let error = test.import_error(content).await;
        assert!(
            error.contains(reason) && error.contains("products.csv"),
            "{error}"
        );
    }
    assert!(
        test.import_error(b"sku,name,price,\xff\n")
            .await
            .contains("not UTF-8")
    );
    let missing = test.dir.path().join("missing.csv");
    let error = test.import_file(&missing, false).await.unwrap_err();
    assert!(tradepost::error::chain(&error).contains("missing.csv"));
    let file = test.file("rejected.csv", "sku,name,price\nA,Tea,1\n");
    let error = test.import_file(&file, false).await.unwrap_err();
    assert!(tradepost::error::chain(&error).contains("refused rows"));
    assert!(
        std::fs::read_to_string(&file).unwrap().contains("Tea"),
        "it was overwritten"
    );
    assert!(state(&test).await.products.is_empty());
}

#[tokio::test]
async fn a_quotation_mark_that_is_not_closed_does_not_take_the_memory() {
    let test = TestApp::new().await;
    let mut content = b"sku,name,price\nA,Tea,1\nB,\"Te".to_vec();
    content.resize(40_000_000, b'x');
    let error = test.import_error(content).await;
    assert!(
        error.contains("row 3 is longer than 1048576 bytes"),
        "{error}"
    );
}

#[tokio::test]
async fn every_refused_row_is_named_with_its_number_reason_and_cells() {
    let test = TestApp::new().await;
    let long = "x".repeat(65);
    let rows: Vec<(Vec<u8>, &str)> = vec![
        (b"ok,Tea,1,,".to_vec(), ""),
        (b"bad,T\xe9,1,,".to_vec(), "name is not UTF-8 text"),
        (b"short,Tea".to_vec(), "the row has 2 columns instead of 5"),
        (
            b"long,Tea,1,,,,".to_vec(),
            "the row has 7 columns instead of 5",
        ),
        (b" ,Tea,1,,".to_vec(), "sku is empty"),
        (b"noname, ,1,,".to_vec(), "name is empty"),
        (b"noprice,Tea,,,".to_vec(), "price is empty"),
        (
            b"word,Tea,much,,".to_vec(),
            "price is not a decimal number like 12.50",
        ),
        (b"minus,Tea,-1,,".to_vec(), "price is below zero"),
        (
            b"fine,Tea,0.001,,".to_vec(),
            "price has more decimals than the 2 of GBP",
        ),
        (b"big,Tea,10000000000.01,,".to_vec(), "price is too large"),
        (b"OK,Tea,1,,".to_vec(), "sku stands in row 2 already"),
        (
            format!("{long},Tea,1,,").into_bytes(),
            "sku is longer than 64 characters",
        ),
        (b"frac,Tea,1,1.5,".to_vec(), "stock is not a whole number"),
        (
            b"where,Tea,1,1,NOWHERE".to_vec(),
            "warehouse is not the code of one",
        ),
        (
            b"open,\"Te\na\",1".to_vec(),
            "the row has 3 columns instead of 5 and 2 lines: is a quotation mark not closed?",
        ),
    ];
    let mut content = b"sku,name,price,stock,warehouse\n".to_vec();
    for (row, _) in &rows {
        content.extend_from_slice(row);
        content.push(b'\n');
    }
    let report = test.import(&content).await;
    assert_eq!(counts(&report), [1, 0, 0, 15]);
    let refused = test.refused();
    let expected: Vec<(u64, &str)> = (2..)
        .zip(rows.iter().map(|(_, reason)| *reason))
        .filter(|(_, reason)| !reason.is_empty())
        .collect();
    let found: Vec<(u64, &str)> = refused
        .iter()
        .map(|row| (row.row, row.reason.as_str()))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(refused[0].cells[1], b"T\xe9", "cells are kept as they are");
    assert_eq!(refused[1].cells.len(), 2);
    assert_eq!(state(&test).await.variants.len(), 1);
    assert!(report.to_string().contains("15 rejected (see "), "{report}");
}

#[tokio::test]
async fn a_mended_file_of_refused_rows_is_imported_as_it_is() {
    let test = TestApp::new().await;
    test.import("sku,name,price\nA,Tea,1\nB,Cup,1.999\n").await;
    let mended = std::fs::read_to_string(test.rejects())
        .unwrap()
        .replace("1.999", "1.99");
    let file = test.file("mended.csv", mended);
    let report = test.import_file(&file, false).await.unwrap();
    assert_eq!(counts(&report), [1, 0, 0, 0]);
    assert_eq!(state(&test).await.sku("B").1.price_minor, 199);
    assert!(
        test.refused().is_empty(),
        "the last import's refused rows are gone"
    );
}

const SHOP: &str = "sku,name,price,description,categories,status,stock,external_reference,product,variant\n\
    EG,Earl Grey,4.95,Black tea,tea|black-tea,,12,x-1,,\n\
    S50,Sencha,3.00,Green tea,tea,,5,x-2,sencha,50 g\n\
    CUP,Cup,12.00,,,DRAFT,0,,,\n\
    S100,Sencha,5.50,,,,7,,sencha,100 g\n";

#[tokio::test]
async fn the_same_file_again_changes_nothing() {
    let test = TestApp::new().await;
    assert_eq!(counts(&test.import(SHOP).await), [4, 0, 0, 0]);
    let before = state(&test).await;
    assert_eq!(counts(&test.import(SHOP).await), [0, 0, 4, 0]);
    assert_eq!(
        state(&test).await,
        before,
        "a version, a time or a movement"
    );
    // SKUs are compared without case, and their first spelling stays.
    let report = test.import("sku,name,price\neg,Earl Grey,4.95\n").await;
    assert_eq!(counts(&report), [0, 0, 1, 0]);
    assert_eq!(state(&test).await, before);
}

#[tokio::test]
async fn changed_values_are_written_and_raise_versions_once() {
    let test = TestApp::new().await;
    test.import(SHOP).await;
    let report = test
        .import(
            "sku,name,price,description,categories,status,external_reference,product,variant\n\
             EG,Earl Grey,5.25,,gifts,,,,\n\
             S50,Sencha Uji,3.00,From Uji,,,x-3,sencha,50 g\n\
             CUP,Cup,12.00,,,active,,,\n\
             S100,Sencha Uji,5.50,,,,,sencha,100 grams\n",
        )
        .await;
    assert_eq!(counts(&report), [0, 4, 0, 0]);
    let state = state(&test).await;
    let (product, variant) = state.sku("EG");
    assert_eq!(
        (
            variant.price_minor,
            product.price_minor,
            product.price_max_minor
        ),
        (525, 525, 525)
    );
    assert_eq!((variant.version, product.version), (2, 2));
    assert_eq!(
        product.description, "Black tea",
        "an empty cell changes nothing"
    );
    assert!(
        state
            .without_ids()
            .iter()
            .any(|row| row.starts_with("EG ") && row.contains("[\"gifts\"]"))
    );
    let (product, variant) = state.sku("S50");
    assert_eq!(
        (product.name.as_str(), product.description.as_str()),
        ("Sencha Uji", "From Uji")
    );
    assert_eq!(
        (product.name_folded.as_str(), product.slug.as_str()),
        ("sencha uji", "sencha")
    );
    assert_eq!(product.external_reference.as_deref(), Some("x-3"));
    assert_eq!(
        (product.version, variant.version),
        (2, 1),
        "its own values did not change"
    );
    assert_eq!(
        (
            product.price_minor,
            product.price_min_minor,
            product.price_max_minor
        ),
        (300, 300, 550)
    );
    let (_, variant) = state.sku("S100");
    assert_eq!((variant.name.as_str(), variant.version), ("100 grams", 2));
    let (product, variant) = state.sku("CUP");
    assert_eq!(
        (product.status, product.version, variant.version),
        (ProductStatus::Active, 2, 1)
    );
}

#[tokio::test]
async fn stock_is_only_the_initial_stock() {
    let test = TestApp::new().await;
    test.import("sku,name,price,stock\nA,Tea,1,10\nB,Cup,1,\n")
        .await;
    let before = state(&test).await;
    assert_eq!(
        before.on_hand("A"),
        HashMap::from([("MAIN".to_owned(), 10)])
    );
    assert_eq!(before.on_hand("B"), HashMap::new());
    let report = test
        .import("sku,name,price,stock\nA,Tea,1,99\nB,Cup,1,3\n")
        .await;
    assert_eq!(counts(&report), [0, 1, 1, 0]);
    let north = test.warehouse("NORTH", 5).await;
    let report = test
        .import("sku,name,price,stock,warehouse\nA,Tea,1,4,NORTH\nB,Cup,1,3,\n")
        .await;
    assert_eq!(counts(&report), [0, 1, 1, 0]);
    let after = state(&test).await;
    let expected = [("MAIN".to_owned(), 10), ("NORTH".to_owned(), 4)];
    assert_eq!(after.on_hand("A"), HashMap::from(expected));
    assert_eq!(after.on_hand("B"), HashMap::from([("MAIN".to_owned(), 3)]));
    assert_eq!(after.sku("B").1.availability, Availability::LowStock);
    assert_eq!(after.sku("B").0.availability, Availability::LowStock);
    assert_eq!(after.sku("A").0.version, 1, "stock is not the catalogue's");
    assert!(after.stock.iter().any(|row| row.warehouse_id == north));
}

#[tokio::test]
async fn without_an_active_warehouse_stock_must_say_where_it_goes() {
    let test = TestApp::new().await;
    let main = test.warehouse("MAIN", 0).await;
    test.app
        .db()
        .write("test.close", async |tx| {
            warehouse::Entity::update_many()
                .col_expr(
                    warehouse::Column::Status,
                    Expr::value(WarehouseStatus::Inactive.as_str()),
                )
                .filter(warehouse::COLUMN.id.eq(main))
                .exec(&*tx)
                .await?;
            Ok::<_, Fault>(())
        })
        .await
        .unwrap();
    let report = test
        .import("sku,name,price,stock,warehouse\nA,Tea,1,1,\nB,Cup,1,1,MAIN\n")
        .await;
    assert_eq!(counts(&report), [1, 0, 0, 1]);
    assert!(test.refused()[0].reason.contains("no active warehouse"));
}

#[tokio::test]
async fn rows_of_one_product_are_its_variants_also_across_batches() {
    let test = TestApp::new().await;
    let mut content = "sku,name,price,product,description\nV0,Tea,9.00,tea,Fine\n".to_owned();
    for number in 0..600 {
        content.push_str(&format!("S{number},Single {number},1.00,,\n"));
    }
    content
        .push_str("V1,Tea,3.00,tea,\nV2,Other,1.00,tea,\nV3,Tea,1.00,tea,Coarse\nS1,Tea,1,tea,\n");
    let report = test.import(&content).await;
    assert_eq!(counts(&report), [602, 0, 0, 3]);
    let reasons: Vec<String> = test.refused().into_iter().map(|row| row.reason).collect();
    assert_eq!(
        reasons,
        [
            "name differs from row 2, which has the same product",
            "description differs from row 2, which has the same product",
            "sku stands in row 4 already",
        ]
    );
    let before = state(&test).await;
    let (product, first) = before.sku("V0");
    assert_eq!(before.sku("V1").1.product_id, product.id);
    assert_eq!(product.default_variant_id, first.id);
    assert_eq!(
        (
            product.price_minor,
            product.price_min_minor,
            product.price_max_minor
        ),
        (900, 300, 900)
    );
    assert_eq!(counts(&test.import(&content).await), [0, 0, 602, 3]);
    assert_eq!(state(&test).await, before);
    let report = test
        .import("sku,name,price,product\nV0,Tea,9.00,\nS2,Single 2,1.00,tea\nNEW,Tea,1,single-3\n")
        .await;
    assert_eq!(counts(&report), [1, 0, 0, 2]);
    let reasons: Vec<String> = test.refused().into_iter().map(|row| row.reason).collect();
    assert!(
        reasons[0].contains("tea, which has several variants"),
        "{reasons:?}"
    );
    assert!(
        reasons[1].contains("belongs to the product single-2"),
        "{reasons:?}"
    );
}

#[tokio::test]
async fn a_product_has_at_most_a_hundred_variants() {
    let test = TestApp::new().await;
    let row = |number: i32| format!("V{number},Tea,1,tea\n");
    let heading = "sku,name,price,product\n".to_owned();
    let first: String = (0..60).map(row).collect();
    assert_eq!(
        counts(&test.import(heading.clone() + &first).await),
        [60, 0, 0, 0]
    );
    let more: String = (60..110).map(row).collect();
    let file = test.file("more.csv", heading.clone() + &more);
    let dry = test.import_file(&file, true).await.unwrap();
    assert_eq!(counts(&dry), [40, 0, 0, 10]);
    assert_eq!(counts(&test.import(heading + &more).await), [40, 0, 0, 10]);
}

#[tokio::test]
async fn missing_categories_are_made_once() {
    let test = TestApp::new().await;
    let report = test
        .import(
            "sku,name,price,categories\nA,Tea,1,tea|green-tea\nB,Cup,1, tea | cups\nA,Tea,1,never\nC,Pot,1,\n",
        )
        .await;
    assert_eq!(counts(&report), [3, 0, 0, 1]);
    let state = state(&test).await;
    let mut found: Vec<_> = state
        .categories
        .iter()
        .map(|c| (c.slug.as_str(), c.name.as_str(), c.position))
        .collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            ("cups", "Cups", 0),
            ("green-tea", "Green tea", 1),
            ("tea", "Tea", 2)
        ]
    );
    assert_eq!(state.links.len(), 4);
}

#[tokio::test]
async fn slugs_are_made_of_names_and_are_unique() {
    let test = TestApp::new().await;
    let mut content = "sku,name,price\n".to_owned();
    for number in 0..700 {
        content.push_str(&format!("A{number},Gift card,1\n"));
    }
    content.push_str("SEA,海,1\n");
    assert_eq!(counts(&test.import(&content).await), [701, 0, 0, 0]);
    let state = state(&test).await;
    assert_eq!(state.sku("A0").0.slug, "gift-card");
    assert_eq!(state.sku("A1").0.slug, "gift-card-a1");
    assert_eq!(state.sku("A699").0.slug, "gift-card-a699");
    assert_eq!(state.sku("SEA").0.slug, "product");
}

#[tokio::test]
async fn an_external_reference_is_one_product_s() {
    let test = TestApp::new().await;
    test.import("sku,name,price,external_reference\nA,Tea,1,r-1\n")
        .await;
    let report = test
        .import("sku,name,price,external_reference\nB,Cup,1,r-1\nC,Pot,1,r-2\nD,Jug,1,r-2\nA,Tea,1,r-1\n")
        .await;
    assert_eq!(counts(&report), [1, 0, 1, 2]);
    let taken = "another product has this external reference";
    let refused = test.refused();
    let found: Vec<(u64, &str)> = refused
        .iter()
        .map(|row| (row.row, row.reason.as_str()))
        .collect();
    assert_eq!(found, [(2, taken), (4, taken)]);
    let mut content = "sku,name,price,external_reference\nE,Tin,1,r-3\n".to_owned();
    for number in 0..600 {
        content.push_str(&format!("F{number},Box,1,\n"));
    }
    content.push_str("G,Tray,1,r-3\n");
    let file = test.file("products.csv", content);
    let dry = test.import_file(&file, true).await.unwrap();
    assert_eq!(counts(&dry), [601, 0, 0, 1], "two batches");
    let real = test.import_file(&file, false).await.unwrap();
    assert_eq!(counts(&real), [601, 0, 0, 1]);
}

#[tokio::test]
async fn a_dry_run_reports_the_same_and_writes_nothing() {
    let test = TestApp::new().await;
    let mut content = SHOP.to_owned();
    for number in 0..600 {
        content.push_str(&format!("P{number},Thing,{number},,new,,3,,,\n"));
    }
    content.push_str("BAD,Thing,x,,,,,,,\nS500,Sencha,9,,,,,,sencha,500 g\n");
    let empty = state(&test).await;
    let file = test.file("products.csv", &content);
    let dry = test.import_file(&file, true).await.unwrap();
    let dry_refused = test.refused();
    assert_eq!(state(&test).await, empty);
    assert!(dry.to_string().ends_with("a dry run: nothing was written"));
    let real = test.import_file(&file, false).await.unwrap();
    assert_eq!((counts(&dry), dry_refused), (counts(&real), test.refused()));
    assert_eq!(counts(&real), [605, 0, 0, 1]);
    let full = state(&test).await;
    let again = test.import_file(&file, true).await.unwrap();
    assert_eq!(counts(&again), [0, 0, 605, 1]);
    assert_eq!(state(&test).await, full);
}

#[tokio::test]
async fn a_batch_costs_the_same_statements_whatever_is_in_it() {
    let content = |rows: usize, price: &str| {
        let mut content = "sku,name,price,stock,categories,external_reference,product\n".to_owned();
        for number in 0..rows {
            content.push_str(&format!(
                "A{number},Thing {number},{price},5,c-{},r{number},\n",
                number % 7
            ));
        }
        content
    };
    let mut costs = Vec::new();
    for rows in [50, 500] {
        let test = TestApp::new().await;
        let mut cost = Vec::new();
        for price in ["1", "1", "2"] {
            let before = test.app.db().statements();
            test.import(content(rows, price)).await;
            cost.push(test.app.db().statements() - before);
        }
        costs.push(cost);
    }
    assert_eq!(costs[0], costs[1], "new, unchanged and changed");
    assert!(costs[0].iter().all(|cost| *cost < 40), "{costs:?}");
}

/// A file of six batches with shared names, shared products, categories and stock.
fn six_batches() -> String {
    let mut content = "sku,name,price,stock,categories,product\n".to_owned();
    for number in 0..3_000 {
        let shared = number % 3 == 0;
        let product = if shared {
            format!("p-{}", number % 40)
        } else {
            String::new()
        };
        let name = if shared {
            product.clone()
        } else {
            format!("Thing {}", number % 100)
        };
        let (pence, units) = (number % 100, number % 9);
        content.push_str(&format!(
            "A{number},{name},1.{pence:02},{units},all,{product}\n"
        ));
    }
    content
}

/// Imports a file with the binary.
fn import_process(test: &TestApp, file: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_tradepost"))
        .args(["import", "products"])
        .arg(file)
        .arg("--rejects")
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_was_killed_ends_the_same_when_it_runs_again() {
    let whole = TestApp::new().await;
    assert_eq!(counts(&whole.import(six_batches()).await), [3_000, 0, 0, 0]);
    let expected = state(&whole).await.without_ids();
    let test = TestApp::new().await;
    let file = test.file("products.csv", six_batches());
    let mut killed = 0;
    for batches in [1, 3] {
        let mut child = import_process(&test, &file);
        eventually("some batches are written", async || {
            (state(&test).await.variants.len() >= batches * 500).then_some(())
        })
        .await;
        killed += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        let written = state(&test).await.variants.len();
        assert!(
            written.is_multiple_of(500),
            "{written}: a batch is all or nothing"
        );
    }
    assert!(killed > 0, "every import ended before it was killed");
    let before = state(&test).await.variants.len();
    let child = import_process(&test, &file);
    let wait = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap());
    let output = wait.await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let new = 3_000 - before;
    let words = format!("{new} created, 0 updated, {before} unchanged, 0 rejected");
    assert!(output.status.success() && said.contains(&words), "{said}");
    assert_eq!(state(&test).await.without_ids(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_was_given_up_ends_the_same_when_it_runs_again() {
    let whole = TestApp::new().await;
    whole.import(six_batches()).await;
    let expected = state(&whole).await.without_ids();
    for limit_ms in [40, 150, 400] {
        let test = TestApp::new().await;
        let file = test.file("products.csv", six_batches());
        let limit = std::time::Duration::from_millis(limit_ms);
        let done = tokio::time::timeout(limit, test.import_file(&file, false)).await;
        let again = test.import_file(&file, false).await.unwrap();
        assert_eq!((again.rejected, again.updated), (0, 0));
        // A commit that was on its way when the import was dropped may still have happened, whole.
        assert!(
            again.unchanged.is_multiple_of(500),
            "{again:?} after {done:?}"
        );
        assert_eq!(state(&test).await.without_ids(), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn imports_of_one_file_at_the_same_time_end_as_one() {
    const ROWS: u64 = 1_200;
    let test = TestApp::new().await;
    let mut content = "sku,name,price,stock,categories\n".to_owned();
    for number in 0..ROWS {
        let shelf = number % 7;
        content.push_str(&format!(
            "P{number},Thing {number},1.00,{number},shelf-{shelf}\n"
        ));
    }
    let file = test.file("products.csv", content);
    let others = (test.replica().await, test.replica().await);
    let rejects = |name: &str| test.dir.path().join(name);
    let (one, two, three) = (rejects("1.csv"), rejects("2.csv"), rejects("3.csv"));
    let (one, two, three) = tokio::join!(
        products::run(&test.app, &file, false, &one),
        products::run(&others.0, &file, false, &two),
        products::run(&others.1, &file, false, &three),
    );
    let reports = [one.unwrap(), two.unwrap(), three.unwrap()];
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    assert_eq!(sum(|report| report.rejected), 0, "{reports:?}");
    assert_eq!(sum(|report| report.created), ROWS, "{reports:?}");
    assert_eq!(sum(|report| report.unchanged), 2 * ROWS, "{reports:?}");
    let state = state(&test).await;
    assert_eq!(state.variants.len() as u64, ROWS);
    assert_eq!((state.categories.len(), state.warehouses.len()), (7, 1));
    let units: i64 = state.stock.iter().map(|row| row.on_hand).sum();
    assert_eq!(units, (0..1_200).sum::<i64>(), "each stock was begun once");
    assert_eq!(state.movements.len() as u64, ROWS - 1, "0 is no movement");
}

#[tokio::test]
async fn an_archived_variant_is_not_brought_back_by_a_file() {
    let test = TestApp::new().await;
    test.import("sku,name,price,product\nA,Tea,1,tea\nB,Tea,2,tea\n")
        .await;
    let id = state(&test).await.sku("B").1.id;
    let now = test.app.clock().now();
    test.app
        .db()
        .write("test.archive", async |tx| {
            variant::Entity::update_many()
                .col_expr(variant::Column::ArchivedAt, Expr::value(now))
                .filter(variant::COLUMN.id.eq(id))
                .exec(&*tx)
                .await?;
            Ok::<_, Fault>(())
        })
        .await
        .unwrap();
    let report = test
        .import("sku,name,price,product\nA,Tea,1,tea\nB,Tea,2,tea\n")
        .await;
    assert_eq!(counts(&report), [0, 0, 1, 1]);
    assert!(test.refused()[0].reason.contains("taken out of sale"));
}

#[tokio::test]
async fn the_real_catalogue_is_imported() {
    let Some(invoices) = retail::invoices("the_real_catalogue_is_imported") else {
        return;
    };
    let test = TestApp::new().await;
    let (file, summary) = retail::catalogue(&invoices, test.dir.path());
    // The sums that shared/data/README.md states.
    assert_eq!(
        (summary.sales, summary.products, summary.units),
        (172_635, 3_271, 2_305_010)
    );
    let dry = test.import_file(&file, true).await.unwrap();
    assert_eq!(counts(&dry), [3_270, 0, 0, 1]);
    assert!(state(&test).await.products.is_empty());
    let report = test.import_file(&file, false).await.unwrap();
    assert_eq!(counts(&report), [3_270, 0, 0, 1]);
    let refused = test.refused();
    assert_eq!(refused[0].cells[0], b"PADS");
    assert_eq!(
        refused[0].reason,
        "price has more decimals than the 2 of GBP"
    );
    let pads: i64 = String::from_utf8(refused[0].cells[3].clone())
        .unwrap()
        .parse()
        .unwrap();
    let before = state(&test).await;
    let units: i64 = before.stock.iter().map(|row| row.on_hand).sum();
    assert_eq!(units, 2_305_010 - pads - summary.service_units);
    assert_eq!(before.stock.len(), 3_270 - 4, "services have no stock");
    assert_eq!(
        (before.products.len(), before.variants.len()),
        (3_270, 3_270)
    );
    let services = before.variants.iter().filter(|row| !row.is_stocked);
    let mut services: Vec<(&str, Availability)> = services
        .map(|row| (row.sku.as_str(), row.availability))
        .collect();
    services.sort_unstable();
    let sold = ["BANK CHARGES", "C2", "M", "POST"];
    assert_eq!(services, sold.map(|sku| (sku, Availability::InStock)));
    assert_eq!(
        counts(&test.import_file(&file, false).await.unwrap()),
        [0, 0, 3_270, 1]
    );
    assert_eq!(state(&test).await, before);
}
