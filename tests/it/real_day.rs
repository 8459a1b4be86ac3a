//! The busiest real day: its 137 invoices are sold through the API, and everything agrees with the file.
//!
//! What is expected is computed here from the invoices alone, by other code than the importer's.

use crate::support::csv_file::counts;
use crate::support::http::Client;
#[cfg(feature = "kafka")]
use crate::support::wait;
use crate::support::{Profile, TestApp, profile, retail, services};
use entity::catalog::variant;
use entity::events::outbox_event;
use entity::inventory::stock;
use entity::orders::{order, order_line};
use futures::future::join_all;
use rust_decimal::Decimal;
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use tradepost::error::Fault;
use tradepost::event_tools::{self, Tail};

/// Clients that send invoices at the same time.
const CLIENTS: usize = 16;
/// Each tenth invoice is sent twice with its key, as by a client whose answer was lost.
const REPEATED: usize = 10;
const PASSWORD: &str = "correct horse battery";
/// Codes among the sales that are services: they have no stock.
pub(crate) const SERVICES: [&str; 4] = ["post", "c2", "m", "bank charges"];

const REGISTER: &str = "mutation($input: UserRegisterInput!) {
  userRegister(input: $input) { accessToken userErrors { code message } } }";
const CREATE: &str = "mutation($input: OrderCreateInput!, $key: String!) {
  orderCreate(input: $input, idempotencyKey: $key) {
    order { id cost { total { amount currencyCode } } lines { sku quantity } }
    userErrors { code message path } } }";

/// An invoice of the busiest day.
#[derive(Clone, Debug, Default)]
pub(crate) struct Invoice {
    pub(crate) number: String,
    customer: String,
    /// Code in lower case and quantity of each line, in the order of the file.
    pub(crate) lines: Vec<(String, i64)>,
}

/// What the file says of all sales.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) invoices: Vec<Invoice>,
    /// Most frequent price of each code in pence; none where it has a fraction of a penny.
    pub(crate) prices: HashMap<String, Option<i64>>,
    /// Units of each code that were sold in the half year: the stock that is imported.
    pub(crate) units: HashMap<String, i64>,
}

/// Reads the file, and keeps the invoices of the day with most of them.
fn book(path: &Path) -> Book {
    let (mut book, days) = whole_book(path);
    let busiest = days.into_values().max_by_key(Vec::len).unwrap();
    let mut invoices: HashMap<String, Invoice> = book
        .invoices
        .into_iter()
        .map(|invoice| (invoice.number.clone(), invoice))
        .collect();
    book.invoices = busiest
        .iter()
        .map(|number| invoices.remove(number).unwrap())
        .collect();
    book
}

/// Reads the file: all invoices, and the numbers of those of each day.
pub(crate) fn whole_book(path: &Path) -> (Book, BTreeMap<String, Vec<String>>) {
    let file = flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap());
    let mut book = Book::default();
    let mut days: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut invoices: HashMap<String, Invoice> = HashMap::new();
    let mut votes: HashMap<String, Vec<(String, usize)>> = HashMap::new();
    for row in csv::Reader::from_reader(file).deserialize() {
        let row: HashMap<String, String> = row.unwrap();
        let quantity: i64 = row["Quantity"].parse().unwrap();
        let price = Decimal::from_str_exact(&row["UnitPrice"]).unwrap();
        let number = row["InvoiceNo"].clone();
        if number.starts_with(['C', 'A'])
            || quantity <= 0
            || price <= Decimal::ZERO
            || row["CustomerID"].is_empty()
        {
            continue;
        }
        let code = row["StockCode"].to_lowercase();
        *book.units.entry(code.clone()).or_default() += quantity;
        let prices = votes.entry(code.clone()).or_default();
        match prices
            .iter_mut()
            .find(|(text, _)| *text == row["UnitPrice"])
        {
            Some((_, votes)) => *votes += 1,
            None => prices.push((row["UnitPrice"].clone(), 1)),
        }
        let invoice = invoices.entry(number.clone()).or_default();
        if invoice.number.is_empty() {
            // An invoice belongs to the day of its first line.
            let day = row["InvoiceDate"][..10].to_owned();
            days.entry(day).or_default().push(number.clone());
            invoice.number = number;
            invoice.customer = row["CustomerID"].clone();
        }
        invoice.lines.push((code, quantity));
    }
    for (code, prices) in votes {
        // `max_by_key` takes the last of equals, and the file's first one counts.
        let (text, _) = prices.iter().rev().max_by_key(|(_, votes)| *votes).unwrap();
        let pence = (Decimal::from_str_exact(text).unwrap() * Decimal::ONE_HUNDRED).normalize();
        let pence = (pence.scale() == 0).then(|| i64::try_from(pence.mantissa()).unwrap());
        book.prices.insert(code, pence);
    }
    book.invoices = invoices.into_values().collect();
    (book, days)
}

