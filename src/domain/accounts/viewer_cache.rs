//! What is remembered of a session for some seconds: its user's role and status, and whether it stands.
//!
//! A change is seen at once although loads take time: each load notes a count before it reads, each change raises the
//! count of its user, and what was loaded under a lower count is not used, neither by those who find it later nor by
//! those who waited for it.

use super::error::TokenRefusal;
use super::model::{Viewer, ViewerUser};
use crate::cache::push::Message;
use crate::clock::Clock;
use crate::error::Fault;
use chrono::{DateTime, TimeDelta, Utc};
use entity::accounts::{Role, UserStatus};
use entity::ids::{SessionId, UserId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::sync::CancellationToken;

/// Users share this many counts; two that share one only load a little more often.
const SLOTS: usize = 1_024;
/// Shared loads that changes may overtake before a request reads for itself.
const ATTEMPTS: usize = 4;

/// A session as one query read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionState {
    /// Whose session it is.
    pub user_id: UserId,
    /// The user's role.
    pub role: Role,
    /// The user's status.
    pub status: UserStatus,
    /// When the session ends.
    pub expires_at: DateTime<Utc>,
    /// When it was ended.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl SessionState {
    /// Who asks with a token of this session.
    ///
    /// # Errors
    /// [`TokenRefusal::SessionRevoked`] when the session does not stand.
    pub fn viewer(
        &self,
        session_id: SessionId,
        user_id: UserId,
        now: DateTime<Utc>,
    ) -> Result<Viewer, TokenRefusal> {
        let stands = self.user_id == user_id
            && self.status == UserStatus::Active
            && self.revoked_at.is_none()
            && self.expires_at > now;
        if stands {
            let role = self.role;
            Ok(Viewer::User(ViewerUser {
                user_id,
                session_id,
                role,
            }))
        } else {
            Err(TokenRefusal::SessionRevoked)
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// `None`: there is no such session, and never will be.
    state: Option<SessionState>,
    /// The count when the load began.
    began: u64,
    loaded_at: DateTime<Utc>,
}

/// Remembers sessions; cheap to clone.
#[derive(Clone, Debug)]
pub struct ViewerCache {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    ttl: TimeDelta,
    entries: moka::future::Cache<SessionId, Entry>,
    /// Raised by each change.
    count: AtomicU64,
    /// The count at the last change of a user of this slot.
    changed: Vec<AtomicU64>,
    /// The count when everything was forgotten last.
    cleared: AtomicU64,
}

impl ViewerCache {
    /// At most `capacity` sessions, each for `ttl_s` seconds.
    #[must_use]
    pub fn new(clock: Clock, ttl_s: u64, capacity: u64) -> Self {
        let entries = moka::future::Cache::builder()
            .max_capacity(capacity)
            .time_to_live(Duration::from_secs(ttl_s))
            .build();
        Self {
            inner: Arc::new(Inner {
                clock,
                ttl: TimeDelta::seconds(i64::try_from(ttl_s).unwrap_or(0)),
                entries,
                count: AtomicU64::new(0),
                changed: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
                cleared: AtomicU64::new(0),
            }),
        }
    }

    /// The state of a session: remembered, or loaded once for all who ask meanwhile.
    ///
    /// # Errors
    /// What the load returns.
    pub async fn get<Fut>(
        &self,
        session_id: SessionId,
        load: impl Fn() -> Fut,
    ) -> Result<Option<SessionState>, Fault>
    where
        Fut: Future<Output = Result<Option<SessionState>, Fault>>,
    {
        for _ in 0..ATTEMPTS {
            let entry = self
                .inner
                .entries
                .try_get_with(session_id, async {
                    let began = self.inner.count.load(Ordering::SeqCst);
                    let loaded_at = self.inner.clock.now();
                    let state = load().await?;
                    Ok::<_, Fault>(Entry {
                        state,
                        began,
                        loaded_at,
                    })
                })
                .await
                .map_err(|fault| fault.again())?;
            if self.is_fresh(&entry) {
                return Ok(entry.state);
            }
            self.inner.entries.invalidate(&session_id).await;
        }
        // Changes overtake every load that is shared. One that began after the request did is new enough for it.
        load().await
    }

    fn is_fresh(&self, entry: &Entry) -> bool {
        let inner = &self.inner;
        let changed = entry.state.map_or(0, |state| {
            inner.changed[slot(state.user_id)].load(Ordering::SeqCst)
        });
        entry.began >= changed
            && entry.began >= inner.cleared.load(Ordering::SeqCst)
            && inner.clock.now() < entry.loaded_at + inner.ttl
    }

    /// Forgets the sessions of a user whose role, status or sessions changed, after the change was committed.
    pub fn forget(&self, user_id: UserId) {
        let count = self.inner.count.fetch_add(1, Ordering::SeqCst) + 1;
        self.inner.changed[slot(user_id)].fetch_max(count, Ordering::SeqCst);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        let count = self.inner.count.fetch_add(1, Ordering::SeqCst) + 1;
        self.inner.cleared.fetch_max(count, Ordering::SeqCst);
        self.inner.entries.invalidate_all();
    }

    /// Follows what other replicas tell, until told to stop.
    pub async fn follow(
        self,
        mut messages: broadcast::Receiver<Message>,
        stopping: CancellationToken,
    ) {
        loop {
            let message = tokio::select! {
                () = stopping.cancelled() => return,
                message = messages.recv() => message,
            };
            match message {
                Ok(Message::ViewerChanged(user_id)) => self.forget(user_id.into()),
                Ok(Message::Lost) | Err(RecvError::Lagged(_)) => self.clear(),
                Ok(_) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }
}

/// UUIDs of version 7 end in random bits.
fn slot(user_id: UserId) -> usize {
    let [.., high, low] = user_id.0.into_bytes();
    usize::from(u16::from_be_bytes([high, low])) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use tokio::sync::Notify;

    fn state(user_id: UserId, role: Role) -> SessionState {
        SessionState {
            user_id,
            role,
            status: UserStatus::Active,
            expires_at: DateTime::<Utc>::MAX_UTC,
            revoked_at: None,
        }
    }

    fn cache(clock: &Clock) -> (ViewerCache, SessionId, UserId) {
        (
            ViewerCache::new(clock.clone(), 30, 100),
            clock.id(),
            clock.id(),
        )
    }

    #[tokio::test]
    async fn many_who_ask_at_once_load_once_and_after_a_change_once_more() {
        let clock = Clock::system();
        let (cache, session, user) = cache(&clock);
        let loads = AtomicUsize::new(0);
        let load = || async {
            loads.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(Some(state(user, Role::Customer)))
        };
        for expected in [1, 2] {
            let all = futures::future::join_all((0..50).map(|_| cache.get(session, load))).await;
            assert!(all.into_iter().all(|found| found.unwrap().is_some()));
            assert_eq!(loads.load(Ordering::SeqCst), expected);
            cache.forget(user);
        }
        cache.get(session, load).await.unwrap();
        clock.advance(TimeDelta::seconds(31));
        cache.get(session, load).await.unwrap();
        cache.clear();
        cache.get(session, load).await.unwrap();
        assert_eq!(loads.load(Ordering::SeqCst), 5);
    }

    #[tokio::test]
    async fn a_load_that_a_change_overtook_is_used_by_nobody() {
        let clock = Clock::system();
        let (cache, session, user) = cache(&clock);
        let (begun, go) = (Notify::new(), Notify::new());
        let roles = std::sync::Mutex::new(vec![Role::Staff, Role::Admin]);
        let load = || async {
            let role = roles.lock().unwrap().pop().unwrap();
            if role == Role::Admin {
                begun.notify_one();
                go.notified().await;
            }
            Ok(Some(state(user, role)))
        };
        let change = async {
            begun.notified().await;
            cache.forget(user);
            go.notify_one();
        };
        let (found, ()) = tokio::join!(cache.get(session, load), change);
        assert_eq!(found.unwrap().unwrap().role, Role::Staff);
        let kept = cache.get(session, load).await.unwrap();
        assert_eq!(kept.unwrap().role, Role::Staff, "the second load is kept");
    }

    #[tokio::test]
    async fn a_failed_load_is_told_to_all_who_waited_and_not_kept() {
        let clock = Clock::system();
        let (cache, session, _) = cache(&clock);
        let failing = || async { Err(Fault::Timeout("test")) };
        let all = futures::future::join_all((0..3).map(|_| cache.get(session, failing))).await;
        for found in all {
            assert!(matches!(found, Err(Fault::Timeout("test"))));
        }
        assert!(cache.get(session, || async { Ok(None) }).await.is_ok());
    }
}
