//! Deposits and withdrawals: begun in one transaction, carried out by a provider outside of any, ended in another.
//!
//! What is under way is a PENDING row of `transactions`. Whoever learns the outcome ends it by a conditional update, so
//! that the request and the background pass may both ask, and one of them posts. A process that is killed leaves a row
//! that [`Service::transfers_settle`] finds; the card's token is gone then, so what the provider has never heard of is
//! called off, and what it has begun is finished.

use super::super::error::Error;
use super::super::gateway::{Moved, Transfer};
use super::super::model::transactions::{Carried, NewTransaction, References, Scope, masked};
use super::super::model::{AMOUNT_MAX, Account, NewEntry, NewPosting};
use super::super::store::transactions as store;
use super::{Capture, NewHold, Rest, Result, Service};
use crate::db::Tx;
use crate::db::idempotency::{self, Request};
use crate::error::{Failure, Fault};
use crate::money;
use crate::workers::Progress;
use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::{JournalEntryId, TransactionId, UserId};
use entity::wallet::{
    AccountKind, EntryKind, TransactionFailure, TransactionKind, TransferMethod, transaction,
};
use serde::Serialize;
use uuid::Uuid;

/// Pending rows that one pass looks at.
const BATCH: u64 = 100;
/// How long the request that began a transfer has it for itself.
const FIRST_LOOK: TimeDelta = TimeDelta::seconds(60);
/// The pause before what brought nothing is asked again; it doubles each time.
const RETRY_LEAST: TimeDelta = TimeDelta::seconds(1);
/// Longest such pause.
const RETRY_MOST: TimeDelta = TimeDelta::minutes(10);

/// Where the money of a deposit comes from.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub enum Source {
    /// A card or bank account, by what the provider knows it by.
    Card(String),
    /// The shop gives it; for staff.
    Grant {
        /// Why, up to 150 characters.
        reason: String,
    },
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Card(_) => f.write_str("Card(***)"),
            Self::Grant { reason } => write!(f, "Grant({reason:?})"),
        }
    }
}

/// A deposit or withdrawal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewTransfer {
    /// Whose wallet it is.
    pub user_id: UserId,
    /// The asset's code.
    pub asset: String,
    /// Minor units, 1 to [`AMOUNT_MAX`].
    pub amount_minor: i64,
    /// Where the money comes from, or goes to: a withdrawal goes to a card.
    pub source: Source,
}

impl Service {
    /// Puts money into a wallet. The answer is the transaction, which is pending when the provider has not decided, and
    /// whether an earlier request with the same key made it.
    ///
    /// # Errors
    /// An asset or a token that nobody knows, a user who is not there.
    pub async fn deposit(
        &self,
        actor_id: UserId,
        new: &NewTransfer,
        key: Option<Request>,
    ) -> Result<(transaction::Model, bool)> {
        self.transfer_check(actor_id, new, "source").await?;
        let effect = |key| self.deposit_once(actor_id, new, key);
        let (id, replayed) = self.idempotency.once(key, effect).await?;
        Ok((self.transfer_read(TransactionId(id)).await?, replayed))
    }

    async fn deposit_once(
        &self,
        actor_id: UserId,
        new: &NewTransfer,
        key: Option<Request>,
    ) -> Result<Uuid> {
        let id = self.clock.id();
        let now = self.clock.now();
        let token = match &new.source {
            Source::Card(token) => token,
            Source::Grant { reason } => {
                self.grant_once(actor_id, id, new, reason, key).await?;
                return Ok(id.0);
            }
        };
        let shown = shown(
            id,
            new,
            TransactionKind::Deposit,
            new.amount_minor,
            "Deposit",
        );
        let row = Carried {
            method: TransferMethod::Card,
            masked_token: Some(masked(token)),
            hold_id: None,
            actor_id: other(actor_id, new.user_id),
            next_run_at: Some(now + FIRST_LOOK),
        }
        .into(shown.pending(now));
        let (row, key) = (&row, &key);
        self.db
            .write("wallet.deposit_begin", async |tx| {
                idempotency::record(&tx, &self.clock, key.as_ref(), id.0).await?;
                store::transactions_insert(&*tx, std::slice::from_ref(row)).await?;
                Ok::<_, Failure<Error>>(())
            })
            .await?;
        self.transfer_drive(row, Some(token)).await?;
        Ok(id.0)
    }

    /// A gift of the shop: there is no provider to ask, so it is one transaction.
    async fn grant_once(
        &self,
        actor_id: UserId,
        id: TransactionId,
        new: &NewTransfer,
        reason: &str,
        key: Option<Request>,
    ) -> Result<()> {
        let now = self.clock.now();
        let shown = shown(id, new, TransactionKind::Deposit, new.amount_minor, reason);
        let entry_id = self.clock.id();
        let row = Carried {
            method: TransferMethod::Grant,
            masked_token: None,
            hold_id: None,
            actor_id: other(actor_id, new.user_id),
            next_run_at: None,
        }
        .into(shown.completed(entry_id, now));
        let (row, key) = (&row, &key);
        self.db
            .write("wallet.grant", async |tx| {
                idempotency::record(&tx, &self.clock, key.as_ref(), id.0).await?;
                store::transactions_insert(&*tx, std::slice::from_ref(row)).await?;
                self.post_in(&tx, &[deposit_entry(row, entry_id)]).await
            })
            .await
    }

