//! Queries of amounts that are set aside.

use chrono::{DateTime, Utc};
use entity::ids::{HoldId, LedgerAccountId};
use entity::wallet::{AccountKind, HoldStatus, hold, ledger_account, ledger_balance};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect,
};

/// Writes a hold.
pub async fn hold_insert(c: &impl ConnectionTrait, row: hold::Model) -> Result<(), DbErr> {
    hold::Entity::insert(row.into_active_model())
        .exec_without_returning(c)
        .await?;
    Ok(())
}

/// A hold.
pub async fn hold_find(c: &impl ConnectionTrait, id: HoldId) -> Result<Option<hold::Model>, DbErr> {
    hold::Entity::find_by_id(id).one(c).await
}

/// The hold of a reference.
pub async fn hold_by_reference(
    c: &impl ConnectionTrait,
    reference: &str,
) -> Result<Option<hold::Model>, DbErr> {
    hold::Entity::find()
        .filter(hold::COLUMN.reference.eq(reference))
        .one(c)
        .await
}

/// A hold, locked until the transaction ends.
pub async fn hold_lock(c: &impl ConnectionTrait, id: HoldId) -> Result<Option<hold::Model>, DbErr> {
    hold::Entity::find_by_id(id).lock_exclusive().one(c).await
}

/// Takes from what a hold still has: `false` when it is no longer active or has less. The condition, not the lock,
/// is what keeps two from taking the same.
pub async fn hold_take(
    c: &impl ConnectionTrait,
    before: &hold::Model,
    after: &hold::Model,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let done = hold::Entity::update_many()
        .col_expr(
            hold::Column::RemainingMinor,
            Expr::value(after.remaining_minor),
        )
        .col_expr(
            hold::Column::CapturedMinor,
            Expr::value(after.captured_minor),
        )
        .col_expr(hold::Column::Status, Expr::value(after.status.as_str()))
        .col_expr(hold::Column::UpdatedAt, Expr::value(now))
        .filter(hold::COLUMN.id.eq(before.id))
        .filter(hold::COLUMN.status.eq(HoldStatus::Active))
        .filter(hold::COLUMN.remaining_minor.eq(before.remaining_minor))
        .exec(c)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Active holds whose time is over, the oldest first.
pub async fn holds_expired(
    c: &impl ConnectionTrait,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<hold::Model>, DbErr> {
    hold::Entity::find()
        .filter(hold::COLUMN.status.eq(HoldStatus::Active))
        .filter(hold::COLUMN.expires_at.lte(now))
        .order_by_asc(hold::COLUMN.expires_at)
        .limit(limit)
        .all(c)
        .await
}

/// The balance of what a user has set aside, beside the sum of the holds, both seen by one statement.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct HeldBalance {
    /// The account.
    pub account_id: LedgerAccountId,
    /// Its balance.
    pub amount_minor: i64,
    /// The sum of the user's active holds of the asset.
    pub held_minor: i64,
}

/// Balances of held accounts after one, each with the sum of its holds.
pub async fn held_balances(
    c: &impl ConnectionTrait,
    after: Option<LedgerAccountId>,
    limit: u64,
) -> Result<Vec<HeldBalance>, DbErr> {
    let account = |column| (ledger_account::Entity, column);
    let held: SelectStatement = Query::select()
        .expr(Expr::col((hold::Entity, hold::Column::RemainingMinor)).sum())
        .from(hold::Entity)
        .and_where(
            Expr::col((hold::Entity, hold::Column::UserId))
                .equals(account(ledger_account::Column::UserId)),
        )
        .and_where(
            Expr::col((hold::Entity, hold::Column::Asset))
                .equals(account(ledger_account::Column::Asset)),
        )
        .and_where(Expr::col((hold::Entity, hold::Column::Status)).eq(HoldStatus::Active.as_str()))
        .take();
    let integer = match c.get_database_backend() {
        sea_orm::DbBackend::Sqlite => "integer",
        _ => "signed",
    };
    let held = Func::coalesce([Expr::from(held), Expr::val(0)]).cast_as(Alias::new(integer));
    let mut query = Query::select();
    query
        .expr_as(
            Expr::col(account(ledger_account::Column::Id)),
            Alias::new("account_id"),
        )
        .column((ledger_balance::Entity, ledger_balance::Column::AmountMinor))
        .expr_as(held, Alias::new("held_minor"))
        .from(ledger_account::Entity)
        .inner_join(
            ledger_balance::Entity,
            Expr::col((ledger_balance::Entity, ledger_balance::Column::AccountId))
                .equals(account(ledger_account::Column::Id)),
        )
        .and_where(
            Expr::col(account(ledger_account::Column::Kind)).eq(AccountKind::UserHeld.as_str()),
        )
        .order_by(account(ledger_account::Column::Id), sea_orm::Order::Asc)
        .limit(limit);
    if let Some(after) = after {
        query.and_where(Expr::col(account(ledger_account::Column::Id)).gt(after.0));
    }
    let rows = c.query_all(&query).await?;
    rows.iter()
        .map(|row| HeldBalance::from_query_result(row, ""))
        .collect()
}
