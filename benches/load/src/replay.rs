//! Sends real orders as concurrent customers: each registers or logs in, then they order.
//!
//! An order is sent until it is acknowledged or refused, with one idempotency key: through lost answers, restarts and
//! overload. What is refused is counted by its code.

use crate::book::Order;
use crate::client::{Client, Failure};
use futures::future::join_all;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(20);
/// The password of the customers: they are not real ones.
const PASSWORD: &str = "correct horse battery staple";
/// Answers that say: the same again later.
const PASSING: [&str; 5] = [
    "SERVICE_UNAVAILABLE",
    "INTERNAL_SERVER_ERROR",
    "OVERLOADED",
    "IDEMPOTENCY_IN_PROGRESS",
    "HTTP 503",
];

const REGISTER: &str = "mutation($input: UserRegisterInput!, $key: String) {
  userRegister(input: $input, idempotencyKey: $key) { accessToken userErrors { code } } }";
const LOG_IN: &str = "mutation($input: SessionCreateInput!) {
  sessionCreate(input: $input) { accessToken userErrors { code } } }";
const ORDER: &str = "mutation($input: OrderCreateInput!, $key: String!) {
  orderCreate(input: $input, idempotencyKey: $key) {
    order { id cost { total { amount } } } userErrors { code path } } }";

/// How orders are replayed.
#[derive(Clone, Debug)]
pub struct Options {
    /// The GraphQL address.
    pub url: String,
    /// Customers that order at the same time.
    pub clients: usize,
    /// How many times faster than in the file; nothing: as fast as possible.
    pub speed: Option<f64>,
    /// Users that the customers of the file are spread over; nothing: one each.
    pub accounts: Option<usize>,
    /// How long an order is tried before it is given up.
    pub patience: Duration,
    /// Name of this run, in the keys and references of its orders: another name makes other orders.
    pub run: String,
}

/// What can be seen while it runs.
#[derive(Debug, Default)]
pub struct Live {
    /// Orders that wait for their answers.
    pub in_flight: AtomicUsize,
    /// Orders that were acknowledged.
    pub acknowledged: AtomicUsize,
}

/// An order that the server acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// Its id.
    pub id: String,
    /// Its total, as the server wrote it.
    pub total: String,
}

/// What a replay did.
#[derive(Debug, Default)]
pub struct Report {
    /// Orders that were sent.
    pub sent: usize,
    /// Orders that were acknowledged, by their ids in the file.
    pub acknowledged: HashMap<String, Acknowledged>,
    /// Orders that were refused or given up, with the code.
    pub refused: BTreeMap<String, String>,
    /// Lines that were left out, because the shop does not have what they name: order and SKU.
    pub dropped: Vec<(String, String)>,
    /// Attempts without success, by code.
    pub errors: BTreeMap<String, u64>,
    /// Users that were registered or logged in.
    pub customers: usize,
    /// How long that took.
    pub customers_took: Duration,
    /// How long the orders took.
    pub took: Duration,
    /// From the moment an order was due to its acknowledgement, shortest first.
    pub waits: Vec<Duration>,
}

impl Report {
    /// The wait that so many of a hundred orders did not pass.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        let place = (self.waits.len() * percent / 100).min(self.waits.len().saturating_sub(1));
        self.waits.get(place).copied().unwrap_or_default()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.took.as_secs_f64();
        let done = self.acknowledged.len();
        let rate = done as f64 / seconds.max(f64::MIN_POSITIVE);
        let ms = |percent| self.percentile(percent).as_secs_f64() * 1_000.0;
        let (customers, took) = (self.customers, self.customers_took.as_secs_f64());
        writeln!(
            f,
            "customers   {customers} registered or logged in, in {took:.1} s"
        )?;
        writeln!(
            f,
            "orders      {done} of {} acknowledged in {seconds:.1} s: {rate:.1} a second",
            self.sent
        )?;
        writeln!(
            f,
            "waits       p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
            ms(50),
            ms(90),
            ms(99),
            ms(100)
        )?;
        for (code, count) in &self.errors {
            writeln!(f, "attempts    {count} without success: {code}")?;
        }
        for (order, code) in &self.refused {
            writeln!(f, "refused     order {order}: {code}")?;
        }
        for (order, sku) in &self.dropped {
            writeln!(
                f,
                "left out    {sku} of order {order}: the shop does not have it"
            )?;
        }
        Ok(())
    }
}

