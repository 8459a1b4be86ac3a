//! Queries of variants.

use super::{INSERT_ROWS, deleted, must_hit};
use crate::db::keys::padded;
use entity::catalog::variant::{self, Column, Entity};
use entity::catalog::{Availability, ProductStatus, product};
use entity::ids::{ProductId, VariantId};
use sea_orm::sea_query::{CaseStatement, Expr, Query, SimpleExpr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, FromQueryResult, IntoActiveModel,
    JoinType, QueryFilter, QueryOrder, QuerySelect, RelationDef, Select,
};
use std::collections::HashMap;

/// A variant that can be bought, with the name of its product.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct SellableRow {
    pub(crate) variant_id: VariantId,
    pub(crate) product_id: ProductId,
    pub(crate) sku: String,
    pub(crate) sku_folded: String,
    pub(crate) variant_name: String,
    pub(crate) product_name: String,
    pub(crate) price_minor: i64,
    pub(crate) currency: String,
    pub(crate) availability: Availability,
}

fn product_of_variant() -> RelationDef {
    Entity::belongs_to(product::Entity)
        .from(Column::ProductId)
        .to(product::Column::Id)
        .into()
}

/// Variants with the names of their products.
fn variants_named() -> Select<Entity> {
    Entity::find()
        .select_only()
        .column_as(Column::Id, "variant_id")
        .column_as(Column::ProductId, "product_id")
        .column_as(Column::Sku, "sku")
        .column_as(Column::SkuFolded, "sku_folded")
        .column_as(Column::Name, "variant_name")
        .column_as(product::Column::Name, "product_name")
        .column_as(Column::PriceMinor, "price_minor")
        .column_as(Column::Currency, "currency")
        .column_as(Column::Availability, "availability")
        .join(JoinType::InnerJoin, product_of_variant())
}

/// Variants under folded SKUs, be they for sale or not.
pub(crate) async fn variants_named_by_skus(
    c: &impl ConnectionTrait,
    skus_folded: &[String],
) -> Result<Vec<SellableRow>, DbErr> {
    let skus = padded(skus_folded.iter().map(String::as_str));
    variants_named()
        .filter(Column::SkuFolded.is_in(skus))
        .into_model()
        .all(c)
        .await
}

/// What is on sale under a condition: live variants of active products.
async fn variants_sellable(
    c: &impl ConnectionTrait,
    condition: SimpleExpr,
) -> Result<Vec<SellableRow>, DbErr> {
    variants_named()
        .filter(condition)
        .filter(Column::ArchivedAt.is_null())
        .filter(product::Column::Status.eq(ProductStatus::Active))
        .order_by_asc(Column::Position)
        .order_by_asc(Column::Id)
        .into_model()
        .all(c)
        .await
}

/// What is on sale of products.
pub(crate) async fn variants_sellable_by_products(
    c: &impl ConnectionTrait,
    ids: &[ProductId],
) -> Result<Vec<SellableRow>, DbErr> {
    variants_sellable(c, Column::ProductId.is_in(padded(ids.iter().copied()))).await
}

/// What is on sale of variants.
pub(crate) async fn variants_sellable_by_ids(
    c: &impl ConnectionTrait,
    ids: &[VariantId],
) -> Result<Vec<SellableRow>, DbErr> {
    variants_sellable(c, Column::Id.is_in(padded(ids.iter().copied()))).await
}

/// What is on sale under folded SKUs.
pub(crate) async fn variants_sellable_by_skus(
    c: &impl ConnectionTrait,
    skus_folded: &[String],
) -> Result<Vec<SellableRow>, DbErr> {
    let skus = padded(skus_folded.iter().map(String::as_str));
    variants_sellable(c, Column::SkuFolded.is_in(skus)).await
}

/// Variants by their ids, in no order.
pub(crate) async fn variants_by_ids(
    c: &impl ConnectionTrait,
    ids: &[VariantId],
) -> Result<Vec<variant::Model>, DbErr> {
    Entity::find()
        .filter(Column::Id.is_in(padded(ids.iter().copied())))
        .all(c)
        .await
}

/// All variants of products, archived ones too, in the order in which they are shown.
pub(crate) async fn variants_by_products(
    c: &impl ConnectionTrait,
    ids: &[ProductId],
) -> Result<Vec<variant::Model>, DbErr> {
    Entity::find()
        .filter(Column::ProductId.is_in(padded(ids.iter().copied())))
        .order_by_asc(Column::Position)
        .order_by_asc(Column::Id)
        .all(c)
        .await
}

