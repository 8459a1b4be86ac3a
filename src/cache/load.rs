//! Reading through the cache: memory, else one load a key in this process, else Redis, else one load among all replicas.

use super::flights::{self, Flight, Found as Flown, Joined};
use super::freshness::Moment;
use super::key::{Generation, Key, Tag};
use super::memory::{Entry, Shared};
use super::remote::{Found, Remote, Session, Stored, Token};
use super::{Cache, GENERATION_LIFE, Life, RENEW_TENTHS, Step, Value, codec, trace};
use crate::cache::push::Message;
use crate::error::{Fault, chain};
use crate::random;
use futures::future::BoxFuture;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// How long a replica waits for word that another one has loaded, before it looks by itself.
const LOOK: Duration = Duration::from_millis(25);
/// The longest of such waits.
const LOOK_MAX: Duration = Duration::from_millis(200);

/// Loads what was asked for: those of the given keys that exist.
type Load<K, V> =
    Arc<dyn Fn(Vec<K>) -> BoxFuture<'static, Result<HashMap<K, V>, Fault>> + Send + Sync>;

/// What Redis did not have.
struct Sorted<K> {
    /// This process loads it for all.
    leased: Vec<(Flight, K)>,
    /// Another one does.
    busy: Vec<(Flight, K)>,
    /// Redis did not answer.
    alone: Vec<(Flight, K)>,
}

impl<K> Default for Sorted<K> {
    fn default() -> Self {
        Self {
            leased: Vec::new(),
            busy: Vec::new(),
            alone: Vec::new(),
        }
    }
}

impl Cache {
    /// Values by their ids, in their order; `None` for what does not exist. What nobody remembers is loaded by one call
    /// of the loader for all of it, and each of it only once however many ask. The loader answers what exists; it reads
    /// the primary, outside of any transaction. `loader` makes it, where something has to be loaded.
    ///
    /// # Errors
    /// The load fails. All who waited for it are told, and nothing is kept.
    pub async fn get_many<K, V, F, Fut>(
        &self,
        ids: &[K],
        key: impl Fn(&K) -> Key,
        loader: impl FnOnce() -> F,
    ) -> Result<Vec<Option<Arc<V>>>, Fault>
    where
        K: Clone + Eq + Hash + Send + Sync + 'static,
        V: Value,
        F: Fn(Vec<K>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<HashMap<K, V>, Fault>> + Send + 'static,
    {
        trace::note(ids.iter().map(|id| key(id).tag()));
        if let Some(all) = self.remembered(ids, &key) {
            return all;
        }
        let life = self.life();
        let load = loader();
        let load: Load<K, V> = Arc::new(move |ids| Box::pin(load(ids)));
        let mut found: Vec<Option<Option<Shared>>> = Vec::with_capacity(ids.len());
        let mut waiting: Vec<(usize, Joined)> = Vec::new();
        let mut own: Vec<(Flight, K)> = Vec::new();
        for (place, id) in ids.iter().enumerate() {
            let key = key(id);
            let now_us = self.now_us();
            if let Some(entry) = self.kept(&key, life, now_us) {
                self.inner.meters.memory_hits.increment(1);
                self.renew(&entry, key, id, &load);
                found.push(Some(entry.value.clone()));
                continue;
            }
            let look = || {
                self.kept(&key, life, now_us)
                    .map(|entry| entry.value.clone())
            };
            match self.inner.flights.find(key, &self.inner.freshness, look) {
                Flown::Kept(value) => {
                    found.push(Some(value));
                    continue;
                }
                Flown::Joined(joined) => {
                    self.inner.meters.coalesced.increment(1);
                    waiting.push((place, joined));
                }
                Flown::Own(flight, joined) => {
                    own.push((flight, id.clone()));
                    waiting.push((place, joined));
                }
            }
            found.push(None);
        }
        if !own.is_empty() {
            // In a task of its own: the caller may go away, those who joined have not.
            let cache = self.clone();
            self.inner
                .workers
                .spawn(async move { cache.load(own, load, None).await });
        }
        for (place, joined) in waiting {
            let outcome = flights::wait(joined).await;
            found[place] = Some(outcome.map_err(|fault| fault.again())?);
        }
        found
            .into_iter()
            .map(|value| typed(value.flatten()))
            .collect()
    }

    /// All of it, when this process remembers all and none of it is to be renewed: as nearly always.
    fn remembered<K, V: Value>(
        &self,
        ids: &[K],
        key: &impl Fn(&K) -> Key,
    ) -> Option<Result<Vec<Option<Arc<V>>>, Fault>> {
        let (life, now_us) = (self.life(), self.now_us());
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let entry = self.kept(&key(id), life, now_us)?;
            if now_us >= entry.renew_us {
                return None;
            }
            match typed(entry.value.clone()) {
                Ok(value) => found.push(value),
                Err(fault) => return Some(Err(fault)),
            }
        }
        self.inner.meters.memory_hits.increment(found.len() as u64);
        Some(Ok(found))
    }

