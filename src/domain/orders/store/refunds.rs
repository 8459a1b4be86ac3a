//! Refunds of lines.

use crate::db::insert_all;
use crate::db::keys::padded;
use chrono::{DateTime, Utc};
use entity::ids::{OrderId, RefundId};
use entity::orders::{OrderRefundStatus, order_refund, order_refund_line};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

/// Writes a refund with its lines.
pub async fn refund_insert(
    c: &impl ConnectionTrait,
    row: order_refund::Model,
    lines: Vec<order_refund_line::Model>,
) -> Result<(), DbErr> {
    insert_all(c, vec![row]).await?;
    insert_all(c, lines).await
}

/// A refund.
pub async fn refund_by_id(
    c: &impl ConnectionTrait,
    id: RefundId,
) -> Result<Option<order_refund::Model>, DbErr> {
    order_refund::Entity::find_by_id(id).one(c).await
}

/// Refunds of orders, oldest first.
pub async fn refunds_of_orders(
    c: &impl ConnectionTrait,
    orders: &[OrderId],
) -> Result<Vec<order_refund::Model>, DbErr> {
    order_refund::Entity::find()
        .filter(order_refund::COLUMN.order_id.is_in(padded(orders.to_vec())))
        .order_by_asc(order_refund::COLUMN.created_at)
        .order_by_asc(order_refund::COLUMN.id)
        .all(c)
        .await
}

/// Lines of refunds.
pub async fn lines_of_refunds(
    c: &impl ConnectionTrait,
    refunds: &[RefundId],
) -> Result<Vec<order_refund_line::Model>, DbErr> {
    order_refund_line::Entity::find()
        .filter(
            order_refund_line::COLUMN
                .refund_id
                .is_in(padded(refunds.to_vec())),
        )
        .order_by_asc(order_refund_line::COLUMN.order_line_id)
        .all(c)
        .await
}

/// Ends a refund that is under way; `false` when it has ended before.
pub async fn refund_end(
    c: &impl ConnectionTrait,
    id: RefundId,
    status: OrderRefundStatus,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let done = order_refund::Entity::update_many()
        .col_expr(order_refund::Column::Status, Expr::value(status.as_str()))
        .col_expr(
            order_refund::Column::NextRunAt,
            Expr::value(None::<DateTime<Utc>>),
        )
        .col_expr(order_refund::Column::UpdatedAt, Expr::value(now))
        .filter(order_refund::COLUMN.id.eq(id))
        .filter(order_refund::COLUMN.status.eq(OrderRefundStatus::Pending))
        .exec(c)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Looks at a refund that is under way again later.
pub async fn refund_postpone(
    c: &impl ConnectionTrait,
    id: RefundId,
    next: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    order_refund::Entity::update_many()
        .col_expr(order_refund::Column::NextRunAt, Expr::value(next))
        .col_expr(order_refund::Column::UpdatedAt, Expr::value(now))
        .filter(order_refund::COLUMN.id.eq(id))
        .filter(order_refund::COLUMN.status.eq(OrderRefundStatus::Pending))
        .exec(c)
        .await?;
    Ok(())
}

/// Refunds that are under way, those that are due first.
pub async fn refunds_open(
    c: &impl ConnectionTrait,
    limit: u64,
) -> Result<Vec<order_refund::Model>, DbErr> {
    order_refund::Entity::find()
        .filter(order_refund::COLUMN.status.eq(OrderRefundStatus::Pending))
        .order_by_asc(order_refund::COLUMN.next_run_at)
        .limit(limit)
        .all(c)
        .await
}
