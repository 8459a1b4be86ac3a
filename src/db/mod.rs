//! The database: pools, `read` and `write`, retries.
//!
//! [`Db::write`] is the only way to a transaction. Its closure may run several times, so it does nothing but database
//! work; events and invalidations are rows it writes. Inside it only the [`Tx`] is used: a second use of the writer
//! would wait for itself.

pub mod error;
pub mod explain;
pub mod idempotency;
mod insert;
pub mod keys;
pub mod lease;
pub mod migrate;
mod open;
pub mod page;
pub mod shares;
mod sum;

use crate::cache::trace;
use crate::config::Config;
use crate::error::{DbCause, Fault};
use crate::random;
use futures::future::BoxFuture;
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use std::fs::File;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};

pub use insert::insert_all;
pub use sum::sum_i64;

/// The engine behind the pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// SQLite: one writer, many readers.
    Sqlite,
    /// MySQL or MariaDB.
    MySql,
}

/// Access to the database; cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    writer: DatabaseConnection,
    reader: DatabaseConnection,
    engine: Engine,
    statement_timeout: Duration,
    write_attempts: u32,
    statements: Arc<AtomicU64>,
    /// Turns at the pools: waiting here is fair and limited by `statement_timeout`, while the pool's own, shorter limit
    /// is left to tell that the database does not answer. On MySQL both are one.
    write_turns: Arc<Semaphore>,
    read_turns: Arc<Semaphore>,
    /// Held as long as the program uses the SQLite file; another server process is refused.
    lock: Option<File>,
}

/// A connection for reading.
#[derive(Clone, Debug)]
pub struct Reader(DatabaseConnection);

impl Deref for Reader {
    type Target = DatabaseConnection;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// An open transaction.
#[derive(Clone, Debug)]
pub struct Tx {
    transaction: Arc<DatabaseTransaction>,
    after: Arc<Mutex<AfterCommit>>,
}

/// What follows a commit. It is called without a pause after it; what it returns is waited for.
type Hook = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// What follows the commit of one attempt.
#[derive(Default)]
struct AfterCommit(Vec<Hook>);

impl std::fmt::Debug for AfterCommit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("AfterCommit").field(&self.0.len()).finish()
    }
}

impl Deref for Tx {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &Self::Target {
        &self.transaction
    }
}

impl Tx {
    /// Does something once this transaction is committed, before [`Db::write`] returns; also when the answer of the
    /// commit was lost. Whatever must happen is a row of the transaction as well: the process may end in between.
    pub fn after_commit(&self, hook: impl FnOnce() -> BoxFuture<'static, ()> + Send + 'static) {
        let mut after = self.after.lock().unwrap_or_else(PoisonError::into_inner);
        after.0.push(Box::new(hook));
    }
}

impl Db {
    /// Opens the pools. SQLite's file is made when it is missing; nothing is migrated here.
    ///
    /// # Errors
    /// The file is in use by another server, or the database does not answer.
    pub async fn open(config: &Config) -> Result<Self, Fault> {
        // Boxed: opening a pool is a future too deep for callers to hold by value.
        Box::pin(open::open(config)).await
    }

