//! The inbox: which events a group has handled, so that a repeat changes nothing.

use super::store;
use crate::clock::Clock;
use crate::db::error::{Kind, kind};
use crate::db::{Db, Tx};
use crate::error::Fault;
use entity::ids::EventId;
use std::sync::Arc;
use uuid::Uuid;

/// Two consumers of one group may write the same event at the same moment; the second one looks again.
const ATTEMPTS: u32 = 5;

/// The inbox of a group; cheap to clone.
#[derive(Clone, Debug)]
pub struct Inbox {
    pub(super) db: Db,
    pub(super) clock: Clock,
    pub(super) group: Arc<str>,
}

impl Inbox {
    /// Notes in the effect's own transaction that an event is handled. `false`: it was before, and the caller does
    /// nothing. An effect that is rows of this database happens exactly once this way.
    ///
    /// # Errors
    /// The database fails.
    pub async fn first_in(&self, tx: &Tx, event_id: Uuid) -> Result<bool, Fault> {
        let now = self.clock.now();
        match store::handled_insert(&**tx, &self.group, &[EventId(event_id)], now).await {
            Ok(()) => Ok(true),
            Err(error) if matches!(kind(&error), Kind::Unique(_)) => Ok(false),
            Err(error) => Err(Fault::Db(error)),
        }
    }

    /// Whether an event was handled.
    ///
    /// # Errors
    /// The database fails.
    pub async fn contains(&self, event_id: Uuid) -> Result<bool, Fault> {
        let events = [EventId(event_id)];
        self.db
            .read("inbox.contains", async |c| {
                let handled = store::handled(&*c, &self.group, &events).await?;
                Ok::<_, Fault>(!handled.is_empty())
            })
            .await
    }

    /// Notes in a transaction that events are handled, whether they were before or not.
    pub(super) async fn insert_in(&self, tx: &Tx, events: &[EventId]) -> Result<(), Fault> {
        if events.is_empty() {
            return Ok(());
        }
        let known = store::handled(&**tx, &self.group, events).await?;
        let mut new: Vec<EventId> = events
            .iter()
            .copied()
            .filter(|id| !known.contains(id))
            .collect();
        new.sort_unstable();
        new.dedup();
        Ok(store::handled_insert(&**tx, &self.group, &new, self.clock.now()).await?)
    }

    /// Runs a transaction that notes handled events, once more when another consumer noted one of them meanwhile.
    pub(super) async fn write<T, F, Fut>(&self, f: F) -> Result<T, Fault>
    where
        T: Send,
        F: Fn(Tx) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, Fault>> + Send,
    {
        let mut attempt = 1;
        loop {
            match self.db.write("consumer.commit", &f).await {
                Err(Fault::Db(error))
                    if attempt < ATTEMPTS && matches!(kind(&error), Kind::Unique(_)) =>
                {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }
}
