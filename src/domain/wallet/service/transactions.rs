//! Transactions as users see them, and what they have.

use super::super::model::Account;
use super::super::model::transactions::{Filter, NewTransaction, Scope, Sorting};
use super::super::store::transactions::{self as store, OpeningClosing};
use super::Service;
use crate::db::{Tx, page};
use crate::error::Fault;
use crate::page::{Page, PageRequest};
use chrono::{DateTime, Utc};
use entity::ids::{JournalEntryId, LedgerAccountId, TransactionId, UserId};
use entity::wallet::{TransactionFailure, journal_entry, transaction};

/// Rows that an export reads at once: what its memory is bounded by.
const BATCH: u64 = 1_000;

/// A period of a user's account, for a statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Period {
    /// Whose statement it is.
    pub user_id: UserId,
    /// The asset's code.
    pub asset: String,
    /// From this moment.
    pub from: DateTime<Utc>,
    /// Until this moment, which belongs to it.
    pub to: DateTime<Utc>,
}

impl Period {
    /// The user's accounts: what is set aside is still theirs.
    fn accounts(&self) -> [LedgerAccountId; 2] {
        store::OF_USERS.map(|kind| Account::of_user(kind, &self.asset, self.user_id).id())
    }
}

impl Service {
    /// A page of the transactions of the scope.
    ///
    /// # Errors
    /// A cursor of another list.
    pub async fn transactions_page(
        &self,
        scope: Scope,
        filter: &Filter,
        sorting: Sorting,
        request: &PageRequest,
    ) -> std::result::Result<Page<transaction::Model>, page::Error> {
        self.db
            .read("wallet.transactions_page", async |c| {
                page::fetch(
                    &*c,
                    store::transactions(scope, filter),
                    &store::keyset(sorting),
                    request,
                )
                .await
            })
            .await
    }

    /// A transaction of the scope.
    ///
    /// # Errors
    /// The database fails.
    pub async fn transaction_by_id(
        &self,
        scope: Scope,
        id: TransactionId,
    ) -> std::result::Result<Option<transaction::Model>, Fault> {
        self.db
            .read("wallet.transaction", async |c| {
                Ok(store::transaction_by_id(&*c, scope, id).await?)
            })
            .await
    }

    /// The transactions under a filter that follow one, in the order of their ids; none at the end. For exports, whose
    /// memory must not grow with what they write.
    ///
    /// # Errors
    /// The database fails.
    pub async fn transactions_after(
        &self,
        filter: &Filter,
        after: Option<TransactionId>,
    ) -> std::result::Result<Vec<transaction::Model>, Fault> {
        self.db
            .read("wallet.transactions_after", async |c| {
                Ok(store::transactions_after(&*c, filter, after, BATCH).await?)
            })
            .await
    }

    /// Opening and closing balance of a statement.
    ///
    /// # Errors
    /// The database fails.
    pub async fn statement_sums(
        &self,
        period: &Period,
    ) -> std::result::Result<OpeningClosing, Fault> {
        let accounts = period.accounts();
        self.db
            .read("wallet.statement_sums", async |c| {
                Ok(store::opening_closing(&*c, &accounts, period.from, period.to).await?)
            })
            .await
    }

    /// A page of a statement's entries, each with what it changed, first entry first.
    ///
    /// # Errors
    /// A cursor of another list.
    pub async fn statement_entries(
        &self,
        period: &Period,
        request: &PageRequest,
    ) -> std::result::Result<Page<(journal_entry::Model, i64)>, page::Error> {
        let accounts = period.accounts();
        self.db
            .read("wallet.statement_entries", async |c| {
                let entries = store::entries_of_user(&accounts, Some(period.from), Some(period.to));
                let page = page::fetch(&*c, entries, &store::ENTRIES_BY_TIME, request).await?;
                let ids: Vec<_> = page.items.iter().map(|(entry, _)| entry.id).collect();
                let postings = super::super::store::postings_of(&*c, &ids).await?;
                Ok(page.map(|entry: journal_entry::Model| {
                    let of_user = postings.iter().filter(|(posting, _)| {
                        posting.entry_id == entry.id && accounts.contains(&posting.account_id)
                    });
                    let changed = of_user.map(|(posting, _)| posting.amount_minor).sum();
                    (entry, changed)
                }))
            })
            .await
    }

    /// Shows a user what has begun, in the transaction that begins it. It is ended by
    /// [`Service::transaction_complete_in`] or [`Service::transaction_fail_in`].
    ///
    /// # Errors
    /// The database fails.
    pub async fn transaction_begin_in(
        &self,
        tx: &Tx,
        new: NewTransaction,
    ) -> std::result::Result<(), Fault> {
        let row = new.pending(self.clock.now());
        Ok(store::transactions_insert(&**tx, &[row]).await?)
    }

    /// Completes what has begun, in the transaction that posts it; nothing happens when it has ended before.
    ///
    /// # Errors
    /// The database fails.
    pub async fn transaction_complete_in(
        &self,
        tx: &Tx,
        id: TransactionId,
        entry_id: JournalEntryId,
    ) -> std::result::Result<(), Fault> {
        store::transaction_complete(&**tx, id, entry_id, self.clock.now()).await?;
        Ok(())
    }

    /// Says that what has begun was not done; nothing happens when it has ended before.
    ///
    /// # Errors
    /// The database fails.
    pub async fn transaction_fail_in(
        &self,
        tx: &Tx,
        id: TransactionId,
        failure: TransactionFailure,
    ) -> std::result::Result<(), Fault> {
        store::transaction_fail(&**tx, id, failure, self.clock.now()).await?;
        Ok(())
    }

    /// Shows users what entries did, in the transaction that posts them. Call it before [`Service::post_in`].
    ///
    /// # Errors
    /// The database fails.
    pub async fn transactions_insert_in(
        &self,
        tx: &Tx,
        rows: Vec<(NewTransaction, JournalEntryId)>,
    ) -> std::result::Result<(), Fault> {
        let now = self.clock.now();
        let rows: Vec<_> = rows
            .into_iter()
            .map(|(new, entry_id)| new.completed(entry_id, now))
            .collect();
        Ok(store::transactions_insert(&**tx, &rows).await?)
    }
}
