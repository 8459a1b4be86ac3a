//! Every query of orders.

pub mod import;
pub mod refunds;
pub mod sagas;
pub mod versions;

use super::model::{Filter, Parent, Scope, Sort, Sorting, Sums};
use super::plan::Plan;
use crate::db::insert_all;
use crate::db::keys::padded;
use crate::db::page::Keyset;
use crate::db::{Engine, sum_i64};
use chrono::{DateTime, Utc};
use entity::ids::{OrderFulfillmentId, OrderId, UserId};
use entity::orders::{
    OrderStatus, PaymentStatus, number_block, order, order_fulfillment, order_fulfillment_line,
    order_history, order_line, order_note, order_request,
};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Select,
};

fn scoped(scope: Scope) -> Select<order::Entity> {
    match scope {
        Scope::Own(user_id) => order::Entity::find().filter(order::COLUMN.user_id.eq(user_id)),
        Scope::All => order::Entity::find(),
    }
}

/// Orders under a filter, as the start of a list.
#[must_use]
pub fn orders(scope: Scope, filter: &Filter) -> Select<order::Entity> {
    let mut select = scoped(scope);
    if let Some(statuses) = &filter.statuses {
        select = select.filter(order::COLUMN.status.is_in(statuses.iter().copied()));
    }
    if let Some(user_id) = filter.user_id {
        select = select.filter(order::COLUMN.user_id.eq(user_id));
    }
    if let Some(product_id) = filter.product_id {
        let with_product = Query::select()
            .column(order_line::Column::OrderId)
            .from(order_line::Entity)
            .and_where(Expr::col(order_line::Column::ProductId).eq(product_id.0))
            .take();
        select =
            select.filter(Expr::col((order::Entity, order::Column::Id)).in_subquery(with_product));
    }
    if let Some(number) = &filter.number {
        select = select.filter(order::COLUMN.number.eq(number));
    }
    if let Some(reference) = &filter.client_reference {
        select = select.filter(order::COLUMN.client_reference.eq(reference.to_owned()));
    }
    if let Some(reference) = &filter.external_reference {
        select = select.filter(order::COLUMN.external_reference.eq(reference.to_owned()));
    }
    if let Some(reference) = &filter.customer_reference {
        select = select.filter(order::COLUMN.customer_reference.eq(reference.to_owned()));
    }
    if let Some(from) = filter.created_from {
        select = select.filter(order::COLUMN.created_at.gte(from));
    }
    if let Some(to) = filter.created_to {
        select = select.filter(order::COLUMN.created_at.lte(to));
    }
    if let Some(from) = filter.total_from_minor {
        select = select.filter(order::COLUMN.total_minor.gte(from));
    }
    if let Some(to) = filter.total_to_minor {
        select = select.filter(order::COLUMN.total_minor.lte(to));
    }
    select
}

/// The columns of a list's order.
#[must_use]
pub const fn keyset(sorting: Sorting) -> Keyset<order::Entity> {
    let (name, column) = match sorting.sort {
        Sort::CreatedAt => ("CREATED_AT", order::Column::CreatedAt),
        Sort::Total => ("TOTAL", order::Column::TotalMinor),
        Sort::Number => ("NUMBER", order::Column::Number),
    };
    Keyset {
        name,
        column,
        id: order::Column::Id,
        descending: sorting.descending,
    }
}

/// Orders below a product or a user, under a filter, as the start of a list.
#[must_use]
pub fn orders_below(parent: Parent, filter: &Filter) -> Select<order::Entity> {
    match parent {
        Parent::User(user_id) => orders(Scope::Own(user_id), filter),
        Parent::Product(product_id) => {
            let filter = Filter {
                product_id: Some(product_id),
                ..filter.clone()
            };
            orders(Scope::All, &filter)
        }
    }
}

/// An order of the scope.
pub async fn order_by_id(
    c: &impl ConnectionTrait,
    scope: Scope,
    id: OrderId,
) -> Result<Option<order::Model>, DbErr> {
    scoped(scope).filter(order::COLUMN.id.eq(id)).one(c).await
}

