//! How fast cached answers are, beside comparators that are built here: the same allocator, the same build, the same
//! runtime and the same accept loop.
//!
//! `cargo bench --bench cache_speed` prints a table, and only some lines of it when words of them are given. Each line
//! is measured in five rounds that alternate with its comparator; rates are medians of the rounds. 64 keep-alive connections ask without pipelining from one thread of
//! the same machine, so a part of each core is the generator's; the last columns therefore tell what the server's own
//! threads spent on a request, which the generator does not dilute.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on ends where it stands"
)]

use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{
    ComplexObject, Context, EmptyMutation, EmptySubscription, ID, InputObject, Object, Request,
    Schema, SimpleObject, ValidationMode, Variables,
};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tradepost::app::App;
use tradepost::clock::Clock;
use tradepost::config::Config;
use tradepost::db::migrate::{self, Direction};
use tradepost::graphql::schema;
use tradepost::http::Server;
use tradepost::seed;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
const WARM_UP: Duration = Duration::from_millis(500);
/// Threads of the servers' runtime have this name, so that their time can be told from the generator's.
const SERVER: &str = "server";
/// Units of the times in /proc, a second.
const TICKS: f64 = 100.0;

const DETAIL: &str = "query Detail($id: ID!) { product(by: {id: $id}) { id slug name description status price { amount currencyCode } availability variants { id sku name price { amount currencyCode } availability } images { url alt } } }";
const LIST: &str =
    "{ products(first: 20) { nodes { id slug name price { amount currencyCode } availability } } }";

// --- the comparator that executes GraphQL from memory ---------------------------------------------------------------

#[derive(Clone, SimpleObject)]
struct Money {
    amount: String,
    currency_code: String,
}

#[derive(Clone, SimpleObject)]
struct Image {
    url: String,
    alt: String,
}

#[derive(Clone, SimpleObject)]
struct Variant {
    id: ID,
    sku: String,
    name: String,
    price: Money,
    availability: String,
}

#[derive(Clone, SimpleObject)]
#[graphql(complex)]
struct Product {
    id: ID,
    slug: String,
    name: String,
    description: String,
    status: String,
    price: Money,
    availability: String,
    #[graphql(skip)]
    all: Arc<(Vec<Variant>, Vec<Image>)>,
}

#[ComplexObject]
impl Product {
    async fn variants(&self) -> &[Variant] {
        &self.all.0
    }

    async fn images(&self) -> &[Image] {
        &self.all.1
    }
}

#[derive(SimpleObject)]
struct Products {
    nodes: Vec<Product>,
}

#[derive(InputObject)]
struct By {
    id: ID,
}

struct Query;

type Memory = (HashMap<String, Product>, Vec<Product>);

#[Object]
impl Query {
    async fn product(&self, ctx: &Context<'_>, by: By) -> Option<Product> {
        let memory = ctx.data_unchecked::<Memory>();
        memory.0.get(by.id.as_str()).cloned()
    }

    async fn products(&self, ctx: &Context<'_>, first: i32) -> Products {
        let all = &ctx.data_unchecked::<Memory>().1;
        let count = usize::try_from(first).unwrap_or(0).min(all.len());
        Products {
            nodes: all[..count].to_vec(),
        }
    }
}

#[derive(Clone)]
struct Executing {
    schema: Schema<Query, EmptyMutation, EmptySubscription>,
    documents: Arc<HashMap<String, ExecutableDocument>>,
}

#[derive(serde::Deserialize)]
struct Body {
    query: String,
    #[serde(default)]
    variables: Value,
}

async fn execute(
    State(executing): State<Executing>,
    body: Bytes,
) -> ([(http::HeaderName, HeaderValue); 1], Vec<u8>) {
    let body: Body = serde_json::from_slice(&body).unwrap();
    let mut request = Request::new("").variables(Variables::from_json(body.variables));
    request.set_parsed_query(executing.documents[&body.query].clone());
    let response = executing.schema.execute(request).await;
    assert!(response.errors.is_empty(), "{:?}", response.errors);
    (json_header(), serde_json::to_vec(&response).unwrap())
}

