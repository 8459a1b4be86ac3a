//! The counters of the cache that are raised at every read: looked up once.

use metrics::{Counter, counter};

/// Handles of the counters.
#[derive(Clone)]
pub(super) struct Meters {
    pub(super) memory_hits: Counter,
    pub(super) redis_hits: Counter,
    pub(super) response_hits: Counter,
    pub(super) response_misses: Counter,
    pub(super) loads: Counter,
    pub(super) coalesced: Counter,
    pub(super) refused: Counter,
    pub(super) take_overs: Counter,
}

impl Default for Meters {
    fn default() -> Self {
        let hits = |layer: &'static str| counter!("tradepost_cache_hits_total", "layer" => layer);
        Self {
            memory_hits: hits("memory"),
            redis_hits: hits("redis"),
            response_hits: hits("response"),
            response_misses: counter!("tradepost_cache_response_misses_total"),
            loads: counter!("tradepost_cache_loads_total"),
            coalesced: counter!("tradepost_cache_coalesced_total"),
            refused: counter!("tradepost_cache_refused_total"),
            take_overs: counter!("tradepost_cache_lease_take_overs_total"),
        }
    }
}

impl std::fmt::Debug for Meters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}