    /// Takes money out of a wallet: it is set aside first, so that it cannot be spent while the provider decides.
    ///
    /// # Errors
    /// [`Error::InsufficientFunds`], and as [`Service::deposit`].
    pub async fn withdraw(
        &self,
        actor_id: UserId,
        new: &NewTransfer,
        key: Option<Request>,
    ) -> Result<(transaction::Model, bool)> {
        self.transfer_check(actor_id, new, "destination").await?;
        let effect = |key| self.withdraw_once(actor_id, new, key);
        let (id, replayed) = self.idempotency.once(key, effect).await?;
        Ok((self.transfer_read(TransactionId(id)).await?, replayed))
    }

    async fn withdraw_once(
        &self,
        actor_id: UserId,
        new: &NewTransfer,
        key: Option<Request>,
    ) -> Result<Uuid> {
        let Source::Card(token) = &new.source else {
            return Err(Fault::Broken("a withdrawal goes to a card".to_owned()).into());
        };
        let id: TransactionId = self.clock.id();
        let now = self.clock.now();
        let hold = NewHold {
            id: self.clock.id(),
            entry_id: self.clock.id(),
            user_id: new.user_id,
            asset: new.asset.clone(),
            amount_minor: new.amount_minor,
            reference: format!("withdrawal:{id}"),
            order_id: None,
            expires_at: None,
            description: "Set aside for a withdrawal".to_owned(),
        };
        let kind = TransactionKind::Withdrawal;
        let row = Carried {
            method: TransferMethod::Card,
            masked_token: Some(masked(token)),
            hold_id: Some(hold.id),
            actor_id: other(actor_id, new.user_id),
            next_run_at: Some(now + FIRST_LOOK),
        }
        .into(shown(id, new, kind, -new.amount_minor, "Withdrawal").pending(now));
        let (row, hold, key) = (&row, &hold, &key);
        self.db
            .write("wallet.withdraw_begin", async |tx| {
                idempotency::record(&tx, &self.clock, key.as_ref(), id.0).await?;
                store::transactions_insert(&*tx, std::slice::from_ref(row)).await?;
                self.hold_place_in(&tx, hold).await
            })
            .await?;
        self.transfer_drive(row, Some(token)).await?;
        Ok(id.0)
    }

    /// Carries on with transfers whose outcome is not known. A pass of the background work.
    ///
    /// # Errors
    /// The database fails.
    pub async fn transfers_settle(&self) -> std::result::Result<Progress, Fault> {
        let now = self.clock.now();
        let due = self
            .db
            .read("wallet.transfers_due", async |c| {
                Ok::<_, Fault>(store::transactions_due(&*c, now, BATCH).await?)
            })
            .await?;
        for row in &due {
            match self.transfer_drive(row, None).await {
                Ok(()) => {}
                Err(Failure::Fault(fault)) => return Err(fault),
                Err(Failure::Refused(errors)) => {
                    let id = row.id;
                    return Err(Fault::Broken(format!("transfer {id}: {errors:?}")));
                }
            }
        }
        Ok(if due.is_empty() {
            Progress::Idle
        } else {
            Progress::More
        })
    }

