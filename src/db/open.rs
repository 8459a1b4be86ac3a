//! Opening the pools with what each engine needs.

use super::{Db, Engine, Inner};
use crate::config::Config;
use crate::error::Fault;
use sea_orm::sqlx::sqlite::SqliteJournalMode;
use sea_orm::sqlx::{Executor as _, sqlite::SqliteConnectOptions};
use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long SQLite waits for another process (a command beside the server) to end its write.
const SQLITE_BUSY: Duration = Duration::from_secs(5);
/// How long a statement waits for a row that another transaction holds, in seconds.
const MYSQL_LOCK_WAIT_S: u32 = 3;

pub(super) async fn open(config: &Config) -> Result<Db, Fault> {
    let statements = Arc::new(AtomicU64::new(0));
    let turns = |connections: u32| {
        let connections = usize::try_from(connections).unwrap_or(usize::MAX);
        Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)))
    };
    let (write_turns, read_turns) = if config.database.is_mysql() {
        let shared = turns(config.database.connections);
        (Arc::clone(&shared), shared)
    } else {
        (turns(1), turns(config.database.read_connections))
    };
    let (mut writer, mut reader, engine, lock) = if config.database.is_mysql() {
        let pool = open_mysql(config).await?;
        (pool.clone(), pool, Engine::MySql, None)
    } else {
        open_sqlite(config).await?
    };
    count(&mut writer, &statements);
    count(&mut reader, &statements);
    Ok(Db {
        inner: Arc::new(Inner {
            writer,
            reader,
            engine,
            statement_timeout: Duration::from_millis(config.database.statement_timeout_ms),
            write_attempts: config.database.write_attempts,
            statements,
            write_turns,
            read_turns,
            lock,
        }),
    })
}

fn count(connection: &mut DatabaseConnection, statements: &Arc<AtomicU64>) {
    let statements = Arc::clone(statements);
    connection.set_metric_callback(move |_| {
        statements.fetch_add(1, Ordering::Relaxed);
    });
}

/// Options that both engines share.
fn options(config: &Config, url: String) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .acquire_timeout(Duration::from_millis(config.database.acquire_timeout_ms))
        .connect_timeout(Duration::from_millis(config.database.acquire_timeout_ms))
        .sqlx_logging(false)
        .record_stmt_in_spans(false);
    options
}

async fn open_mysql(config: &Config) -> Result<DatabaseConnection, Fault> {
    let mut options = options(config, config.database_url());
    options
        .max_connections(config.database.connections)
        .min_connections(2)
        // A ping a statement would cost a round trip; a connection that was used just now needs none.
        .test_before_acquire_if_idle_for(Duration::from_secs(1))
        .map_sqlx_mysql_pool_opts(|pool| {
            pool.after_connect(|connection, _| {
                Box::pin(async move {
                    connection
                        .execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
                        .await?;
                    let wait =
                        format!("SET SESSION innodb_lock_wait_timeout = {MYSQL_LOCK_WAIT_S}");
                    connection
                        .execute(sea_orm::sqlx::AssertSqlSafe(wait))
                        .await?;
                    Ok(())
                })
            })
        });
    Database::connect(options).await.map_err(Fault::Db)
}

async fn open_sqlite(
    config: &Config,
) -> Result<(DatabaseConnection, DatabaseConnection, Engine, Option<File>), Fault> {
    let url = config.database_url();
    let path = PathBuf::from(
        url.trim_start_matches("sqlite://")
            .trim_start_matches("sqlite:"),
    );
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Fault::doing(format!(
            "making the folder {}",
            folder.display()
        )))?;
    }
    let lock = lock_file(&path)?;
    let mut writer = options(config, format!("sqlite://{}?mode=rwc", path.display()));
    writer
        .max_connections(1)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .map_sqlx_sqlite_opts(|options| pragmas(options).journal_mode(SqliteJournalMode::Wal));
    let writer = Database::connect(writer).await?;
    let mut reader = options(config, format!("sqlite://{}?mode=ro", path.display()));
    reader
        .max_connections(config.database.read_connections)
        .min_connections(1)
        .max_lifetime(None)
        .test_before_acquire(false)
        .map_sqlx_sqlite_opts(pragmas);
    let reader = Database::connect(reader).await?;
    Ok((writer, reader, Engine::Sqlite, lock))
}

/// `synchronous=FULL`: in WAL mode anything less may lose the last commits when the power fails.
fn pragmas(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .foreign_keys(true)
        .busy_timeout(SQLITE_BUSY)
        .pragma("synchronous", "FULL")
        .pragma("cache_size", "-4000")
}

/// One server process a file; commands beside it share the file and take no lock of this kind, so a shared lock is
/// not an error of theirs: only `serve` and `worker` ask for the exclusive one (see [`Db::claim`]).
fn lock_file(path: &Path) -> Result<Option<File>, Fault> {
    let lock = path.with_extension("lock");
    let doing = format!("opening the lock file {}", lock.display());
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock)
        .map_err(Fault::doing(doing))?;
    Ok(Some(file))
}

impl Db {
    /// Claims SQLite's file for this server process until it ends; nothing on MySQL.
    ///
    /// # Errors
    /// Another server process has it.
    pub fn claim(&self) -> Result<(), Fault> {
        let Some(file) = &self.inner.lock else {
            return Ok(());
        };
        match file.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(Fault::Broken(
                "another Tradepost server uses this SQLite file; stop it or set DATABASE_URL"
                    .into(),
            )),
            Err(TryLockError::Error(source)) => {
                Err(Fault::doing("locking the SQLite file")(source))
            }
        }
    }
}
