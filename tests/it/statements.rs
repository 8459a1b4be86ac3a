//! What the example operations cost in SQL statements: as `statements.toml` says, however much data there are.

use crate::support::http::Client;
use crate::support::process::log_in;
use crate::support::{TestApp, env};
use entity::catalog::product_category;
use entity::ids::{CategoryId, UserId, WarehouseId};
use sea_orm::{EntityTrait, IntoActiveModel};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tradepost::domain::catalog::model::VariantReference;
use tradepost::domain::orders::service::{Details, NewLine, NewOrder};
use tradepost::error::Fault;
use tradepost::seed;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/operations");
const BUDGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/statements.toml");
/// Products and orders that the demo shop gets for each step of size.
const PRODUCTS: usize = 24;
const ORDERS: usize = 3;
const CUSTOMER: &str = "01930000-0000-7000-8000-000100000002";
const WAREHOUSE: &str = "01930000-0000-7000-8000-000500000000";

/// The operations in the order in which they are run: those on an order follow the one that made it.
const OPERATIONS: &[(&str, bool)] = &[
    ("register", false),
    ("log-in", false),
    ("products", false),
    ("product", false),
    ("categories", false),
    ("category", false),
    ("search", false),
    ("address-create", false),
    ("cart-lines-add", false),
    ("cart", false),
    ("cart-merge", false),
    ("assets", false),
    ("wallet", false),
    ("wallet-deposit", false),
    ("wallet-withdraw", false),
    ("transactions", false),
    ("wallet-statement", false),
    ("transaction-create", false),
    ("order-create", false),
    ("my-orders", false),
    ("reservation-extend", false),
    ("order-pay", false),
    ("order-fulfill", true),
    ("order-refund", true),
    ("order-note-add", true),
    ("cart-checkout", false),
    ("order-cancel", false),
    ("order-summary", false),
    ("product-orders", true),
    ("sales-statistics", true),
    ("stock-adjust", true),
    ("stock-transfer", true),
    ("stock-movements", true),
    ("warehouse-set-status", true),
    ("variant-set-stocked", true),
    ("product-create", true),
    ("products-update", true),
];

fn id<T: From<uuid::Uuid>>(text: &str) -> T {
    uuid::Uuid::parse_str(text).unwrap().into()
}

/// The demo shop, `size` times as large as it is made, with orders of the demo customer.
async fn shop(size: usize) -> TestApp {
    let test = TestApp::alone(&[]).await;
    seed::run(&test.app).await.unwrap();
    let warehouse: WarehouseId = id(WAREHOUSE);
    for number in 0..PRODUCTS * (size - 1) {
        let sold = test
            .product(&format!("MORE-{number}"), 500, warehouse, 100)
            .await;
        let category: CategoryId = id(&format!("01930000-0000-7000-8000-0002{:08}", number % 6));
        let row = product_category::Model {
            product_id: sold.product,
            category_id: category,
        };
        let row = &row;
        let linked = test.app.db().write("test.link", async |tx| {
            let row = row.clone().into_active_model();
            product_category::Entity::insert(row)
                .exec_without_returning(&*tx)
                .await?;
            Ok::<_, Fault>(())
        });
        linked.await.unwrap();
    }
    let customer: UserId = id(CUSTOMER);
    let new = NewOrder {
        lines: vec![NewLine {
            reference: VariantReference::Sku("earl-grey".to_owned()),
            quantity: 1,
        }],
        details: Details::default(),
    };
    for _ in 0..ORDERS * size {
        test.app
            .orders()
            .order_create(customer, &new, None)
            .await
            .unwrap();
    }
    test
}

fn variables(document: &str) -> Value {
    let line = document
        .lines()
        .find_map(|line| line.strip_prefix("# Variables: "));
    serde_json::from_str(line.unwrap_or("{}")).unwrap()
}

/// The token of a new guest's cart.
async fn guest_cart(guest: &Client) -> Value {
    let fill =
        "mutation { cartLinesAdd(lines: [{sku: \"earl-grey\", quantity: 1}]) { cartToken } }";
    guest.data(fill, json!({})).await["cartLinesAdd"]["cartToken"].take()
}

/// The statements of each operation.
async fn measure(size: usize) -> BTreeMap<String, u64> {
    let test = shop(size).await;
    let server = test.serve().await;
    let guest = server.client();
    let customer = log_in(&guest, "customer@example.com", "customer123").await;
    let staff = log_in(&guest, "staff@example.com", "staff1234").await;
    // Who asks is remembered from here on, as it is for nearly all requests.
    for client in [&customer, &staff] {
        client.data("{ me { id } }", json!({})).await;
    }
    let mut order = Value::Null;
    let mut costs = BTreeMap::new();
    for (name, by_staff) in OPERATIONS {
        let document = std::fs::read_to_string(format!("{FOLDER}/{name}.graphql")).unwrap();
        let mut variables = variables(&document);
        if name.starts_with("order-") || *name == "reservation-extend" {
            for id in ["id", "orderId"] {
                if variables.get(id).is_some() {
                    variables[id] = order.clone();
                }
            }
        }
        if *name == "cart-merge" {
            variables["cartToken"] = guest_cart(&guest).await;
        }
        let client: &Client = if *by_staff { &staff } else { &customer };
        // What nobody remembers is what costs.
        test.app.cache().clear();
        let before = test.app.db().statements();
        let data = client.data(&document, variables).await;
        costs.insert((*name).to_owned(), test.app.db().statements() - before);
        let payload = data.as_object().unwrap().values().next().unwrap();
        assert!(
            payload
                .get("userErrors")
                .is_none_or(|errors| *errors == json!([])),
            "{name}: {data}"
        );
        if ["order-create", "cart-checkout"].contains(name) {
            order = payload["order"]["id"].clone();
        }
    }
    costs
}

#[tokio::test]
async fn statements_do_not_grow_with_the_data() {
    let files = std::fs::read_dir(FOLDER)
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        // Subscriptions are never done; what they cost is in their own tests.
        .filter(|document| !document.contains("\nsubscription "))
        .count();
    assert_eq!(
        files,
        OPERATIONS.len(),
        "an example operation is not measured here"
    );
    let (small, large) = (measure(1).await, measure(10).await);
    assert_eq!(small, large, "statements grow with the data");
    let committed = std::fs::read_to_string(BUDGET).unwrap();
    if env("TRADEPOST_WRITE_DOCS").is_some() {
        let head: String = committed.lines().filter(|line| line.starts_with('#')).fold(
            String::new(),
            |mut all, line| {
                writeln!(all, "{line}").unwrap();
                all
            },
        );
        std::fs::write(BUDGET, head + &toml::to_string(&small).unwrap()).unwrap();
        return;
    }
    let budget: BTreeMap<String, u64> = toml::from_str(&committed).unwrap();
    assert_eq!(
        small, budget,
        "TRADEPOST_WRITE_DOCS=1 writes tests/it/statements.toml anew"
    );
}
