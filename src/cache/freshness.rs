//! Which of what is remembered in this process is still true.
//!
//! A sequence counts changes. Every entry notes the count before its load began; every change notes its own count at the
//! subjects that it names. An entry is good as long as none of its subjects has a greater count than the entry. So a
//! value that was loaded before a change and arrives after it is refused by the same comparison that drops what was
//! kept before, and nothing has to find the entries of a subject.
//!
//! Subjects share a fixed number of places: two that share one are only dropped together.

use super::key::Tag;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Places for the counts of subjects: half a megabyte.
const PLACES: usize = 1 << 16;

/// A count of changes.
pub type Moment = u64;

/// The counts of one process.
#[derive(Debug)]
pub(super) struct Freshness {
    now: AtomicU64,
    /// The count when everything was dropped last.
    cleared: AtomicU64,
    places: Box<[AtomicU64]>,
    hasher: ahash::RandomState,
    /// Held while counts are raised: a reader that sees a count sees everything that was noted with it.
    raising: Mutex<()>,
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            now: AtomicU64::new(1),
            cleared: AtomicU64::new(0),
            places: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            hasher: ahash::RandomState::new(),
            raising: Mutex::new(()),
        }
    }
}

impl Freshness {
    /// The count of now, to be noted before a load begins.
    #[must_use]
    pub(super) fn now(&self) -> Moment {
        self.now.load(Ordering::Acquire)
    }

    /// Notes a change of these subjects.
    pub(super) fn raise(&self, tags: &[Tag]) {
        let guard = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.now.load(Ordering::Relaxed) + 1;
        for tag in tags {
            self.place(*tag).store(next, Ordering::Release);
        }
        self.now.store(next, Ordering::Release);
        drop(guard);
    }

    /// Notes a change of everything.
    pub(super) fn clear(&self) {
        let guard = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.now.load(Ordering::Relaxed) + 1;
        self.cleared.store(next, Ordering::Release);
        self.now.store(next, Ordering::Release);
        drop(guard);
    }

    /// Whether what was loaded of these subjects from `began` on is still true.
    #[must_use]
    pub(super) fn is_fresh(&self, tags: &[Tag], began: Moment) -> bool {
        began >= self.cleared.load(Ordering::Acquire)
            && tags
                .iter()
                .all(|tag| began >= self.place(*tag).load(Ordering::Acquire))
    }

    fn place(&self, tag: Tag) -> &AtomicU64 {
        let hash = self.hasher.hash_one(tag);
        &self.places[usize::try_from(hash % PLACES as u64).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use entity::ids::ProductId;
    use uuid::Uuid;

    #[test]
    fn a_change_ends_what_began_before_it_and_nothing_else() {
        let freshness = Freshness::default();
        let product = |n| Tag::Product(ProductId(Uuid::from_u128(n)));
        let began = freshness.now();
        assert!(freshness.is_fresh(&[product(1), Tag::Products], began));
        freshness.raise(&[product(1)]);
        assert!(!freshness.is_fresh(&[product(1)], began));
        assert!(!freshness.is_fresh(&[Tag::Products, product(1)], began));
        assert!(freshness.is_fresh(&[Tag::Products], began));
        assert!(freshness.is_fresh(&[product(1)], freshness.now()));
        freshness.clear();
        assert!(!freshness.is_fresh(&[], began));
        assert!(freshness.is_fresh(&[product(1)], freshness.now()));
    }
}
