//! What is remembered of the database, so that it is asked once and answers are never older than what was told before.
//!
//! `docs/cache.md` is the page about it. A read goes through [`Cache::get_many`]: entries in this process
//! (`memory.rs`), then Redis with one loader among all replicas (`remote.rs`, `load.rs`), then the database. A write
//! calls [`Cache::changed_in`] in its transaction (`changes.rs`). What makes that right is the count of changes
//! (`freshness.rs`): nothing is kept or answered that a change overtook.
//!
//! To cache another kind of value: implement [`Value`], name its subject in [`Tag`], read it by [`Cache::get_many`] or
//! [`Cache::list`], and call `changed_in` wherever it is written.

mod changes;
mod client;
mod codec;
mod faults;
mod flights;
mod freshness;
mod key;
mod load;
mod memory;
mod meters;
pub mod push;
mod recovery;
mod remote;
pub mod responses;
mod store;
pub mod trace;

pub use faults::{Faults, Step};
pub use freshness::Moment;
pub use key::{Generation, Key, Tag};

use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::error::Fault;
use crate::health::Health;
use crate::workers::Workers;
use changes::Told;
use flights::Flights;
use freshness::Freshness;
use memory::{Entry, Memory};
use meters::Meters;
use push::Push;
use remote::Remote;
use responses::Responses;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// While nobody tells this process what others change, it remembers for this long only: less than the half second after
/// which others may see a change.
const BRIEF_US: i64 = 250_000;
/// An entry in use is renewed between this many tenths of its life and the end of it, each entry at another moment.
const RENEW_TENTHS: (u64, u64) = (8, 9);
/// Life of a generation: it is only a name, and a new one makes all lists load anew.
const GENERATION_LIFE: Duration = Duration::from_secs(86_400);

/// What can be remembered.
pub trait Value: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Raised when fields keep their names and types but mean something else.
    const VERSION: u8;

    /// Whether it is renewed before it ends.
    const RENEWED: bool = true;

    /// About how many bytes it takes in memory.
    fn bytes(&self) -> usize;
}

/// A generation is remembered like everything else; what is loaded is a new one.
impl Value for Generation {
    const VERSION: u8 = 1;
    const RENEWED: bool = false;

    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

/// What this process may remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// It is the only one that answers: everything.
    Single,
    /// Replicas tell each other through Redis.
    Shared,
    /// Replicas cannot tell each other: nothing. Loads that run at the same time are still one.
    Off,
}

/// For how long something in this process is good now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Full,
    /// [`BRIEF_US`]: changes of others may be missed.
    Brief,
    None,
}

/// The cache; cheap to clone.
#[derive(Clone, Debug)]
pub struct Cache {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    mode: Mode,
    db: Db,
    clock: Clock,
    push: Push,
    workers: Workers,
    freshness: Freshness,
    memory: Memory,
    flights: Flights,
    remote: Option<Remote>,
    told: Told,
    responses: Responses,
    life: Duration,
    absent_life: Duration,
    lease: Duration,
    faults: Faults,
    meters: Meters,
    started: AtomicBool,
}

