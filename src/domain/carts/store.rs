//! Every query of carts. A cart is looked up by its owner; only what has found it goes on with its id.

use super::model::Owner;
use crate::db::insert_all;
use crate::db::keys::padded;
use chrono::{DateTime, Utc};
use entity::carts::{CartStatus, cart, cart_line};
use entity::ids::{CartId, CartLineId, OrderId, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, Select,
};

fn open(owner: &Owner) -> Select<cart::Entity> {
    let select = cart::Entity::find().filter(cart::COLUMN.status.eq(CartStatus::Open));
    match owner {
        Owner::User(user_id) => select.filter(cart::COLUMN.open_user_id.eq(Some(*user_id))),
        Owner::Guest(hash) => select
            .filter(cart::COLUMN.token_hash.eq(hash.clone()))
            .filter(cart::COLUMN.user_id.is_null()),
    }
}

/// The owner's open cart.
pub async fn cart_find(
    c: &impl ConnectionTrait,
    owner: &Owner,
) -> Result<Option<cart::Model>, DbErr> {
    open(owner).one(c).await
}

/// The owner's open cart, which nobody else changes until the transaction ends.
pub async fn cart_lock(
    c: &impl ConnectionTrait,
    owner: &Owner,
) -> Result<Option<cart::Model>, DbErr> {
    open(owner).lock_exclusive().one(c).await
}

/// A cart by the hash of its guest's token, whatever became of it, locked.
pub async fn cart_lock_by_token(
    c: &impl ConnectionTrait,
    hash: &str,
) -> Result<Option<cart::Model>, DbErr> {
    cart::Entity::find()
        .filter(cart::COLUMN.token_hash.eq(hash.to_owned()))
        .lock_exclusive()
        .one(c)
        .await
}

/// A cart that its owner has found before.
pub async fn cart_by_id(
    c: &impl ConnectionTrait,
    id: CartId,
) -> Result<Option<cart::Model>, DbErr> {
    cart::Entity::find_by_id(id).one(c).await
}

/// Writes a cart.
pub async fn cart_insert(c: &impl ConnectionTrait, row: cart::Model) -> Result<(), DbErr> {
    cart::Entity::insert(row.into_active_model())
        .exec_without_returning(c)
        .await?;
    Ok(())
}

/// Writes a locked cart as its next version.
///
/// # Errors
/// It is not at the version before, although the caller holds its lock.
pub async fn cart_update(c: &impl ConnectionTrait, row: &cart::Model) -> Result<(), DbErr> {
    let done = cart::Entity::update_many()
        .col_expr(cart::Column::UserId, Expr::value(row.user_id))
        .col_expr(cart::Column::OpenUserId, Expr::value(row.open_user_id))
        .col_expr(cart::Column::Status, Expr::value(row.status))
        .col_expr(cart::Column::Version, Expr::value(row.version))
        .col_expr(cart::Column::UpdatedAt, Expr::value(row.updated_at))
        .filter(cart::COLUMN.id.eq(row.id))
        .filter(cart::COLUMN.version.eq(row.version - 1))
        .exec(c)
        .await?;
    if done.rows_affected == 1 {
        Ok(())
    } else {
        Err(DbErr::Custom(format!(
            "cart {} is not at version {}",
            row.id,
            row.version - 1
        )))
    }
}

/// Makes an order of a user's open cart if it still has this version; `false` when it has not.
pub async fn cart_convert(
    c: &impl ConnectionTrait,
    id: CartId,
    user_id: UserId,
    version: i32,
    order_id: OrderId,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let done = cart::Entity::update_many()
        .col_expr(cart::Column::Status, Expr::value(CartStatus::Converted))
        .col_expr(cart::Column::OpenUserId, Expr::value(None::<UserId>))
        .col_expr(cart::Column::OrderId, Expr::value(Some(order_id)))
        .col_expr(cart::Column::Version, Expr::value(version + 1))
        .col_expr(cart::Column::UpdatedAt, Expr::value(now))
        .filter(cart::COLUMN.id.eq(id))
        .filter(cart::COLUMN.open_user_id.eq(Some(user_id)))
        .filter(cart::COLUMN.status.eq(CartStatus::Open))
        .filter(cart::COLUMN.version.eq(version))
        .exec(c)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Deletes a locked cart with its lines.
pub async fn cart_delete(c: &impl ConnectionTrait, id: CartId) -> Result<(), DbErr> {
    let done = cart::Entity::delete_by_id(id).exec(c).await?;
    if done.rows_affected == 1 {
        Ok(())
    } else {
        Err(DbErr::Custom(format!("cart {id} is not there")))
    }
}

/// Carts that nobody changed since, oldest first.
pub async fn carts_untouched(
    c: &impl ConnectionTrait,
    since: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<CartId>, DbErr> {
    cart::Entity::find()
        .select_only()
        .column(cart::Column::Id)
        .filter(cart::COLUMN.updated_at.lt(since))
        .order_by_asc(cart::COLUMN.updated_at)
        .order_by_asc(cart::COLUMN.id)
        .limit(limit)
        .into_tuple()
        .all(c)
        .await
}

/// Deletes those of these carts that still nobody changed since, with their lines.
pub async fn carts_delete(
    c: &impl ConnectionTrait,
    ids: &[CartId],
    since: DateTime<Utc>,
) -> Result<(), DbErr> {
    cart::Entity::delete_many()
        .filter(cart::COLUMN.id.is_in(padded(ids.iter().copied())))
        .filter(cart::COLUMN.updated_at.lt(since))
        .exec(c)
        .await?;
    Ok(())
}

/// The lines of a cart in the order in which they were added.
pub async fn lines_of_cart(
    c: &impl ConnectionTrait,
    cart_id: CartId,
) -> Result<Vec<cart_line::Model>, DbErr> {
    cart_line::Entity::find()
        .filter(cart_line::COLUMN.cart_id.eq(cart_id))
        .order_by_asc(cart_line::COLUMN.id)
        .all(c)
        .await
}

/// Writes lines of a locked cart, new ones and changed ones, with two statements however many: what is there goes
/// first.
pub async fn lines_write(
    c: &impl ConnectionTrait,
    cart_id: CartId,
    rows: Vec<cart_line::Model>,
) -> Result<(), DbErr> {
    let ids: Vec<CartLineId> = rows.iter().map(|row| row.id).collect();
    lines_delete(c, cart_id, &ids).await?;
    insert_all(c, rows).await
}

/// Deletes lines of a locked cart; those that are not there are not missed.
pub async fn lines_delete(
    c: &impl ConnectionTrait,
    cart_id: CartId,
    ids: &[CartLineId],
) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    cart_line::Entity::delete_many()
        .filter(cart_line::COLUMN.cart_id.eq(cart_id))
        .filter(cart_line::COLUMN.id.is_in(padded(ids.iter().copied())))
        .exec(c)
        .await?;
    Ok(())
}

/// Deletes all lines of a locked cart.
pub async fn lines_clear(c: &impl ConnectionTrait, cart_id: CartId) -> Result<(), DbErr> {
    cart_line::Entity::delete_many()
        .filter(cart_line::COLUMN.cart_id.eq(cart_id))
        .exec(c)
        .await?;
    Ok(())
}