fn json_header() -> [(http::HeaderName, HeaderValue); 1] {
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    [(CONTENT_TYPE, json)]
}

fn memory(details: &Value, list: &Value) -> Memory {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let money = |value: &Value| Money {
        amount: text(&value["amount"]),
        currency_code: text(&value["currencyCode"]),
    };
    let product = |found: &Value| {
        let variants = found["variants"].as_array().cloned().unwrap_or_default();
        let images = found["images"].as_array().cloned().unwrap_or_default();
        let variant = |one: &Value| Variant {
            id: text(&one["id"]).into(),
            sku: text(&one["sku"]),
            name: text(&one["name"]),
            price: money(&one["price"]),
            availability: text(&one["availability"]),
        };
        let image = |one: &Value| Image {
            url: text(&one["url"]),
            alt: text(&one["alt"]),
        };
        Product {
            id: text(&found["id"]).into(),
            slug: text(&found["slug"]),
            name: text(&found["name"]),
            description: text(&found["description"]),
            status: text(&found["status"]),
            price: money(&found["price"]),
            availability: text(&found["availability"]),
            all: Arc::new((
                variants.iter().map(variant).collect(),
                images.iter().map(image).collect(),
            )),
        }
    };
    let found = product(&details["product"]);
    let nodes = list["products"]["nodes"].as_array().unwrap();
    (
        HashMap::from([(found.id.to_string(), found)]),
        nodes.iter().map(product).collect(),
    )
}

// --- servers --------------------------------------------------------------------------------------------------------

/// An app on a seeded SQLite file of its own.
async fn app(folder: &std::path::Path, responses: bool) -> App {
    let config = Config::with([
        ("server.env", json!("development")),
        ("server.data_dir", json!(folder.to_str().unwrap())),
        ("server.address", json!("127.0.0.1:0")),
        ("http.admin_address", json!("")),
        ("auth.bcrypt_cost", json!(4)),
        ("cache.responses", json!(responses)),
    ])
    .unwrap();
    let app = App::new(config, Clock::system()).await.unwrap();
    migrate::run(app.db(), app.config(), Direction::Up)
        .await
        .unwrap();
    if seed::is_empty(&app).await.unwrap() {
        seed::run(&app).await.unwrap();
    }
    app.cache().start();
    app
}

async fn serve(app: &App) -> SocketAddr {
    run(
        app,
        Server::bind(app.clone(), schema::build(app)).await.unwrap(),
    )
}

async fn serve_router(app: &App, router: Router) -> SocketAddr {
    run(app, Server::of_router(app.clone(), router).await.unwrap())
}

fn run(app: &App, server: Server) -> SocketAddr {
    let address = server.local_addr();
    app.workers().spawn(server.serve(CancellationToken::new()));
    address
}

// --- the generator --------------------------------------------------------------------------------------------------

/// A request as bytes.
fn request(body: &Value, token: Option<&str>) -> Bytes {
    let body = body.to_string();
    let token = token.map_or(String::new(), |token| {
        format!("authorization: Bearer {token}\r\n")
    });
    format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\naccept: application/json\r\n{token}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}

