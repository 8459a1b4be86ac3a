//! Recomputing the ledger from its postings.

use super::super::model;
use super::super::store::{self, Recomputed};
use super::Service;
use crate::error::Fault;
use entity::ids::JournalEntryId;
use entity::wallet::{journal_entry, ledger_account, posting};

/// Rows that are looked at together: what the memory is bounded by.
const BATCH: u64 = 500;

/// One thing that does not add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift(pub String);

impl std::fmt::Display for Drift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Journal entries.
    pub entries: u64,
    /// Balance rows.
    pub balances: u64,
    /// Transactions.
    pub transactions: u64,
    /// Balances of what is set aside.
    pub held: u64,
}

/// An entry with its postings and their accounts.
pub type Posted = (
    journal_entry::Model,
    Vec<(posting::Model, ledger_account::Model)>,
);

impl Service {
    /// Recomputes every balance from the postings, and checks that every entry sums to zero for each asset and posts
    /// to accounts of its assets; that transactions agree with the entries that completed them, and what is set aside with
    /// the holds. Reads piece by piece, so that its memory does not grow with the ledger; what does
    /// not add up is told to `report`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn verify(&self, report: &mut (dyn FnMut(Drift) + Send)) -> Result<Verified, Fault> {
        let mut verified = Verified::default();
        let mut after = None;
        loop {
            let entries = self.posted_after(after).await?;
            let Some((last, _)) = entries.last() else {
                break;
            };
            after = Some(last.id);
            verified.entries += entries.len() as u64;
            for entry in &entries {
                entry_drift(entry).into_iter().for_each(&mut *report);
            }
            self.shown_verify(&entries, report).await?;
        }
        let mut after = None;
        loop {
            let rows = self
                .db
                .read("wallet.balances_recomputed", async |c| {
                    Ok::<_, Fault>(store::balances_recomputed(&*c, after, BATCH).await?)
                })
                .await?;
            let Some(last) = rows.last() else {
                break;
            };
            after = Some((last.account_id, last.shard));
            verified.balances += rows.len() as u64;
            rows.iter().filter_map(balance_drift).for_each(&mut *report);
        }
        verified.transactions = self.transactions_verify(report).await?;
        verified.held = self.holds_verify(report).await?;
        Ok(verified)
    }

    /// The entries that follow one, oldest first, with their postings; none at the end.
    ///
    /// # Errors
    /// The database fails.
    pub async fn posted_after(&self, after: Option<JournalEntryId>) -> Result<Vec<Posted>, Fault> {
        self.db
            .read("wallet.posted_after", async |c| {
                let entries = store::entries_after(&*c, after, BATCH).await?;
                let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
                Ok(joined(entries, store::postings_of(&*c, &ids).await?))
            })
            .await
    }

    /// The entries of operations, with their postings; those that were not posted are missing.
    ///
    /// # Errors
    /// The database fails.
    pub async fn posted_by_keys(&self, keys: &[String]) -> Result<Vec<Posted>, Fault> {
        self.db
            .read("wallet.posted_by_keys", async |c| {
                let entries = store::entries_by_keys(&*c, keys).await?;
                let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
                Ok(joined(entries, store::postings_of(&*c, &ids).await?))
            })
            .await
    }
}

/// Entries with the postings of each.
pub(super) fn joined(
    entries: Vec<journal_entry::Model>,
    postings: Vec<(posting::Model, ledger_account::Model)>,
) -> Vec<Posted> {
    let mut of: std::collections::HashMap<_, Vec<_>> = std::collections::HashMap::new();
    for row in postings {
        of.entry(row.0.entry_id).or_default().push(row);
    }
    entries
        .into_iter()
        .map(|entry| {
            let postings = of.remove(&entry.id).unwrap_or_default();
            (entry, postings)
        })
        .collect()
}

/// What is wrong with an entry.
fn entry_drift((entry, postings): &Posted) -> Vec<Drift> {
    let name = format!("entry {} ({})", entry.id, entry.operation_key);
    let mut drift = Vec::new();
    if postings.len() < 2 {
        drift.push(Drift(format!("{name} has {} postings", postings.len())));
    }
    let amounts = postings
        .iter()
        .map(|(posting, _)| (posting.asset.as_str(), posting.amount_minor));
    for (asset, sum) in model::sums(amounts) {
        if sum != 0 {
            drift.push(Drift(format!("{name} sums to {sum} {asset} instead of 0")));
        }
    }
    for (posting, account) in postings {
        if posting.asset != account.asset {
            drift.push(Drift(format!(
                "{name} posts {} to an account of {}",
                posting.asset, account.asset
            )));
        }
    }
    drift
}

/// What is wrong with a balance.
fn balance_drift(row: &Recomputed) -> Option<Drift> {
    let name = format!("account {} shard {}", row.account_id, row.shard);
    if row.amount_minor != row.posted_minor {
        return Some(Drift(format!(
            "{name} has {} but its postings sum to {}",
            row.amount_minor, row.posted_minor
        )));
    }
    row.least_minor
        .filter(|least| row.amount_minor < *least)
        .map(|least| Drift(format!("{name} has {}, below {least}", row.amount_minor)))
}
