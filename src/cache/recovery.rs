//! How Redis comes into use, at the start and after it was lost.
//!
//! A Redis that was away may have old data: it missed changes, or it was restored from an older copy. So before anything
//! is read from it, the epoch is compared with the run of the server (another run: a new epoch, and nothing that is
//! stored there is read any more), and it is told every change that waits.

use super::Cache;
use super::key::Tag;
use super::remote::Remote;
use super::store;
use crate::error::{Fault, chain};
use std::time::Duration;
use uuid::Uuid;

/// How often a lost Redis is tried again, and a silent one looked at.
const TRY: Duration = Duration::from_millis(200);
/// How often another replica may begin an epoch between two looks at it.
const EPOCH_ATTEMPTS: usize = 5;

impl Cache {
    /// Connects to Redis and stays connected.
    pub(super) fn start_recovery(&self) {
        if self.inner.remote.is_none() {
            return;
        }
        let (cache, stopping) = (self.clone(), self.inner.workers.stopping());
        self.inner.workers.spawn(async move {
            let Some(remote) = &cache.inner.remote else {
                return;
            };
            while !stopping.is_cancelled() {
                match remote.session() {
                    Some(session) => {
                        remote.ping(&session).await;
                    }
                    None => match Box::pin(cache.recover(remote)).await {
                        Ok(true) => tracing::info!(redis = remote.address, "the cache uses Redis"),
                        Ok(false) => continue,
                        Err(fault) => {
                            tracing::debug!(error = chain(&fault), "Redis cannot be used yet");
                        }
                    },
                }
                tokio::select! {
                    () = stopping.cancelled() => {}
                    () = remote.lost.notified() => {}
                    () = tokio::time::sleep(TRY) => {}
                }
            }
        });
    }

    /// Makes a connection and sees to it that nothing old is read over it. `false`: something changed meanwhile, so
    /// that it has to be done again.
    async fn recover(&self, remote: &Remote) -> Result<bool, Fault> {
        let doing = || Fault::doing::<redis::RedisError>("connecting the cache to Redis");
        let (connection, run_id) = remote.connect().await.map_err(doing())?;
        let epoch = self.epoch(&run_id).await?;
        let unsent = remote.unsent();
        loop {
            let rows = self.pending().await?;
            if rows.is_empty() {
                break;
            }
            let tags: Vec<Tag> = rows
                .iter()
                .flat_map(|row| row.tags.iter().flatten().copied())
                .collect();
            let told = remote.forget_over(&connection, &tags).await;
            told.map_err(doing())?;
            self.settle(&rows).await?;
        }
        Ok(remote.install(connection, epoch, unsent))
    }

    /// The epoch for a run of the server: the one of before if it is the same run, else a new one, which one of the
    /// replicas begins.
    async fn epoch(&self, run_id: &str) -> Result<Uuid, Fault> {
        let next: Uuid = self.inner.clock.id();
        for _ in 0..EPOCH_ATTEMPTS {
            let row = self
                .inner
                .db
                .read("cache.epoch", async |c| {
                    Ok::<_, Fault>(store::epoch_find(&*c).await?)
                })
                .await?;
            if let Some(row) = row.as_ref().filter(|row| row.run_id == run_id) {
                return Ok(row.epoch);
            }
            let row = row.as_ref();
            self.inner
                .db
                .write("cache.epoch_begin", async |tx| {
                    store::epoch_begin(&*tx, row, next, run_id).await?;
                    Ok::<_, Fault>(())
                })
                .await?;
            tracing::info!(epoch = %next, "another run of Redis: nothing of before is read from it");
        }
        Err(Fault::Broken(
            "the replicas use different Redis servers: redis.url must be the same for all"
                .to_owned(),
        ))
    }
}
