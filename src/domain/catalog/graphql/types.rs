//! What clients see of the catalogue.

use super::category::{Category, categories_shown};
use crate::domain::catalog::loaders::{
    CatalogLoader, CategoriesOfProduct, ImagesOfProduct, ProductKey, VariantKey, VariantsOfProduct,
};
use crate::domain::{inventory, orders};
use crate::graphql::authorization;
use crate::graphql::connection::{Connection, PageArgs, list_cost};
use crate::graphql::error::ApiError;
use crate::graphql::scalars::{Money, Time, id};
use async_graphql::dataloader::DataLoader;
use async_graphql::{ComplexObject, Context, Enum, ID, SimpleObject};
use entity::accounts::Role;
use entity::catalog::{product, product_image, variant};
use entity::ids::{ProductId, VariantId};

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

/// What is sold: a product comes in one or more variants, each with its own SKU, price and stock.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct ProductVariant {
    /// Id.
    pub id: ID,
    /// Stock keeping unit, unique; compared without case.
    pub sku: String,
    /// Name of the variant, as `Green, 100 g`; empty for the only one of a product.
    pub name: String,
    /// The choices that make this variant.
    pub options: Vec<VariantOption>,
    /// Price of one unit.
    pub price: Money,
    /// Whether it can be bought.
    pub availability: Availability,
    /// Whether it was taken out of sale but kept, because an order refers to it. Only staff see such variants.
    pub is_archived: bool,
    /// Raised by each change: give it as `expectedVersion` to change only what you have seen.
    pub version: i32,
    /// When it was made.
    pub created_at: Time,
    /// When it changed last.
    pub updated_at: Time,
    #[graphql(skip)]
    variant_id: VariantId,
    #[graphql(skip)]
    product_id: ProductId,
}

/// One choice of a variant, as `Colour: Red`.
#[derive(Clone, Debug, SimpleObject)]
pub struct VariantOption {
    /// What is chosen, as `Colour`.
    pub name: String,
    /// The choice, as `Red`.
    pub value: String,
}

impl From<variant::Model> for ProductVariant {
    fn from(row: variant::Model) -> Self {
        let options = row.options.0.into_iter().map(|option| VariantOption {
            name: option.name,
            value: option.value,
        });
        Self {
            id: id(row.id),
            sku: row.sku,
            name: row.name,
            options: options.collect(),
            price: Money::new(row.price_minor, &row.currency),
            availability: row.availability.into(),
            is_archived: row.archived_at.is_some(),
            version: row.version,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
            variant_id: row.id,
            product_id: row.product_id,
        }
    }
}

#[ComplexObject]
impl ProductVariant {
    /// The product that this is a variant of; null when it is not for sale and you are not staff.
    async fn product(&self, ctx: &Context<'_>) -> Result<Option<Product>, ApiError> {
        product(ctx, self.product_id).await
    }

    /// How much of it each warehouse has. Requires STAFF.
    #[graphql(complexity = "2 * child_complexity")]
    async fn stock(
        &self,
        ctx: &Context<'_>,
    ) -> Result<Option<Vec<inventory::graphql::Stock>>, ApiError> {
        inventory::graphql::stock_of_variant(ctx, self.variant_id)
            .await
            .map(Some)
    }
}

/// An image: an address, nothing is stored here.
#[derive(Clone, Debug, SimpleObject)]
pub struct ProductImage {
    /// Address of the image.
    pub url: String,
    /// What it shows, for those who do not see it.
    pub alt: String,
}

impl From<product_image::Model> for ProductImage {
    fn from(row: product_image::Model) -> Self {
        Self {
            url: row.url,
            alt: row.alt,
        }
    }
}

/// The prices of a product's variants.
#[derive(Clone, Debug, SimpleObject)]
pub struct PriceRange {
    /// The smallest.
    pub min: Money,
    /// The greatest.
    pub max: Money,
}

/// A product of the shop.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Product {
    /// Id.
    pub id: ID,
    /// Handle in addresses, unique, as `green-tea`.
    pub slug: String,
    /// Name.
    pub name: String,
    /// Text for people.
    pub description: String,
    /// Who sees it. Everybody sees `ACTIVE` products, staff see all.
    pub status: ProductStatus,
    /// Its id in the system it came from.
    pub external_reference: Option<String>,
    /// Price of the default variant.
    pub price: Money,
    /// Prices of all variants.
    pub price_range: PriceRange,
    /// The best availability of its variants.
    pub availability: Availability,
    /// Raised by each change: give it as `expectedVersion` to change only what you have seen.
    pub version: i32,
    /// When it was made.
    pub created_at: Time,
    /// When it changed last.
    pub updated_at: Time,
    /// The id as the database has it, for fields of other domains.
    #[graphql(skip)]
    pub product_id: ProductId,
    #[graphql(skip)]
    default_variant_id: VariantId,
}