    /// What can be known of a transfer before it begins.
    async fn transfer_check(
        &self,
        actor_id: UserId,
        new: &NewTransfer,
        place: &'static str,
    ) -> Result<()> {
        let mut errors = Vec::new();
        if !(1..=AMOUNT_MAX).contains(&new.amount_minor) {
            errors.push(Error::AmountOutOfRange);
        }
        if let Source::Card(token) = &new.source
            && !self.funding.accepts(token)
        {
            errors.push(Error::TokenUnknown { place });
        }
        if money::exponent(&new.asset).is_none() {
            errors.push(Error::AssetUnknown);
        }
        if actor_id != new.user_id && self.accounts.user_by_id(new.user_id).await?.is_none() {
            errors.push(Error::UserNotFound);
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors.into())
        }
    }

    async fn transfer_read(&self, id: TransactionId) -> Result<transaction::Model> {
        let row = self.transaction_by_id(Scope::All, id).await?;
        Ok(row.ok_or_else(|| Fault::Broken(format!("transaction {id} vanished")))?)
    }

    /// Asks the provider and writes what it says. With a token the transfer is asked for, without one it is settled.
    async fn transfer_drive(&self, row: &transaction::Model, token: Option<&str>) -> Result<()> {
        let reference = format!("{}:{}", row.kind.as_str().to_lowercase(), row.id);
        let transfer = Transfer {
            reference: &reference,
            amount_minor: row.amount_minor.saturating_abs(),
            asset: &row.asset,
        };
        let moved = match token {
            Some(token) => self.funding.transfer(transfer, token).await,
            None => self.funding.settle(transfer).await,
        };
        let entry_id: JournalEntryId = self.clock.id();
        match moved {
            Moved::Done => {
                let complete = async |tx: Tx| self.transfer_complete_in(&tx, row, entry_id).await;
                self.db.write("wallet.transfer_complete", complete).await
            }
            Moved::Declined => self.transfer_fail(row, TransactionFailure::Declined).await,
            Moved::InsufficientFunds => {
                self.transfer_fail(row, TransactionFailure::InsufficientFunds)
                    .await
            }
            Moved::CalledOff => self.transfer_fail(row, TransactionFailure::Abandoned).await,
            Moved::Open => self.transfer_later(row).await,
        }
    }

    async fn transfer_complete_in(
        &self,
        tx: &Tx,
        row: &transaction::Model,
        entry_id: JournalEntryId,
    ) -> Result<()> {
        if !store::transaction_complete(&**tx, row.id, entry_id, self.clock.now()).await? {
            return Ok(());
        }
        match row.hold_id {
            None => self.post_in(tx, &[deposit_entry(row, entry_id)]).await,
            Some(hold_id) => {
                let capture = Capture {
                    hold_id,
                    amount_minor: row.amount_minor.saturating_abs(),
                    rest: Rest::Keep,
                    entry: outside_entry(row, entry_id, EntryKind::Withdrawal),
                };
                self.hold_capture_in(tx, capture).await.map(|_| ())
            }
        }
    }

    async fn transfer_fail(
        &self,
        row: &transaction::Model,
        failure: TransactionFailure,
    ) -> Result<()> {
        let entry_id = self.clock.id();
        let fail = async |tx: Tx| {
            if store::transaction_fail(&*tx, row.id, failure, self.clock.now()).await?
                && let Some(hold_id) = row.hold_id
            {
                self.hold_release_in(&tx, hold_id, entry_id).await?;
            }
            Ok(())
        };
        self.db.write("wallet.transfer_fail", fail).await
    }

    async fn transfer_later(&self, row: &transaction::Model) -> Result<()> {
        let now = self.clock.now();
        let next = now + pause(row.tries);
        let later = async |tx: Tx| {
            // Who was faster has said when already.
            store::transaction_later(&*tx, row.id, row.tries, next, now).await?;
            Ok(())
        };
        self.db.write("wallet.transfer_later", later).await
    }
}

/// The pause after so many questions that brought nothing.
fn pause(tries: i32) -> TimeDelta {
    let factor = 1_i32 << tries.clamp(0, 12);
    (RETRY_LEAST * factor).min(RETRY_MOST)
}

/// Who did it, when that is not the user.
fn other(actor_id: UserId, user_id: UserId) -> Option<UserId> {
    (actor_id != user_id).then_some(actor_id)
}

fn shown(
    id: TransactionId,
    new: &NewTransfer,
    kind: TransactionKind,
    amount_minor: i64,
    description: &str,
) -> NewTransaction {
    NewTransaction {
        id,
        user_id: new.user_id,
        kind,
        asset: new.asset.clone(),
        amount_minor,
        description: description.to_owned(),
        references: References::default(),
    }
}

/// The entry of a transfer without its posting to the user: what came in makes the world outside owe less.
fn outside_entry(row: &transaction::Model, id: JournalEntryId, kind: EntryKind) -> NewEntry {
    let outside = NewPosting {
        account: Account::of_shop(AccountKind::External, &row.asset),
        amount_minor: -row.amount_minor,
    };
    NewEntry {
        id,
        operation_key: format!("transaction:{}", row.id),
        kind,
        user_id: Some(row.user_id),
        order_id: None,
        payment_id: None,
        refund_id: None,
        description: row.description.clone(),
        postings: vec![outside],
    }
}

fn deposit_entry(row: &transaction::Model, id: JournalEntryId) -> NewEntry {
    let mut entry = outside_entry(row, id, EntryKind::Deposit);
    entry.postings.push(NewPosting {
        account: Account::of_user(AccountKind::UserAvailable, &row.asset, row.user_id),
        amount_minor: row.amount_minor,
    });
    entry
}

/// When a transfer that was begun at a moment is looked at for the first time; for tests.
#[must_use]
pub fn first_look(begun: DateTime<Utc>) -> DateTime<Utc> {
    begun + FIRST_LOOK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end_at_the_longest() {
        assert_eq!(pause(0), TimeDelta::seconds(1));
        assert_eq!(pause(3), TimeDelta::seconds(8));
        assert_eq!(pause(40), RETRY_MOST);
    }

    #[test]
    fn a_token_is_never_printed() {
        assert_eq!(
            format!("{:?}", Source::Card("tok_ok".to_owned())),
            "Card(***)"
        );
    }
}
