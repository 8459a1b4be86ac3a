//! Amounts of users that are set aside: placed, used in part or in full, given back, or given back by themselves.
//!
//! What is set aside moves from the user's available account to their held one, so that it is checked and taken in one
//! step: nothing is ever checked first and taken later.

use super::super::error::Error;
use super::super::model::{Account, NewEntry, NewPosting};
use super::super::store::holds as store;
use super::{Result, Service};
use crate::db::Tx;
use crate::error::{Failure, Fault};
use crate::money::Money;
use crate::workers::Progress;
use chrono::{DateTime, Utc};
use entity::ids::{HoldId, JournalEntryId, OrderId, UserId};
use entity::wallet::{AccountKind, EntryKind, HoldStatus, hold};

/// Holds that one pass of expiry looks at.
const BATCH: u64 = 100;

/// An amount that is to be set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewHold {
    /// Id, made before the transaction.
    pub id: HoldId,
    /// Id of the entry that sets it aside.
    pub entry_id: JournalEntryId,
    /// Whose amount it is.
    pub user_id: UserId,
    /// The asset's code.
    pub asset: String,
    /// Minor units, 1 or more.
    pub amount_minor: i64,
    /// What it is for, unique, up to 96 characters, as `withdrawal:<id>`.
    pub reference: String,
    /// The order that it pays.
    pub order_id: Option<OrderId>,
    /// When it is given back by itself; never when nothing is said.
    pub expires_at: Option<DateTime<Utc>>,
    /// A sentence for people, up to 200 characters.
    pub description: String,
}

impl NewHold {
    /// The row of an amount that is set aside.
    pub(super) fn row(&self, now: DateTime<Utc>) -> hold::Model {
        hold::Model {
            id: self.id,
            user_id: self.user_id,
            asset: self.asset.clone(),
            amount_minor: self.amount_minor,
            remaining_minor: self.amount_minor,
            captured_minor: 0,
            status: HoldStatus::Active,
            reference: self.reference.clone(),
            order_id: self.order_id,
            expires_at: self.expires_at,
            created_at: now,
            updated_at: now,
        }
    }
}

/// What becomes of what a capture leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// It stays set aside for further captures.
    Keep,
    /// It is given back; the id is that of the entry that does it.
    Release(JournalEntryId),
}

/// An amount of a hold that is to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// The hold.
    pub hold_id: HoldId,
    /// Minor units of the hold's asset, 1 or more.
    pub amount_minor: i64,
    /// What becomes of the rest.
    pub rest: Rest,
    /// The entry without the posting that takes the amount from the held account, which is added here: its postings
    /// say where the amount goes, and may exchange other assets as well.
    pub entry: NewEntry,
}

impl Service {
    /// Sets an amount aside in the caller's transaction. Call it last, as [`Service::post_in`].
    ///
    /// # Errors
    /// [`Error::InsufficientFunds`] when less is available.
    pub async fn hold_place_in(&self, tx: &Tx, new: &NewHold) -> Result<()> {
        let now = self.clock.now();
        let row = new.row(now);
        let entry = between(&row, EntryKind::Hold, new.entry_id, new.amount_minor)
            .described(&new.description, format!("hold:{}", new.id));
        store::hold_insert(&**tx, row).await?;
        self.post_in(tx, &[entry]).await
    }

    /// Uses a part or all of what is set aside, in the caller's transaction, together with the caller's entries. Call
    /// it last, as [`Service::post_in`].
    ///
    /// # Errors
    /// [`Error::HoldClosed`] when nothing is set aside any more, [`Error::HoldTooSmall`] when less is.
    pub async fn hold_capture_in(&self, tx: &Tx, capture: Capture) -> Result<hold::Model> {
        let before = self.hold_active_in(tx, capture.hold_id).await?;
        let amount = capture.amount_minor;
        let left = before.remaining_minor.checked_sub(amount);
        let Some(left) = left.filter(|left| *left >= 0 && amount > 0) else {
            return Err(Error::HoldTooSmall {
                required: Money::new(amount, &before.asset),
                held: Money::new(before.remaining_minor, &before.asset),
            }
            .into());
        };
        let (remaining_minor, given_back) = match capture.rest {
            Rest::Keep => (left, None),
            Rest::Release(_) if left == 0 => (0, None),
            Rest::Release(id) => (0, Some(id)),
        };
        let captured_minor = before.captured_minor + amount;
        let after = hold::Model {
            remaining_minor,
            captured_minor,
            status: if remaining_minor == 0 {
                HoldStatus::Captured
            } else {
                HoldStatus::Active
            },
            ..before.clone()
        };
        let mut entry = capture.entry;
        entry.postings.push(NewPosting {
            account: held(&before),
            amount_minor: -amount,
        });
        let mut entries = vec![entry];
        if let Some(id) = given_back {
            let key = format!("hold:{}:release", before.id);
            let release = between(&before, EntryKind::Release, id, -left);
            entries.push(release.described("The rest is available again.", key));
        }
        self.hold_change_in(tx, &before, &after, &entries).await?;
        Ok(after)
    }