/// Orders by their ids, for what belongs to them and is seen by the same users.
pub async fn orders_by_ids(
    c: &impl ConnectionTrait,
    ids: &[OrderId],
) -> Result<Vec<order::Model>, DbErr> {
    scoped(Scope::All)
        .filter(order::COLUMN.id.is_in(ids.to_vec()))
        .all(c)
        .await
}

/// An order of the scope by its number.
pub async fn order_by_number(
    c: &impl ConnectionTrait,
    scope: Scope,
    number: &str,
) -> Result<Option<order::Model>, DbErr> {
    scoped(scope)
        .filter(order::COLUMN.number.eq(number))
        .one(c)
        .await
}

/// A user's order by its client reference.
pub async fn order_by_client_reference(
    c: &impl ConnectionTrait,
    user_id: UserId,
    reference: &str,
) -> Result<Option<order::Model>, DbErr> {
    scoped(Scope::Own(user_id))
        .filter(order::COLUMN.client_reference.eq(reference.to_owned()))
        .one(c)
        .await
}

/// An order of the scope, locked until the transaction ends.
pub async fn order_lock(
    c: &impl ConnectionTrait,
    scope: Scope,
    id: OrderId,
) -> Result<Option<order::Model>, DbErr> {
    scoped(scope)
        .filter(order::COLUMN.id.eq(id))
        .lock_exclusive()
        .one(c)
        .await
}

/// Writes the rows of orders, all but their stock.
pub async fn orders_insert(c: &impl ConnectionTrait, plans: &[&Plan]) -> Result<(), DbErr> {
    let orders = plans.iter().map(|plan| plan.order.clone()).collect();
    insert_all(c, orders).await?;
    let requests = plans.iter().map(|plan| plan.request.clone()).collect();
    insert_all(c, requests).await?;
    let lines = plans.iter().flat_map(|plan| plan.lines.clone()).collect();
    insert_all(c, lines).await?;
    history_insert(c, plans.iter().map(|plan| plan.history.clone()).collect()).await
}

/// Writes rows of history.
pub async fn history_insert(
    c: &impl ConnectionTrait,
    rows: Vec<order_history::Model>,
) -> Result<(), DbErr> {
    insert_all(c, rows).await
}

/// Writes an order's changed state if it still is at the version before.
///
/// # Errors
/// It is not, although the caller holds its lock.
pub async fn order_update(c: &impl ConnectionTrait, row: &order::Model) -> Result<(), DbErr> {
    let done = order::Entity::update_many()
        .col_expr(order::Column::Status, Expr::value(row.status.as_str()))
        .col_expr(
            order::Column::PaymentStatus,
            Expr::value(row.payment_status.as_str()),
        )
        .col_expr(
            order::Column::CancelReason,
            Expr::value(row.cancel_reason.clone()),
        )
        .col_expr(
            order::Column::RefundedMinor,
            Expr::value(row.refunded_minor),
        )
        .col_expr(
            order::Column::ReservationExpiresAt,
            Expr::value(row.reservation_expires_at),
        )
        .col_expr(
            order::Column::ReservationExtendedAt,
            Expr::value(row.reservation_extended_at),
        )
        .col_expr(order::Column::Version, Expr::value(row.version))
        .col_expr(order::Column::UpdatedAt, Expr::value(row.updated_at))
        .col_expr(order::Column::PaidAt, Expr::value(row.paid_at))
        .col_expr(order::Column::CancelledAt, Expr::value(row.cancelled_at))
        .col_expr(order::Column::FulfilledAt, Expr::value(row.fulfilled_at))
        .filter(order::COLUMN.id.eq(row.id))
        .filter(order::COLUMN.version.eq(row.version - 1))
        .exec(c)
        .await?;
    if done.rows_affected == 1 {
        Ok(())
    } else {
        Err(DbErr::Custom(format!(
            "order {} is not at version {}",
            row.id,
            row.version - 1
        )))
    }
}

