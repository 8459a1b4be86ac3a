//! What WebSockets and event streams share: how many there are, when they must end, and who is told of it.

use crate::app::App;
use crate::cache::push::Message;
use crate::config::Subscriptions;
use crate::workers::Workers;
use entity::ids::UserId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Changes of viewers that a busy connection may be behind before it looks at its own.
const CHANGES: usize = 64;

/// The WebSockets and event streams of one server; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    limits: Subscriptions,
    workers: Workers,
    counts: Mutex<Counts>,
    /// Whose role, status or sessions changed; nobody's name when it may be anybody.
    changes: broadcast::Sender<Option<UserId>>,
    draining: CancellationToken,
    stopped: CancellationToken,
    tracker: TaskTracker,
}

#[derive(Debug, Default)]
struct Counts {
    open: usize,
    users: HashMap<UserId, usize>,
}

/// A connection that is counted until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    streams: Streams,
    transport: &'static str,
    user_id: Option<UserId>,
}

impl Streams {
    /// They end when `draining` is cancelled, and wait for nothing when `stopped` is.
    pub(super) fn new(app: &App, draining: CancellationToken, stopped: CancellationToken) -> Self {
        Self {
            inner: Arc::new(Inner {
                limits: app.config().subscriptions.clone(),
                workers: app.workers().clone(),
                counts: Mutex::default(),
                changes: broadcast::channel(CHANGES).0,
                draining,
                stopped,
                tracker: TaskTracker::new(),
            }),
        }
    }

    /// Begins to hear of changes of viewers.
    pub(super) fn start(&self, app: &App) {
        let mut messages = app.push().subscribe();
        let (changes, stop) = (self.inner.changes.clone(), app.workers().stopping());
        app.workers().spawn(async move {
            loop {
                let message = tokio::select! {
                    () = stop.cancelled() => return,
                    message = messages.recv() => message,
                };
                let changed = match message {
                    Ok(Message::ViewerChanged(user_id)) => Some(user_id.into()),
                    Ok(Message::Lost) | Err(RecvError::Lagged(_)) => None,
                    Ok(_) => continue,
                    Err(RecvError::Closed) => return,
                };
                // An error means that nobody listens.
                changes.send(changed).unwrap_or_default();
            }
        });
    }

    pub(super) fn limits(&self) -> &Subscriptions {
        &self.inner.limits
    }

    pub(super) fn changes(&self) -> broadcast::Receiver<Option<UserId>> {
        self.inner.changes.subscribe()
    }

    /// Cancelled when the server stops: say goodbye.
    pub(super) fn draining(&self) -> &CancellationToken {
        &self.inner.draining
    }

    /// Cancelled when the time for goodbyes is over.
    pub(super) fn stopped(&self) -> &CancellationToken {
        &self.inner.stopped
    }

    /// Runs what serves a connection; the server waits for it when it stops.
    pub(super) fn spawn(&self, serving: impl Future<Output = ()> + Send + 'static) {
        self.inner
            .workers
            .spawn(self.inner.tracker.track_future(serving));
    }

    /// Waits until no connection is left.
    pub(super) async fn drained(&self) {
        self.inner.tracker.close();
        self.inner.tracker.wait().await;
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.inner
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection; nothing when there are `subscriptions.connections_max`.
    pub(super) fn place(&self, transport: &'static str) -> Option<Place> {
        let mut counts = self.lock();
        if counts.open >= self.inner.limits.connections_max {
            return None;
        }
        counts.open += 1;
        drop(counts);
        metrics::gauge!("tradepost_subscriptions_connections", "transport" => transport)
            .increment(1);
        Some(Place {
            streams: self.clone(),
            transport,
            user_id: None,
        })
    }
}

impl Place {
    /// Counts it for its user; `false` when the user has `subscriptions.connections_per_user_max`.
    pub(super) fn take_for(&mut self, user_id: Option<UserId>) -> bool {
        let Some(user_id) = user_id else {
            return true;
        };
        let most = self.streams.limits().connections_per_user_max;
        let mut counts = self.streams.lock();
        let count = counts.users.entry(user_id).or_default();
        if *count >= most {
            return false;
        }
        *count += 1;
        drop(counts);
        self.user_id = Some(user_id);
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.streams.lock();
        counts.open -= 1;
        if let Some(user_id) = self.user_id
            && let Some(count) = counts.users.get_mut(&user_id)
        {
            *count -= 1;
            if *count == 0 {
                counts.users.remove(&user_id);
            }
        }
        drop(counts);
        metrics::gauge!("tradepost_subscriptions_connections", "transport" => self.transport)
            .decrement(1);
    }
}