/// Which variants have these folded SKUs.
pub(crate) async fn skus_find(
    c: &impl ConnectionTrait,
    skus_folded: &[String],
) -> Result<HashMap<String, VariantId>, DbErr> {
    let skus = padded(skus_folded.iter().map(String::as_str));
    let rows: Vec<(String, VariantId)> = Entity::find()
        .select_only()
        .column(Column::SkuFolded)
        .column(Column::Id)
        .filter(Column::SkuFolded.is_in(skus))
        .into_tuple()
        .all(c)
        .await?;
    Ok(rows.into_iter().collect())
}

/// The product of a variant, without a lock.
pub(crate) async fn variant_product(
    c: &impl ConnectionTrait,
    id: VariantId,
) -> Result<Option<ProductId>, DbErr> {
    Entity::find_by_id(id)
        .select_only()
        .column(Column::ProductId)
        .into_tuple()
        .one(c)
        .await
}

/// Writes new variants.
pub(crate) async fn variants_insert(
    c: &impl ConnectionTrait,
    rows: &[variant::Model],
) -> Result<(), DbErr> {
    for rows in rows.chunks(INSERT_ROWS) {
        let rows = rows.iter().cloned().map(IntoActiveModel::into_active_model);
        Entity::insert_many(rows).exec_without_returning(c).await?;
    }
    Ok(())
}

/// Writes what staff can change of a variant. Its availability is the inventory's and stays.
pub(crate) async fn variant_update(
    c: &impl ConnectionTrait,
    row: &variant::Model,
) -> Result<(), DbErr> {
    let set = variant::ActiveModel {
        sku: sea_orm::Set(row.sku.clone()),
        sku_folded: sea_orm::Set(row.sku_folded.clone()),
        name: sea_orm::Set(row.name.clone()),
        options: sea_orm::Set(row.options.clone()),
        price_minor: sea_orm::Set(row.price_minor),
        position: sea_orm::Set(row.position),
        archived_at: sea_orm::Set(row.archived_at),
        version: sea_orm::Set(row.version),
        updated_at: sea_orm::Set(row.updated_at),
        ..Default::default()
    };
    let done = Entity::update_many()
        .set(set)
        .filter(Column::Id.eq(row.id))
        .exec(c)
        .await?;
    must_hit(done.rows_affected, "variant_update")
}

/// Removes a variant, unless an order refers to it. Tells whether it did.
pub(crate) async fn variant_delete(c: &impl ConnectionTrait, id: VariantId) -> Result<bool, DbErr> {
    deleted(Entity::delete_by_id(id).exec(c).await, "variant_delete")
}

/// Writes one availability to variants.
pub(crate) async fn variants_set_availability(
    c: &impl ConnectionTrait,
    ids: &[VariantId],
    availability: Availability,
) -> Result<(), DbErr> {
    // A variant that was deleted meanwhile has nothing to write, so any number of rows is right.
    Entity::update_many()
        .col_expr(Column::Availability, Expr::value(availability))
        .filter(Column::Id.is_in(padded(ids.iter().copied())))
        .exec(c)
        .await?;
    Ok(())
}

/// Locks the products of variants, in the order of their ids; nothing happens on SQLite, whose transactions are alone.
pub(crate) async fn products_lock_by_variants(
    c: &impl ConnectionTrait,
    ids: &[VariantId],
) -> Result<Vec<ProductId>, DbErr> {
    let of_variants = Query::select()
        .column(Column::ProductId)
        .from(Entity)
        .and_where(Column::Id.is_in(padded(ids.iter().copied())))
        .take();
    product::Entity::find()
        .select_only()
        .column(product::Column::Id)
        .filter(product::Column::Id.in_subquery(of_variants))
        .order_by_asc(product::Column::Id)
        .lock_exclusive()
        .into_tuple()
        .all(c)
        .await
}

/// Writes the best availability of their live variants to products. Their version stays: staff changed nothing.
pub(crate) async fn products_refresh_availability(
    c: &impl ConnectionTrait,
    ids: &[ProductId],
) -> Result<(), DbErr> {
    let has = |availability: Availability| {
        let live = Query::select()
            .expr(Expr::val(1))
            .from(Entity)
            .and_where(
                Expr::col((Entity, Column::ProductId))
                    .equals((product::Entity, product::Column::Id)),
            )
            .and_where(Column::ArchivedAt.is_null())
            .and_where(Column::Availability.eq(availability))
            .take();
        Expr::exists(live)
    };
    let best = CaseStatement::new()
        .case(
            has(Availability::InStock),
            Expr::value(Availability::InStock),
        )
        .case(
            has(Availability::LowStock),
            Expr::value(Availability::LowStock),
        )
        .finally(Expr::value(Availability::OutOfStock));
    product::Entity::update_many()
        .col_expr(product::Column::Availability, best.into())
        .filter(product::Column::Id.is_in(padded(ids.iter().copied())))
        .exec(c)
        .await?;
    Ok(())
}
