//! Sagas: rows that are written under the lock of their order, and a lease that only keeps workers from doing the same.

use chrono::{DateTime, Utc};
use entity::ids::OrderId;
use entity::orders::order_saga::{COLUMN, Column, Entity, Model};
use entity::orders::{OrderStatus, SagaStep};
use sea_orm::sea_query::{Cond, Expr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
};
use uuid::Uuid;

/// The saga of an order.
pub async fn saga_by_id(c: &impl ConnectionTrait, id: OrderId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).one(c).await
}

/// Writes a saga, over the one of an earlier payment of its order. The caller holds the order's lock.
pub async fn saga_write(c: &impl ConnectionTrait, row: &Model) -> Result<(), DbErr> {
    let done = Entity::update_many()
        .col_expr(Column::PaymentId, Expr::value(row.payment_id.0))
        .col_expr(Column::Step, Expr::value(row.step.as_str()))
        .col_expr(
            Column::EndStatus,
            Expr::value(row.end_status.map(OrderStatus::as_str)),
        )
        .col_expr(Column::Reason, Expr::value(row.reason.clone()))
        .col_expr(Column::Attempts, Expr::value(row.attempts))
        .col_expr(Column::NextRunAt, Expr::value(row.next_run_at))
        .col_expr(Column::LeaseHolder, Expr::value(row.lease_holder))
        .col_expr(Column::LeaseUntil, Expr::value(row.lease_until))
        .col_expr(Column::StartedAt, Expr::value(row.started_at))
        .col_expr(Column::UpdatedAt, Expr::value(row.updated_at))
        .filter(COLUMN.order_id.eq(row.order_id))
        .exec(c)
        .await?;
    if done.rows_affected == 0 {
        saga_insert(c, row.clone()).await?;
    }
    Ok(())
}

/// Writes the saga of a new order.
pub async fn saga_insert(c: &impl ConnectionTrait, row: Model) -> Result<(), DbErr> {
    Entity::insert(row.into_active_model())
        .exec_without_returning(c)
        .await?;
    Ok(())
}

/// Sagas that are not at their end, those that are due first.
pub async fn sagas_open(
    c: &impl ConnectionTrait,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(COLUMN.next_run_at.is_not_null())
        .filter(
            Cond::any()
                .add(COLUMN.lease_until.is_null())
                .add(COLUMN.lease_until.lt(now)),
        )
        .order_by_asc(COLUMN.next_run_at)
        .limit(limit)
        .all(c)
        .await
}

/// Takes a saga from nobody, or from somebody whose time is over; `false` when another has it.
pub async fn saga_claim(
    c: &impl ConnectionTrait,
    id: OrderId,
    holder: Uuid,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let done = Entity::update_many()
        .col_expr(Column::LeaseHolder, Expr::value(holder))
        .col_expr(Column::LeaseUntil, Expr::value(until))
        .filter(COLUMN.order_id.eq(id))
        .filter(COLUMN.next_run_at.is_not_null())
        .filter(
            Cond::any()
                .add(COLUMN.lease_until.is_null())
                .add(COLUMN.lease_until.lt(now))
                .add(COLUMN.lease_holder.eq(holder)),
        )
        .exec(c)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Gives a saga up until `next`, one try later, if it is still at this step and ours.
pub async fn saga_postpone(
    c: &impl ConnectionTrait,
    saga: &Model,
    holder: Uuid,
    next: DateTime<Utc>,
    reason: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let mut update = Entity::update_many()
        .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
        .col_expr(Column::NextRunAt, Expr::value(next))
        .col_expr(Column::LeaseHolder, Expr::value(None::<Uuid>))
        .col_expr(Column::LeaseUntil, Expr::value(None::<DateTime<Utc>>))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(COLUMN.order_id.eq(saga.order_id))
        .filter(COLUMN.payment_id.eq(saga.payment_id))
        .filter(COLUMN.step.ne(SagaStep::Done))
        .filter(COLUMN.lease_holder.eq(holder));
    if let Some(reason) = reason {
        update = update.col_expr(Column::Reason, Expr::value(reason));
    }
    update.exec(c).await?;
    Ok(())
}
