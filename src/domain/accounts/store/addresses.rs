//! Queries of address books. There is no look-up without the user.

use super::one_row;
use crate::db::keys::padded;
use crate::domain::accounts::model::AddressKind;
use crate::error::Fault;
use entity::accounts::address::{ActiveModel, COLUMN, Column, Entity, Model};
use entity::ids::{AddressId, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    PaginatorTrait as _, QueryFilter, QueryOrder,
};

/// Addresses of users, oldest first.
pub async fn addresses_of_users(
    c: &impl ConnectionTrait,
    users: &[UserId],
) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(COLUMN.user_id.is_in(padded(users.iter().copied())))
        .order_by_asc(COLUMN.id)
        .all(c)
        .await
}

/// How many addresses a user has.
pub async fn addresses_count(c: &impl ConnectionTrait, user_id: UserId) -> Result<u64, DbErr> {
    Entity::find()
        .filter(COLUMN.user_id.eq(user_id))
        .count(c)
        .await
}

/// A user's address.
pub async fn address_of_user(
    c: &impl ConnectionTrait,
    user_id: UserId,
    id: AddressId,
) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id)
        .filter(COLUMN.user_id.eq(user_id))
        .one(c)
        .await
}

/// Writes a new address.
pub async fn address_insert(c: &impl ConnectionTrait, row: Model) -> Result<(), DbErr> {
    Entity::insert(row.into_active_model())
        .exec_without_returning(c)
        .await?;
    Ok(())
}

/// Writes an address, whose user's row is locked, as its next version.
///
/// # Errors
/// It is not at the version before, although the lock forbids that.
pub async fn address_update(c: &impl ConnectionTrait, row: &Model) -> Result<(), Fault> {
    let values: ActiveModel = row.clone().into_active_model().reset_all();
    let done = Entity::update_many()
        .set(values)
        .filter(COLUMN.id.eq(row.id))
        .filter(COLUMN.version.eq(row.version - 1))
        .exec(c)
        .await?;
    one_row(done.rows_affected, "changing an address")
}

/// Takes a default from the address that is it, if one is.
pub async fn address_default_clear(
    c: &impl ConnectionTrait,
    user_id: UserId,
    kind: AddressKind,
) -> Result<(), DbErr> {
    let column = match kind {
        AddressKind::Shipping => Column::ShippingOf,
        AddressKind::Billing => Column::BillingOf,
    };
    Entity::update_many()
        .col_expr(column, Expr::value(None::<UserId>))
        .filter(column.eq(user_id))
        .exec(c)
        .await?;
    Ok(())
}

/// Deletes a user's address; `false` when there is none.
pub async fn address_delete(
    c: &impl ConnectionTrait,
    user_id: UserId,
    id: AddressId,
) -> Result<bool, DbErr> {
    let done = Entity::delete_many()
        .filter(COLUMN.id.eq(id))
        .filter(COLUMN.user_id.eq(user_id))
        .exec(c)
        .await?;
    Ok(done.rows_affected == 1)
}
