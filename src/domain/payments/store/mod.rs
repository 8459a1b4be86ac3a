//! Every query of payments.

pub mod simulated;

use crate::db::keys::padded;
use chrono::{DateTime, Utc};
use entity::ids::{OrderId, PaymentAttemptId, PaymentId, RefundId};
use entity::payments::{
    AttemptResult, PaymentState, RefundState, payment, payment_attempt, refund,
};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};

/// What came back for an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What came back.
    pub result: AttemptResult,
    /// What the provider said.
    pub detail: Option<String>,
    /// When it is tried again.
    pub next_run_at: Option<DateTime<Utc>>,
}

/// Writes a payment.
pub async fn payment_insert(c: &impl ConnectionTrait, row: payment::Model) -> Result<(), DbErr> {
    payment::Entity::insert(row.into_active_model())
        .exec_without_returning(c)
        .await?;
    Ok(())
}

/// A payment.
pub async fn payment_by_id(
    c: &impl ConnectionTrait,
    id: PaymentId,
) -> Result<Option<payment::Model>, DbErr> {
    payment::Entity::find_by_id(id).one(c).await
}

/// Payments by id.
pub async fn payments_by_ids(
    c: &impl ConnectionTrait,
    ids: &[PaymentId],
) -> Result<Vec<payment::Model>, DbErr> {
    payment::Entity::find()
        .filter(payment::COLUMN.id.is_in(padded(ids.iter().copied())))
        .all(c)
        .await
}

/// Payments of orders, oldest first.
pub async fn payments_of_orders(
    c: &impl ConnectionTrait,
    orders: &[OrderId],
) -> Result<Vec<payment::Model>, DbErr> {
    payment::Entity::find()
        .filter(
            payment::COLUMN
                .order_id
                .is_in(padded(orders.iter().copied())),
        )
        .order_by_asc(payment::COLUMN.created_at)
        .order_by_asc(payment::COLUMN.id)
        .all(c)
        .await
}

/// Payments after one, in the order of their ids.
pub async fn payments_after(
    c: &impl ConnectionTrait,
    after: Option<PaymentId>,
    limit: u64,
) -> Result<Vec<payment::Model>, DbErr> {
    let mut query = payment::Entity::find()
        .order_by_asc(payment::COLUMN.id)
        .limit(limit);
    if let Some(after) = after {
        query = query.filter(payment::COLUMN.id.gt(after));
    }
    query.all(c).await
}