/// A replay while it runs.
struct Replay<'a> {
    client: Client,
    options: &'a Options,
    live: &'a Live,
    report: Mutex<Report>,
}

/// Replays orders, which are in the order of time.
///
/// # Errors
/// The client cannot be made. All else stands in the report.
pub async fn run(
    orders: &[Order],
    options: &Options,
    live: &Live,
) -> Result<Report, reqwest::Error> {
    let replay = Replay {
        client: Client::new(&options.url)?,
        options,
        live,
        report: Mutex::default(),
    };
    let began = Instant::now();
    let tokens = replay.log_in_all(orders).await;
    let customers_took = began.elapsed();
    let (began, next) = (Instant::now(), AtomicUsize::new(0));
    let work = (0..options.clients).map(|_| replay.customer(orders, &tokens, began, &next));
    join_all(work).await;
    let mut report = replay.report.into_inner().unwrap_or_default();
    report.sent = orders.len();
    report.customers = tokens.len();
    report.customers_took = customers_took;
    report.took = began.elapsed();
    report.waits.sort_unstable();
    Ok(report)
}

impl Replay<'_> {
    /// The account of a customer of the file.
    fn account(&self, orders: &[Order]) -> HashMap<String, String> {
        let mut accounts = HashMap::new();
        for order in orders {
            let number = accounts.len();
            accounts
                .entry(order.customer.clone())
                .or_insert_with(|| match self.options.accounts {
                    Some(most) => format!("replay-{}@example.com", number % most.max(1)),
                    None => format!(
                        "replay-customer-{}@example.com",
                        order.customer.to_lowercase()
                    ),
                });
        }
        accounts
    }

    /// Access tokens by customer.
    async fn log_in_all(&self, orders: &[Order]) -> HashMap<String, String> {
        let accounts = self.account(orders);
        let mut emails: Vec<&str> = accounts.values().map(String::as_str).collect();
        emails.sort_unstable();
        emails.dedup();
        let (emails, next) = (&emails, &AtomicUsize::new(0));
        let work = (0..self.options.clients).map(|_| async move {
            let mut tokens = Vec::new();
            while let Some(email) = emails.get(next.fetch_add(1, Ordering::SeqCst)) {
                if let Some(token) = self.log_in(email).await {
                    tokens.push(((*email).to_owned(), token));
                }
            }
            tokens
        });
        let tokens: HashMap<String, String> = join_all(work).await.into_iter().flatten().collect();
        let of = |(customer, email)| Some((customer, tokens.get(&email)?.clone()));
        accounts.into_iter().filter_map(of).collect()
    }

    /// Registers, or logs in when the account is there from an earlier replay.
    async fn log_in(&self, email: &str) -> Option<String> {
        let register = json!({
            "input": { "name": email, "email": email, "password": PASSWORD },
            "key": format!("{}-{email}", self.options.run),
        });
        let log_in = json!({ "input": { "identifier": email, "password": PASSWORD } });
        let began = Instant::now();
        let mut known = false;
        while began.elapsed() < self.options.patience {
            let (document, variables) = if known {
                (LOG_IN, &log_in)
            } else {
                (REGISTER, &register)
            };
            let answer = self.client.send(None, document, variables).await;
            match answer.map(|mut data| {
                data[if known {
                    "sessionCreate"
                } else {
                    "userRegister"
                }]
                .take()
            }) {
                Ok(payload) => match payload["accessToken"].as_str() {
                    Some(token) => return Some(token.to_owned()),
                    None => {
                        self.failed(
                            payload["userErrors"][0]["code"]
                                .as_str()
                                .unwrap_or("UNKNOWN"),
                        );
                        known = true;
                    }
                },
                Err(failure) => self.failed(&failure.to_string()),
            }
            tokio::time::sleep(PAUSE).await;
        }
        None
    }

    fn failed(&self, code: &str) {
        self.with(|report| *report.errors.entry(code.to_owned()).or_default() += 1);
    }

    fn with(&self, change: impl FnOnce(&mut Report)) {
        // A panic of another client ends the replay anyway.
        if let Ok(mut report) = self.report.lock() {
            change(&mut report);
        }
    }

    /// Takes the next order until there is none.
    async fn customer(
        &self,
        orders: &[Order],
        tokens: &HashMap<String, String>,
        began: Instant,
        next: &AtomicUsize,
    ) {
        while let Some(order) = orders.get(next.fetch_add(1, Ordering::SeqCst)) {
            let mut due = Instant::now();
            if let Some(speed) = self.options.speed {
                #[expect(clippy::cast_precision_loss, reason = "seconds of a few years")]
                let since = (order.at - orders[0].at) as f64;
                due = began + Duration::from_secs_f64((since / speed).max(0.0));
                tokio::time::sleep_until(due.into()).await;
            }
            match tokens.get(&order.customer) {
                Some(token) => self.order(order, token, due).await,
                None => self.refused(order, "the customer could not log in"),
            }
        }
    }

    fn refused(&self, order: &Order, code: &str) {
        self.with(|report| {
            report
                .refused
                .insert(order.reference.clone(), code.to_owned());
        });
    }

    /// Sends an order until it is acknowledged or refused.
    async fn order(&self, order: &Order, token: &str, due: Instant) {
        let mut lines = order.lines.clone();
        let reference = format!("{}-{}", self.options.run, order.reference);
        let mut key = reference.clone();
        while due.elapsed() < self.options.patience {
            let input: Vec<Value> = lines
                .iter()
                .map(|(sku, quantity)| json!({ "sku": sku, "quantity": quantity }))
                .collect();
            let input = json!({ "lines": input, "clientReference": reference });
            let variables = json!({ "input": input, "key": key });
            self.live.in_flight.fetch_add(1, Ordering::SeqCst);
            let answer = self.client.send(Some(token), ORDER, &variables).await;
            self.live.in_flight.fetch_sub(1, Ordering::SeqCst);
            let payload = match answer {
                Ok(mut data) => data["orderCreate"].take(),
                Err(Failure::Code(code)) if !PASSING.contains(&code.as_str()) => {
                    self.failed(&code);
                    return self.refused(order, &code);
                }
                Err(failure) => {
                    self.failed(&failure.to_string());
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            if payload["order"].is_object() {
                return self.acknowledged(order, &payload["order"], due);
            }
            let code = payload["userErrors"][0]["code"]
                .as_str()
                .unwrap_or("UNKNOWN");
            self.failed(code);
            let unknown = unknown_lines(&payload["userErrors"]);
            if unknown.is_empty() || unknown.len() == lines.len() {
                if PASSING.contains(&code) {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                return self.refused(order, code);
            }
            for place in unknown.into_iter().rev() {
                let (sku, _) = lines.remove(place);
                self.with(|report| report.dropped.push((order.reference.clone(), sku)));
            }
            // Another input needs another key.
            key.push_str("-known");
        }
        self.refused(order, "given up");
    }

    fn acknowledged(&self, order: &Order, answer: &Value, due: Instant) {
        let waited = due.elapsed();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let done = Acknowledged {
            id: text(&answer["id"]),
            total: text(&answer["cost"]["total"]["amount"]),
        };
        self.with(|report| {
            report.acknowledged.insert(order.reference.clone(), done);
            report.waits.push(waited);
        });
        self.live.acknowledged.fetch_add(1, Ordering::SeqCst);
    }
}

/// The places of lines that name nothing the shop has, ascending; none when anything else is wrong too.
fn unknown_lines(errors: &Value) -> Vec<usize> {
    let errors = errors.as_array().map_or(&[][..], Vec::as_slice);
    let place = |error: &Value| {
        let path = error["path"].as_array()?;
        let place = path.iter().position(|part| part == "lines")?;
        let number = path.get(place + 1)?.as_str()?.parse().ok()?;
        (error["code"] == "NOT_FOUND").then_some(number)
    };
    let mut places: Vec<usize> = errors
        .iter()
        .map(place)
        .collect::<Option<_>>()
        .unwrap_or_default();
    places.sort_unstable();
    places.dedup();
    places
}