    /// One value; see [`Cache::get_many`].
    ///
    /// # Errors
    /// The load fails.
    pub async fn get<V, F, Fut>(
        &self,
        key: Key,
        loader: impl FnOnce() -> F,
    ) -> Result<Option<Arc<V>>, Fault>
    where
        V: Value,
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<V>, Fault>> + Send + 'static,
    {
        let loader = || {
            let load = loader();
            move |_: Vec<()>| {
                let load = load();
                async move { Ok(load.await?.map(|value| ((), value)).into_iter().collect()) }
            }
        };
        let mut found = self.get_many(&[()], |()| key, loader).await?;
        Ok(found.pop().flatten())
    }

    /// A list of a subject under all its arguments; see [`Cache::get_many`].
    ///
    /// # Errors
    /// The load fails.
    pub async fn list<V, F, Fut>(
        &self,
        tag: Tag,
        arguments: &impl Hash,
        loader: impl FnOnce() -> F,
    ) -> Result<Option<Arc<V>>, Fault>
    where
        V: Value,
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<V>, Fault>> + Send + 'static,
    {
        let generation = self.generation(tag).await?;
        self.get(Key::list(tag, generation, arguments), loader)
            .await
    }

    /// The generation of the current lists of a subject. A change of the subject ends it, and the next who asks makes
    /// another one.
    ///
    /// # Errors
    /// None of its own: nothing is loaded.
    pub async fn generation(&self, tag: Tag) -> Result<Generation, Fault> {
        let fresh = || async { Ok(Some(Generation(Uuid::from_bytes(random::bytes())))) };
        let found = self.get(Key::of(tag), || fresh).await?;
        Ok(found.map_or_else(
            || Generation(Uuid::from_bytes(random::bytes())),
            |found| *found,
        ))
    }

    /// Renews an entry in use that ends soon: one caller begins that, and nobody waits for it.
    fn renew<K, V>(&self, entry: &Entry, key: Key, id: &K, load: &Load<K, V>)
    where
        K: Clone + Eq + Hash + Send + Sync + 'static,
        V: Value,
    {
        if self.now_us() < entry.renew_us || entry.renewing.swap(true, Ordering::Relaxed) {
            return;
        }
        let Some(flight) = self.inner.flights.begin(key, &self.inner.freshness) else {
            return;
        };
        metrics::counter!("tradepost_cache_renewals_total").increment(1);
        let (cache, load, flights) = (self.clone(), load.clone(), vec![(flight, id.clone())]);
        let loaded_us = entry.loaded_us;
        self.inner
            .workers
            .spawn(async move { cache.load(flights, load, Some(loaded_us)).await });
    }

