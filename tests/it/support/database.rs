//! A test's own MySQL database: a copy of what the migrations made once in this run.
//!
//! The migrations change one table at a time and take most of a second; their result is made in one round trip.
//! `database::the_database_of_a_test_is_what_the_migrations_make` holds the two against each other.

use super::{need, settings};
use sea_orm::sqlx::mysql::MySqlRow;
use sea_orm::sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, Row as _};
use serde_json::json;
use tokio::sync::OnceCell;
use tradepost::app::App;
use tradepost::clock::Clock;
use tradepost::config::Config;
use tradepost::db::migrate::{self, Direction};
use uuid::Uuid;

/// What the names of all databases of tests begin with; the time of their making follows.
const PREFIX: &str = "test_";
/// A database that is older than any run takes is of a run that was killed.
const FORGOTTEN_S: u64 = 6 * 3600;

/// A database that is dropped with this.
pub(crate) struct MysqlDatabase {
    pub(super) name: String,
    pub(crate) url: String,
}

impl MysqlDatabase {
    /// With the tables and rows that the migrations make.
    pub(super) async fn migrated() -> Self {
        let database = Self::empty().await;
        mysql(&database.url, copy().await).await;
        database
    }

    /// The same, by running the migrations.
    pub(crate) async fn migrated_itself() -> Self {
        let database = Self::empty().await;
        let dir = tempfile::tempdir().unwrap();
        let mut settings = settings(dir.path());
        settings.push(("database.url", json!(database.url)));
        let config = Config::with(settings).unwrap();
        let app = App::new(config, Clock::system()).await.unwrap();
        migrate::run(app.db(), app.config(), Direction::Up)
            .await
            .unwrap();
        app.db().close().await.unwrap();
        database
    }

    async fn empty() -> Self {
        let server = need("TRADEPOST_TEST_MYSQL_URL");
        let name = format!("{PREFIX}{}", Clock::system().id::<Uuid>().simple());
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
    let mut connection = MySqlConnection::connect(server).await.unwrap();
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

/// The statements that make a migrated database.
async fn copy() -> &'static str {
    static COPY: OnceCell<String> = OnceCell::const_new();
    COPY.get_or_init(|| async {
        forgotten_drop().await;
        let database = MysqlDatabase::migrated_itself().await;
        content(&database.url).await
    })
    .await
}

/// Drops what runs that were killed left behind.
async fn forgotten_drop() {
    let server = need("TRADEPOST_TEST_MYSQL_URL");
    let mut connection = MySqlConnection::connect(&server).await.unwrap();
    let now = u64::try_from(Clock::system().now().timestamp()).unwrap();
    for name in texts(&mut connection, "SHOW DATABASES", 0).await {
        let made = name
            .strip_prefix(PREFIX)
            .and_then(|id| Uuid::try_parse(id).ok()?.get_timestamp());
        if made.is_some_and(|made| made.to_unix().0 + FORGOTTEN_S < now) {
            database_drop(&server, &name).await;
        }
    }
    connection.close().await.unwrap();
}

/// The statements that make a database's tables and their rows, in one text.
pub(crate) async fn content(url: &str) -> String {
    let mut connection = MySqlConnection::connect(url).await.unwrap();
    // Tables refer to each other, and come in the order of their names.
    let mut statements = vec!["SET foreign_key_checks = 0".to_owned()];
    for table in texts(&mut connection, "SHOW TABLES", 0).await {
        let made = format!("SHOW CREATE TABLE {table}");
        statements.extend(texts(&mut connection, &made, 1).await);
        let columns = format!(
            "SELECT CONCAT('QUOTE(', column_name, ')') FROM information_schema.columns \
             WHERE table_schema = DATABASE() AND table_name = '{table}' ORDER BY ordinal_position"
        );
        let columns = texts(&mut connection, &columns, 0).await.join(", ");
        let rows = format!("SELECT CONCAT_WS(', ', {columns}) FROM {table} ORDER BY 1");
        let rows = texts(&mut connection, &rows, 0).await;
        if !rows.is_empty() {
            statements.push(format!(
                "INSERT INTO {table} VALUES ({})",
                rows.join("), (")
            ));
        }
    }
    connection.close().await.unwrap();
    statements.join(";\n")
}

/// One column of what a statement answers.
async fn texts(connection: &mut MySqlConnection, sql: &str, column: usize) -> Vec<String> {
    let sql = AssertSqlSafe(sql.to_owned());
    let rows = connection.fetch_all(sql).await.unwrap();
    // Unchecked: MySQL says of some texts of its own that they are bytes.
    let text = |row: &MySqlRow| row.get_unchecked(column);
    rows.iter().map(text).collect()
}

/// Runs statements with a bare client.
pub(crate) async fn mysql(url: &str, sql: &str) {
    let mut connection = MySqlConnection::connect(url).await.unwrap();
    connection
        .execute(AssertSqlSafe(sql.to_owned()))
        .await
        .unwrap();
    connection.close().await.unwrap();
}

/// One number that a statement answers, by a bare client.
pub(crate) async fn mysql_value(url: &str, sql: &str) -> i64 {
    let mut connection = MySqlConnection::connect(url).await.unwrap();
    let row = sea_orm::sqlx::query(AssertSqlSafe(sql.to_owned()))
        .fetch_one(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    row.get(0)
}