impl Book {
    fn total(&self, invoice: &Invoice) -> i64 {
        let cost = |(code, quantity): &(String, i64)| quantity * self.prices[code].unwrap();
        invoice.lines.iter().map(cost).sum()
    }
}

/// Every customer of the day registers; the access tokens by customer.
async fn register(client: &Client, invoices: &[Invoice]) -> HashMap<String, String> {
    let customers: HashSet<&str> = invoices.iter().map(|i| i.customer.as_str()).collect();
    let mut tokens = HashMap::new();
    for customer in customers {
        let input = json!({
            "name": format!("Customer {customer}"),
            "email": format!("customer-{customer}@example.com"),
            "password": PASSWORD,
        });
        let data = client.data(REGISTER, json!({ "input": input })).await;
        let token = data["userRegister"]["accessToken"].as_str();
        let token = token.unwrap_or_else(|| panic!("{data}")).to_owned();
        tokens.insert(customer.to_owned(), token);
    }
    tokens
}

/// Sends an invoice as an order and returns the order.
async fn send(client: &Client, invoice: &Invoice) -> Value {
    let lines: Vec<Value> = invoice
        .lines
        .iter()
        .map(|(code, quantity)| json!({ "sku": code, "quantity": quantity }))
        .collect();
    let input = json!({ "lines": lines, "clientReference": invoice.number });
    let variables = json!({ "input": input, "key": invoice.number });
    let mut data = client.data(CREATE, variables).await;
    let payload = data["orderCreate"].take();
    assert_eq!(payload["userErrors"], json!([]), "{}", invoice.number);
    payload["order"].clone()
}

/// 16 clients take the next invoice each until there is none. The orders by invoice.
async fn replay(
    clients: &[Client],
    tokens: &HashMap<String, String>,
    invoices: &[Invoice],
) -> HashMap<String, Value> {
    let next = AtomicUsize::new(0);
    let next = &next;
    let work = clients.iter().map(|client| async move {
        let mut orders = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::SeqCst);
            let Some(invoice) = invoices.get(place) else {
                return orders;
            };
            let client = client.with_token(&tokens[&invoice.customer]);
            let order = send(&client, invoice).await;
            if place.is_multiple_of(REPEATED) {
                let again = send(&client, invoice).await;
                assert_eq!(again["id"], order["id"], "sent twice");
            }
            orders.push((invoice.number.clone(), order));
        }
    });
    join_all(work).await.into_iter().flatten().collect()
}