impl Cache {
    /// Over what the configuration names; nothing connects before [`Cache::start`].
    ///
    /// # Errors
    /// `redis.url` cannot be understood.
    pub fn new(
        config: &Config,
        db: &Db,
        clock: &Clock,
        push: &Push,
        workers: &Workers,
        faults: Faults,
    ) -> Result<Self, Fault> {
        let remote = Remote::new(config)?;
        let alone = !config.database.is_mysql() || config.cache.single_replica;
        let mode = match (&remote, alone) {
            (Some(_), _) => Mode::Shared,
            (None, true) => Mode::Single,
            (None, false) => Mode::Off,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                mode,
                db: db.clone(),
                clock: clock.clone(),
                push: push.clone(),
                workers: workers.clone(),
                freshness: Freshness::default(),
                memory: Memory::new(config.cache.memory_bytes_max),
                flights: Flights::default(),
                remote,
                told: Told::default(),
                responses: Responses::new(&config.cache),
                life: Duration::from_secs(config.cache.ttl_s),
                absent_life: Duration::from_secs(config.cache.absent_ttl_s),
                lease: Duration::from_millis(config.cache.lease_ms),
                faults,
                meters: Meters::default(),
                started: AtomicBool::new(false),
            }),
        })
    }

    /// Begins to listen to other replicas, to tell Redis what it has not been told, and to read from it.
    pub fn start(&self) {
        if self.inner.started.swap(true, Ordering::Relaxed) {
            return;
        }
        self.start_listening();
        self.start_sweeping();
        self.start_recovery();
    }

    /// The count of changes now; an answer whose making begins now is true up to it.
    #[must_use]
    pub fn moment(&self) -> Moment {
        self.inner.freshness.now()
    }

    /// For how long entries in this process are good now.
    fn life(&self) -> Life {
        match self.inner.mode {
            Mode::Single => Life::Full,
            Mode::Off => Life::None,
            // Nobody listens yet.
            Mode::Shared if !self.inner.started.load(Ordering::Relaxed) => Life::None,
            Mode::Shared if self.inner.push.is_current() => Life::Full,
            Mode::Shared => Life::Brief,
        }
    }

    /// An entry of this process, if it is still true.
    fn kept(&self, key: &Key, life: Life, now_us: i64) -> Option<Arc<Entry>> {
        if life == Life::None {
            return None;
        }
        let entry = self.inner.memory.get(key)?;
        let ends_us = match life {
            Life::Brief => entry.ends_us.min(entry.loaded_us + BRIEF_US),
            _ => entry.ends_us,
        };
        let good = now_us < ends_us && self.inner.freshness.is_fresh(&[key.tag()], entry.began);
        good.then_some(entry)
    }

    fn now_us(&self) -> i64 {
        self.inner.clock.now().timestamp_micros()
    }

    /// Forgets everything that this process remembers.
    pub fn clear(&self) {
        self.inner.freshness.clear();
        self.inner.memory.clear();
        self.inner.responses.clear();
    }

    /// Whole answers of this process.
    #[must_use]
    pub fn responses(&self) -> &Responses {
        &self.inner.responses
    }

    /// How the shared cache is, for `/readyz` and `doctor`.
    #[must_use]
    pub fn state(&self) -> Health {
        let inner = &self.inner;
        match (inner.mode, &inner.remote) {
            (Mode::Single, _) => Health::ok("in this process"),
            (Mode::Off, _) | (_, None) => Health::off(
                "replicas on MySQL need Redis to remember; one alone cache.single_replica",
            ),
            (Mode::Shared, Some(remote)) if remote.session().is_none() => {
                Health::degraded(format!(
                    "Redis at {} is not read: it does not answer, or has not been told all changes",
                    remote.address
                ))
            }
            (Mode::Shared, Some(_)) if self.life() != Life::Full => Health::degraded(
                "the channel between the replicas is lost; this process remembers only briefly",
            ),
            (Mode::Shared, Some(remote)) => Health::ok(format!(
                "in this process and in Redis at {}",
                remote.address
            )),
        }
    }

    /// What it holds now, for `doctor` and the gauges.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        let (memory_bytes, memory_entries) = self.inner.memory.size();
        let (response_bytes, responses) = self.inner.responses.size();
        Sizes {
            memory_bytes,
            memory_entries,
            response_bytes,
            responses,
            loads_under_way: self.inner.flights.count(),
        }
    }
}

/// What the cache of a process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Bytes of entities and lists.
    pub memory_bytes: u64,
    /// Entities and lists.
    pub memory_entries: u64,
    /// Bytes of whole answers.
    pub response_bytes: u64,
    /// Whole answers.
    pub responses: u64,
    /// Loads that somebody waits for.
    pub loads_under_way: usize,
}
