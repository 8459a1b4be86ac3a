//! Whole answers to public queries, by the request's own bytes.

use super::freshness::Moment;
use super::key::Tag;
use super::trace::Trace;
use super::{BRIEF_US, Cache, Life};
use crate::config;
use bytes::Bytes;
use http::HeaderValue;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What an answer costs beside its bytes: its record and those of the cache.
const OVERHEAD: usize = 512;

/// What a request is known by: the form in which it came and is answered, and its bytes before anything was read of
/// them. Two that mean the same and are written in different ways are two.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestKey {
    form: u8,
    bytes: Bytes,
}

impl RequestKey {
    /// Of a request whose bytes mean the same whenever the form is the same.
    #[must_use]
    pub fn new(form: u8, bytes: Bytes) -> Self {
        Self { form, bytes }
    }
}

/// An answer that is the same for everybody.
#[derive(Debug)]
pub struct Kept {
    /// The body.
    pub body: Bytes,
    /// What tells this body from others.
    pub etag: HeaderValue,
    /// What the request costs, for its header.
    pub cost: HeaderValue,
    /// The operation's name, for the log.
    pub operation: Option<String>,
    made_us: i64,
    began: Moment,
    /// The count of changes when it was last found true.
    checked: AtomicU64,
    tags: Box<[Tag]>,
}

impl Kept {
    /// Seconds since it was made.
    #[must_use]
    pub fn age_s(&self, now_us: i64) -> i64 {
        now_us.saturating_sub(self.made_us).max(0) / 1_000_000
    }
}

/// The answers of a process, bounded in bytes. Requests that come once do not push out those that come often.
#[derive(Clone, Debug)]
pub struct Responses {
    entries: Option<moka::sync::Cache<RequestKey, Arc<Kept>, ahash::RandomState>>,
    life_us: i64,
}

impl Responses {
    pub(super) fn new(config: &config::Cache) -> Self {
        let weight = |key: &RequestKey, kept: &Arc<Kept>| {
            let bytes = key.bytes.len() + kept.body.len() + size_of_val(&*kept.tags) + OVERHEAD;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let entries = config.responses.then(|| {
            moka::sync::Cache::builder()
                .max_capacity(config.response_bytes_max)
                .weigher(weight)
                .eviction_listener(|_, _, cause| {
                    if cause.was_evicted() {
                        metrics::counter!("tradepost_cache_evictions_total", "layer" => "response")
                            .increment(1);
                    }
                })
                .build_with_hasher(ahash::RandomState::new())
        });
        Self {
            entries,
            life_us: i64::try_from(config.ttl_s).unwrap_or(600) * 1_000_000,
        }
    }

    pub(super) fn clear(&self) {
        if let Some(entries) = &self.entries {
            entries.invalidate_all();
        }
    }

    pub(super) fn size(&self) -> (u64, u64) {
        match &self.entries {
            Some(entries) => {
                entries.run_pending_tasks();
                (entries.weighted_size(), entries.entry_count())
            }
            None => (0, 0),
        }
    }
}

impl Cache {
    /// The answer to a request, if it was kept and is still true.
    #[must_use]
    pub fn answer(&self, request: &RequestKey) -> Option<Arc<Kept>> {
        let responses = &self.inner.responses;
        let life = self.life();
        let entries = responses.entries.as_ref().filter(|_| life != Life::None)?;
        let good = entries.get(request).filter(|kept| {
            let ends_us = match life {
                Life::Brief => responses.life_us.min(BRIEF_US),
                _ => responses.life_us,
            };
            self.now_us() < kept.made_us.saturating_add(ends_us) && self.is_true(kept)
        });
        if good.is_some() {
            self.inner.meters.response_hits.increment(1);
        } else {
            self.inner.meters.response_misses.increment(1);
        }
        good
    }

    fn is_true(&self, kept: &Kept) -> bool {
        let now = self.inner.freshness.now();
        if kept.checked.load(Ordering::Relaxed) == now {
            // Nothing at all has changed since.
            return true;
        }
        let good = self.inner.freshness.is_fresh(&kept.tags, kept.began);
        if good {
            kept.checked.store(now, Ordering::Relaxed);
        }
        good
    }

    /// Keeps an answer whose trace says that it may be kept, unless a change overtook it.
    pub fn keep_answer(
        &self,
        request: &RequestKey,
        trace: &Trace,
        body: &Bytes,
        head: (HeaderValue, HeaderValue, Option<String>),
    ) {
        let Some(entries) = &self.inner.responses.entries else {
            return;
        };
        if !trace.may_be_kept() || self.life() == Life::None {
            return;
        }
        let (etag, cost, operation) = head;
        let began = if self.inner.faults.keep_stale {
            self.inner.freshness.now()
        } else {
            trace.began()
        };
        let kept = Kept {
            body: body.clone(),
            etag,
            cost,
            operation,
            made_us: self.now_us(),
            began,
            checked: AtomicU64::new(0),
            tags: trace.tags().into(),
        };
        if self.is_true(&kept) {
            // The request's own bytes may be a piece of a much larger buffer.
            let request = RequestKey {
                form: request.form,
                bytes: Bytes::copy_from_slice(&request.bytes),
            };
            entries.insert(request, Arc::new(kept));
        }
    }

    /// Whether whole answers are kept at all.
    #[must_use]
    pub fn keeps_answers(&self) -> bool {
        self.inner.responses.entries.is_some() && self.life() != Life::None
    }

    /// Now in microseconds since 1970, as entries have it.
    #[must_use]
    pub fn clock_us(&self) -> i64 {
        self.now_us()
    }
}