/// Minor units of `{amount, currencyCode}`.
fn pence(money: &Value) -> i64 {
    assert_eq!(money["currencyCode"], "GBP");
    let amount = money["amount"].as_str().unwrap().replace('.', "");
    amount.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_busiest_real_day_is_sold_through_the_api_and_all_sums_agree() {
    let Some(path) = retail::invoices("the_busiest_real_day") else {
        return;
    };
    let _kafka = services::kafka_in_use().await;
    let book = book(&path);
    assert_eq!(book.invoices.len(), 137, "what shared/data/README.md says");
    let test = TestApp::new().await;
    let (file, _) = retail::catalogue(&path, test.dir.path());
    let report = test.import_file(&file, false).await.unwrap();
    assert_eq!(counts(&report), [3_270, 0, 0, 1]);
    if profile() == Profile::Services {
        test.app.events().start(test.app.workers());
    }
    let server = test.serve().await;
    let tokens = register(&server.client(), &book.invoices).await;
    let clients: Vec<Client> = (0..CLIENTS).map(|_| server.client()).collect();
    let orders = replay(&clients, &tokens, &book.invoices).await;

    assert_eq!(orders.len(), 137, "every invoice is one order");
    for invoice in &book.invoices {
        let order = &orders[&invoice.number];
        assert_eq!(
            pence(&order["cost"]["total"]),
            book.total(invoice),
            "{invoice:?}"
        );
        let lines = order["lines"].as_array().unwrap().iter().map(|line| {
            let sku = line["sku"].as_str().unwrap().to_lowercase();
            (sku, line["quantity"].as_i64().unwrap())
        });
        assert_eq!(
            lines.collect::<Vec<_>>(),
            invoice.lines,
            "also repeated lines"
        );
    }
    let expected: i64 = book
        .invoices
        .iter()
        .map(|invoice| book.total(invoice))
        .sum();
    let found: i64 = orders
        .values()
        .map(|order| pence(&order["cost"]["total"]))
        .sum();
    assert_eq!(found, expected);
    tables_agree(&test, &book, &orders, expected).await;
    events_agree(&test, &orders, &book).await;
    println!(
        "137 orders of {} lines: {expected} pence",
        book.invoices.iter().map(|i| i.lines.len()).sum::<usize>()
    );
}

/// The tables say the same: no other order, and the stock of every code is what was imported less what was sold.
async fn tables_agree(test: &TestApp, book: &Book, orders: &HashMap<String, Value>, total: i64) {
    let (rows, lines, variants, stocks) = test
        .app
        .db()
        .read("test.tables", async |c| {
            let orders = order::Entity::find().all(&*c).await?;
            let lines = order_line::Entity::find().all(&*c).await?;
            let variants = variant::Entity::find().all(&*c).await?;
            Ok::<_, Fault>((
                orders,
                lines,
                variants,
                stock::Entity::find().all(&*c).await?,
            ))
        })
        .await
        .unwrap();
    let expected: HashSet<&str> = orders
        .values()
        .filter_map(|order| order["id"].as_str())
        .collect();
    let found: HashSet<String> = rows.iter().map(|row| row.id.to_string()).collect();
    assert_eq!(
        found.iter().map(String::as_str).collect::<HashSet<_>>(),
        expected
    );
    assert_eq!(rows.len(), 137);
    assert_eq!(rows.iter().map(|row| row.total_minor).sum::<i64>(), total);
    assert_eq!(
        lines.iter().map(|line| line.total_minor).sum::<i64>(),
        total
    );
    let users: HashSet<_> = rows.iter().map(|row| row.user_id.unwrap()).collect();
    let customers: HashSet<_> = book.invoices.iter().map(|i| i.customer.as_str()).collect();
    assert_eq!(users.len(), customers.len());
    let mut sold: HashMap<&str, i64> = HashMap::new();
    for (code, quantity) in book.invoices.iter().flat_map(|invoice| &invoice.lines) {
        *sold.entry(code).or_default() += quantity;
    }
    let stocks: HashMap<_, _> = stocks
        .into_iter()
        .map(|row| (row.variant_id, row))
        .collect();
    assert_eq!((variants.len(), stocks.len()), (3_270, 3_266));
    for variant in &variants {
        let code = variant.sku_folded.as_str();
        assert_eq!(Some(variant.price_minor), book.prices[code], "{code}");
        assert_eq!(variant.is_stocked, !SERVICES.contains(&code), "{code}");
        let Some(row) = stocks.get(&variant.id) else {
            assert!(!variant.is_stocked, "{code} has no stock");
            continue;
        };
        let taken = sold.get(code).copied().unwrap_or(0);
        assert_eq!(row.on_hand, book.units[code], "{code} was imported");
        assert_eq!(
            row.on_hand - row.reserved,
            book.units[code] - taken,
            "{code} is left"
        );
    }
    let post = sold.get("post").copied().unwrap_or(0);
    assert!(
        post > 0,
        "the busiest day sold postage, of which there is no stock"
    );
}

/// There is one `order.created` for each order, and no other event of orders, where consumers read.
async fn events_agree(test: &TestApp, orders: &HashMap<String, Value>, book: &Book) {
    let totals: HashMap<&str, i64> = book
        .invoices
        .iter()
        .map(|invoice| {
            (
                orders[&invoice.number]["id"].as_str().unwrap(),
                book.total(invoice),
            )
        })
        .collect();
    let rows = test.app.db().read("test.outbox", async |c| {
        Ok::<_, Fault>(outbox_event::Entity::find().all(&*c).await?)
    });
    let rows = rows.await.unwrap();
    // Stock that ran low is told on a topic of its own.
    let of_orders = rows.iter().filter(|row| row.aggregate_type == "order");
    assert_eq!(of_orders.count(), totals.len());
    if profile() == Profile::Embedded {
        test.app.events().run_until_idle().await.unwrap();
        let tail = Tail {
            from_beginning: true,
            json: true,
            event_type: Some("tradepost.order.".to_owned()),
            ..Tail::default()
        };
        let mut out = Vec::new();
        event_tools::tail(&test.app, &tail, &mut out).await.unwrap();
        let mut found = HashMap::new();
        for line in String::from_utf8(out).unwrap().lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            assert_eq!(event["type"], "tradepost.order.created.v1", "{event}");
            let order = event["data"]["orderId"].as_str().unwrap().to_owned();
            let repeated = found.insert(order, pence(&event["data"]["total"]));
            assert_eq!(repeated, None, "an event twice: {event}");
        }
        let found: HashMap<&str, i64> = found
            .iter()
            .map(|(id, total)| (id.as_str(), *total))
            .collect();
        assert_eq!(found, totals);
        return;
    }
    #[cfg(feature = "kafka")]
    kafka::records_agree(&test.app, &totals).await;
}

