//! A test's own app on its own database.

pub(crate) mod books;
pub(crate) mod csv_file;
mod events;
pub(crate) mod graph;
pub(crate) mod http;
pub(crate) mod process;
pub(crate) mod redis_server;
pub(crate) mod retail;
pub(crate) mod services;
mod shop;
pub(crate) mod smtp;
pub(crate) mod socket;
pub(crate) mod till;
pub(crate) mod wait;

pub(crate) use shop::Sold;

use serde_json::{Value, json};
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tradepost::app::App;
use tradepost::cache::Faults;
use tradepost::clock::Clock;
use tradepost::config::Config;
use tradepost::db::migrate::{self, Direction};

/// What the tests run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// SQLite, nothing else.
    Embedded,
    /// MariaDB, Redis and Kafka, as `scripts/services` starts them.
    Services,
}

/// The profile of this run. The suite reads its own environment; the program reads only its configuration.
pub(crate) fn profile() -> Profile {
    match env("TRADEPOST_TEST_PROFILE").as_deref() {
        Some("services") => Profile::Services,
        Some("embedded") | None => Profile::Embedded,
        Some(other) => panic!("TRADEPOST_TEST_PROFILE is {other}; it can be embedded or services"),
    }
}

/// A task of a test, which ends with its runtime.
#[expect(
    clippy::disallowed_methods,
    reason = "tests play clients and servers that no App knows"
)]
pub(crate) fn spawn<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::spawn(task)
}

/// A variable of the test run.
#[expect(
    clippy::disallowed_methods,
    reason = "the address of a service is no setting of the program"
)]
pub(crate) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A variable that the services profile needs.
pub(crate) fn need(name: &str) -> String {
    env(name).unwrap_or_else(|| {
        panic!(
            "the services profile needs {name}: run scripts/test, or `eval $(scripts/services env)`"
        )
    })
}

/// A test's own app. Its database is removed when it is dropped.
pub(crate) struct TestApp {
    pub(crate) app: App,
    pub(crate) dir: TempDir,
    database: Option<MysqlDatabase>,
}

/// Settings that every test starts from: quick passwords, free ports, its own folder.
pub(crate) fn settings(dir: &std::path::Path) -> Vec<(&'static str, Value)> {
    vec![
        ("server.env", json!("development")),
        ("server.data_dir", json!(dir.to_str().unwrap())),
        ("server.address", json!("127.0.0.1:0")),
        ("http.admin_address", json!("")),
        ("auth.bcrypt_cost", json!(4)),
    ]
}

