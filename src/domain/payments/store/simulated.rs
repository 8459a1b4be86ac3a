//! The memory of the simulated provider.

use crate::db::insert_all;
use chrono::{DateTime, Utc};
use entity::payments::{
    GatewayState, simulated_gateway_operation, simulated_gateway_payment, simulated_gateway_webhook,
};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};
use uuid::Uuid;

/// A payment.
pub async fn payment_find(
    c: &impl ConnectionTrait,
    reference: &str,
) -> Result<Option<simulated_gateway_payment::Model>, DbErr> {
    simulated_gateway_payment::Entity::find_by_id(reference.to_owned())
        .one(c)
        .await
}

/// A payment that nobody else changes until the transaction ends.
pub async fn payment_lock(
    c: &impl ConnectionTrait,
    reference: &str,
) -> Result<Option<simulated_gateway_payment::Model>, DbErr> {
    simulated_gateway_payment::Entity::find_by_id(reference.to_owned())
        .lock_exclusive()
        .one(c)
        .await
}

/// Writes a payment.
pub async fn payment_insert(
    c: &impl ConnectionTrait,
    row: simulated_gateway_payment::Model,
) -> Result<(), DbErr> {
    simulated_gateway_payment::Entity::insert(row.into_active_model())
        .exec_without_returning(c)
        .await?;
    Ok(())
}

/// Writes what became of a locked payment.
pub async fn payment_update(
    c: &impl ConnectionTrait,
    row: &simulated_gateway_payment::Model,
) -> Result<(), DbErr> {
    use simulated_gateway_payment::Column;
    simulated_gateway_payment::Entity::update_many()
        .col_expr(Column::State, Expr::value(row.state))
        .col_expr(Column::SettlesAt, Expr::value(row.settles_at))
        .col_expr(Column::CapturedMinor, Expr::value(row.captured_minor))
        .col_expr(Column::UpdatedAt, Expr::value(row.updated_at))
        .filter(
            simulated_gateway_payment::COLUMN
                .reference
                .eq(row.reference.as_str()),
        )
        .exec(c)
        .await?;
    Ok(())
}

/// Pays back a part of a payment; `false` when not as much is left.
pub async fn payment_refund(
    c: &impl ConnectionTrait,
    reference: &str,
    amount_minor: i64,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    use simulated_gateway_payment::Column;
    let left = Expr::col(Column::CapturedMinor).sub(Expr::col(Column::RefundedMinor));
    let done = simulated_gateway_payment::Entity::update_many()
        .col_expr(
            Column::RefundedMinor,
            Expr::col(Column::RefundedMinor).add(amount_minor),
        )
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(simulated_gateway_payment::COLUMN.reference.eq(reference))
        .filter(
            simulated_gateway_payment::COLUMN
                .state
                .eq(GatewayState::Captured),
        )
        .filter(left.gte(amount_minor))
        .exec(c)
        .await?;
    Ok(done.rows_affected == 1)
}

/// What was done with an idempotency key.
pub async fn operation_find(
    c: &impl ConnectionTrait,
    key: &str,
) -> Result<Option<simulated_gateway_operation::Model>, DbErr> {
    simulated_gateway_operation::Entity::find_by_id(key.to_owned())
        .one(c)
        .await
}

/// Writes down what is done with an idempotency key.
pub async fn operation_insert(
    c: &impl ConnectionTrait,
    row: simulated_gateway_operation::Model,
) -> Result<(), DbErr> {
    simulated_gateway_operation::Entity::insert(row.into_active_model())
        .exec_without_returning(c)
        .await?;
    Ok(())
}

/// Writes webhooks that are to be sent.
pub async fn webhooks_insert(
    c: &impl ConnectionTrait,
    rows: Vec<simulated_gateway_webhook::Model>,
) -> Result<(), DbErr> {
    insert_all(c, rows).await
}

/// Webhooks that are due, oldest first.
pub async fn webhooks_due(
    c: &impl ConnectionTrait,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<simulated_gateway_webhook::Model>, DbErr> {
    simulated_gateway_webhook::Entity::find()
        .filter(simulated_gateway_webhook::COLUMN.due_at.lte(now))
        .order_by_asc(simulated_gateway_webhook::COLUMN.due_at)
        .limit(limit)
        .all(c)
        .await
}

/// Notes that a webhook was sent.
pub async fn webhook_sent(c: &impl ConnectionTrait, id: Uuid) -> Result<(), DbErr> {
    simulated_gateway_webhook::Entity::update_many()
        .col_expr(
            simulated_gateway_webhook::Column::DueAt,
            Expr::value(None::<DateTime<Utc>>),
        )
        .filter(simulated_gateway_webhook::COLUMN.id.eq(id))
        .exec(c)
        .await?;
    Ok(())
}
