//! What payments and refunds are to the customer: transactions, in the words of the wallet.

use super::Service;
use crate::db::Tx;
use crate::domain::wallet::model::NewEntry;
use crate::domain::wallet::model::transactions::{NewTransaction, References};
use crate::error::Fault;
use entity::wallet::{AccountKind, EntryKind, TransactionKind};

impl Service {
    /// Shows customers what entries did, in the transaction that posts them. Call it before posting.
    pub(super) async fn shown_in(&self, tx: &Tx, entries: &[NewEntry]) -> Result<(), Fault> {
        let shown = entries.iter().filter_map(|entry| {
            let new = self.shown(entry)?;
            Some((new, entry.id))
        });
        self.wallet
            .transactions_insert_in(tx, shown.collect())
            .await
    }

    /// What an entry is to its customer: what the shop earned is what the customer paid.
    fn shown(&self, entry: &NewEntry) -> Option<NewTransaction> {
        let kind = match entry.kind {
            EntryKind::Payment => TransactionKind::Payment,
            EntryKind::Refund => TransactionKind::Refund,
            _ => return None,
        };
        let earned = entry
            .postings
            .iter()
            .find(|posting| posting.account.kind == AccountKind::MerchantRevenue)?;
        Some(NewTransaction {
            id: self.clock.id(),
            user_id: entry.user_id?,
            kind,
            asset: earned.account.asset.clone(),
            amount_minor: -earned.amount_minor,
            description: entry.description.clone(),
            references: References {
                order_id: entry.order_id,
                payment_id: entry.payment_id,
                refund_id: entry.refund_id,
                trade_order_id: None,
            },
        })
    }
}
