//! The example consumers of other languages, on the real Kafka of the services profile: killed, and sent repeats.

use crate::events::{commit, event};
use crate::support::services::kafka_in_use;
use crate::support::wait::eventually;
use crate::support::{Profile, TestApp, need, profile};
use entity::events::outbox_event;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tradepost::app::App;
use tradepost::error::Fault;
use uuid::Uuid;

const ORDERS: usize = 4;
/// A wait that takes so long tells what there is.
const SLOW: std::time::Duration = std::time::Duration::from_secs(50);

/// A consumer as a process of its own, with the folder it keeps its state and its output in.
struct Consumer {
    program: String,
    arguments: Vec<String>,
    python_path: PathBuf,
    folder: PathBuf,
    topic: String,
    child: Child,
}

impl Consumer {
    fn start(
        program: String,
        arguments: Vec<String>,
        python_path: PathBuf,
        folder: &Path,
        topic: &str,
    ) -> Self {
        let mut this = Self {
            program,
            arguments,
            python_path,
            folder: folder.to_owned(),
            topic: topic.to_owned(),
            // Replaced at once: a process needs all of the above to be made.
            child: Command::new("true").spawn().unwrap(),
        };
        this.child.wait().unwrap();
        this.restart();
        this
    }

    fn restart(&mut self) {
        let file = |name: &str| {
            let path = self.folder.join(name);
            File::options()
                .create(true)
                .append(true)
                .open(path)
                .unwrap()
        };
        self.child = Command::new(&self.program)
            .args(&self.arguments)
            .env("PYTHONPATH", &self.python_path)
            .env("KAFKA_BROKERS", need("TRADEPOST_TEST_KAFKA_BROKERS"))
            .env("ORDERS_TOPIC", &self.topic)
            .env("GROUP_ID", format!("{}.consumer", self.topic))
            .env("STATE_FILE", self.folder.join("orders.db"))
            .stdout(file("out"))
            .stderr(file("err"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until as many lines stand in a file.
    async fn lines(&mut self, file: &str, least: usize) -> Vec<String> {
        let path = self.folder.join(file);
        let errors = self.folder.join("err");
        let child = &mut self.child;
        let began = std::time::Instant::now();
        let mut is_told = false;
        let what = format!("the consumer printed {least} lines to `{file}`");
        eventually(&what, async || {
            if let Some(status) = child.try_wait().unwrap() {
                let errors = std::fs::read_to_string(&errors).unwrap();
                panic!("the consumer ended with {status}: {errors}");
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            if !is_told && began.elapsed() > SLOW {
                is_told = true;
                let errors = std::fs::read_to_string(&errors).unwrap();
                println!("it is slow; {file}:\n{text}\nerr:\n{errors}");
            }
            (lines.len() >= least).then_some(lines)
        })
        .await
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Commits one version of each order, which are told apart by their numbers.
async fn change(app: &App, orders: &[Uuid], version: i32) {
    let events = orders
        .iter()
        .enumerate()
        .map(|(place, id)| {
            let mut event = event(app, *id, version);
            event.payload["number"] = format!("ORD-2026-{place:06}").into();
            event
        })
        .collect();
    commit(app, events).await;
}

/// Makes the relay send everything again, under the ids it had.
async fn repeat_all(app: &App) {
    eventually("all events are published", async || {
        (app.events().measure().await.unwrap().pending == 0).then_some(())
    })
    .await;
    app.db()
        .write("test.repeat", async |tx| {
            outbox_event::Entity::update_many()
                .col_expr(
                    outbox_event::Column::PublishedAt,
                    Expr::value(Option::<chrono::DateTime<chrono::Utc>>::None),
                )
                .filter(outbox_event::Column::PublishedAt.is_not_null())
                .exec(&*tx)
                .await?;
            Ok::<_, Fault>(())
        })
        .await
        .unwrap();
    app.events().wake();
}

fn expected(versions: i32) -> Vec<String> {
    let name = |version| match version {
        1 => "created",
        _ => "updated",
    };
    let mut lines: Vec<String> = (0..ORDERS)
        .flat_map(|place| {
            (1..=versions).map(move |version| {
                format!(
                    "ORD-2026-{place:06} v{version} order.{} AWAITING_PAYMENT 150.00 GBP",
                    name(version)
                )
            })
        })
        .collect();
    lines.sort();
    lines
}

/// Each change once and each order's changes in order, through a kill and a repeat of everything.
async fn prints_each_change_once(program: String, arguments: Vec<String>, python: PathBuf) {
    let _kafka = kafka_in_use().await;
    let test = TestApp::new().await;
    let app = &test.app;
    app.events().start(app.workers());
    let orders: Vec<Uuid> = (0..ORDERS).map(|_| app.clock().id()).collect();
    change(app, &orders, 1).await;
    let topic = format!("{}.orders.v1", app.config().events.topic_prefix);
    let mut consumer = Consumer::start(program, arguments, python, test.dir.path(), &topic);
    consumer.lines("out", ORDERS).await;

    consumer.kill();
    change(app, &orders, 2).await;
    repeat_all(app).await;
    change(app, &orders, 3).await;
    consumer.restart();
    let printed = consumer.lines("out", 3 * ORDERS).await;
    // Both versions that were sent before come again; whatever was applied is said to be known.
    consumer.lines("err", 2 * ORDERS).await;
    for place in 0..ORDERS {
        let number = format!("ORD-2026-{place:06} ");
        let of_order: Vec<&String> = printed
            .iter()
            .filter(|line| line.starts_with(&number))
            .collect();
        assert!(
            of_order.is_sorted(),
            "an order's changes in order: {of_order:?}"
        );
    }
    let mut sorted = printed;
    sorted.sort();
    assert_eq!(sorted, expected(3));

    let pid = consumer.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    let code = consumer.child.wait().unwrap().code();
    // A JVM that was asked to stop says 143, however orderly it did.
    assert!(matches!(code, Some(0 | 143)), "{code:?}");
    app.workers().stopping().cancel();
}

/// The folder that `scripts/consumers` made; nothing without Kafka.
fn consumers() -> Option<PathBuf> {
    (profile() == Profile::Services).then(|| PathBuf::from(need("TRADEPOST_TEST_CONSUMERS")))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_consumer_in_python_prints_each_change_once() {
    let Some(made) = consumers() else { return };
    let program = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/consumer-python/consumer.py"
    );
    prints_each_change_once(
        "python3".to_owned(),
        vec![program.to_owned()],
        made.join("python"),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_consumer_in_rust_prints_each_change_once() {
    let Some(made) = consumers() else { return };
    let program = made.join("rust/consumer-rust").display().to_string();
    prints_each_change_once(program, Vec::new(), PathBuf::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_consumer_in_java_prints_each_change_once() {
    let Some(made) = consumers() else { return };
    let classes = format!("{0}/java:{0}/java-libraries/*", made.display());
    let arguments = vec!["-cp".to_owned(), classes, "OrderConsumer".to_owned()];
    prints_each_change_once("java".to_owned(), arguments, PathBuf::new()).await;
}