impl TestApp {
    /// An app on an empty, migrated database; no worker runs.
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// The same with other settings.
    pub(crate) async fn with(changes: &[(&'static str, Value)]) -> Self {
        Self::with_faults(changes, Faults::default()).await
    }

    /// The only replica of its shop, which remembers by itself on both forms: what it asks of the database is the same.
    pub(crate) async fn alone(changes: &[(&'static str, Value)]) -> Self {
        let alone = [
            ("redis.url", json!("")),
            ("cache.single_replica", json!(true)),
        ];
        Self::with(&[&alone[..], changes].concat()).await
    }

    /// The same with what is to go wrong in the cache.
    pub(crate) async fn with_faults(changes: &[(&'static str, Value)], faults: Faults) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = settings(dir.path());
        let database = match profile() {
            Profile::Embedded => {
                let template = template().await;
                std::fs::copy(template, dir.path().join("tradepost.db")).unwrap();
                None
            }
            Profile::Services => {
                let database = MysqlDatabase::create().await;
                settings.push(("database.url", json!(database.url)));
                settings.push(("redis.url", json!(need("TRADEPOST_TEST_REDIS_URL"))));
                settings.push(("redis.prefix", json!(database.name)));
                settings.push(("kafka.brokers", json!(need("TRADEPOST_TEST_KAFKA_BROKERS"))));
                // Each test has topics of its own, and twelve partitions each would be many.
                settings.push(("kafka.partitions", json!(2)));
                settings.push(("events.topic_prefix", json!(database.name)));
                settings.push((
                    "events.order_created_topic",
                    json!(format!("{}.order_created", database.name)),
                ));
                Some(database)
            }
        };
        settings.extend_from_slice(changes);
        let config = Config::with(settings).unwrap();
        let app = App::with_faults(config, Clock::system(), faults)
            .await
            .unwrap();
        if profile() == Profile::Services {
            migrate::run(app.db(), app.config(), Direction::Up)
                .await
                .unwrap();
        }
        Self { app, dir, database }
    }

    /// Another process on the same database and services, with the same clock.
    pub(crate) async fn replica(&self) -> App {
        self.replica_with(self.app.config().clone()).await
    }

    /// The same with other settings.
    pub(crate) async fn replica_with(&self, config: Config) -> App {
        App::new(config, self.app.clock().clone()).await.unwrap()
    }

    /// Another process with what is to go wrong in its cache.
    pub(crate) async fn replica_with_faults(&self, faults: Faults) -> App {
        let (config, clock) = (self.app.config().clone(), self.app.clock().clone());
        App::with_faults(config, clock, faults).await.unwrap()
    }

    /// The address of the test's database, for a second process or a bare client.
    pub(crate) fn database_url(&self) -> String {
        match &self.database {
            Some(database) => database.url.clone(),
            None => self.app.config().database_url(),
        }
    }
}

/// A migrated SQLite file that every test copies.
async fn template() -> &'static PathBuf {
    static TEMPLATE: OnceCell<(TempDir, PathBuf)> = OnceCell::const_new();
    let (_, path) = TEMPLATE
        .get_or_init(|| async {
            let dir = tempfile::tempdir().unwrap();
            let config = Config::with(settings(dir.path())).unwrap();
            let app = App::new(config, Clock::system()).await.unwrap();
            migrate::run(app.db(), app.config(), Direction::Up)
                .await
                .unwrap();
            // Closing writes the write-ahead log into the file, so that one file is all there is to copy.
            app.db().close().await.unwrap();
            let path = dir.path().join("tradepost.db");
            (dir, path)
        })
        .await;
    path
}

/// A MySQL database of its own.
struct MysqlDatabase {
    name: String,
    url: String,
}

impl MysqlDatabase {
    async fn create() -> Self {
        let server = need("TRADEPOST_TEST_MYSQL_URL");
        let name = format!("test_{}", Clock::system().id::<uuid::Uuid>().simple());
        mysql(&server, &format!("CREATE DATABASE {name}")).await;
        Self {
            url: format!("{server}/{name}"),
            name,
        }
    }
}

impl Drop for MysqlDatabase {
    fn drop(&mut self) {
        let (server, name) = (need("TRADEPOST_TEST_MYSQL_URL"), self.name.clone());
        // Drop cannot wait for a future, and the test's own runtime may be shutting down.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(database_drop(&server, &name));
        });
        dropping.join().unwrap();
    }
}

/// Drops a database whatever still uses it: a transaction that its app left open when the test ended holds locks, and
/// nobody is left to end it while the test's thread waits here.
async fn database_drop(server: &str, name: &str) {
    use sea_orm::sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};
    let mut connection = sea_orm::sqlx::MySqlConnection::connect(server)
        .await
        .unwrap();
    // Signed as on MariaDB: MySQL's is not.
    let users = "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE db = ?";
    let users = sea_orm::sqlx::query(users)
        .bind(name)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    for user in users {
        let kill = format!("KILL {}", user.get::<i64, _>(0));
        // It may have gone by itself meanwhile.
        drop(connection.execute(AssertSqlSafe(kill)).await);
    }
    let sql = format!("DROP DATABASE {name}");
    connection.execute(AssertSqlSafe(sql)).await.unwrap();
    connection.close().await.unwrap();
}

/// Runs one statement with a bare client.
pub(crate) async fn mysql(url: &str, sql: &str) {
    use sea_orm::sqlx::{Connection as _, Executor as _};
    let mut connection = sea_orm::sqlx::MySqlConnection::connect(url).await.unwrap();
    connection
        .execute(sea_orm::sqlx::AssertSqlSafe(sql.to_owned()))
        .await
        .unwrap();
    connection.close().await.unwrap();
}

/// One number that a statement answers, by a bare client.
pub(crate) async fn mysql_value(url: &str, sql: &str) -> i64 {
    use sea_orm::sqlx::{Connection as _, Row as _};
    let mut connection = sea_orm::sqlx::MySqlConnection::connect(url).await.unwrap();
    let row = sea_orm::sqlx::query(sea_orm::sqlx::AssertSqlSafe(sql.to_owned()))
        .fetch_one(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    row.get(0)
}