/// Sends a request and reads its whole answer; the body is the end of `buffer`.
async fn exchange(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> usize {
    stream.write_all(request).await.unwrap();
    buffer.clear();
    loop {
        assert!(
            stream.read_buf(buffer).await.unwrap() > 0,
            "the server closed"
        );
        let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let text = std::str::from_utf8(&buffer[..head]).unwrap();
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .unwrap();
        let whole = head + 4 + length.parse::<usize>().unwrap();
        if buffer.len() >= whole {
            return head + 4;
        }
    }
}

/// The body of one answer, which must be 200.
async fn once(address: SocketAddr, request: &[u8]) -> Bytes {
    let (mut stream, mut buffer) = (TcpStream::connect(address).await.unwrap(), Vec::new());
    let body = exchange(&mut stream, request, &mut buffer).await;
    let text = String::from_utf8_lossy(&buffer);
    assert!(buffer.starts_with(b"HTTP/1.1 200"), "{text}");
    Bytes::copy_from_slice(&buffer[body..])
}

/// Answers a second, and microseconds of the server's threads for each.
#[derive(Clone, Copy)]
struct Rate {
    per_second: f64,
    server_us: f64,
}

/// Keeps all connections busy for a while.
fn round(address: SocketAddr, request: &Bytes, duration: Duration) -> Rate {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (answers, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (began, spent) = (Instant::now(), server_ticks());
        let connections = (0..CONNECTIONS).map(|_| {
            let (answers, stop, request) = (answers.clone(), stop.clone(), request.clone());
            async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let mut buffer = Vec::with_capacity(16 << 10);
                while !stop.load(Ordering::Relaxed) {
                    exchange(&mut stream, &request, &mut buffer).await;
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let timer = async {
            tokio::time::sleep(duration).await;
            stop.store(true, Ordering::Relaxed);
        };
        // One task: the generator stays lean, and its wake-ups cost the servers nothing.
        tokio::join!(futures::future::join_all(connections), timer);
        let count = answers.load(Ordering::Relaxed) as f64;
        Rate {
            per_second: count / began.elapsed().as_secs_f64(),
            server_us: (server_ticks() - spent) / TICKS * 1e6 / count,
        }
    })
}

/// Time that the servers' threads have used, in ticks.
fn server_ticks() -> f64 {
    let mut ticks = 0.0;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let Ok(stat) = std::fs::read_to_string(task.path().join("stat")) else {
            continue;
        };
        let Some((name, rest)) = stat.rsplit_once(") ") else {
            continue;
        };
        if name.contains(SERVER) {
            let fields: Vec<&str> = rest.split(' ').collect();
            ticks += fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        }
    }
    ticks
}

/// Measures two servers in alternating rounds and prints a line, unless the command line asks for other lines only.
fn compare(what: &str, ours: (SocketAddr, &Bytes), other: (SocketAddr, &Bytes), goals: &str) {
    let mut wanted = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'));
    let first = wanted.next();
    if first.is_some_and(|word| !what.contains(&word) && !wanted.any(|word| what.contains(&word))) {
        return;
    }
    for (address, request) in [ours, other] {
        round(address, request, WARM_UP);
    }
    let (mut mine, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        mine.push(round(ours.0, ours.1, ROUND));
        theirs.push(round(other.0, other.1, ROUND));
    }
    let (mine, theirs) = (median(mine), median(theirs));
    println!(
        "| {what:44} | {:9.0} | {:10.0} | {:5.2} | {goals:11} | {:7.1} | {:10.1} |",
        mine.per_second,
        theirs.per_second,
        mine.per_second / theirs.per_second,
        mine.server_us,
        theirs.server_us,
    );
}

fn median(mut rates: Vec<Rate>) -> Rate {
    rates.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    rates[rates.len() / 2]
}

async fn token(address: SocketAddr) -> String {
    let user = &seed::USERS[2];
    let body = json!({
        "query": "mutation($input: SessionCreateInput!) { sessionCreate(input: $input) { accessToken } }",
        "variables": { "input": { "identifier": user.email, "password": user.password } },
    });
    let answer: Value =
        serde_json::from_slice(&once(address, &request(&body, None)).await).unwrap();
    answer["data"]["sessionCreate"]["accessToken"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn main() {
    // The program's metrics are kept, as when it serves.
    tradepost::telemetry::metrics().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name(SERVER)
        .enable_all()
        .build()
        .unwrap();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let keep = runtime.block_on(async {
        let with = app(folders[0].path(), true).await;
        let without = app(folders[1].path(), false).await;
        (with, without)
    });
    let (with, without) = &keep;
    let (cached, executed) = runtime.block_on(async { (serve(with).await, serve(without).await) });
    let first: Value = runtime.block_on(async {
        let body = json!({ "query": "{ products(first: 1) { nodes { id } } }" });
        serde_json::from_slice(&once(cached, &request(&body, None)).await).unwrap()
    });
    let id = &first["data"]["products"]["nodes"][0]["id"];
    let detail = json!({ "query": DETAIL, "variables": { "id": id } });
    let list = json!({ "query": LIST });
    let bodies = runtime.block_on(async {
        let detail = once(cached, &request(&detail, None)).await;
        (detail, once(cached, &request(&list, None)).await)
    });
    let value = |bytes: &Bytes| serde_json::from_slice::<Value>(bytes).unwrap()["data"].take();
    let executing = Executing {
        schema: Schema::build(Query, EmptyMutation, EmptySubscription)
            .validation_mode(ValidationMode::Fast)
            .data(memory(&value(&bodies.0), &value(&bodies.1)))
            .finish(),
        documents: Arc::new(
            [DETAIL, LIST]
                .map(|text| {
                    (
                        text.to_owned(),
                        async_graphql::parser::parse_query(text).unwrap(),
                    )
                })
                .into(),
        ),
    };
    let same = |body: &Bytes| {
        let body = body.clone();
        let handler = async move |_: Bytes| (json_header(), body.clone());
        Router::new().route("/graphql", post(handler))
    };
    let (bare_detail, bare_list, memory) = runtime.block_on(async {
        let graphql = Router::new()
            .route("/graphql", post(execute))
            .with_state(executing);
        (
            serve_router(with, same(&bodies.0)).await,
            serve_router(with, same(&bodies.1)).await,
            serve_router(with, graphql).await,
        )
    });
    // The comparator executes the same fields to the same bytes.
    for (body, expected) in [(&detail, &bodies.0), (&list, &bodies.1)] {
        let answer = runtime.block_on(once(memory, &request(body, None)));
        assert_eq!(
            serde_json::from_slice::<Value>(&answer).unwrap(),
            serde_json::from_slice::<Value>(expected).unwrap()
        );
    }
    let tokens = runtime.block_on(async { (token(cached).await, token(executed).await) });
    let plain = (request(&detail, None), request(&list, None));
    let signed = (
        request(&detail, Some(&tokens.0)),
        request(&list, Some(&tokens.0)),
    );
    let signed_executed = (
        request(&detail, Some(&tokens.1)),
        request(&list, Some(&tokens.1)),
    );

    println!(
        "{CONNECTIONS} connections, {ROUNDS} alternating rounds of {ROUND:?}, medians; detail {} bytes, list {} bytes",
        bodies.0.len(),
        bodies.1.len()
    );
    println!(
        "| {:44} | {:>9} | {:>10} | {:>5} | {:11} | {:>7} | {:>10} |",
        "", "tradepost", "comparator", "ratio", "floor/aim", "µs/req", "comparator"
    );
    println!(
        "|{}|",
        [
            "-".repeat(46),
            "-".repeat(11),
            "-".repeat(12),
            "-".repeat(7),
            "-".repeat(13),
            "-".repeat(9),
            "-".repeat(12)
        ]
        .join("|")
    );
    compare(
        "detail, guest / bare handler",
        (cached, &plain.0),
        (bare_detail, &plain.0),
        "0.70 / 0.85",
    );
    compare(
        "detail, signed in / bare handler",
        (cached, &signed.0),
        (bare_detail, &signed.0),
        "0.70 / 0.85",
    );
    compare(
        "list of 20, guest / bare handler",
        (cached, &plain.1),
        (bare_list, &plain.1),
        "0.70 / 0.85",
    );
    compare(
        "list of 20, signed in / bare handler",
        (cached, &signed.1),
        (bare_list, &signed.1),
        "0.70 / 0.85",
    );
    compare(
        "detail, answers off / GraphQL from memory",
        (executed, &plain.0),
        (memory, &plain.0),
        "0.75 / 0.95",
    );
    compare(
        "the same, signed in",
        (executed, &signed_executed.0),
        (memory, &signed_executed.0),
        "0.75 / 0.95",
    );
    compare(
        "list of 20, answers off / GraphQL from memory",
        (executed, &plain.1),
        (memory, &plain.1),
        "0.75 / 0.95",
    );
    compare(
        "the same, signed in",
        (executed, &signed_executed.1),
        (memory, &signed_executed.1),
        "0.75 / 0.95",
    );
}
