//! Whether what users see agrees with the ledger: their transactions, and what is set aside.

use super::super::store;
use super::super::store::holds::HeldBalance;
use super::verify::joined;
use super::{Drift, Posted, Service};
use crate::error::Fault;
use entity::ids::JournalEntryId;
use entity::wallet::{AccountKind, EntryKind, TransactionKind, TransactionStatus, transaction};
use std::collections::{HashMap, HashSet};

/// Rows that are looked at together: what the memory is bounded by.
const BATCH: u64 = 500;

type Report<'a> = &'a mut (dyn FnMut(Drift) + Send);

impl Service {
    /// Compares transactions with the entries that completed them. Entries are read after them, so that what was
    /// completed before was posted before.
    pub(super) async fn transactions_verify(&self, report: Report<'_>) -> Result<u64, Fault> {
        let (mut after, mut count) = (None, 0);
        loop {
            let rows = self
                .transactions_after(&super::super::model::transactions::Filter::default(), after)
                .await?;
            let Some(last) = rows.last() else {
                return Ok(count);
            };
            after = Some(last.id);
            count += rows.len() as u64;
            let ids: Vec<_> = rows.iter().filter_map(|row| row.entry_id).collect();
            let posted = self.posted_by_ids(&ids).await?;
            let posted: HashMap<_, _> = posted.iter().map(|entry| (entry.0.id, entry)).collect();
            for row in &rows {
                let entry = row.entry_id.and_then(|id| posted.get(&id).copied());
                transaction_drift(row, entry)
                    .into_iter()
                    .for_each(&mut *report);
            }
        }
    }

    /// Whether entries that users should see are shown to them.
    pub(super) async fn shown_verify(
        &self,
        entries: &[Posted],
        report: Report<'_>,
    ) -> Result<(), Fault> {
        let is_to_be_shown = |(entry, _): &&Posted| {
            // A settlement is shown by the payment or the refund that it belongs to.
            let is_within = matches!(
                entry.kind,
                EntryKind::Hold | EntryKind::Release | EntryKind::Settlement
            );
            entry.user_id.is_some() && !is_within
        };
        let ids: Vec<_> = entries
            .iter()
            .filter(is_to_be_shown)
            .map(|(entry, _)| entry.id)
            .collect();
        let shown: HashSet<_> = self
            .db
            .read("wallet.entries_shown", async |c| {
                Ok::<_, Fault>(store::transactions::entries_shown(&*c, &ids).await?)
            })
            .await?
            .into_iter()
            .collect();
        for (entry, _) in entries.iter().filter(is_to_be_shown) {
            if !shown.contains(&entry.id) {
                report(Drift(format!(
                    "entry {} ({}) is no transaction of its user",
                    entry.id, entry.operation_key
                )));
            }
        }
        Ok(())
    }

    /// Compares what is set aside with the holds; each account in one statement, which sees one moment.
    pub(super) async fn holds_verify(&self, report: Report<'_>) -> Result<u64, Fault> {
        let (mut after, mut count) = (None, 0);
        loop {
            let rows = self
                .db
                .read("wallet.held_balances", async |c| {
                    Ok::<_, Fault>(store::holds::held_balances(&*c, after, BATCH).await?)
                })
                .await?;
            let Some(last) = rows.last() else {
                return Ok(count);
            };
            after = Some(last.account_id);
            count += rows.len() as u64;
            rows.iter().filter_map(held_drift).for_each(&mut *report);
        }
    }

    async fn posted_by_ids(&self, ids: &[JournalEntryId]) -> Result<Vec<Posted>, Fault> {
        self.db
            .read("wallet.posted_by_ids", async |c| {
                let entries = store::transactions::entries_by_ids(&*c, ids).await?;
                Ok(joined(entries, store::postings_of(&*c, ids).await?))
            })
            .await
    }
}

/// What is wrong with a transaction.
fn transaction_drift(row: &transaction::Model, entry: Option<&Posted>) -> Option<Drift> {
    let name = format!("transaction {}", row.id);
    let (entry, postings) = match (row.status, entry) {
        (TransactionStatus::Completed, Some(entry)) => entry,
        (TransactionStatus::Completed, None) => {
            return Some(Drift(format!("{name} is completed without an entry")));
        }
        (_, Some(_)) => return Some(Drift(format!("{name} has an entry but is not completed"))),
        (_, None) => return None,
    };
    if entry.user_id != Some(row.user_id) {
        return Some(Drift(format!("{name} is of another user than its entry")));
    }
    let of_asset = postings
        .iter()
        .filter(|(posting, _)| posting.asset == row.asset);
    let posted: i128 = match row.kind {
        TransactionKind::Deposit | TransactionKind::Withdrawal => of_asset
            .filter(|(_, account)| account.user_id.is_some())
            .map(|(posting, _)| i128::from(posting.amount_minor))
            .sum(),
        // What the shop earned is what the user paid, from whichever pocket.
        TransactionKind::Purchase | TransactionKind::Payment | TransactionKind::Refund => -of_asset
            .filter(|(_, account)| account.kind == AccountKind::MerchantRevenue)
            .map(|(posting, _)| i128::from(posting.amount_minor))
            .sum::<i128>(),
        // One entry of an exchange is shown as several transactions.
        TransactionKind::Trade | TransactionKind::Fee => return None,
    };
    (posted != i128::from(row.amount_minor)).then(|| {
        Drift(format!(
            "{name} says {} {} but {posted} was posted",
            row.amount_minor, row.asset
        ))
    })
}

/// What is wrong with what is set aside.
fn held_drift(row: &HeldBalance) -> Option<Drift> {
    (row.amount_minor != row.held_minor).then(|| {
        Drift(format!(
            "account {} has {} set aside but its holds sum to {}",
            row.account_id, row.amount_minor, row.held_minor
        ))
    })
}
