//! Queries of imports: many rows at a time, so that a batch costs the same statements whatever is in it.

use super::INSERT_ROWS;
use crate::db::keys::padded;
use entity::catalog::{category, product, product_category, variant};
use entity::ids::ProductId;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};
use std::collections::HashMap;

/// The products of variants with these folded SKUs, without a lock.
pub(crate) async fn products_of_skus(
    c: &impl ConnectionTrait,
    skus_folded: &[String],
) -> Result<Vec<ProductId>, DbErr> {
    let skus = padded(skus_folded.iter().map(String::as_str));
    variant::Entity::find()
        .select_only()
        .column(variant::Column::ProductId)
        .filter(variant::Column::SkuFolded.is_in(skus))
        .into_tuple()
        .all(c)
        .await
}

/// The products with these slugs, without a lock.
pub(crate) async fn products_of_slugs(
    c: &impl ConnectionTrait,
    slugs: &[String],
) -> Result<Vec<ProductId>, DbErr> {
    let slugs = padded(slugs.iter().map(String::as_str));
    product::Entity::find()
        .select_only()
        .column(product::Column::Id)
        .filter(product::Column::Slug.is_in(slugs))
        .into_tuple()
        .all(c)
        .await
}

/// Locks products in the order of their ids and reads them.
pub(crate) async fn products_lock(
    c: &impl ConnectionTrait,
    ids: &[ProductId],
) -> Result<Vec<product::Model>, DbErr> {
    product::Entity::find()
        .filter(product::Column::Id.is_in(padded(ids.iter().copied())))
        .order_by_asc(product::Column::Id)
        .lock_exclusive()
        .all(c)
        .await
}

/// Which products have these external references.
pub(crate) async fn products_of_references(
    c: &impl ConnectionTrait,
    references: &[String],
) -> Result<HashMap<String, ProductId>, DbErr> {
    let references = padded(references.iter().map(String::as_str));
    let rows: Vec<(String, ProductId)> = product::Entity::find()
        .select_only()
        .column(product::Column::ExternalReference)
        .column(product::Column::Id)
        .filter(product::Column::ExternalReference.is_in(references))
        .into_tuple()
        .all(c)
        .await?;
    Ok(rows.into_iter().collect())
}

/// Categories by their slugs, held as they are until the transaction ends, because their names are repeated.
pub(crate) async fn categories_by_slugs(
    c: &impl ConnectionTrait,
    slugs: &[String],
) -> Result<Vec<category::Model>, DbErr> {
    let slugs = padded(slugs.iter().map(String::as_str));
    category::Entity::find()
        .filter(category::Column::Slug.is_in(slugs))
        .order_by_asc(category::Column::Id)
        .lock_shared()
        .all(c)
        .await
}

/// Writes what staff can change of products that [`products_lock`] holds. They are inserted again, and the conflict of
/// the id becomes an update: the one form of "many rows, each with its own values" that both engines have.
/// Their availability is the inventory's and stays.
pub(crate) async fn products_rewrite(
    c: &impl ConnectionTrait,
    rows: &[product::Model],
) -> Result<(), DbErr> {
    use product::Column::{
        DefaultVariantId, Description, ExternalReference, Id, Name, NameFolded, PriceMaxMinor,
        PriceMinMinor, PriceMinor, Slug, Status, UpdatedAt, Version,
    };
    let update = OnConflict::column(Id)
        .update_columns([
            Slug,
            Name,
            NameFolded,
            Description,
            Status,
            ExternalReference,
            DefaultVariantId,
            PriceMinor,
            PriceMinMinor,
            PriceMaxMinor,
            Version,
            UpdatedAt,
        ])
        .to_owned();
    for rows in rows.chunks(INSERT_ROWS) {
        product::Entity::insert_many(rows.iter().cloned().map(IntoActiveModel::into_active_model))
            .on_conflict(update.clone())
            .exec_without_returning(c)
            .await?;
    }
    Ok(())
}

/// Writes name and price of variants whose products [`products_lock`] holds, as [`products_rewrite`] does.
pub(crate) async fn variants_rewrite(
    c: &impl ConnectionTrait,
    rows: &[variant::Model],
) -> Result<(), DbErr> {
    use variant::Column::{Id, Name, PriceMinor, UpdatedAt, Version};
    let update = OnConflict::column(Id)
        .update_columns([Name, PriceMinor, Version, UpdatedAt])
        .to_owned();
    for rows in rows.chunks(INSERT_ROWS) {
        variant::Entity::insert_many(rows.iter().cloned().map(IntoActiveModel::into_active_model))
            .on_conflict(update.clone())
            .exec_without_returning(c)
            .await?;
    }
    Ok(())
}

/// Takes products out of all categories.
pub(crate) async fn products_categories_delete(
    c: &impl ConnectionTrait,
    ids: &[ProductId],
) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    product_category::Entity::delete_many()
        .filter(product_category::Column::ProductId.is_in(padded(ids.iter().copied())))
        .exec(c)
        .await?;
    Ok(())
}
