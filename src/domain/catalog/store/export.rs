//! Queries of exports.

use entity::catalog::product;
use entity::ids::ProductId;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

/// The products behind one in the order of their ids.
pub(crate) async fn products_behind(
    c: &impl ConnectionTrait,
    after: Option<ProductId>,
    limit: u64,
) -> Result<Vec<product::Model>, DbErr> {
    let mut select = product::Entity::find().order_by_asc(product::Column::Id);
    if let Some(after) = after {
        select = select.filter(product::Column::Id.gt(after));
    }
    select.limit(limit).all(c).await
}
