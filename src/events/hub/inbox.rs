//! What waits for one subscriber.

use super::{Ended, Event, Interest, Registry};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use uuid::Uuid;

/// An event for a subscriber, and what it is about: an order's event is one notice for the order and one for each of
/// its variants.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The subject's id.
    pub id: Uuid,
    /// The event.
    pub event: Arc<Event>,
}

/// Whether a subscriber needs each event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Each one, in order: for histories.
    Each,
    /// The last one of a subject is enough: for states, which are read when they are shown.
    Latest,
}

/// The queue of one subscriber.
#[derive(Debug)]
pub(super) struct Queue {
    mode: Mode,
    notices_max: usize,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    notices: VecDeque<Notice>,
    /// More came than there is room for.
    overflowed: bool,
}

impl Queue {
    pub(super) fn new(mode: Mode, notices_max: usize) -> Self {
        Self {
            mode,
            notices_max,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a notice into the queue. Never waits: when there is no room, the subscriber is told that it is too slow.
    pub(super) fn push(&self, notice: Notice) {
        let mut state = self.lock();
        if state.overflowed {
            return;
        }
        if self.mode == Mode::Latest
            && let Some(known) = state.notices.iter_mut().find(|known| known.id == notice.id)
        {
            known.event = notice.event;
            return;
        }
        if state.notices.len() < self.notices_max {
            state.notices.push_back(notice);
        } else {
            state.overflowed = true;
            metrics::counter!("tradepost_subscriptions_dropped_total", "reason" => "slow")
                .increment(1);
        }
        drop(state);
        self.changed.notify_one();
    }
}

/// The receiving end of a subscription. Nothing is received any more when it is dropped.
#[derive(Debug)]
pub struct Inbox {
    pub(super) queue: Arc<Queue>,
    pub(super) interest: Interest,
    pub(super) registry: Arc<Registry>,
    /// There once it is complete.
    pub(super) counted: Option<Counted>,
}

/// A subscriber that is counted until this is dropped.
#[derive(Debug)]
pub(super) struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub(super) fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Inbox {
    /// What has come since the last call, in order, at most `limit`; waits for the first.
    ///
    /// # Errors
    /// [`Ended::Slow`] when more came than there is room for; what still waited is lost with it.
    pub async fn next(&mut self, limit: usize) -> Result<Vec<Notice>, Ended> {
        loop {
            {
                let mut state = self.queue.lock();
                if state.overflowed {
                    return Err(Ended::Slow);
                }
                if !state.notices.is_empty() {
                    let count = state.notices.len().min(limit);
                    return Ok(state.notices.drain(..count).collect());
                }
            }
            // One that came meanwhile has left its permit.
            self.queue.changed.notified().await;
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.registry.remove(self.interest, &self.queue);
    }
}
