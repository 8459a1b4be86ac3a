//! What an answer is made of, noted while it is made.
//!
//! [`Trace::during`] runs the work on one request. Reads through the cache note their subjects; the function that hands
//! out who asks calls [`forbid`], and so does every read of the database past the cache ([`crate::db::Db::read`]). So an
//! answer can be kept only if all of it is the same for everybody and is dropped when it changes, and nobody has to
//! remember to say so.
//!
//! Tasks that a request starts carry the trace with them by [`carried`].

use super::freshness::Moment;
use super::key::Tag;
use futures::future::Either;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

tokio::task_local! {
    static TRACE: Arc<Trace>;
}

/// What is known of one answer.
#[derive(Debug)]
pub struct Trace {
    began: Moment,
    forbidden: AtomicBool,
    tags: Mutex<Vec<Tag>>,
}

impl Trace {
    /// Of an answer whose making begins at this moment.
    #[must_use]
    pub fn new(began: Moment) -> Arc<Self> {
        Arc::new(Self {
            began,
            forbidden: AtomicBool::new(false),
            tags: Mutex::default(),
        })
    }

    /// Does the work of the answer.
    pub async fn during<T>(self: &Arc<Self>, work: impl Future<Output = T>) -> T {
        TRACE.scope(Arc::clone(self), work).await
    }

    /// When its making began.
    #[must_use]
    pub fn began(&self) -> Moment {
        self.began
    }

    /// Whether the answer is the same for everybody and all that it is made of is known.
    #[must_use]
    pub fn may_be_kept(&self) -> bool {
        !self.forbidden.load(Ordering::Acquire)
    }

    /// What it was made of, each once.
    #[must_use]
    pub fn tags(&self) -> Vec<Tag> {
        let mut tags = self.lock().clone();
        tags.sort_unstable();
        tags.dedup();
        tags
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Tag>> {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer that is being made must not be kept: it depends on who asks, from where or when, or on something that the
/// cache does not know.
pub fn forbid() {
    // Outside of a request there is no answer.
    TRACE
        .try_with(|trace| trace.forbidden.store(true, Ordering::Release))
        .unwrap_or_default();
}

/// The answer that is being made is made of these subjects.
pub(super) fn note(tags: impl IntoIterator<Item = Tag>) {
    TRACE
        .try_with(|trace| trace.lock().extend(tags))
        .unwrap_or_default();
}

/// The same future, as a part of the answer that is being made where this is called.
pub fn carried<F: Future>(future: F) -> impl Future<Output = F::Output> {
    match TRACE.try_with(Arc::clone) {
        Ok(trace) => Either::Left(TRACE.scope(trace, future)),
        Err(_) => Either::Right(future),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_touched_within_is_noted_and_nothing_else() {
        let (one, two) = (Trace::new(1), Trace::new(1));
        note([Tag::Categories]);
        one.during(async {
            note([Tag::Products, Tag::Categories]);
            tokio::task::yield_now().await;
            note([Tag::Products]);
        })
        .await;
        two.during(async {
            #[expect(clippy::disallowed_methods, reason = "a task as loaders start them")]
            tokio::spawn(carried(async { forbid() })).await.unwrap();
        })
        .await;
        assert_eq!(one.tags(), [Tag::Products, Tag::Categories]);
        assert!(one.may_be_kept());
        assert!(!two.may_be_kept());
        assert_eq!(two.tags(), []);
    }
}
