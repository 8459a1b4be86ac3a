//! What the relay asks the database for, and tells it.

use super::super::reading::{self, Ready};
use super::ShardedRelay;
use crate::error::Fault;
use crate::events::store;
use std::collections::HashSet;
use uuid::Uuid;

/// What a step of a read has found.
pub(super) enum Found {
    /// Which rows there are.
    Ids(Vec<(i64, Uuid)>),
    /// The rows.
    Rows(Rows),
}

/// Rows that were found.
pub(super) struct Rows {
    pub(super) ready: Vec<Ready>,
    /// How many there were before those that others published or set aside were left out.
    pub(super) seen: usize,
    /// Aggregates of which another process set one aside: the others stand behind that.
    pub(super) parked: HashSet<Uuid>,
}

impl ShardedRelay {
    pub(super) async fn pending(
        &self,
        shards: Option<&[i32]>,
        limit: usize,
        waiting: &[Uuid],
    ) -> Result<Vec<store::Row>, Fault> {
        self.db
            .read("outbox.pending", async |c| {
                Ok(store::pending(&*c, shards, limit as u64, waiting).await?)
            })
            .await
    }

    pub(super) async fn pending_ids(
        &self,
        shards: Option<&[i32]>,
        limit: usize,
        waiting: &[Uuid],
    ) -> Result<Vec<(i64, Uuid)>, Fault> {
        self.db
            .read("outbox.pending_ids", async |c| {
                Ok(store::pending_ids(&*c, shards, limit as u64, waiting).await?)
            })
            .await
    }

    pub(super) async fn rows(&self, ids: &[i64]) -> Result<Vec<store::Row>, Fault> {
        self.db
            .read("outbox.rows", async |c| Ok(store::rows(&*c, ids).await?))
            .await
    }

    /// Makes the records, without rows that another process published or set aside meanwhile.
    pub(super) async fn ready(&self, rows: Vec<store::Row>) -> Result<Found, Fault> {
        let seen = rows.len();
        let rows = rows.into_iter().filter(|row| row.published_at.is_none());
        let (parked, rows): (Vec<_>, Vec<_>) = rows.partition(|row| row.parked_at.is_some());
        let ready = reading::ready(&self.db, &self.settings, rows).await?;
        Ok(Found::Rows(Rows {
            ready,
            seen,
            parked: parked.iter().map(|row| row.aggregate_id).collect(),
        }))
    }

    /// Marks rows. Whoever has their shards now: it is true that they were acknowledged. Fewer may be marked, if another
    /// process sent them too.
    pub(super) async fn mark(&self, ids: &[i64]) -> Result<(), Fault> {
        let now = self.clock.now();
        self.db
            .write("outbox.mark", async |tx| {
                store::mark(&*tx, ids, now).await?;
                Ok::<_, Fault>(())
            })
            .await
    }
}