    /// Finds or loads what these flights are for and lands each of them. A renewal wants something that was loaded
    /// later than what it renews.
    async fn load<K, V>(&self, flights: Vec<(Flight, K)>, load: Load<K, V>, renews: Option<i64>)
    where
        K: Clone + Eq + Hash + Send + Sync + 'static,
        V: Value,
    {
        let token: Token = self.inner.clock.id();
        let mut open = flights;
        let deadline = Instant::now() + 2 * self.inner.lease;
        let mut pause = LOOK;
        let mut waited = false;
        loop {
            let session = self.inner.remote.as_ref().and_then(Remote::session);
            let (Some(remote), Some(session)) = (&self.inner.remote, session) else {
                return self.load_from_database(open, &load, None).await;
            };
            let found = self.look_at_redis::<K, V>(open, &session, token, renews);
            let found = found.await;
            if !found.leased.is_empty() {
                if waited {
                    self.inner.meters.take_overs.increment(1);
                }
                let lease = Some((&session, token));
                self.load_from_database(found.leased, &load, lease).await;
            }
            if !found.alone.is_empty() {
                self.load_from_database(found.alone, &load, None).await;
            }
            let Some((first, _)) = found.busy.first() else {
                return;
            };
            if Instant::now() >= deadline {
                // Whoever has the leases is too slow.
                return self.load_from_database(found.busy, &load, None).await;
            }
            remote.await_arrival(&first.key, pause).await;
            pause = (pause * 2).min(LOOK_MAX);
            open = found.busy;
            waited = true;
        }
    }

    /// Lands what Redis has, and sorts the rest.
    async fn look_at_redis<K, V: Value>(
        &self,
        open: Vec<(Flight, K)>,
        session: &Arc<Session>,
        token: Token,
        renews: Option<i64>,
    ) -> Sorted<K> {
        let mut sorted = Sorted::default();
        let keys: Vec<Key> = open.iter().map(|(flight, _)| flight.key).collect();
        let found = match &self.inner.remote {
            Some(remote) => remote
                .find::<V>(session, &keys, token)
                .await
                .map(|answers| (remote, answers)),
            None => None,
        };
        let Some((remote, answers)) = found else {
            sorted.alone = open;
            return sorted;
        };
        for ((flight, id), answer) in open.into_iter().zip(answers) {
            match answer {
                Found::Entry(entry) => {
                    let is_old = renews.is_some_and(|than| entry.loaded_us <= than);
                    if is_old && remote.take(session, &flight.key, token).await {
                        sorted.leased.push((flight, id));
                        continue;
                    }
                    self.inner.meters.redis_hits.increment(1);
                    let value = entry.value.map(|value| value as Shared);
                    let life = (entry.loaded_us, entry.bytes);
                    self.keep::<V>(&flight, value.clone(), life, flight.began);
                    flight.land(Ok(value));
                }
                Found::Lease => sorted.leased.push((flight, id)),
                Found::Busy => sorted.busy.push((flight, id)),
                Found::Unreadable => {
                    remote.remove(session, &flight.key).await;
                    sorted.busy.push((flight, id));
                }
            }
        }
        sorted
    }

    /// Loads, keeps what no change overtook, tells those who wait, and stores it for the other replicas under the lease.
    async fn load_from_database<K, V>(
        &self,
        open: Vec<(Flight, K)>,
        load: &Load<K, V>,
        lease: Option<(&Arc<Session>, Token)>,
    ) where
        K: Clone + Eq + Hash + Send + Sync + 'static,
        V: Value,
    {
        let inner = &self.inner;
        inner.faults.reach(Step::BeforeLoad).await;
        inner.meters.loads.increment(1);
        let keys: Vec<Key> = open.iter().map(|(flight, _)| flight.key).collect();
        let loaded_us = self.now_us();
        let mut loaded = match load(open.iter().map(|(_, id)| id.clone()).collect()).await {
            Ok(loaded) => loaded,
            Err(fault) => {
                tracing::warn!(error = chain(&fault), "a load of the cache failed");
                let fault = Arc::new(fault);
                for (flight, _) in open {
                    flight.land(Err(Arc::clone(&fault)));
                }
                if let Some((session, token)) = lease {
                    self.give_back(session, &keys, token).await;
                }
                return;
            }
        };
        inner.faults.reach(Step::AfterLoad).await;
        let mut entries = Vec::new();
        for (flight, id) in open {
            let value = loaded.remove(&id).map(Arc::new);
            if let Some((session, _)) = lease {
                let head = codec::head::<V>(session.epoch);
                let encoded = codec::encode(&head, value.as_deref(), loaded_us);
                if let Some(bytes) = crate::error::swallow(encoded, "writing an entry") {
                    let life = self.life_of::<V>(value.is_some());
                    let life_ms = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
                    entries.push((flight.key, bytes, life_ms));
                }
            }
            let bytes = value.as_ref().map_or(0, |value| value.bytes());
            let value = value.map(|value| value as Shared);
            let began = if inner.faults.keep_stale {
                inner.freshness.now()
            } else {
                flight.began
            };
            self.keep::<V>(&flight, value.clone(), (loaded_us, bytes), began);
            flight.land(Ok(value));
        }
        if let Some((session, token)) = lease {
            self.store_in_redis(session, &entries, token).await;
        }
    }

