//! Mails about orders, on Kafka and on the embedded log: once for each event, whatever is killed, away or broken.

use crate::consumer_groups::quick;
use crate::events::{commit, event};
use crate::support::services::kafka_in_use;
use crate::support::smtp::SmtpServer;
use crate::support::wait::eventually;
use crate::support::{Profile, Sold, TestApp, need, process, profile};
use entity::accounts::Role;
use entity::events::outbox_event;
use entity::ids::{OrderId, UserId};
use futures::future::join_all;
use sea_orm::{EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tradepost::domain::catalog::model::VariantReference;
use tradepost::domain::notifications::model::Kind;
use tradepost::domain::notifications::tasks;
use tradepost::domain::orders::model::Scope;
use tradepost::domain::orders::service::{
    Details, NewFulfillment, NewLine, NewOrder, NewRefund, OrderReference, Tracking,
};
use tradepost::domain::payments::service::Method;
use tradepost::error::Fault;
use tradepost::events::outbox::NewEvent;
use uuid::Uuid;

/// A shop that publishes, with a customer and something to buy.
struct Shop {
    test: TestApp,
    customer: UserId,
    staff: UserId,
    sold: Sold,
}

impl Shop {
    async fn open(changes: &[(&'static str, Value)]) -> Self {
        let test = TestApp::with(&[&quick(), changes].concat()).await;
        test.app.events().start(test.app.workers());
        let customer = test
            .app
            .accounts()
            .user_create(
                "ada@example.org",
                "Ada Lovelace",
                "correct horse",
                Role::Customer,
            )
            .await
            .unwrap();
        let staff = test.user("staff@example.org", Role::Staff).await;
        let warehouse = test.warehouse("MAIN", 0).await;
        let sold = test.product("TEA", 1_485, warehouse, 100_000).await;
        test.product("MUG", 500, warehouse, 100_000).await;
        Self {
            customer: customer.id,
            staff,
            sold,
            test,
        }
    }

    async fn order(&self, lines: &[(&str, i64)]) -> OrderId {
        let lines = lines
            .iter()
            .map(|(sku, quantity)| NewLine {
                reference: VariantReference::Sku((*sku).to_owned()),
                quantity: *quantity,
            })
            .collect();
        let new = NewOrder {
            lines,
            details: Details::default(),
        };
        let created = self
            .test
            .app
            .orders()
            .order_create(self.customer, &new, None);
        created.await.unwrap().0.order.id
    }

    async fn orders(&self, count: usize) -> Vec<OrderId> {
        let mut orders = Vec::new();
        while orders.len() < count {
            orders.extend(join_all((0..20).map(|_| self.order(&[("TEA", 1)]))).await);
        }
        orders
    }

    /// How many mails are in the folder.
    fn mailed(&self) -> usize {
        let Ok(entries) = std::fs::read_dir(self.test.app.config().mail_folder()) else {
            return 0;
        };
        let names = entries.map(|entry| entry.unwrap().file_name());
        names
            .filter(|name| name.as_encoded_bytes().ends_with(b".eml"))
            .count()
    }

    /// Mails in the folder by their names.
    fn folder(&self) -> BTreeMap<String, String> {
        let Ok(entries) = std::fs::read_dir(self.test.app.config().mail_folder()) else {
            return BTreeMap::new();
        };
        entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
            .map(|path| {
                let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
                (name, plain(&std::fs::read_to_string(&path).unwrap()))
            })
            .collect()
    }

    async fn folder_of(&self, least: usize) -> BTreeMap<String, String> {
        eventually("the mails are there", async || {
            let folder = self.folder();
            (folder.len() >= least).then_some(folder)
        })
        .await
    }

    /// The ids of the events that cause mails.
    async fn events(&self) -> BTreeSet<String> {
        let rows = self
            .test
            .app
            .db()
            .read("test.events", async |c| {
                let of_orders = outbox_event::COLUMN.aggregate_type.eq("order");
                let rows = outbox_event::Entity::find().filter(of_orders);
                Ok::<_, Fault>(rows.all(&*c).await?)
            })
            .await
            .unwrap();
        rows.iter()
            .filter(|row| Kind::of_event(&row.event_type).is_some())
            .map(|row| row.event_id.to_string())
            .collect()
    }

    /// Commits an event of an order that is not there.
    async fn strange_event(&self, payload: Option<Value>) -> Uuid {
        let order: Uuid = self.test.app.clock().id();
        let made = event(&self.test.app, order, 1);
        let strange = NewEvent {
            event_type: "tradepost.order.paid.v1",
            payload: payload.unwrap_or_else(|| made.payload.clone()),
            ..made
        };
        commit(&self.test.app, vec![strange]).await;
        order
    }
}

/// The text of a mail without the line breaks of its transfer encoding.
fn plain(mail: &str) -> String {
    mail.replace("=\r\n", "")
        .replace("=\n", "")
        .replace("=3D", "=")
}

/// The notifier in this process.
struct Notifier {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Notifier {
    fn start(shop: &Shop) -> Self {
        let app = shop.test.app.clone();
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let task = crate::support::spawn(async move {
            tasks::consume(app.consumers(), app.notifications(), &stopping)
                .await
                .unwrap();
        });
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

/// The program on the shop's database and services.
fn command(shop: &Shop, arguments: &[&str]) -> Command {
    let config = shop.test.app.config();
    let consumer = &config.consumer;
    let mut command = Command::new(env!("CARGO_BIN_EXE_tradepost"));
    command
        .args(arguments)
        .current_dir(shop.test.dir.path())
        .env_remove("REDIS_URL")
        .env_remove("KAFKA_BROKERS")
        .env("DATABASE_URL", shop.test.database_url())
        .env("SMTP_URL", config.mail.smtp_url.expose())
        .env("TRADEPOST_SERVER__ENV", "development")
        .env("TRADEPOST_SERVER__DATA_DIR", &config.server.data_dir)
        .env(
            "TRADEPOST_EVENTS__TOPIC_PREFIX",
            &config.events.topic_prefix,
        )
        .env(
            "TRADEPOST_CONSUMER__CONCURRENCY",
            consumer.concurrency.to_string(),
        )
        .env(
            "TRADEPOST_CONSUMER__SESSION_MS",
            consumer.session_ms.to_string(),
        )
        .env(
            "TRADEPOST_CONSUMER__RETRY_LEAST_MS",
            consumer.retry_least_ms.to_string(),
        )
        .env(
            "TRADEPOST_CONSUMER__RETRY_MOST_MS",
            consumer.retry_most_ms.to_string(),
        )
        .env(
            "TRADEPOST_CONSUMER__WAIT_MOST_MS",
            consumer.wait_most_ms.to_string(),
        );
    if profile() == Profile::Services {
        command.env("KAFKA_BROKERS", need("TRADEPOST_TEST_KAFKA_BROKERS"));
    }
    command
}

async fn output(mut command: Command) -> Output {
    let run = move || command.stdin(Stdio::null()).output();
    tokio::task::spawn_blocking(run).await.unwrap().unwrap()
}

/// The notifier as a process of its own.
struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    fn start(shop: &Shop) -> Self {
        let log = shop.test.dir.path().join("notifier.log");
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let child = command(shop, &["consume", "notifications"])
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, log }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop and returns its exit code.
    fn terminate(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(told.success());
        self.child.wait().unwrap().code()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.kill();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_the_five_events_causes_one_mail_with_its_names_and_amounts() {
    let _kafka = kafka_in_use().await;
    let shop = Shop::open(&[]).await;
    let orders = shop.test.app.orders();
    let bought = shop.order(&[("TEA", 2), ("MUG", 1)]).await;
    let card = Method::Card {
        token: "tok_ok".to_owned(),
    };
    let scope = Scope::Own(shop.customer);
    orders
        .order_pay(scope, shop.customer, bought, &card, None)
        .await
        .unwrap();
    let order = orders
        .order_by(Scope::All, &OrderReference::Id(bought))
        .await;
    let number = order.unwrap().unwrap().number;
    let told = orders
        .order_told(bought, 1, shop.test.app.clock().now())
        .await;
    let lines = told.unwrap().unwrap().lines;
    let parcel = NewFulfillment {
        lines: Some(vec![(lines[0].id, 1)]),
        tracking: Tracking {
            carrier: Some("Royal Mail".to_owned()),
            number: Some("RM123".to_owned()),
            url: None,
        },
    };
    orders
        .order_fulfil(shop.staff, bought, &parcel, None)
        .await
        .unwrap();
    let refund = NewRefund {
        lines: Some(vec![(lines[1].id, 1)]),
        restock: false,
        reason: Some("it was broken".to_owned()),
    };
    orders
        .order_refund(shop.staff, bought, &refund, None)
        .await
        .unwrap();
    let dropped = shop.order(&[("TEA", 1)]).await;
    orders
        .order_cancel(scope, shop.customer, dropped, Some("too late"), None)
        .await
        .unwrap();

    let notifier = Notifier::start(&shop);
    let mails = shop.folder_of(6).await;
    notifier.stop().await;
    assert_eq!(shop.folder().len(), 6, "each event causes one mail");
    let names: BTreeSet<String> = mails.keys().cloned().collect();
    assert_eq!(names, shop.events().await, "a mail is named by its event");
    let has = |parts: &[&str]| {
        let found = mails
            .values()
            .filter(|mail| parts.iter().all(|part| mail.contains(part)))
            .count();
        assert_eq!(found, 1, "{parts:?} in {mails:#?}");
    };
    let subject = |text: &str| format!("Subject: {text}");
    let all = "2 x Product TEA: 29.70 GBP\r\n1 x Product MUG: 5.00 GBP\r\nTotal: 34.70 GBP\r\n";
    let to = "To: \"Ada Lovelace\" <ada@example.org>";
    let hello = "Dear Ada Lovelace,";
    has(&[&subject(&format!("Your order {number}")), to, hello, all]);
    has(&[
        &subject(&format!("Payment received for order {number}")),
        to,
        hello,
        all,
    ]);
    has(&[
        &subject(&format!("Order {number} is on its way")),
        &format!("A part of your order {number} is on its way. Tracking: Royal Mail RM123."),
        "\r\n1 x Product TEA\r\n\r\n",
    ]);
    has(&[
        &subject(&format!("Refund for order {number}")),
        &format!("5.00 GBP of your order {number} was refunded. Reason: it was broken."),
        "\r\n1 x Product MUG: 5.00 GBP\r\nPaid back: 5.00 GBP\r\n",
    ]);
    has(&[
        "was cancelled. Reason: too late.",
        "1 x Product TEA: 14.85 GBP",
    ]);
    assert!(
        mails
            .values()
            .all(|mail| mail.contains("<p>Dear Ada Lovelace,</p>"))
    );
    assert_eq!(shop.test.stock(shop.sold).await.1, 0);
}

/// Kills the notifier again and again while events wait for it.
async fn kill_the_notifier(orders: usize, kills: usize) {
    const LEAST: usize = 16;
    let _kafka = kafka_in_use().await;
    // As many events as wait are being handled, up to this number.
    let shop = Shop::open(&[("consumer.concurrency", json!(64))]).await;
    shop.orders(orders).await;
    let events = shop.events().await;
    assert!(events.len() >= orders);
    // The last kill is in the middle: enough waits even when the notifier is quicker than this test.
    let between = orders / 2 / kills;
    let mut notifier = Process::start(&shop);
    for kill in 0..kills {
        // Somewhere in the middle of a mail, a note or a commit.
        let more = usize::from(shop.test.app.clock().id::<Uuid>().as_bytes()[15]) % between;
        let target = kill * between + more.max(1);
        eventually("the notifier has sent some", async || {
            (shop.mailed() >= target).then_some(())
        })
        .await;
        notifier.kill();
        let waiting = events.len() - shop.mailed();
        assert!(waiting >= LEAST, "only {waiting} events were not done");
        notifier = Process::start(&shop);
    }
    let mails = shop.folder_of(events.len()).await;
    assert_eq!(notifier.terminate(), Some(0), "{}", notifier.log());
    let names: BTreeSet<String> = mails.keys().cloned().collect();
    assert_eq!(
        names, events,
        "each event has its mail, and nothing else has one"
    );
    let dead = output(command(&shop, &["consume", "notifications", "--dlq-list"])).await;
    assert_eq!(String::from_utf8_lossy(&dead.stdout), "");
    assert!(dead.status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notifier_that_is_killed_sends_each_mail_once() {
    kill_the_notifier(240, 2).await;
}

#[ignore = "long: runs with scripts/test --full"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notifier_that_is_killed_twelve_times_sends_each_mail_once() {
    let kills = match profile() {
        Profile::Embedded => 12,
        // Each time the broker waits for the end of the dead one's session.
        Profile::Services => 5,
    };
    kill_the_notifier(1_000, kills).await;
}

/// A mail server may get again what it had in hand when the notifier was killed, under the same name; it loses nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notifier_that_is_killed_while_mails_are_in_hand_loses_none() {
    const LEAST: usize = 16;
    let _kafka = kafka_in_use().await;
    let server = SmtpServer::start().await;
    server.slow_down(Duration::from_millis(300));
    let shop = Shop::open(&[
        ("mail.smtp_url", json!(server.url())),
        ("consumer.concurrency", json!(32)),
    ])
    .await;
    shop.orders(80).await;
    let mut notifier = Process::start(&shop);
    let in_hand = eventually("mails are in the hand of the server", async || {
        let in_hand = server.in_hand();
        (in_hand >= LEAST).then_some(in_hand)
    })
    .await;
    notifier.kill();
    assert!(in_hand >= LEAST);
    let _notifier = Process::start(&shop);
    let expected: Vec<String> = shop.events().await.into_iter().collect();
    let mails = eventually("every mail came", async || {
        let mut ids = message_ids(&server.mails());
        let all = ids.len();
        ids.dedup();
        (ids.len() >= expected.len()).then_some((ids, all))
    })
    .await;
    assert_eq!(mails.0, expected);
    let repeats = mails.1 - expected.len();
    assert!(repeats <= 32, "{repeats} mails came twice");
}

/// The `Message-ID`s of mails.
fn message_ids(mails: &[String]) -> Vec<String> {
    let mut ids: Vec<String> = mails
        .iter()
        .filter_map(|mail| {
            mail.lines()
                .find_map(|line| line.strip_prefix("Message-ID: "))
        })
        .map(|id| {
            id.trim_matches(['<', '>'])
                .trim_end_matches("@localhost")
                .to_owned()
        })
        .collect();
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_that_is_away_delays_mails_and_loses_none() {
    let _kafka = kafka_in_use().await;
    let mut server = SmtpServer::stopped().await;
    let shop = Shop::open(&[
        ("mail.smtp_url", json!(server.url())),
        // However few failures an event may have: that nobody answers is none.
        ("consumer.attempts_max", json!(1)),
    ])
    .await;
    let orders = shop.orders(20).await.len();
    let notifier = Notifier::start(&shop);
    // Nobody listens; then somebody says that nobody is served.
    server.greet("421 closing");
    server.resume().await;
    eventually("every mail was tried several times", async || {
        (server.connections() >= 4 * orders).then_some(())
    })
    .await;
    assert!(server.mails().is_empty());
    shop.orders(20).await;
    server.greet("220 here");
    let all = shop.events().await;
    eventually("every mail came", async || {
        (server.mails().len() >= all.len()).then_some(())
    })
    .await;
    notifier.stop().await;
    let expected: Vec<String> = all.into_iter().collect();
    assert_eq!(message_ids(&server.mails()), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisoned_event_goes_to_the_dead_letters_with_its_reason_and_the_rest_goes_on() {
    let _kafka = kafka_in_use().await;
    let server = SmtpServer::start().await;
    let shop = Shop::open(&[
        ("mail.smtp_url", json!(server.url())),
        ("consumer.attempts_max", json!(3)),
    ])
    .await;
    let nobody = shop.test.user("nobody@example.org", Role::Customer).await;
    server.judge("nobody@example.org", "550 no such user");
    let unknown = shop.strange_event(None).await;
    let broken = shop.strange_event(Some(json!("garbage"))).await;
    let refused = Shop {
        customer: nobody,
        test: shop.test,
        ..shop
    };
    let of_nobody = refused.order(&[("TEA", 1)]).await;
    let shop = Shop {
        customer: shop.customer,
        ..refused
    };
    let notifier = Notifier::start(&shop);
    let not_json = no_json(&shop).await;
    shop.orders(20).await;
    let mails = async |least: usize| {
        eventually("the mails came", async || {
            (server.mails().len() >= least).then_some(())
        })
        .await;
    };
    mails(20).await;
    let dead_least = 3 + usize::from(not_json);
    let dead = eventually("the dead letters are there", async || {
        let dead = dead_letters(&shop).await;
        (dead.len() >= dead_least).then_some(dead)
    })
    .await;
    notifier.stop().await;
    assert_eq!(server.mails().len(), 20);
    assert_eq!(dead.len(), dead_least, "{dead:?}");
    let reason = |key: &str| {
        let of_key = dead.iter().find(|letter| letter["key"] == key);
        of_key.unwrap()["error"].as_str().unwrap().to_owned()
    };
    let text = reason(&unknown.to_string());
    assert!(text.contains("there is no version 1 of order"), "{text}");
    let text = reason(&broken.to_string());
    assert!(text.contains("the body cannot be read"), "{text}");
    let text = reason(&of_nobody.to_string());
    assert!(
        text.contains("the mail is refused") && text.contains("no such user"),
        "{text}"
    );
    if not_json {
        let text = reason("no JSON");
        assert!(text.contains("the body cannot be read"), "{text}");
    }

    // What was wrong with one of them is mended.
    server.judge("nobody@example.org", "250 yes");
    let replayed = output(command(
        &shop,
        &["consume", "notifications", "--dlq-replay"],
    ))
    .await;
    let said = String::from_utf8_lossy(&replayed.stdout).into_owned();
    let rest = dead_least - 1;
    assert_eq!(
        said,
        format!("1 dead letters are handled, {rest} failed again.\n")
    );
    assert!(!replayed.status.success());
    assert_eq!(server.mails().len(), 21);
    assert!(server.mails()[20].contains("nobody@example.org"));
    let dead = dead_letters(&shop).await;
    assert_eq!(dead.len(), rest);
    assert!(
        dead.iter().all(|letter| letter["attempts"] == 2),
        "{dead:?}"
    );
}

/// The dead letters as `--dlq-list --json` tells them.
async fn dead_letters(shop: &Shop) -> Vec<Value> {
    let arguments = ["consume", "notifications", "--dlq-list", "--json"];
    let listed = output(command(shop, &arguments)).await;
    assert!(listed.status.success(), "{listed:?}");
    String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Sends what is no JSON to the topic of orders. The embedded log cannot hold such a thing.
#[cfg(feature = "kafka")]
async fn no_json(shop: &Shop) -> bool {
    use rdkafka::config::ClientConfig;
    use rdkafka::message::{Header, OwnedHeaders};
    use rdkafka::producer::{FutureProducer, FutureRecord};
    if profile() == Profile::Embedded {
        return false;
    }
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", need("TRADEPOST_TEST_KAFKA_BROKERS"))
        .create()
        .unwrap();
    let topic = format!("{}.orders.v1", shop.test.app.config().events.topic_prefix);
    let id = shop.test.app.clock().id::<Uuid>().to_string();
    let headers = [
        ("ce_id", id.as_str()),
        ("ce_type", "tradepost.order.created.v1"),
        ("ce_source", "/somebody/else"),
    ];
    let headers = headers
        .iter()
        .fold(OwnedHeaders::new(), |all, (key, value)| {
            all.insert(Header {
                key,
                value: Some(*value),
            })
        });
    let record = FutureRecord::to(&topic)
        .key("no JSON")
        .payload(&[0xff, 0x00, 0x7b])
        .headers(headers);
    producer
        .send(record, Duration::from_secs(30))
        .await
        .unwrap();
    true
}

#[cfg(not(feature = "kafka"))]
async fn no_json(_: &Shop) -> bool {
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_events_and_users_without_an_address_cause_no_mail() {
    let _kafka = kafka_in_use().await;
    let shop = Shop::open(&[("notifications.age_max_hours", json!(1))]).await;
    shop.order(&[("TEA", 1)]).await;
    // Kafka refuses records from more than an hour ahead.
    shop.test
        .app
        .clock()
        .advance(chrono::TimeDelta::minutes(59));
    let silent = shop.test.user("", Role::Customer).await;
    let shop = Shop {
        customer: silent,
        ..shop
    };
    shop.order(&[("TEA", 1)]).await;
    let customer = shop.test.user("late@example.org", Role::Customer).await;
    let shop = Shop { customer, ..shop };
    shop.order(&[("TEA", 1)]).await;
    eventually("all events are published", async || {
        let backlog = shop.test.app.events().measure().await.unwrap();
        (backlog.pending == 0).then_some(())
    })
    .await;
    shop.test.app.clock().advance(chrono::TimeDelta::minutes(2));
    let notifier = Notifier::start(&shop);
    // Events of different orders are not in order: all have to be done.
    eventually("all events are handled", async || {
        (handled(&shop).await >= 3).then_some(())
    })
    .await;
    notifier.stop().await;
    let mails = shop.folder();
    assert_eq!(mails.len(), 1);
    assert!(mails.values().all(|mail| mail.contains("late@example.org")));
    assert_eq!(dead_letters(&shop).await, Vec::<Value>::new());
}

async fn handled(shop: &Shop) -> usize {
    use entity::events::consumers::inbox_event;
    let rows = shop
        .test
        .app
        .db()
        .read("test.inbox", async |c| {
            Ok::<_, Fault>(inbox_event::Entity::find().all(&*c).await?)
        })
        .await
        .unwrap();
    rows.len()
}

/// What `cargo run` does: who buys something finds a mail in the folder.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_alone_writes_mails_into_the_folder() {
    if profile() == Profile::Services {
        return;
    }
    let test = TestApp::new().await;
    let mut server = process::Process::start(&test).await;
    let customer = server.log_in("customer@example.com", "customer123").await;
    let buy = "mutation { orderCreate(input: { lines: [{ sku: \"GIFT-CARD\", quantity: 1 }] }) { order { number } userErrors { code } } }";
    let data = customer.data(buy, json!({})).await;
    let number = data["orderCreate"]["order"]["number"].as_str().unwrap();
    let folder = test.dir.path().join("mail");
    let mail = eventually("there is a mail", async || {
        let entry = std::fs::read_dir(&folder)
            .ok()?
            .map(|entry| entry.unwrap().path())
            .find(|path| path.extension().is_some_and(|extension| extension == "eml"))?;
        Some(plain(&std::fs::read_to_string(entry).unwrap()))
    })
    .await;
    assert!(mail.contains(number), "{mail}");
    assert!(mail.contains("customer@example.com"), "{mail}");
    assert_eq!(server.terminate(), Some(0), "{}", server.log());
}
