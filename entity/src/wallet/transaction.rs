//! A transaction: what happened to a user's money, in the words that users have for it.

use super::{TransactionFailure, TransactionKind, TransactionStatus, TransferMethod};
use crate::ids::{
    HoldId, JournalEntryId, OrderId, PaymentId, RefundId, TradeOrderId, TransactionId, UserId,
};
use sea_orm::entity::prelude::*;

/// One row of `transactions`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "transactions")]
pub struct Model {
    /// Id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TransactionId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is.
    pub kind: TransactionKind,
    /// Where it stands.
    pub status: TransactionStatus,
    /// The asset's code.
    pub asset: String,
    /// Minor units: positive to the user, negative from the user, not 0.
    pub amount_minor: i64,
    /// A sentence for people, up to 200 characters.
    pub description: String,
    /// The order it belongs to.
    pub order_id: Option<OrderId>,
    /// The payment it belongs to.
    pub payment_id: Option<PaymentId>,
    /// The refund it belongs to.
    pub refund_id: Option<RefundId>,
    /// The order to trade it belongs to.
    pub trade_order_id: Option<TradeOrderId>,
    /// What is set aside while it is pending.
    pub hold_id: Option<HoldId>,
    /// The entry of the journal that completed it.
    pub entry_id: Option<JournalEntryId>,
    /// How money came in or went out; of deposits and withdrawals.
    pub method: Option<TransferMethod>,
    /// The last characters of what the provider knows the card by.
    pub masked_token: Option<String>,
    /// Why it failed.
    pub failure: Option<TransactionFailure>,
    /// Who did it, when it was not the user.
    pub actor_id: Option<UserId>,
    /// How often the provider was asked.
    pub tries: i32,
    /// When the provider is asked again; nothing when that is not for this table's worker.
    pub next_run_at: Option<DateTimeUtc>,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// When it changed last.
    pub updated_at: DateTimeUtc,
    /// When it was completed or failed.
    pub completed_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