    /// Which engine it is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.inner.engine
    }

    /// Statements sent so far, transactions' own included; for the statement budgets of the tests.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.inner.statements.load(Ordering::Relaxed)
    }

    /// Runs a read outside any transaction, within `database.statement_timeout_ms`.
    ///
    /// # Errors
    /// What the closure returns, or [`Fault::Timeout`].
    #[expect(
        clippy::manual_async_fn,
        reason = "only this form promises that the future is Send, which resolvers need"
    )]
    pub fn read<'a, T, E, F, Fut>(
        &'a self,
        name: &'static str,
        f: F,
    ) -> impl Future<Output = Result<T, E>> + Send + 'a
    where
        T: Send + 'a,
        E: From<Fault> + Send + 'a,
        F: FnOnce(Reader) -> Fut + Send + 'a,
        Fut: Future<Output = Result<T, E>> + Send + 'a,
    {
        async move {
            // The cache does not know what is read here, so an answer that is made of it is not kept.
            trace::forbid();
            let _turn = self.turn(&self.inner.read_turns, name).await?;
            match tokio::time::timeout(
                self.inner.statement_timeout,
                f(Reader(self.inner.reader.clone())),
            )
            .await
            {
                Ok(result) => result,
                Err(_) => Err(Fault::Timeout(name).into()),
            }
        }
    }

    /// Runs a transaction: IMMEDIATE on SQLite, READ COMMITTED on MySQL. On deadlock, lock timeout and busy the whole
    /// closure runs again, up to `database.write_attempts` times with full jitter.
    ///
    /// # Errors
    /// What the closure returns, [`Fault::Timeout`], or [`Fault::CommitUnknown`] when the answer of the commit was
    /// lost: then the caller reads its row by the id it chose before, and never runs the transaction again.
    #[expect(
        clippy::manual_async_fn,
        reason = "only this form promises that the future is Send, which resolvers need"
    )]
    pub fn write<'a, T, E, F, Fut>(
        &'a self,
        name: &'static str,
        f: F,
    ) -> impl Future<Output = Result<T, E>> + Send + 'a
    where
        T: Send + 'a,
        E: From<Fault> + DbCause + Send + 'a,
        F: Fn(Tx) -> Fut + Send + 'a,
        Fut: Future<Output = Result<T, E>> + Send + 'a,
    {
        async move {
            let mut attempt = 1;
            loop {
                let turn = self.turn(&self.inner.write_turns, name).await?;
                let tx = timeout(self.inner.statement_timeout, self.begin())
                    .await
                    .map_err(|_| Fault::Timeout(name))?;
                let tx = Tx {
                    transaction: Arc::new(tx.map_err(Fault::Db)?),
                    after: Arc::default(),
                };
                let deadline = Instant::now() + self.inner.statement_timeout;
                let work = f(tx.clone());
                let result = timeout_at(deadline, work).await;
                let result = result.unwrap_or_else(|_| Err(Fault::Timeout(name).into()));
                let error = match self.finish(name, tx, result, deadline).await {
                    Ok(value) => return Ok(value),
                    Err(error) => error,
                };
                // Others go first while this one backs off.
                drop(turn);
                let retry = error
                    .db_err()
                    .is_some_and(|error| error::kind(error) == error::Kind::Retry);
                if !retry || attempt >= self.inner.write_attempts {
                    return Err(error);
                }
                metrics::counter!("tradepost_db_retries_total", "transaction" => name).increment(1);
                tokio::time::sleep(backoff(attempt)).await;
                attempt += 1;
            }
        }
    }

    /// Waits for a turn at a pool.
    async fn turn<'a>(
        &self,
        turns: &'a Semaphore,
        name: &'static str,
    ) -> Result<SemaphorePermit<'a>, Fault> {
        match timeout(self.inner.statement_timeout, turns.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(Fault::Timeout(name)),
        }
    }

    /// Commits what succeeded and rolls back what failed.
    async fn finish<T, E: From<Fault>>(
        &self,
        name: &'static str,
        tx: Tx,
        result: Result<T, E>,
        deadline: Instant,
    ) -> Result<T, E> {
        let Tx { transaction, after } = tx;
        let Ok(tx) = Arc::try_unwrap(transaction) else {
            return Err(Fault::Broken(format!("{name} kept its transaction")).into());
        };
        match result {
            Ok(value) => {
                let result = match timeout_at(deadline, tx.commit()).await {
                    Ok(Ok(())) => Ok(value),
                    Ok(Err(source)) if error::kind(&source) == error::Kind::Retry => {
                        return Err(Fault::Db(source).into());
                    }
                    Ok(Err(source)) => Err(Fault::CommitUnknown(name, source).into()),
                    Err(_) => {
                        let lost = "the commit was not answered in time".to_owned();
                        Err(Fault::CommitUnknown(name, DbErr::Custom(lost)).into())
                    }
                };
                follow(&after).await;
                result
            }
            Err(error) => {
                // The transaction is gone either way: a failed rollback must not hide why there was one.
                if let Ok(rolled_back) = timeout_at(deadline, tx.rollback()).await {
                    crate::error::swallow(rolled_back, "rolling back");
                }
                Err(error)
            }
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place where transactions begin"
    )]
    async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let sqlite_transaction_mode = match self.inner.engine {
            Engine::Sqlite => Some(SqliteTransactionMode::Immediate),
            Engine::MySql => None,
        };
        self.inner
            .writer
            .begin_with_options(TransactionOptions {
                sqlite_transaction_mode,
                ..Default::default()
            })
            .await
    }

    /// Whether the database answers and every migration has run.
    ///
    /// # Errors
    /// The database does not answer in time.
    pub async fn ready(&self) -> Result<bool, Fault> {
        self.read("db.ready", async |c| Ok(migrate::pending(&c).await? == 0))
            .await
    }

    /// Closes the pools after their statements have ended.
    ///
    /// # Errors
    /// None that matter: the process ends next.
    pub async fn close(&self) -> Result<(), DbErr> {
        self.inner.reader.clone().close().await?;
        self.inner.writer.clone().close().await
    }
}

/// Does what follows a commit.
async fn follow(after: &Mutex<AfterCommit>) {
    let hooks = {
        let mut after = after.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut after.0)
    };
    // All begin before any is waited for.
    let following: Vec<_> = hooks.into_iter().map(|hook| hook()).collect();
    futures::future::join_all(following).await;
}

/// Full jitter: 1 ms up to 5, 10, 20 … 250 ms. Linear steps left clients with deadlocks under load.
fn backoff(attempt: u32) -> Duration {
    Duration::from_millis(random::between(1, (5_u64 << attempt.min(6)).min(250)))
}