impl From<product::Model> for Product {
    fn from(row: product::Model) -> Self {
        let money = |minor| Money::new(minor, &row.currency);
        Self {
            id: id(row.id),
            price: money(row.price_minor),
            price_range: PriceRange {
                min: money(row.price_min_minor),
                max: money(row.price_max_minor),
            },
            slug: row.slug,
            name: row.name,
            description: row.description,
            status: row.status.into(),
            external_reference: row.external_reference,
            availability: row.availability.into(),
            version: row.version,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
            product_id: row.id,
            default_variant_id: row.default_variant_id,
        }
    }
}

#[ComplexObject]
impl Product {
    /// Its variants in their order. Staff also see those that are archived.
    #[graphql(complexity = "5 * child_complexity")]
    async fn variants(&self, ctx: &Context<'_>) -> Result<Vec<ProductVariant>, ApiError> {
        let rows = load(ctx)
            .load_one(VariantsOfProduct(self.product_id))
            .await?;
        Ok(rows
            .unwrap_or_default()
            .into_iter()
            .filter(|row| shown(ctx, row.archived_at.is_none()))
            .map(ProductVariant::from)
            .collect())
    }

    /// The variant that gives the product's price.
    async fn default_variant(&self, ctx: &Context<'_>) -> Result<Option<ProductVariant>, ApiError> {
        // Whoever has the product may see it, so only the variant is asked for.
        let rows = load(ctx)
            .load_one(VariantsOfProduct(self.product_id))
            .await?;
        let default = |row: &variant::Model| row.id == self.default_variant_id;
        let row = rows.unwrap_or_default().into_iter().find(default);
        Ok(row.map(ProductVariant::from))
    }

    /// Its images in their order.
    #[graphql(complexity = "5 * child_complexity")]
    async fn images(&self, ctx: &Context<'_>) -> Result<Vec<ProductImage>, ApiError> {
        let rows = load(ctx).load_one(ImagesOfProduct(self.product_id)).await?;
        Ok(rows
            .unwrap_or_default()
            .into_iter()
            .map(ProductImage::from)
            .collect())
    }

    /// The categories it stands in, by name. Staff also see those that are archived.
    #[graphql(complexity = "5 * child_complexity")]
    async fn categories(&self, ctx: &Context<'_>) -> Result<Vec<Category>, ApiError> {
        let rows = load(ctx)
            .load_one(CategoriesOfProduct(self.product_id))
            .await?;
        Ok(categories_shown(ctx, rows))
    }

    /// Orders with a line of this product, newest first. Requires STAFF.
    #[graphql(complexity = "list_cost(first, last, child_complexity)")]
    #[expect(
        clippy::too_many_arguments,
        reason = "every list takes these arguments"
    )]
    async fn orders(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items from the start, 1 to 100; 20 if nothing is said.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Begin after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
        #[graphql(desc = "A page by number, from 1, with `first` items each.")] page: Option<i32>,
        #[graphql(desc = "Narrows the list; all that is given must hold.")] filter: Option<
            orders::graphql::OrderFilter,
        >,
        #[graphql(desc = "The order of the list; newest first if nothing is said.")]
        order_by: Option<orders::graphql::OrderOrder>,
    ) -> Result<Option<Connection<orders::graphql::Order>>, ApiError> {
        authorization::require(ctx, Role::Staff)?;
        let parent = orders::model::Parent::Product(self.product_id);
        let args = PageArgs {
            first,
            after,
            last,
            before,
            page,
        };
        let found = orders::graphql::orders_below(ctx, parent, args, filter, order_by).await?;
        Ok(Some(found))
    }
}

/// The loaders of this request.
pub(super) fn load<'a>(ctx: &Context<'a>) -> &'a DataLoader<CatalogLoader> {
    ctx.data_unchecked()
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
pub(super) fn product_shown(ctx: &Context<'_>, row: Option<product::Model>) -> Option<Product> {
    row.filter(|row| shown(ctx, row.status == entity::catalog::ProductStatus::Active))
        .map(Product::from)
}

/// The product with an id, if the viewer may see it; for fields of other domains.
///
/// # Errors
/// The database fails.
pub async fn product(ctx: &Context<'_>, id: ProductId) -> Result<Option<Product>, ApiError> {
    let row = load(ctx).load_one(ProductKey(id)).await?;
    Ok(product_shown(ctx, row))
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
