//! What payments and refunds are to the customer: transactions, in the words of the wallet.

use super::Service;
use crate::db::Tx;
use crate::domain::wallet::model::transactions::{NewTransaction, References, Scope};
use crate::domain::wallet::model::{Account, NewEntry, Short};
use crate::error::Fault;
use crate::money::Money;
use entity::ids::OrderId;
use entity::payments::{DeclineReason, PaymentMethod, PaymentState, payment};
use entity::wallet::{AccountKind, EntryKind, TransactionFailure, TransactionKind, transaction};

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

    /// Begins the transaction of what is bought and paid in one call.
    pub(super) async fn purchase_begin_in(
        &self,
        tx: &Tx,
        payment: &payment::Model,
    ) -> Result<(), Fault> {
        let Some(id) = payment.transaction_id else {
            return Ok(());
        };
        let new = NewTransaction {
            id,
            user_id: payment.user_id,
            kind: TransactionKind::Purchase,
            asset: payment.currency.clone(),
            amount_minor: -payment.amount_minor,
            description: "Purchase".to_owned(),
            references: References {
                order_id: Some(payment.order_id),
                payment_id: Some(payment.id),
                ..References::default()
            },
        };
        self.wallet.transaction_begin_in(tx, new).await
    }

    /// Shows customers what became of a payment, in the transaction that writes it down; `entry` is what it posts, if it
    /// was captured. Call it before posting.
    pub(super) async fn payment_shown_in(
        &self,
        tx: &Tx,
        payment: &payment::Model,
        entry: &[NewEntry],
    ) -> Result<(), Fault> {
        let Some(id) = payment.transaction_id else {
            return self.shown_in(tx, entry).await;
        };
        let failure = match (payment.state, payment.decline_reason) {
            (PaymentState::Voided, _) | (_, Some(DeclineReason::Abandoned)) => {
                TransactionFailure::Abandoned
            }
            (_, Some(DeclineReason::InsufficientFunds)) => TransactionFailure::InsufficientFunds,
            (PaymentState::Declined, _) => TransactionFailure::Declined,
            _ => {
                for entry in entry {
                    self.wallet
                        .transaction_complete_in(tx, id, entry.id)
                        .await?;
                }
                return Ok(());
            }
        };
        self.wallet.transaction_fail_in(tx, id, failure).await
    }

    /// The transaction of an order that was bought and paid in one call; nothing for other orders.
    ///
    /// # Errors
    /// The database fails.
    pub async fn purchase_of(&self, order: OrderId) -> Result<Option<transaction::Model>, Fault> {
        let payments = self.payments_of(&[order]).await?;
        match payments.iter().find_map(|payment| payment.transaction_id) {
            Some(id) => self.wallet.transaction_by_id(Scope::All, id).await,
            None => Ok(None),
        }
    }

    /// What the wallet lacks of a payment that was refused for want of money.
    ///
    /// # Errors
    /// The database fails.
    pub async fn short_of(&self, payment: &payment::Model) -> Result<Option<Short>, Fault> {
        let is_short = payment.method == PaymentMethod::Wallet
            && payment.decline_reason == Some(DeclineReason::InsufficientFunds);
        if !is_short {
            return Ok(None);
        }
        let kind = AccountKind::UserAvailable;
        let account = Account::of_user(kind, &payment.currency, payment.user_id);
        let available = self.wallet.balance(&account).await?;
        Ok(Some(Short {
            required: Money::new(payment.amount_minor, &payment.currency),
            available: Money::new(available, &payment.currency),
        }))
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