/// The real topics.
#[cfg(feature = "kafka")]
mod kafka {
    use super::{pence, wait};
    use crate::support::need;
    use rdkafka::consumer::{BaseConsumer, Consumer as _};
    use rdkafka::message::Headers as _;
    use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
    use serde_json::Value;
    use std::collections::HashMap;
    use std::time::Duration;
    use tradepost::app::App;

    const LIMIT: Duration = Duration::from_secs(30);

    /// A record as a consumer gets it: its id, its type and its body.
    struct Record {
        id: String,
        kind: String,
        body: Value,
    }

    /// Both topics hold one record for each order, and none else.
    pub(super) async fn records_agree(app: &App, totals: &HashMap<&str, i64>) {
        wait::eventually("all events are published", async || {
            (app.events().measure().await.unwrap().pending == 0).then_some(())
        })
        .await;
        let main = format!("{}.orders.v1", app.config().events.topic_prefix);
        let flat = app.config().events.order_created_topic.clone();
        let read = |topic: String| async {
            tokio::task::spawn_blocking(move || records(&topic))
                .await
                .unwrap()
        };
        let (main, flat) = (read(main).await, read(flat).await);
        assert_eq!((main.len(), flat.len()), (totals.len(), totals.len()));
        let mut ids = HashMap::new();
        for record in &main {
            assert_eq!(record.kind, "tradepost.order.created.v1");
            let order = record.body["orderId"].as_str().unwrap();
            assert_eq!(pence(&record.body["total"]), totals[order]);
            assert!(ids.insert(order, &record.id).is_none(), "{order} twice");
        }
        for record in &flat {
            assert_eq!(record.kind, "OrderCreatedEvent");
            let order = record.body["order_id"].as_str().unwrap();
            let total = record.body["total_price"]
                .as_str()
                .unwrap()
                .replace('.', "");
            assert_eq!(total.parse(), Ok(totals[order]));
            assert_eq!(
                ids.remove(order),
                Some(&record.id),
                "the same id in both topics"
            );
        }
        assert!(ids.is_empty(), "{ids:?}");
    }

    /// Everything in a topic, all its partitions, from the first record to the last that is there now.
    fn records(topic: &str) -> Vec<Record> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", need("TRADEPOST_TEST_KAFKA_BROKERS"))
            .set("group.id", "real-day")
            .set("enable.auto.commit", "false")
            .create()
            .unwrap();
        let metadata = consumer.fetch_metadata(Some(topic), LIMIT).unwrap();
        let mut partitions = TopicPartitionList::new();
        let mut left = 0;
        for partition in metadata.topics()[0].partitions() {
            let (low, high) = consumer
                .fetch_watermarks(topic, partition.id(), LIMIT)
                .unwrap();
            left += high - low;
            partitions
                .add_partition_offset(topic, partition.id(), Offset::Beginning)
                .unwrap();
        }
        consumer.assign(&partitions).unwrap();
        let mut records = Vec::new();
        while left > 0 {
            let message = consumer.poll(LIMIT).expect("a record in time").unwrap();
            let header = |name: &str| {
                let headers = message.headers().unwrap();
                let found = headers.iter().find(|header| header.key == name).unwrap();
                String::from_utf8(found.value.unwrap().to_vec()).unwrap()
            };
            records.push(Record {
                id: header("ce_id"),
                kind: header("ce_type"),
                body: serde_json::from_slice(message.payload().unwrap()).unwrap(),
            });
            left -= 1;
        }
        records
    }
}
