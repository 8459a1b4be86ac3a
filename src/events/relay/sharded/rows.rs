//! What the relay asks the database for, and tells it.

use super::super::reading::{self, Ready};
use super::ShardedRelay;
use crate::error::Fault;
use crate::events::store;
use entity::events::outbox_event;
use std::collections::HashSet;
use uuid::Uuid;

/// What a step of a read has found.
pub(super) enum Found {
    /// Which rows there are.
    Ids(Vec<(i64, Uuid)>),
    /// The rows, and how many there were before those that others published or set aside were left out.
    Rows(Vec<Ready>, usize),
}

impl ShardedRelay {
    pub(super) async fn pending(
        &self,
        shards: Option<&[i32]>,
        limit: usize,
        waiting: &[Uuid],
    ) -> Result<Vec<outbox_event::Model>, Fault> {
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

    pub(super) async fn rows(&self, ids: &[i64]) -> Result<Vec<outbox_event::Model>, Fault> {
        self.db
            .read("outbox.rows", async |c| Ok(store::rows(&*c, ids).await?))
            .await
    }

    /// Makes the records, without rows that another process published meanwhile; and without all of an aggregate of
    /// which it set one aside, since the others stand behind that.
    pub(super) async fn ready(&self, rows: Vec<outbox_event::Model>) -> Result<Found, Fault> {
        let seen = rows.len();
        let parked: HashSet<Uuid> = rows
            .iter()
            .filter(|row| row.parked_at.is_some() && row.published_at.is_none())
            .map(|row| row.aggregate_id)
            .collect();
        let rows = rows
            .into_iter()
            .filter(|row| row.published_at.is_none() && !parked.contains(&row.aggregate_id));
        let ready = reading::ready(&self.db, &self.settings, rows.collect()).await?;
        Ok(Found::Rows(ready, seen))
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
