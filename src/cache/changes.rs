//! Changes: written in the transaction that makes them, told at once after its commit, and told again until they are.

use super::key::{Key, Tag};
use super::push::Message;
use super::remote::{Remote, Session};
use super::store::{self, Pending};
use super::{Cache, Mode, Step};
use crate::db::Tx;
use crate::error::Fault;
use crate::workers::Progress;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

/// How often changes are looked for that Redis has not been told.
const SWEEP: Duration = Duration::from_millis(200);
/// Changes that are told at a time.
const SWEEP_ROWS: u64 = 500;
/// Told changes that are remembered until their rows are removed; past that they are told once more.
const TOLD_MAX: usize = 10_000;

/// Changes of this process that are told and whose rows are still there.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<HashSet<Uuid>>);

impl Told {
    fn add(&self, id: Uuid) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < TOLD_MAX {
            told.insert(id);
        }
    }

    fn has(&self, id: Uuid) -> bool {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.contains(&id)
    }

    fn remove(&self, ids: &[Uuid]) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            told.remove(id);
        }
    }
}

impl Cache {
    /// Says that a transaction changes these subjects. Once it is committed, and before its caller goes on, nothing
    /// older is answered by this process; the others are told. If this process ends before that, they find the row.
    ///
    /// # Errors
    /// The database fails.
    pub async fn changed_in(&self, tx: &Tx, tags: &[Tag]) -> Result<(), Fault> {
        if tags.is_empty() || self.inner.mode == Mode::Off {
            return Ok(());
        }
        let mut tags = tags.to_vec();
        tags.sort_unstable();
        tags.dedup();
        let (id, now) = (self.inner.clock.id(), self.inner.clock.now());
        store::invalidation_insert(&**tx, id, &tags, now).await?;
        let cache = self.clone();
        tx.after_commit(move || cache.changed(id, tags, now));
        Ok(())
    }

