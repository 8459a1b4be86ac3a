//! Transactions: which lists there are of them, and how a row begins.

use chrono::{DateTime, Utc};
use entity::ids::{
    HoldId, JournalEntryId, OrderId, PaymentId, RefundId, TradeOrderId, TransactionId, UserId,
};
use entity::wallet::{TransactionKind, TransactionStatus, TransferMethod, transaction};

/// Whose wallet and transactions a caller may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Those of one user.
    Own(UserId),
    /// All of them: staff.
    All,
}

impl Scope {
    /// Whether it has this user in it.
    #[must_use]
    pub fn has(self, user_id: UserId) -> bool {
        match self {
            Self::Own(own) => own == user_id,
            Self::All => true,
        }
    }
}

/// What a list of transactions is narrowed to; all that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// One of these kinds; an empty list matches nothing.
    pub kinds: Option<Vec<TransactionKind>>,
    /// One of these states; an empty list matches nothing.
    pub statuses: Option<Vec<TransactionStatus>>,
    /// In one of these assets; an empty list matches nothing.
    pub assets: Option<Vec<String>>,
    /// Of this user.
    pub user_id: Option<UserId>,
    /// Of this order.
    pub order_id: Option<OrderId>,
    /// Made at or after.
    pub created_from: Option<DateTime<Utc>>,
    /// Made at or before.
    pub created_to: Option<DateTime<Utc>>,
}

/// What a list of transactions is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sort {
    /// When they were made.
    CreatedAt,
    /// Their amounts in minor units, which compare within one asset.
    Amount,
}

/// A list's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sorting {
    /// The value.
    pub sort: Sort,
    /// Greatest first.
    pub descending: bool,
}

impl Default for Sorting {
    fn default() -> Self {
        Self {
            sort: Sort::CreatedAt,
            descending: true,
        }
    }
}

/// What a transaction belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// The order.
    pub order_id: Option<OrderId>,
    /// The payment.
    pub payment_id: Option<PaymentId>,
    /// The refund.
    pub refund_id: Option<RefundId>,
    /// The order to trade.
    pub trade_order_id: Option<TradeOrderId>,
}

/// A transaction that is to be shown to its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTransaction {
    /// Id, made before the database's transaction.
    pub id: TransactionId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is.
    pub kind: TransactionKind,
    /// The asset's code.
    pub asset: String,
    /// Minor units: positive to the user, negative from the user, not 0.
    pub amount_minor: i64,
    /// A sentence for people, up to 200 characters.
    pub description: String,
    /// What it belongs to.
    pub references: References,
}

impl NewTransaction {
    /// The row of what an entry of the journal did.
    #[must_use]
    pub fn completed(self, entry_id: JournalEntryId, now: DateTime<Utc>) -> transaction::Model {
        transaction::Model {
            status: TransactionStatus::Completed,
            entry_id: Some(entry_id),
            completed_at: Some(now),
            ..self.pending(now)
        }
    }

    /// The row of what has begun.
    #[must_use]
    pub fn pending(self, now: DateTime<Utc>) -> transaction::Model {
        transaction::Model {
            id: self.id,
            user_id: self.user_id,
            kind: self.kind,
            status: TransactionStatus::Pending,
            asset: self.asset,
            amount_minor: self.amount_minor,
            description: self.description,
            order_id: self.references.order_id,
            payment_id: self.references.payment_id,
            refund_id: self.references.refund_id,
            trade_order_id: self.references.trade_order_id,
            hold_id: None,
            entry_id: None,
            method: None,
            masked_token: None,
            failure: None,
            actor_id: None,
            tries: 0,
            next_run_at: None,
            created_at: now,
            updated_at: now,
            completed_at: None,
        }
    }
}

/// How a deposit or withdrawal is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Carried {
    /// How money comes in or goes out.
    pub(in super::super) method: TransferMethod,
    /// What the provider knows the card by, masked.
    pub(in super::super) masked_token: Option<String>,
    /// What is set aside meanwhile.
    pub(in super::super) hold_id: Option<HoldId>,
    /// Who did it, when it was not the user.
    pub(in super::super) actor_id: Option<UserId>,
    /// When the provider is asked again if nobody has heard of it until then.
    pub(in super::super) next_run_at: Option<DateTime<Utc>>,
}

impl Carried {
    /// The row with how it is carried out.
    pub(in super::super) fn into(self, row: transaction::Model) -> transaction::Model {
        transaction::Model {
            method: Some(self.method),
            masked_token: self.masked_token,
            hold_id: self.hold_id,
            actor_id: self.actor_id,
            next_run_at: self.next_run_at,
            ..row
        }
    }
}

/// A token of which only the last four characters can be read.
#[must_use]
pub fn masked(token: &str) -> String {
    let length = token.chars().count();
    let shown: String = token.chars().skip(length.saturating_sub(4)).collect();
    format!("***{shown}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_masked_token_has_four_characters_of_it() {
        assert_eq!(masked("tok_insufficient"), "***ient");
        assert_eq!(masked("ok"), "***ok");
        assert_eq!(masked(""), "***");
    }

    #[test]
    fn a_scope_of_one_user_has_nobody_else_in_it() {
        let [one, two] = [1, 2].map(|n| UserId(Uuid::from_u128(n)));
        assert!(Scope::Own(one).has(one) && Scope::All.has(two));
        assert!(!Scope::Own(one).has(two));
    }
}