    /// Gives back what is set aside, in the caller's transaction; `false` when nothing was, which is what a repeated
    /// release finds. Call it last, as [`Service::post_in`].
    ///
    /// # Errors
    /// The database fails, or there is no such hold.
    pub async fn hold_release_in(
        &self,
        tx: &Tx,
        id: HoldId,
        entry_id: JournalEntryId,
    ) -> std::result::Result<bool, Fault> {
        self.hold_end_in(tx, id, entry_id, HoldStatus::Released)
            .await
    }

    /// Gives back what was set aside for a time that is over. A pass of the background work.
    ///
    /// # Errors
    /// The database fails.
    pub async fn holds_expire(&self) -> std::result::Result<Progress, Fault> {
        let now = self.clock.now();
        let due = self
            .db
            .read("wallet.holds_expired", async |c| {
                Ok::<_, Fault>(store::holds_expired(&*c, now, BATCH).await?)
            })
            .await?;
        for hold in &due {
            let (id, entry_id) = (hold.id, self.clock.id());
            self.db
                .write("wallet.hold_expire", async |tx| {
                    self.hold_end_in(&tx, id, entry_id, HoldStatus::Expired)
                        .await
                })
                .await?;
        }
        Ok(if due.is_empty() {
            Progress::Idle
        } else {
            Progress::More
        })
    }

    /// A hold.
    ///
    /// # Errors
    /// The database fails.
    pub async fn hold(&self, id: HoldId) -> std::result::Result<Option<hold::Model>, Fault> {
        self.db
            .read(
                "wallet.hold",
                async |c| Ok(store::hold_find(&*c, id).await?),
            )
            .await
    }

    async fn hold_end_in(
        &self,
        tx: &Tx,
        id: HoldId,
        entry_id: JournalEntryId,
        status: HoldStatus,
    ) -> std::result::Result<bool, Fault> {
        let before = match self.hold_active_in(tx, id).await {
            Ok(before) => before,
            Err(Failure::Refused(_)) => return Ok(false),
            Err(Failure::Fault(fault)) => return Err(fault),
        };
        let after = hold::Model {
            remaining_minor: 0,
            status,
            ..before.clone()
        };
        let entry = between(
            &before,
            EntryKind::Release,
            entry_id,
            -before.remaining_minor,
        )
        .described(
            "What was set aside is available again.",
            format!("hold:{id}:release"),
        );
        match self.hold_change_in(tx, &before, &after, &[entry]).await {
            Ok(()) => Ok(true),
            Err(Failure::Fault(fault)) => Err(fault),
            Err(Failure::Refused(errors)) => Err(Fault::Broken(format!(
                "hold {id} could not be given back: {errors:?}"
            ))),
        }
    }

    async fn hold_active_in(&self, tx: &Tx, id: HoldId) -> Result<hold::Model> {
        let row = store::hold_lock(&**tx, id).await?;
        let row = row.ok_or_else(|| Fault::Broken(format!("there is no hold {id}")))?;
        if row.status == HoldStatus::Active {
            Ok(row)
        } else {
            Err(Error::HoldClosed.into())
        }
    }

    async fn hold_change_in(
        &self,
        tx: &Tx,
        before: &hold::Model,
        after: &hold::Model,
        entries: &[NewEntry],
    ) -> Result<()> {
        if !store::hold_take(&**tx, before, after, self.clock.now()).await? {
            return Err(Error::HoldClosed.into());
        }
        self.post_in(tx, entries).await
    }
}

fn held(hold: &hold::Model) -> Account {
    Account::of_user(AccountKind::UserHeld, &hold.asset, hold.user_id)
}

/// An entry that moves an amount from a user's available account to their held one, or back when it is negative.
fn between(hold: &hold::Model, kind: EntryKind, id: JournalEntryId, amount_minor: i64) -> NewEntry {
    let available = Account::of_user(AccountKind::UserAvailable, &hold.asset, hold.user_id);
    NewEntry {
        id,
        operation_key: String::new(),
        kind,
        user_id: Some(hold.user_id),
        order_id: hold.order_id,
        payment_id: None,
        refund_id: None,
        description: String::new(),
        postings: vec![
            NewPosting {
                account: available,
                amount_minor: -amount_minor,
            },
            NewPosting {
                account: held(hold),
                amount_minor,
            },
        ],
    }
}

impl NewEntry {
    /// The same with what it is for.
    fn described(self, description: &str, operation_key: String) -> Self {
        Self {
            description: description.to_owned(),
            operation_key,
            ..self
        }
    }
}