    /// Forgets at once in this process, then tells Redis and the other replicas.
    fn changed(&self, id: Uuid, tags: Vec<Tag>, at: DateTime<Utc>) -> BoxFuture<'static, ()> {
        self.forget(&tags);
        for tag in &tags {
            metrics::counter!("tradepost_cache_changes_total", "kind" => tag.kind()).increment(1);
        }
        let cache = self.clone();
        Box::pin(async move {
            cache.inner.faults.reach(Step::BeforeForget).await;
            let told = match &cache.inner.remote {
                None => true,
                Some(remote) => match remote.session_for_change() {
                    None => false,
                    Some(session) => remote.forget(&session, &tags).await,
                },
            };
            if told {
                cache.inner.told.add(id);
            }
            // What was read from Redis just before it was told is as old as what it held.
            cache.forget(&tags);
            cache.tell_others(tags, at);
        })
    }

    /// An event tells that these subjects were changed, perhaps before its writer could: from here on nothing older is
    /// answered by this process, nor found in Redis if that answers.
    pub async fn heard(&self, tags: &[Tag]) {
        self.forget(tags);
        if let Some(remote) = &self.inner.remote
            && let Some(session) = remote.session_for_change()
        {
            // When it fails, the writer's row is still there, and is swept.
            remote.forget(&session, tags).await;
            self.forget(tags);
        }
    }

    /// Nothing that was loaded of these subjects until now is answered by this process any more.
    fn forget(&self, tags: &[Tag]) {
        self.inner.freshness.raise(tags);
        for tag in tags {
            self.inner.memory.remove(&Key::of(*tag));
        }
    }

    fn tell_others(&self, tags: Vec<Tag>, at: DateTime<Utc>) {
        let at_us = at.timestamp_micros();
        self.inner
            .push
            .tell_others(Message::CacheChanged { tags, at_us });
    }

    /// Hears what other replicas changed.
    pub(super) fn start_listening(&self) {
        let mut messages = self.inner.push.subscribe();
        let (cache, stopping) = (self.clone(), self.inner.workers.stopping());
        self.inner.workers.spawn(async move {
            loop {
                let message = tokio::select! {
                    () = stopping.cancelled() => return,
                    message = messages.recv() => message,
                };
                match message {
                    Ok(Message::CacheChanged { tags, at_us }) => {
                        cache.forget(&tags);
                        let lag_us = cache.now_us().saturating_sub(at_us).max(0);
                        metrics::histogram!("tradepost_cache_change_lag_seconds")
                            .record(lag_us as f64 / 1e6);
                    }
                    Ok(Message::CacheFilled(name)) => {
                        if let Some(remote) = &cache.inner.remote {
                            remote.arrived(name);
                        }
                    }
                    Ok(Message::Lost) | Err(RecvError::Lagged(_)) => cache.clear(),
                    Ok(_) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }

    /// Tells Redis what it has not been told, whoever changed it.
    pub(super) fn start_sweeping(&self) {
        if self.inner.mode == Mode::Off {
            return;
        }
        let cache = self.clone();
        let pass = move || {
            let cache = cache.clone();
            async move { cache.sweep().await }
        };
        self.inner
            .workers
            .every("cache.sweep", SWEEP, Arc::new(Notify::new()), pass);
    }

    /// One look at the changes that wait.
    ///
    /// # Errors
    /// The database fails.
    pub async fn sweep(&self) -> Result<Progress, Fault> {
        self.show_sizes();
        let session = match &self.inner.remote {
            None => None,
            Some(remote) => match remote.session() {
                // They wait until there is one; `recover` tells them first of all.
                None => return Ok(Progress::Idle),
                session => session,
            },
        };
        let rows = self.pending().await?;
        let told = match (&self.inner.remote, session) {
            (Some(remote), Some(session)) => {
                let since = rows.first().map(|row| row.created_at);
                let tags = self.untold(&rows);
                self.tell(&tags, remote, &session, since).await
            }
            _ => {
                self.forget(&self.untold(&rows));
                true
            }
        };
        if told {
            self.settle(&rows).await?;
        }
        Ok(if told && rows.len() as u64 == SWEEP_ROWS {
            Progress::More
        } else {
            Progress::Idle
        })
    }

    /// Changes whose rows are there and whose subjects this release knows.
    pub(super) async fn pending(&self) -> Result<Vec<Pending>, Fault> {
        let rows = self
            .inner
            .db
            .read("cache.pending", async |c| {
                Ok::<_, Fault>(store::invalidations_pending(&*c, SWEEP_ROWS).await?)
            })
            .await?;
        // A newer release names subjects that this one does not keep; its own processes tell Redis.
        Ok(rows.into_iter().filter(|row| row.tags.is_some()).collect())
    }

    /// How many changes wait to be told, at most 500; for `doctor` and tests.
    ///
    /// # Errors
    /// The database fails.
    pub async fn changes_pending(&self) -> Result<usize, Fault> {
        Ok(self.pending().await?.len())
    }

    /// Subjects of the changes that this process has not told itself.
    fn untold(&self, rows: &[Pending]) -> Vec<Tag> {
        let mut tags: Vec<Tag> = rows
            .iter()
            .filter(|row| !self.inner.told.has(row.id))
            .flat_map(|row| row.tags.iter().flatten().copied())
            .collect();
        tags.sort_unstable();
        tags.dedup();
        tags
    }

    async fn tell(
        &self,
        tags: &[Tag],
        remote: &Remote,
        session: &Arc<Session>,
        since: Option<DateTime<Utc>>,
    ) -> bool {
        if tags.is_empty() {
            return true;
        }
        let told = remote.forget(session, tags).await;
        self.forget(tags);
        if told {
            let since = since.unwrap_or_else(|| self.inner.clock.now());
            self.tell_others(tags.to_vec(), since);
        }
        told
    }

    /// Removes the rows of changes that are told.
    pub(super) async fn settle(&self, rows: &[Pending]) -> Result<(), Fault> {
        if rows.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let delete = self.inner.db.write("cache.settle", async |tx| {
            store::invalidations_delete(&*tx, &ids).await?;
            Ok::<_, Fault>(())
        });
        delete.await?;
        self.inner.told.remove(&ids);
        Ok(())
    }

    fn show_sizes(&self) {
        let sizes = self.sizes();
        let gauge = |layer: &'static str, bytes: u64, entries: u64| {
            metrics::gauge!("tradepost_cache_bytes", "layer" => layer).set(bytes as f64);
            metrics::gauge!("tradepost_cache_entries", "layer" => layer).set(entries as f64);
        };
        gauge("memory", sizes.memory_bytes, sizes.memory_entries);
        gauge("response", sizes.response_bytes, sizes.responses);
    }
}