/// Payments that the worker has to look at, those that wait longest first.
pub async fn payments_due(
    c: &impl ConnectionTrait,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<PaymentId>, DbErr> {
    payment::Entity::find()
        .select_only()
        .column(payment::Column::Id)
        .filter(payment::COLUMN.next_run_at.lte(now))
        .order_by_asc(payment::COLUMN.next_run_at)
        .limit(limit)
        .into_tuple()
        .all(c)
        .await
}

/// Writes a payment that was read with the version before its own; `false` when somebody else changed it meanwhile.
pub async fn payment_update(c: &impl ConnectionTrait, row: &payment::Model) -> Result<bool, DbErr> {
    use payment::Column;
    let done = payment::Entity::update_many()
        .col_expr(Column::State, Expr::value(row.state))
        .col_expr(Column::Goal, Expr::value(row.goal))
        .col_expr(Column::ReturnReason, Expr::value(row.return_reason.clone()))
        .col_expr(Column::DeclineReason, Expr::value(row.decline_reason))
        .col_expr(Column::CapturedMinor, Expr::value(row.captured_minor))
        .col_expr(Column::Tries, Expr::value(row.tries))
        .col_expr(Column::NextRunAt, Expr::value(row.next_run_at))
        .col_expr(Column::Version, Expr::value(row.version))
        .col_expr(Column::UpdatedAt, Expr::value(row.updated_at))
        .col_expr(Column::CapturedAt, Expr::value(row.captured_at))
        .filter(payment::COLUMN.id.eq(row.id))
        .filter(payment::COLUMN.version.eq(row.version - 1))
        .exec(c)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Has the worker look at a payment that is not at its end; `false` when it is.
pub async fn payment_nudge(
    c: &impl ConnectionTrait,
    id: PaymentId,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    use payment::Column;
    let done = payment::Entity::update_many()
        .col_expr(Column::NextRunAt, Expr::value(now))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .filter(payment::COLUMN.id.eq(id))
        .filter(payment::COLUMN.next_run_at.is_not_null())
        .exec(c)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Claims a part of what was captured for a refund; `false` when not as much is left.
pub async fn refund_claim(
    c: &impl ConnectionTrait,
    id: PaymentId,
    amount_minor: i64,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    use payment::Column;
    let left = Expr::col(Column::CapturedMinor).sub(Expr::col(Column::RefundClaimedMinor));
    let done = payment::Entity::update_many()
        .col_expr(
            Column::RefundClaimedMinor,
            Expr::col(Column::RefundClaimedMinor).add(amount_minor),
        )
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(payment::COLUMN.id.eq(id))
        .filter(payment::COLUMN.state.eq(PaymentState::Captured))
        .filter(left.gte(amount_minor))
        .exec(c)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Ends a claim: the money went back, or (`is_back` false) the provider refused and it can be claimed again.
///
/// # Errors
/// The payment has no such claim, which would be a broken invariant.
pub async fn refund_claim_end(
    c: &impl ConnectionTrait,
    id: PaymentId,
    amount_minor: i64,
    is_back: bool,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    use payment::Column;
    let (column, value) = if is_back {
        let column = Column::RefundedMinor;
        (column, Expr::col(column).add(amount_minor))
    } else {
        let column = Column::RefundClaimedMinor;
        (column, Expr::col(column).sub(amount_minor))
    };
    let open = Expr::col(Column::RefundClaimedMinor).sub(Expr::col(Column::RefundedMinor));
    let done = payment::Entity::update_many()
        .col_expr(column, value)
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(payment::COLUMN.id.eq(id))
        .filter(open.gte(amount_minor))
        .exec(c)
        .await?;
    if done.rows_affected == 1 {
        Ok(())
    } else {
        Err(DbErr::Custom(format!(
            "payment {id} has no claim of {amount_minor}"
        )))
    }
}

/// Writes attempts.
pub async fn attempt_insert(
    c: &impl ConnectionTrait,
    row: payment_attempt::Model,
) -> Result<(), DbErr> {
    payment_attempt::Entity::insert(row.into_active_model())
        .exec_without_returning(c)
        .await?;
    Ok(())
}

/// Writes down what came back for an attempt.
pub async fn attempt_answer(
    c: &impl ConnectionTrait,
    id: PaymentAttemptId,
    answered: &Answered,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    use payment_attempt::Column;
    payment_attempt::Entity::update_many()
        .col_expr(Column::AnsweredAt, Expr::value(now))
        .col_expr(Column::Result, Expr::value(answered.result))
        .col_expr(Column::Detail, Expr::value(answered.detail.clone()))
        .col_expr(Column::NextRunAt, Expr::value(answered.next_run_at))
        .filter(payment_attempt::COLUMN.id.eq(id))
        .exec(c)
        .await?;
    Ok(())
}

/// Writes a refund.
pub async fn refund_insert(c: &impl ConnectionTrait, row: refund::Model) -> Result<(), DbErr> {
    refund::Entity::insert(row.into_active_model())
        .exec_without_returning(c)
        .await?;
    Ok(())
}

/// A refund.
pub async fn refund_by_id(
    c: &impl ConnectionTrait,
    id: RefundId,
) -> Result<Option<refund::Model>, DbErr> {
    refund::Entity::find_by_id(id).one(c).await
}

/// Refunds by id.
pub async fn refunds_by_ids(
    c: &impl ConnectionTrait,
    ids: &[RefundId],
) -> Result<Vec<refund::Model>, DbErr> {
    refund::Entity::find()
        .filter(refund::COLUMN.id.is_in(padded(ids.iter().copied())))
        .all(c)
        .await
}

/// Refunds of orders, oldest first.
pub async fn refunds_of_orders(
    c: &impl ConnectionTrait,
    orders: &[OrderId],
) -> Result<Vec<refund::Model>, DbErr> {
    refund::Entity::find()
        .filter(
            refund::COLUMN
                .order_id
                .is_in(padded(orders.iter().copied())),
        )
        .order_by_asc(refund::COLUMN.created_at)
        .order_by_asc(refund::COLUMN.id)
        .all(c)
        .await
}

/// Refunds of payments, oldest first.
pub async fn refunds_of_payments(
    c: &impl ConnectionTrait,
    payments: &[PaymentId],
) -> Result<Vec<refund::Model>, DbErr> {
    if payments.is_empty() {
        return Ok(Vec::new());
    }
    refund::Entity::find()
        .filter(
            refund::COLUMN
                .payment_id
                .is_in(padded(payments.iter().copied())),
        )
        .order_by_asc(refund::COLUMN.created_at)
        .order_by_asc(refund::COLUMN.id)
        .all(c)
        .await
}

/// Refunds of a payment that are not at their end.
pub async fn refunds_open(
    c: &impl ConnectionTrait,
    payment_id: PaymentId,
) -> Result<Vec<RefundId>, DbErr> {
    refund::Entity::find()
        .select_only()
        .column(refund::Column::Id)
        .filter(refund::COLUMN.payment_id.eq(payment_id))
        .filter(
            refund::COLUMN
                .state
                .is_in([RefundState::Pending, RefundState::Unknown]),
        )
        .into_tuple()
        .all(c)
        .await
}

/// Refunds that the worker has to look at, those that wait longest first.
pub async fn refunds_due(
    c: &impl ConnectionTrait,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<RefundId>, DbErr> {
    refund::Entity::find()
        .select_only()
        .column(refund::Column::Id)
        .filter(refund::COLUMN.next_run_at.lte(now))
        .order_by_asc(refund::COLUMN.next_run_at)
        .limit(limit)
        .into_tuple()
        .all(c)
        .await
}

/// Writes a refund that was read with the version before its own; `false` when somebody else changed it meanwhile.
pub async fn refund_update(c: &impl ConnectionTrait, row: &refund::Model) -> Result<bool, DbErr> {
    use refund::Column;
    let done = refund::Entity::update_many()
        .col_expr(Column::State, Expr::value(row.state))
        .col_expr(Column::Failure, Expr::value(row.failure.clone()))
        .col_expr(Column::Tries, Expr::value(row.tries))
        .col_expr(Column::NextRunAt, Expr::value(row.next_run_at))
        .col_expr(Column::Version, Expr::value(row.version))
        .col_expr(Column::UpdatedAt, Expr::value(row.updated_at))
        .col_expr(Column::RefundedAt, Expr::value(row.refunded_at))
        .filter(refund::COLUMN.id.eq(row.id))
        .filter(refund::COLUMN.version.eq(row.version - 1))
        .exec(c)
        .await?;
    Ok(done.rows_affected == 1)
}
