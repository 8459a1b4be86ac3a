//! What waits for one subscriber.

use super::{Ended, Event, Interest, Registry};
use std::collections::{HashMap, VecDeque};
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

/// Subjects that wait for a subscriber of states: an order of a thousand lines is a thousand of them at once, and each takes
/// little room.
const SUBJECTS_MAX: usize = 65_536;

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
    /// The last event of each subject that waits, where that is enough; the notice has the first.
    latest: HashMap<Uuid, Arc<Event>>,
    /// More came than there is room for.
    overflowed: bool,
}

impl Queue {
    pub(super) fn new(mode: Mode, notices_max: usize) -> Self {
        Self {
            mode,
            notices_max: match mode {
                Mode::Each => notices_max,
                Mode::Latest => SUBJECTS_MAX,
            },
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
        if self.mode == Mode::Latest {
            let event = Arc::clone(&notice.event);
            if state.latest.insert(notice.id, event).is_some() {
                return;
            }
        }
        if state.notices.len() < self.notices_max {
            state.notices.push_back(notice);
        } else {
            *state = State {
                overflowed: true,
                ..State::default()
            };
            metrics::counter!("tradepost_subscriptions_dropped_total", "reason" => "slow")
                .increment(1);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// At most `limit` of what waits.
    fn take(&self, limit: usize) -> Result<Vec<Notice>, Ended> {
        let mut state = self.lock();
        if state.overflowed {
            return Err(Ended::Slow);
        }
        let count = state.notices.len().min(limit);
        let mut taken: Vec<Notice> = state.notices.drain(..count).collect();
        for notice in &mut taken {
            if let Some(event) = state.latest.remove(&notice.id) {
                notice.event = event;
            }
        }
        Ok(taken)
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
            let taken = self.queue.take(limit)?;
            if !taken.is_empty() {
                return Ok(taken);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn notice(id: Uuid, row: i64) -> Notice {
        let event = Event {
            id: row,
            aggregate_type: "order".to_owned(),
            aggregate_id: id,
            version: None,
            event_type: String::new(),
            payload: serde_json::Value::Null,
            created_at: Clock::system().now(),
        };
        Notice {
            id,
            event: Arc::new(event),
        }
    }

    fn rows(queue: &Queue, limit: usize) -> Vec<i64> {
        let taken = queue.take(limit).unwrap();
        taken.iter().map(|notice| notice.event.id).collect()
    }

    #[test]
    fn histories_have_each_event_and_states_the_last_of_each_subject() {
        let (each, latest) = (Queue::new(Mode::Each, 4), Queue::new(Mode::Latest, 1));
        let clock = Clock::system();
        let (a, b) = (clock.id(), clock.id());
        for queue in [&each, &latest] {
            for (row, id) in [a, b, a, a].into_iter().enumerate() {
                queue.push(notice(id, i64::try_from(row).unwrap()));
            }
        }
        assert_eq!(rows(&each, 3), [0, 1, 2]);
        assert_eq!(rows(&each, 3), [3]);
        assert_eq!(rows(&latest, 1), [3]);
        latest.push(notice(a, 4));
        assert_eq!(rows(&latest, 9), [1, 4]);
        for row in 0..5 {
            each.push(notice(a, row));
        }
        assert!(matches!(each.take(9), Err(Ended::Slow)));
    }
}
