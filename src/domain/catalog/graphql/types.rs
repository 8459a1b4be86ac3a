//! What clients see of the catalogue, beside products and their variants.

use super::product::{Product, ProductVariant};
use crate::domain::catalog::loaders::{CatalogLoader, ProductKey, VariantKey};
use crate::domain::catalog::service::ProductDetail;
use crate::graphql::authorization;
use crate::graphql::error::ApiError;
use crate::graphql::loading;
use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum};
use entity::accounts::Role;
use entity::ids::{ProductId, VariantId};
use std::sync::Arc;

/// Who sees a product. New values may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::catalog::ProductStatus")]
pub enum ProductStatus {
    /// Staff only; not for sale yet.
    Draft,
    /// Everybody; for sale.
    Active,
    /// Staff only; no longer for sale, kept because orders refer to it.
    Archived,
}

/// Who sees a category. New values may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::catalog::CategoryStatus")]
pub enum CategoryStatus {
    /// Everybody.
    Active,
    /// Staff only.
    Archived,
}

/// Whether something can be bought. Exact counts are for staff. New values may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::catalog::Availability")]
pub enum Availability {
    /// There is enough.
    InStock,
    /// Only a few are left.
    LowStock,
    /// Nothing can be bought now.
    OutOfStock,
}

/// The loaders of this request.
pub(super) fn load<'a>(ctx: &Context<'a>) -> &'a DataLoader<CatalogLoader> {
    loading::of(ctx)
}

/// Whether the viewer sees what is not active.
pub(super) fn sees_all(ctx: &Context<'_>) -> bool {
    authorization::is(ctx, Role::Staff)
}

/// Whether the viewer sees a row: what everybody sees, and for staff all. Who it is is asked only where it matters, so
/// that an answer without anything hidden stays the same for all.
pub(super) fn shown(ctx: &Context<'_>, for_everybody: bool) -> bool {
    for_everybody || sees_all(ctx)
}

/// A product, if the viewer may see it.
pub(super) fn product_shown(
    ctx: &Context<'_>,
    detail: Option<Arc<ProductDetail>>,
) -> Option<Product> {
    let is_active =
        |detail: &ProductDetail| detail.product.status == entity::catalog::ProductStatus::Active;
    detail
        .filter(|detail| shown(ctx, is_active(detail)))
        .map(Product::from)
}

/// The product with an id, if the viewer may see it; for fields of other domains.
///
/// # Errors
/// The database fails.
pub async fn product(ctx: &Context<'_>, id: ProductId) -> Result<Option<Product>, ApiError> {
    let detail = load(ctx).load_one(ProductKey(id)).await?;
    Ok(product_shown(ctx, detail))
}

/// The variant with an id, if the viewer may see it and its product; for fields of other domains.
///
/// # Errors
/// The database fails.
pub async fn variant(ctx: &Context<'_>, id: VariantId) -> Result<Option<ProductVariant>, ApiError> {
    let Some(row) = load(ctx).load_one(VariantKey(id)).await? else {
        return Ok(None);
    };
    let product = load(ctx).load_one(ProductKey(row.product_id)).await?;
    let seen = product_shown(ctx, product).is_some() && shown(ctx, row.archived_at.is_none());
    Ok(seen.then(|| row.into()))
}
