//! An amount of a user that is set aside for something that has begun.

use super::HoldStatus;
use crate::ids::{HoldId, OrderId, UserId};
use sea_orm::entity::prelude::*;

/// One row of `wallet_holds`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "wallet_holds")]
pub struct Model {
    /// Id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: HoldId,
    /// Whose amount it is.
    pub user_id: UserId,
    /// The asset's code.
    pub asset: String,
    /// Minor units that were set aside.
    pub amount_minor: i64,
    /// Minor units of these that are still set aside.
    pub remaining_minor: i64,
    /// Minor units of these that were used.
    pub captured_minor: i64,
    /// What became of it.
    pub status: HoldStatus,
    /// What it is for, unique: the same thing is not set aside twice (`withdrawal:<id>`).
    pub reference: String,
    /// The order that it pays.
    pub order_id: Option<OrderId>,
    /// When it is given back by itself.
    pub expires_at: Option<DateTimeUtc>,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// When it changed last.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
