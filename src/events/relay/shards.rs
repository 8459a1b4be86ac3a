//! Which shards this process has, and until when.

use super::window::ShardSet;
use crate::clock::Clock;
use crate::db::Db;
use crate::db::shares::{Share, Shares};
use crate::error::Fault;
use crate::events::outbox::SHARDS;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// Leases are renewed four times in their life, so that one that fails leaves time for another.
const RENEWALS: i32 = 4;

/// The claims of one process.
#[derive(Debug)]
pub(super) struct Shards {
    shares: Shares,
    clock: Clock,
    life: TimeDelta,
}

/// What this process knows of its shards.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tenure {
    held: ShardSet,
    /// Held, and given up as soon as nothing of them is on its way.
    leaving: ShardSet,
    until: Option<DateTime<Utc>>,
    renewed_at: Option<DateTime<Utc>>,
    members: usize,
}

impl Tenure {
    /// Shards that rows may be taken of.
    pub(super) fn working(&self) -> ShardSet {
        self.held.without(self.leaving)
    }

    pub(super) fn held(&self) -> ShardSet {
        self.held
    }

    pub(super) fn leaving(&self) -> ShardSet {
        self.leaving
    }

    pub(super) fn members(&self) -> usize {
        self.members
    }
}

impl Shards {
    #[must_use]
    pub(super) fn new(db: &Db, clock: &Clock, holder: Uuid, life: TimeDelta) -> Self {
        let (db, clock) = (db.clone(), clock.clone());
        Self {
            shares: Shares::new(db, clock.clone(), "relay", SHARDS, holder, life),
            clock,
            life,
        }
    }

    /// How long between two renewals.
    pub(super) fn period(&self) -> TimeDelta {
        self.life / RENEWALS
    }

    /// Whether it is time to renew.
    pub(super) fn is_due(&self, tenure: &Tenure) -> bool {
        !super::is_ahead(
            &self.clock,
            tenure.renewed_at.map(|at| at + self.period()),
            self.period(),
        )
    }

    /// Whether the leases have ended, as far as this process knows: others may have them.
    pub(super) fn is_over(&self, tenure: &Tenure) -> bool {
        !tenure.held.is_empty() && !super::is_ahead(&self.clock, tenure.until, self.life)
    }

    /// Renews, claims, and gives up what is leaving and not `busy`.
    ///
    /// # Errors
    /// The database fails.
    pub(super) async fn renew(&self, tenure: Tenure, busy: ShardSet) -> Result<Tenure, Fault> {
        let now = self.clock.now();
        let gone = tenure.leaving.without(busy);
        if !gone.is_empty() {
            let gone: Vec<i32> = gone.iter().collect();
            self.shares.give_up(&gone).await?;
        }
        let held: Vec<i32> = tenure.held.without(gone).iter().collect();
        let Share {
            mine,
            excess,
            members,
            until,
        } = self.shares.renew(&held).await?;
        let held: ShardSet = mine.into_iter().collect();
        metrics::gauge!("tradepost_events_shards_held").set(held.len() as f64);
        Ok(Tenure {
            held,
            leaving: excess.into_iter().collect(),
            until: Some(until),
            renewed_at: Some(now),
            members,
        })
    }

    /// Gives everything up.
    ///
    /// # Errors
    /// The database fails.
    pub(super) async fn leave(&self) -> Result<(), Fault> {
        metrics::gauge!("tradepost_events_shards_held").set(0.0);
        self.shares.leave().await
    }

    /// Takes the shards from dead processes.
    ///
    /// # Errors
    /// The database fails.
    pub(super) async fn seize(&self) -> Result<(), Fault> {
        self.shares.seize().await
    }
}