    async fn store_in_redis(
        &self,
        session: &Arc<Session>,
        entries: &[(Key, Vec<u8>, u64)],
        token: Token,
    ) {
        let Some(remote) = &self.inner.remote else {
            return;
        };
        let unguarded = self.inner.faults.keep_stale;
        let stored = remote.fill(session, entries, token, unguarded).await;
        let stored = stored.unwrap_or_default();
        let refused = stored.iter().filter(|one| **one == Stored::Refused);
        let refused = u64::try_from(refused.count()).unwrap_or(0);
        self.inner.meters.refused.increment(refused);
        self.wake_others(entries.iter().map(|(key, ..)| key), &stored);
    }

    async fn give_back(&self, session: &Arc<Session>, keys: &[Key], token: Token) {
        if let Some(remote) = &self.inner.remote {
            let released = remote.release(session, keys, token).await;
            self.wake_others(keys.iter(), &released.unwrap_or_default());
        }
    }

    /// Tells the replicas that wait for these entries to look.
    fn wake_others<'k>(&self, keys: impl Iterator<Item = &'k Key>, stored: &[Stored]) {
        for (key, stored) in keys.zip(stored) {
            if *stored == Stored::Awaited {
                let name = super::remote::short(key);
                self.inner.push.tell_others(Message::CacheFilled(name));
            }
        }
    }

    /// Keeps a value in this process. A change since `began` makes it one that is not read.
    fn keep<V: Value>(
        &self,
        flight: &Flight,
        value: Option<Shared>,
        (loaded_us, bytes): (i64, usize),
        began: Moment,
    ) {
        if self.life() == Life::None {
            return;
        }
        if !self.inner.freshness.is_fresh(&[flight.key.tag()], began) {
            self.inner.meters.refused.increment(1);
            return;
        }
        let life = self.life_of::<V>(value.is_some());
        let us = |life: Duration| i64::try_from(life.as_micros()).unwrap_or(i64::MAX);
        let tenths = random::between(RENEW_TENTHS.0 * 100, RENEW_TENTHS.1 * 100);
        let renew = if V::RENEWED && value.is_some() {
            us(life) / 1_000 * i64::try_from(tenths).unwrap_or(900)
        } else {
            us(life)
        };
        let entry = Entry {
            value,
            began,
            loaded_us,
            renew_us: loaded_us.saturating_add(renew),
            ends_us: loaded_us.saturating_add(us(life)),
            renewing: AtomicBool::new(false),
            bytes,
        };
        self.inner.memory.put(flight.key, entry);
    }

    fn life_of<V: Value>(&self, exists: bool) -> Duration {
        let life = if !V::RENEWED {
            GENERATION_LIFE
        } else if exists {
            self.inner.life
        } else {
            self.inner.absent_life
        };
        // What was loaded at one moment does not end at one moment.
        let percent = u32::try_from(random::between(90, 100)).unwrap_or(100);
        life * percent / 100
    }
}

fn typed<V: Value>(value: Option<Shared>) -> Result<Option<Arc<V>>, Fault> {
    value
        .map(|value| {
            value.downcast().map_err(|_| {
                Fault::Broken("two kinds of values stand under one key of the cache".to_owned())
            })
        })
        .transpose()
}
