//! Loads that are under way in this process: whoever wants the same meanwhile waits for them.
//!
//! A load that a change overtook is left to those who joined before the change; later callers begin another one.

use super::freshness::{Freshness, Moment};
use super::key::Key;
use super::memory::Shared;
use crate::error::Fault;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// How a load ended; a failure is told to all who waited and is not kept.
pub(super) type Outcome = Result<Option<Shared>, Arc<Fault>>;

/// Waits for a load that somebody else began.
pub(super) type Joined = watch::Receiver<Option<Outcome>>;

/// A load under way; told by dropping it that it never ends.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) key: Key,
    pub(super) began: Moment,
    outcome: watch::Sender<Option<Outcome>>,
    map: Arc<Map>,
}

type Map = Mutex<HashMap<Key, (Moment, Joined)>>;

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Flights {
    map: Arc<Map>,
}

/// What there is for a caller that found nothing in memory.
pub(super) enum Found<T> {
    /// It came into memory meanwhile.
    Kept(T),
    /// Somebody loads it.
    Joined(Joined),
    /// This caller loads it.
    Own(Flight, Joined),
}

impl Flights {
    /// Joins the load of a key or begins one. `look` looks into memory once more: the load that this caller just missed
    /// has put its value there before it left the map.
    pub(super) fn find<T>(
        &self,
        key: Key,
        freshness: &Freshness,
        look: impl FnOnce() -> Option<T>,
    ) -> Found<T> {
        let mut map = lock(&self.map);
        if let Some((began, joined)) = map.get(&key)
            && freshness.is_fresh(&[key.tag()], *began)
        {
            return Found::Joined(joined.clone());
        }
        if let Some(kept) = look() {
            return Found::Kept(kept);
        }
        let began = freshness.now();
        let (outcome, joined) = watch::channel(None);
        map.insert(key, (began, joined.clone()));
        let flight = Flight {
            key,
            began,
            outcome,
            map: Arc::clone(&self.map),
        };
        Found::Own(flight, joined)
    }

    /// Begins a load of a key unless one is under way.
    pub(super) fn begin(&self, key: Key, freshness: &Freshness) -> Option<Flight> {
        match self.find(key, freshness, || None::<()>) {
            Found::Own(flight, _) => Some(flight),
            _ => None,
        }
    }

    /// Loads under way.
    pub(super) fn count(&self) -> usize {
        lock(&self.map).len()
    }
}

impl Flight {
    /// Tells the outcome to all who wait, and lets later callers look for themselves.
    pub(super) fn land(self, outcome: Outcome) {
        self.outcome.send_replace(Some(outcome));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut map = lock(&self.map);
        if let Entry::Occupied(entry) = map.entry(self.key)
            && entry.get().1.same_channel(&self.outcome.subscribe())
        {
            entry.remove();
        }
    }
}

/// Waits for the end of a load.
pub(super) async fn wait(mut joined: Joined) -> Outcome {
    match joined.wait_for(Option::is_some).await {
        Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(Arc::new(gone()))),
        Err(_) => Err(Arc::new(gone())),
    }
}

/// The program is ending, or a load panicked.
fn gone() -> Fault {
    Fault::Broken("a load of the cache ended without an outcome".to_owned())
}

fn lock(map: &Map) -> MutexGuard<'_, HashMap<Key, (Moment, Joined)>> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}
