//! Use cases of the ledger, and how other domains post in their own transactions.

mod charges;
mod holds;
mod transactions;
mod transfers;
mod verify;
mod verify_users;

pub use super::store::transactions::{OpeningClosing, UserBalance};
pub use charges::{Charge, Charged, charge_key, return_key, returned, taken};
pub use holds::{Capture, NewHold, Rest};
pub use transactions::Period;
pub use transfers::{NewTransfer, Source, first_look};
pub use verify::{Drift, Posted, Verified};

use super::error::Error;
use super::gateway::Funding;
use super::model::{self, Account, NewEntry};
use super::store;
use crate::clock::Clock;
use crate::db::idempotency::Idempotency;
use crate::db::{Db, Tx, error};
use crate::domain::accounts;
use crate::error::{Failure, Fault};
use crate::money::Money;
use crate::random;
use chrono::{DateTime, Utc};
use entity::wallet::asset;
use std::sync::Arc;

/// The result of a use case.
pub type Result<T> = std::result::Result<T, Failure<Error>>;

/// The ledger.
#[derive(Clone, Debug)]
pub struct Service {
    db: Db,
    clock: Clock,
    idempotency: Idempotency,
    accounts: accounts::service::Service,
    funding: Arc<dyn Funding>,
}

impl Service {
    /// Made once by the app.
    #[must_use]
    pub fn new(
        db: Db,
        clock: Clock,
        idempotency: Idempotency,
        accounts: accounts::service::Service,
        funding: Arc<dyn Funding>,
    ) -> Self {
        Self {
            db,
            clock,
            idempotency,
            accounts,
            funding,
        }
    }

    /// All assets, in the order of their codes.
    ///
    /// # Errors
    /// The database fails.
    pub async fn assets(&self) -> std::result::Result<Vec<asset::Model>, Fault> {
        self.db
            .read("wallet.assets", async |c| Ok(store::assets(&*c).await?))
            .await
    }

    /// What an account has in minor units; 0 when nothing was ever posted to it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn balance(&self, account: &Account) -> std::result::Result<i64, Fault> {
        let id = account.id();
        let rows = self
            .db
            .read("wallet.balance", async |c| {
                Ok::<_, Fault>(store::balance_rows(&*c, id).await?)
            })
            .await?;
        sum(&rows)
    }

    /// Posts entries in the caller's transaction. The balances are its last statements, in the order of accounts,
    /// because they are what others wait for: call it last.
    ///
    /// # Errors
    /// [`Error::InsufficientFunds`] when a user's account has too little, [`Error::TooLarge`] when a balance would not
    /// fit. A fault when an entry does not sum to zero,
    /// when its operation key was posted before, or when the database fails; the caller rolls back in every case.
    pub async fn post_in(&self, tx: &Tx, entries: &[NewEntry]) -> Result<()> {
        for entry in entries {
            if let Some(problem) = model::problem_of(entry) {
                let key = &entry.operation_key;
                return Err(Fault::Broken(format!("posting {key}: {problem}")).into());
            }
        }
        let number = i32::try_from(random::between(0, u64::from(u16::MAX))).unwrap_or_default();
        let changes = model::changes(entries, number)
            .ok_or_else(|| Fault::Broken("the sum of postings does not fit".to_owned()))?;
        let now = self.clock.now();
        self.accounts_ensure_in(tx, entries, now).await?;
        store::entries_insert(&**tx, entries, number, now)
            .await
            .map_err(posted_before)?;
        for ((account_id, shard), (account, amount)) in changes {
            let least = account.least_minor();
            if !store::balance_add(&**tx, account_id, shard, least, amount, now).await? {
                return Err(self.refused_in(tx, &account, amount).await?);
            }
        }
        Ok(())
    }

    /// Makes the accounts that nothing was posted to before, in the order of their ids.
    async fn accounts_ensure_in(
        &self,
        tx: &Tx,
        entries: &[NewEntry],
        now: DateTime<Utc>,
    ) -> std::result::Result<(), Fault> {
        let mut accounts: Vec<(_, &Account)> = entries
            .iter()
            .flat_map(|entry| &entry.postings)
            .map(|posting| (posting.account.id(), &posting.account))
            .collect();
        accounts.sort_unstable_by_key(|(id, _)| *id);
        accounts.dedup_by_key(|(id, _)| *id);
        let ids: Vec<_> = accounts.iter().map(|(id, _)| *id).collect();
        let known = store::accounts_known(&**tx, &ids).await?;
        for (id, account) in accounts {
            if known.contains(&id) {
                continue;
            }
            match store::account_insert(&**tx, account, now).await {
                Ok(()) => {}
                // Another transaction made the same account meanwhile, and has committed it.
                Err(error) if matches!(error::kind(&error), error::Kind::Unique(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Why a balance could not be changed.
    async fn refused_in(
        &self,
        tx: &Tx,
        account: &Account,
        amount_minor: i64,
    ) -> std::result::Result<Failure<Error>, Fault> {
        let rows = store::balance_rows(&**tx, account.id()).await?;
        if rows.is_empty() {
            return Ok(Fault::Broken(format!("{account:?} has no row to post to")).into());
        }
        if account.least_minor().is_none() || amount_minor > 0 {
            return Ok(Error::TooLarge.into());
        }
        Ok(Error::InsufficientFunds {
            required: Money::new(amount_minor.saturating_neg(), &account.asset),
            available: Money::new(sum(&rows)?, &account.asset),
        }
        .into())
    }
}

/// The sum of an account's shards.
fn sum(rows: &[i64]) -> std::result::Result<i64, Fault> {
    let sum: i128 = rows.iter().copied().map(i128::from).sum();
    i64::try_from(sum).map_err(Fault::doing("adding the shards of an account"))
}

/// A second posting of the same operation is a mistake of the program; it says so rather than "the database failed".
fn posted_before(error: sea_orm::DbErr) -> Fault {
    let (index, column) = (
        "uq_journal_entries_operation_key",
        "journal_entries.operation_key",
    );
    if error::is_duplicate(&error, index, column) {
        Fault::Broken("an operation was to be posted twice".to_owned())
    } else {
        error.into()
    }
}
