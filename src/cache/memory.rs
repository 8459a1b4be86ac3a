//! The first layer: entries in this process, bounded in bytes.

use super::freshness::Moment;
use super::key::Key;
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What an entry costs beside its value: key, counters, the cache's own records.
const OVERHEAD: usize = 256;

/// A value of whatever type its kind has.
pub(super) type Shared = Arc<dyn Any + Send + Sync>;

/// An entry.
#[derive(Debug)]
pub(super) struct Entry {
    /// `None`: what it is about does not exist.
    pub(super) value: Option<Shared>,
    /// The count of changes before its load began.
    pub(super) began: Moment,
    /// Times in microseconds since 1970: when it was loaded, from when on it is renewed while it is used, and from when
    /// on it is a miss.
    pub(super) loaded_us: i64,
    pub(super) renew_us: i64,
    pub(super) ends_us: i64,
    /// Somebody renews it already.
    pub(super) renewing: AtomicBool,
    pub(super) bytes: usize,
}

/// The entries. What is used often stays when there is no room for all (W-TinyLFU).
#[derive(Clone, Debug)]
pub(super) struct Memory {
    entries: moka::sync::Cache<Key, Arc<Entry>, ahash::RandomState>,
}

impl Memory {
    pub(super) fn new(bytes_max: u64) -> Self {
        let weight = |_: &Key, entry: &Arc<Entry>| {
            u32::try_from(entry.bytes.saturating_add(OVERHEAD)).unwrap_or(u32::MAX)
        };
        let entries = moka::sync::Cache::builder()
            .max_capacity(bytes_max)
            .weigher(weight)
            .eviction_listener(|_, _, cause| {
                if cause.was_evicted() {
                    metrics::counter!("tradepost_cache_evictions_total", "layer" => "memory")
                        .increment(1);
                }
            })
            .build_with_hasher(ahash::RandomState::new());
        Self { entries }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Entry>> {
        self.entries.get(key)
    }

    pub(super) fn put(&self, key: Key, entry: Entry) {
        self.entries.insert(key, Arc::new(entry));
    }

    pub(super) fn remove(&self, key: &Key) {
        self.entries.invalidate(key);
    }

    pub(super) fn clear(&self) {
        self.entries.invalidate_all();
    }

    /// Bytes and entries now.
    pub(super) fn size(&self) -> (u64, u64) {
        self.entries.run_pending_tasks();
        (self.entries.weighted_size(), self.entries.entry_count())
    }
}
