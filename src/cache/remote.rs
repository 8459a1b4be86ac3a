//! The second layer: entries in Redis, shared by all replicas, and the leases by which one of them loads for all.
//!
//! All keys of an entry have its name as their hash tag, so that they live on one node of a cluster; a script touches
//! one entry only. The connection does not mend itself: another one may lead to a server with older data, so it is made
//! anew and looked at (`recovery.rs`) before anything is read over it. That is the circuit breaker too: after some
//! commands in a row without answer in time, nobody asks until the server was seen to answer.

use super::Value;
use super::codec::{self, Decoded, Head};
use super::key::{Key, Tag};
use crate::config::Config;
use crate::error::Fault;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Pipeline, RedisError, Script};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Notify;
use uuid::Uuid;

/// Commands in a row without answer in time after which nobody asks any more.
const FAILURES_MAX: u32 = 3;

/// Reads an entry, else takes the lease to load it, else leaves word that somebody waits for it.
const FIND: &str = "
local value = redis.call('GET', KEYS[1])
if value and string.sub(value, 1, #ARGV[3]) == ARGV[3] then return {0, value} end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return {1} end
redis.call('SET', KEYS[3], 1, 'PX', ARGV[2])
return {2}";

/// Stores an entry for the holder of its lease, and ends the lease. Tells whether somebody waits.
const FILL: &str = "
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1 + redis.call('DEL', KEYS[3])";

/// Ends a lease without an entry. Tells whether somebody waits.
const RELEASE: &str = "
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
return 1 + redis.call('DEL', KEYS[3])";

/// The right to store an entry, ended by a change of it.
pub(super) type Token = Uuid;

/// What Redis has of a key.
pub(super) enum Found<V> {
    /// The entry.
    Entry(Decoded<V>),
    /// Nothing, and this caller loads it.
    Lease,
    /// Nothing, and somebody else loads it.
    Busy,
    /// An entry that this version of the program cannot read.
    Unreadable,
}

/// A connection that may be read from, and the epoch whose entries are good on it.
#[derive(Debug)]
pub(super) struct Session {
    connection: MultiplexedConnection,
    pub(super) epoch: Uuid,
}

/// Redis as the cache uses it.
#[derive(Debug)]
pub(super) struct Remote {
    client: Client,
    pub(super) address: String,
    prefix: String,
    response_timeout: Duration,
    connect_timeout: Duration,
    lease_ms: u64,
    find: Script,
    fill: Script,
    release: Script,
    session: RwLock<Option<Arc<Session>>>,
    failures: AtomicU32,
    /// Changes that were committed while nobody could tell Redis; see [`Remote::install`].
    unsent: AtomicU64,
    /// Notified when the session was given up.
    pub(super) lost: Arc<Notify>,
    /// Those who wait for an entry that another replica loads.
    waiting: Mutex<HashMap<u64, Arc<Notify>>>,
}

impl Remote {
    /// Over `redis.url`; nothing connects yet.
    pub(super) fn new(config: &Config) -> Result<Option<Self>, Fault> {
        let url = config.redis.url.expose();
        if url.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            client: Client::open(url).map_err(Fault::doing("reading redis.url"))?,
            address: config.redis.url.masked(),
            prefix: config.redis.prefix.clone(),
            response_timeout: Duration::from_millis(config.redis.response_timeout_ms),
            connect_timeout: Duration::from_millis(config.redis.connect_timeout_ms),
            lease_ms: config.cache.lease_ms,
            find: Script::new(FIND),
            fill: Script::new(FILL),
            release: Script::new(RELEASE),
            session: RwLock::default(),
            failures: AtomicU32::new(0),
            unsent: AtomicU64::new(0),
            lost: Arc::default(),
            waiting: Mutex::default(),
        }))
    }

    /// The session of now; none while Redis is not known to be good.
    pub(super) fn session(&self) -> Option<Arc<Session>> {
        let session = self.session.read();
        session.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Connects; the connection may not be read from before [`Remote::install`].
    pub(super) async fn connect(&self) -> Result<(Connection, String), RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(Some(self.response_timeout))
            .set_connection_timeout(Some(self.connect_timeout));
        let mut connection = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let info: String = redis::cmd("INFO")
            .arg("server")
            .query_async(&mut connection)
            .await?;
        for script in [&self.find, &self.fill, &self.release] {
            script.load_async(&mut connection).await?;
        }
        let run_id = info
            .lines()
            .find_map(|line| line.strip_prefix("run_id:"))
            .unwrap_or_default();
        Ok((Connection(connection), run_id.to_owned()))
    }

    /// The session to tell a committed change over. Without one the change is counted: it waits in its row.
    pub(super) fn session_for_change(&self) -> Option<Arc<Session>> {
        let session = self.session.read().unwrap_or_else(PoisonError::into_inner);
        if session.is_none() {
            self.unsent.fetch_add(1, Ordering::SeqCst);
        }
        session.clone()
    }

    /// How many changes could not be told so far.
    pub(super) fn unsent(&self) -> u64 {
        self.unsent.load(Ordering::SeqCst)
    }

    /// From now on entries of this epoch are read and written over the connection, unless a change was committed since
    /// `unsent` was read: its row may have come too late to be told before.
    pub(super) fn install(&self, connection: Connection, epoch: Uuid, unsent: u64) -> bool {
        let session = Session {
            connection: connection.0,
            epoch,
        };
        let mut current = self.session.write().unwrap_or_else(PoisonError::into_inner);
        if self.unsent() != unsent {
            return false;
        }
        self.failures.store(0, Ordering::Relaxed);
        *current = Some(Arc::new(session));
        true
    }

    /// Nobody reads over this session any more.
    pub(super) fn give_up(&self, session: &Arc<Session>) {
        let mut current = self.session.write().unwrap_or_else(PoisonError::into_inner);
        if current
            .as_ref()
            .is_some_and(|now| Arc::ptr_eq(now, session))
        {
            *current = None;
            drop(current);
            metrics::counter!("tradepost_cache_redis_lost_total").increment(1);
            tracing::warn!(redis = self.address, "the cache goes on without Redis");
            self.lost.notify_one();
        }
    }

    fn note<T>(&self, session: &Arc<Session>, result: Result<T, RedisError>) -> Option<T> {
        match result {
            Ok(value) => {
                self.failures.store(0, Ordering::Relaxed);
                Some(value)
            }
            Err(error) => {
                tracing::debug!(%error, "Redis did not answer the cache");
                let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
                if !error.is_timeout() || failures >= FAILURES_MAX {
                    self.give_up(session);
                }
                None
            }
        }
    }

    /// Value, lease, and the mark that somebody waits.
    fn names(&self, key: &Key) -> [String; 3] {
        let value = format!("{}:{{{}}}", self.prefix, key.name());
        [
            value.clone(),
            format!("{value}:lease"),
            format!("{value}:wait"),
        ]
    }

    fn call<'p>(&self, pipe: &'p mut Pipeline, script: &Script, key: &Key) -> &'p mut Pipeline {
        pipe.cmd("EVALSHA")
            .arg(script.get_hash())
            .arg(3)
            .arg(&self.names(key))
    }

    /// Entries of these keys, or the right to load them: one round trip. `None`: Redis did not answer.
    pub(super) async fn find<V: Value>(
        &self,
        session: &Arc<Session>,
        keys: &[Key],
        token: Token,
    ) -> Option<Vec<Found<V>>> {
        let head = codec::head::<V>(session.epoch);
        let mut pipe = redis::pipe();
        for key in keys {
            self.call(&mut pipe, &self.find, key)
                .arg(token.as_bytes())
                .arg(self.lease_ms)
                .arg(&head[..]);
        }
        let mut connection = session.connection.clone();
        let answers = pipe.query_async(&mut connection).await;
        let answers: Vec<Answer> = self.note(session, answers.and_then(read_found))?;
        Some(
            answers
                .into_iter()
                .map(|answer| found(&head, answer))
                .collect(),
        )
    }

    /// Takes the lease to load an entry that is there; `false`: another one has it.
    pub(super) async fn take(&self, session: &Arc<Session>, key: &Key, token: Token) -> bool {
        let [_, lease, _] = self.names(key);
        let mut connection = session.connection.clone();
        let taken: Result<Option<String>, _> = redis::cmd("SET")
            .arg(&lease)
            .arg(token.as_bytes())
            .arg("NX")
            .arg("PX")
            .arg(self.lease_ms)
            .query_async(&mut connection)
            .await;
        self.note(session, taken).flatten().is_some()
    }

    /// Stores loaded entries whose lease still stands: which of them were stored, and for which somebody waits.
    pub(super) async fn fill(
        &self,
        session: &Arc<Session>,
        entries: &[(Key, Vec<u8>, u64)],
        token: Token,
        unguarded: bool,
    ) -> Option<Vec<Stored>> {
        let mut pipe = redis::pipe();
        for (key, bytes, life_ms) in entries {
            if unguarded {
                // A test wants to see what happens when no lease protects the entry.
                let [_, lease, _] = self.names(key);
                pipe.cmd("SET").arg(&lease).arg(token.as_bytes()).ignore();
            }
            self.call(&mut pipe, &self.fill, key)
                .arg(token.as_bytes())
                .arg(bytes)
                .arg(life_ms);
        }
        let mut connection = session.connection.clone();
        let answers: Result<Vec<u8>, _> = pipe.query_async(&mut connection).await;
        let answers = self.note(session, answers)?;
        Some(answers.into_iter().map(Stored::of).collect())
    }

    /// Gives leases back, so that nobody waits for their end.
    pub(super) async fn release(
        &self,
        session: &Arc<Session>,
        keys: &[Key],
        token: Token,
    ) -> Option<Vec<Stored>> {
        let mut pipe = redis::pipe();
        for key in keys {
            self.call(&mut pipe, &self.release, key)
                .arg(token.as_bytes());
        }
        let mut connection = session.connection.clone();
        let answers: Result<Vec<u8>, _> = pipe.query_async(&mut connection).await;
        let answers = self.note(session, answers)?;
        Some(answers.into_iter().map(Stored::of).collect())
    }

    /// Removes one entry, and nobody's right to store it.
    pub(super) async fn remove(&self, session: &Arc<Session>, key: &Key) {
        let [value, _, _] = self.names(key);
        let mut connection = session.connection.clone();
        let done: Result<(), _> = redis::cmd("DEL")
            .arg(&value)
            .query_async(&mut connection)
            .await;
        self.note(session, done);
    }

    /// Removes the subjects' entries, and with them the right to store what is being loaded of them.
    pub(super) async fn forget(&self, session: &Arc<Session>, tags: &[Tag]) -> bool {
        let connection = Connection(session.connection.clone());
        match self.forget_over(&connection, tags).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "a change could not be told to Redis; it is tried again");
                // What is in Redis now may be older than what was answered: nobody may read it.
                self.give_up(session);
                false
            }
        }
    }

    /// The same over a connection that is not read from yet.
    pub(super) async fn forget_over(
        &self,
        connection: &Connection,
        tags: &[Tag],
    ) -> Result<(), RedisError> {
        if tags.is_empty() {
            return Ok(());
        }
        let mut pipe = redis::pipe();
        for tag in tags {
            let [value, lease, _] = self.names(&Key::of(*tag));
            pipe.cmd("DEL").arg(&value).arg(&lease).ignore();
        }
        pipe.query_async(&mut connection.0.clone()).await
    }

    /// Whether the server answers.
    pub(super) async fn ping(&self, session: &Arc<Session>) -> bool {
        let mut connection = session.connection.clone();
        let pong: Result<String, _> = redis::cmd("PING").query_async(&mut connection).await;
        self.note(session, pong).is_some()
    }

    /// Tells that an entry was stored that this process may wait for.
    pub(super) fn arrived(&self, name: u64) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = waiting.get(&name) {
            waiting.notify_waiters();
        }
    }

    /// Waits until another replica has stored an entry, at most this long.
    pub(super) async fn await_arrival(&self, key: &Key, at_most: Duration) {
        let name = short(key);
        let notify = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(waiting.entry(name).or_default())
        };
        // Whether it came in time makes no difference: the caller looks again.
        drop(tokio::time::timeout(at_most, notify.notified()).await);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::strong_count(&notify) == 2 {
            waiting.remove(&name);
        }
    }
}

