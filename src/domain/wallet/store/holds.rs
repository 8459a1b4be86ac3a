//! Queries of amounts that are set aside.

use chrono::{DateTime, Utc};
use entity::ids::{HoldId, UserId};
use entity::wallet::{HoldStatus, hold};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func};
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

/// What the active holds of a user in an asset sum to.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct HeldSum {
    /// The user.
    pub user_id: UserId,
    /// The asset's code.
    pub asset: String,
    /// Sum of what is set aside.
    pub held_minor: i64,
}

/// Sums of the active holds of these users.
pub async fn holds_sums(
    c: &impl ConnectionTrait,
    users: &[UserId],
) -> Result<Vec<HeldSum>, DbErr> {
    let integer = match c.get_database_backend() {
        sea_orm::DbBackend::Sqlite => "integer",
        _ => "signed",
    };
    let sum = Func::coalesce([
        Expr::col(hold::Column::RemainingMinor).sum(),
        Expr::val(0),
    ])
    .cast_as(Alias::new(integer));
    hold::Entity::find()
        .select_only()
        .column(hold::Column::UserId)
        .column(hold::Column::Asset)
        .expr_as(sum, "held_minor")
        .filter(hold::COLUMN.status.eq(HoldStatus::Active))
        .filter(hold::COLUMN.user_id.is_in(users.to_vec()))
        .group_by(hold::Column::UserId)
        .group_by(hold::Column::Asset)
        .into_model::<HeldSum>()
        .all(c)
        .await
}