/// Unpaid orders whose reservation has ended, oldest first.
pub async fn orders_expired(
    c: &impl ConnectionTrait,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<OrderId>, DbErr> {
    let rows = order::Entity::find()
        .filter(order::COLUMN.status.eq(OrderStatus::AwaitingPayment))
        .filter(order::COLUMN.reservation_expires_at.lt(now))
        .order_by_asc(order::COLUMN.reservation_expires_at)
        .limit(limit)
        .all(c)
        .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Lines of orders, in their places.
pub async fn lines_of_orders(
    c: &impl ConnectionTrait,
    orders: &[OrderId],
) -> Result<Vec<order_line::Model>, DbErr> {
    order_line::Entity::find()
        .filter(order_line::COLUMN.order_id.is_in(orders.to_vec()))
        .order_by_asc(order_line::COLUMN.order_id)
        .order_by_asc(order_line::COLUMN.position)
        .all(c)
        .await
}

/// History of orders, first change first.
pub async fn history_of_orders(
    c: &impl ConnectionTrait,
    orders: &[OrderId],
) -> Result<Vec<order_history::Model>, DbErr> {
    order_history::Entity::find()
        .filter(order_history::COLUMN.order_id.is_in(orders.to_vec()))
        .order_by_asc(order_history::COLUMN.order_id)
        .order_by_asc(order_history::COLUMN.version)
        .all(c)
        .await
}

/// Writes what was sent, refunded, dropped and restocked of lines; the caller holds the order's lock.
pub async fn lines_update(
    c: &impl ConnectionTrait,
    lines: &[order_line::Model],
) -> Result<(), DbErr> {
    for line in lines {
        let done = order_line::Entity::update_many()
            .col_expr(order_line::Column::Fulfilled, Expr::value(line.fulfilled))
            .col_expr(order_line::Column::Refunded, Expr::value(line.refunded))
            .col_expr(
                order_line::Column::RefundedMinor,
                Expr::value(line.refunded_minor),
            )
            .col_expr(order_line::Column::Dropped, Expr::value(line.dropped))
            .col_expr(order_line::Column::Restocked, Expr::value(line.restocked))
            .filter(order_line::COLUMN.id.eq(line.id))
            .exec(c)
            .await?;
        if done.rows_affected != 1 {
            return Err(DbErr::Custom(format!("order line {} is gone", line.id)));
        }
    }
    Ok(())
}

/// Writes a note.
pub async fn note_insert(c: &impl ConnectionTrait, row: order_note::Model) -> Result<(), DbErr> {
    insert_all(c, vec![row]).await
}

/// Notes about orders, oldest first.
pub async fn notes_of_orders(
    c: &impl ConnectionTrait,
    orders: &[OrderId],
) -> Result<Vec<order_note::Model>, DbErr> {
    order_note::Entity::find()
        .filter(order_note::COLUMN.order_id.is_in(padded(orders.to_vec())))
        .order_by_asc(order_note::COLUMN.created_at)
        .order_by_asc(order_note::COLUMN.id)
        .all(c)
        .await
}

/// Writes a parcel with its lines.
pub async fn fulfillment_insert(
    c: &impl ConnectionTrait,
    row: order_fulfillment::Model,
    lines: Vec<order_fulfillment_line::Model>,
) -> Result<(), DbErr> {
    insert_all(c, vec![row]).await?;
    insert_all(c, lines).await
}

/// Parcels of orders, oldest first.
pub async fn fulfillments_of_orders(
    c: &impl ConnectionTrait,
    orders: &[OrderId],
) -> Result<Vec<order_fulfillment::Model>, DbErr> {
    order_fulfillment::Entity::find()
        .filter(
            order_fulfillment::COLUMN
                .order_id
                .is_in(padded(orders.to_vec())),
        )
        .order_by_asc(order_fulfillment::COLUMN.created_at)
        .order_by_asc(order_fulfillment::COLUMN.id)
        .all(c)
        .await
}

/// Lines of parcels.
pub async fn lines_of_fulfillments(
    c: &impl ConnectionTrait,
    fulfillments: &[OrderFulfillmentId],
) -> Result<Vec<order_fulfillment_line::Model>, DbErr> {
    let ids = padded(fulfillments.to_vec());
    order_fulfillment_line::Entity::find()
        .filter(order_fulfillment_line::COLUMN.fulfillment_id.is_in(ids))
        .order_by_asc(order_fulfillment_line::COLUMN.order_line_id)
        .all(c)
        .await
}

/// Where orders came from, as far as it is not forgotten.
pub async fn requests_of_orders(
    c: &impl ConnectionTrait,
    orders: &[OrderId],
) -> Result<Vec<order_request::Model>, DbErr> {
    order_request::Entity::find()
        .filter(
            order_request::COLUMN
                .order_id
                .is_in(padded(orders.to_vec())),
        )
        .all(c)
        .await
}

/// Orders of which it is still known where they came from, though they were made before `before`.
pub async fn requests_old(
    c: &impl ConnectionTrait,
    before: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<OrderId>, DbErr> {
    let rows = order_request::Entity::find()
        .filter(order_request::COLUMN.created_at.lt(before))
        .limit(limit)
        .all(c)
        .await?;
    Ok(rows.into_iter().map(|row| row.order_id).collect())
}

/// Forgets where orders came from.
pub async fn requests_delete(c: &impl ConnectionTrait, orders: &[OrderId]) -> Result<(), DbErr> {
    order_request::Entity::delete_many()
        .filter(
            order_request::COLUMN
                .order_id
                .is_in(padded(orders.to_vec())),
        )
        .exec(c)
        .await?;
    Ok(())
}

/// How many orders of a scope there are, and what they sum to, by state and payment status.
pub async fn orders_sums(
    c: &impl ConnectionTrait,
    engine: Engine,
    scope: Scope,
    filter: &Filter,
) -> Result<Vec<Sums>, DbErr> {
    let rows = orders(scope, filter)
        .select_only()
        .column(order::Column::Status)
        .column(order::Column::PaymentStatus)
        .expr_as(Expr::col(order::Column::Id).count(), "orders")
        .expr_as(sum_i64(engine, order::Column::TotalMinor), "total_minor")
        .expr_as(
            sum_i64(engine, order::Column::RefundedMinor),
            "refunded_minor",
        )
        .group_by(order::Column::Status)
        .group_by(order::Column::PaymentStatus)
        .into_tuple::<(OrderStatus, PaymentStatus, i64, i64, i64)>()
        .all(c)
        .await?;
    let sums = rows.into_iter().map(
        |(status, payment_status, orders, total_minor, refunded_minor)| Sums {
            status,
            payment_status,
            orders,
            total_minor,
            refunded_minor,
        },
    );
    Ok(sums.collect())
}

/// Takes a block of numbers and returns its first.
pub async fn number_block_take(
    c: &impl ConnectionTrait,
    series: &str,
    size: i64,
) -> Result<i64, DbErr> {
    let taken = number_block::Entity::update_many()
        .col_expr(
            number_block::Column::Next,
            Expr::col(number_block::Column::Next).add(size),
        )
        .filter(number_block::COLUMN.series.eq(series))
        .exec(c)
        .await?;
    if taken.rows_affected == 0 {
        // Two replicas may both find no row: the second one gets a duplicate here, and its caller tries again.
        let row = number_block::ActiveModel {
            series: Set(series.to_owned()),
            next: Set(1 + size),
        };
        number_block::Entity::insert(row)
            .exec_without_returning(c)
            .await?;
        return Ok(1);
    }
    let row = number_block::Entity::find_by_id(series).one(c).await?;
    row.map(|row| row.next - size)
        .ok_or_else(|| DbErr::RecordNotFound(format!("the numbers of {series}")))
}