/// A connection that is not known to be good yet.
#[derive(Clone)]
pub(super) struct Connection(MultiplexedConnection);

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// The lease had ended: by a change, or because loading took too long.
    Refused,
    Quietly,
    /// And somebody waits for it.
    Awaited,
}

impl Stored {
    const fn of(answer: u8) -> Self {
        match answer {
            0 => Self::Refused,
            1 => Self::Quietly,
            _ => Self::Awaited,
        }
    }
}

/// The name of a key on the push channel.
pub(super) fn short(key: &Key) -> u64 {
    let hash = <sha2::Sha256 as sha2::Digest>::digest(key.name());
    hash.iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What `FIND` answers of one key.
type Answer = (u8, Option<Vec<u8>>);

/// The answers of `FIND`: a number, and the entry after 0.
fn read_found(answers: Vec<redis::Value>) -> Result<Vec<Answer>, RedisError> {
    answers
        .into_iter()
        .map(|answer| {
            let parts: Vec<redis::Value> = redis::from_redis_value(answer)?;
            let mut parts = parts.into_iter();
            let what: u8 = parts.next().map_or(Ok(2), redis::from_redis_value)?;
            let value = parts.next().map(redis::from_redis_value).transpose()?;
            Ok((what, value))
        })
        .collect()
}

fn found<V: Value>(head: &Head, answer: Answer) -> Found<V> {
    match answer {
        (0, Some(bytes)) => match codec::decode(head, &bytes) {
            Some(entry) => Found::Entry(entry),
            None => Found::Unreadable,
        },
        (1, _) => Found::Lease,
        _ => Found::Busy,
    }
}
