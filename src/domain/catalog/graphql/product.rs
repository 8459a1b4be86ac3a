//! Products and their variants as clients see them.
//!
//! Both show rows where they stand, in the value that the cache has: nothing of a product is copied to be shown, and
//! all that is shown of it is of one moment.
//!
//! Each field of each item of a list is a future as large as the largest field of its type. What asks other domains or
//! loaders is therefore boxed, so that the fields that every list asks for stay small.

use super::category::{Category, categories_shown};
use super::types::{Availability, ProductStatus, load, product, shown};
use crate::domain::catalog::loaders::{CategoryKey, ProductKey};
use crate::domain::catalog::service::ProductDetail;
use crate::domain::{inventory, orders};
use crate::graphql::authorization;
use crate::graphql::connection::{Connection, PageArgs, list_cost};
use crate::graphql::error::ApiError;
use crate::graphql::scalars::{Money, Time, id};
use async_graphql::{Context, ID, Object, SimpleObject};
use entity::accounts::Role;
use entity::catalog::{category, product, variant};
use std::sync::Arc;

/// What is sold: a product comes in one or more variants, each with its own SKU, price and stock.
#[derive(Clone, Debug)]
pub struct ProductVariant(VariantRow);

/// Where a variant's row stands.
#[derive(Clone, Debug)]
enum VariantRow {
    /// At this place among the variants of its product.
    Part(Arc<ProductDetail>, usize),
    Alone(Arc<variant::Model>),
}

impl From<variant::Model> for ProductVariant {
    fn from(row: variant::Model) -> Self {
        Self(VariantRow::Alone(Arc::new(row)))
    }
}

impl ProductVariant {
    fn row(&self) -> &variant::Model {
        match &self.0 {
            VariantRow::Part(detail, place) => &detail.variants[*place],
            VariantRow::Alone(row) => row,
        }
    }

    /// Those of a product that are asked for, in their order.
    fn of(detail: &Arc<ProductDetail>, wanted: impl Fn(&variant::Model) -> bool) -> Vec<Self> {
        let places = detail.variants.iter().enumerate();
        places
            .filter(|(_, row)| wanted(row))
            .map(|(place, _)| Self(VariantRow::Part(Arc::clone(detail), place)))
            .collect()
    }
}

/// One choice of a variant, as `Colour: Red`.
#[derive(Clone, Debug, SimpleObject)]
pub struct VariantOption {
    /// What is chosen, as `Colour`.
    pub name: String,
    /// The choice, as `Red`.
    pub value: String,
}

/// What is sold: a product comes in one or more variants, each with its own SKU, price and stock.
#[Object]
impl ProductVariant {
    /// Id.
    async fn id(&self) -> ID {
        id(self.row().id)
    }

    /// Stock keeping unit, unique; compared without case.
    async fn sku(&self) -> &str {
        &self.row().sku
    }

    /// Name of the variant, as `Green, 100 g`; empty for the only one of a product.
    async fn name(&self) -> &str {
        &self.row().name
    }

    /// The choices that make this variant.
    async fn options(&self) -> Vec<VariantOption> {
        let options = self.row().options.0.iter();
        options
            .map(|option| VariantOption {
                name: option.name.clone(),
                value: option.value.clone(),
            })
            .collect()
    }

    /// Price of one unit.
    async fn price(&self) -> Money {
        Money::new(self.row().price_minor, &self.row().currency)
    }

    /// Whether it is kept in stock. A service, such as postage or a fee, is not: it can always be bought.
    async fn is_stocked(&self) -> bool {
        self.row().is_stocked
    }

    /// Whether it can be bought.
    async fn availability(&self) -> Availability {
        self.row().availability.into()
    }

    /// Whether it was taken out of sale but kept, because an order refers to it. Only staff see such variants.
    async fn is_archived(&self) -> bool {
        self.row().archived_at.is_some()
    }

    /// Raised by each change: give it as `expectedVersion` to change only what you have seen.
    async fn version(&self) -> i32 {
        self.row().version
    }

    /// When it was made.
    async fn created_at(&self) -> Time {
        self.row().created_at.into()
    }

    /// When it changed last.
    async fn updated_at(&self) -> Time {
        self.row().updated_at.into()
    }

    /// The product that this is a variant of; null when it is not for sale and you are not staff.
    async fn product(&self, ctx: &Context<'_>) -> Result<Option<Product>, ApiError> {
        Box::pin(product(ctx, self.row().product_id)).await
    }

    /// How much of it each warehouse has. Requires STAFF.
    #[graphql(complexity = "2 * child_complexity")]
    async fn stock(
        &self,
        ctx: &Context<'_>,
    ) -> Result<Option<Vec<inventory::graphql::Stock>>, ApiError> {
        let stock = inventory::graphql::stock_of_variant(ctx, self.row().id);
        Box::pin(stock).await.map(Some)
    }
}

/// An image: an address, nothing is stored here.
#[derive(Clone, Debug)]
pub struct ProductImage {
    detail: Arc<ProductDetail>,
    place: usize,
}

/// An image: an address, nothing is stored here.
#[Object]
impl ProductImage {
    /// Address of the image.
    async fn url(&self) -> &str {
        &self.detail.images[self.place].url
    }

    /// What it shows, for those who do not see it.
    async fn alt(&self) -> &str {
        &self.detail.images[self.place].alt
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
#[derive(Clone, Debug)]
pub struct Product(ProductRow);

/// Where a product's row stands.
#[derive(Clone, Debug)]
enum ProductRow {
    /// With all that belongs to the product.
    Whole(Arc<ProductDetail>),
    /// As a mutation has written it.
    Alone(Arc<product::Model>),
}

impl From<product::Model> for Product {
    fn from(row: product::Model) -> Self {
        Self(ProductRow::Alone(Arc::new(row)))
    }
}

impl From<Arc<ProductDetail>> for Product {
    fn from(detail: Arc<ProductDetail>) -> Self {
        Self(ProductRow::Whole(detail))
    }
}

impl Product {
    fn row(&self) -> &product::Model {
        match &self.0 {
            ProductRow::Whole(detail) => &detail.product,
            ProductRow::Alone(row) => row,
        }
    }

    fn money(&self, minor: i64) -> Money {
        Money::new(minor, &self.row().currency)
    }

    /// With all that belongs to it; none if it was deleted meanwhile.
    async fn whole(&self, ctx: &Context<'_>) -> Result<Option<Arc<ProductDetail>>, ApiError> {
        match &self.0 {
            ProductRow::Whole(detail) => Ok(Some(Arc::clone(detail))),
            ProductRow::Alone(row) => {
                let loaded = Box::pin(load(ctx).load_one(ProductKey(row.id)));
                Ok(loaded.await?)
            }
        }
    }
}

/// A product of the shop.
#[Object]
impl Product {
    /// Id.
    async fn id(&self) -> ID {
        id(self.row().id)
    }

    /// Handle in addresses, unique, as `green-tea`.
    async fn slug(&self) -> &str {
        &self.row().slug
    }

    /// Name.
    async fn name(&self) -> &str {
        &self.row().name
    }

    /// Text for people.
    async fn description(&self) -> &str {
        &self.row().description
    }

    /// Who sees it. Everybody sees `ACTIVE` products, staff see all.
    async fn status(&self) -> ProductStatus {
        self.row().status.into()
    }

    /// Its id in the system it came from.
    async fn external_reference(&self) -> Option<&str> {
        self.row().external_reference.as_deref()
    }

    /// Price of the default variant.
    async fn price(&self) -> Money {
        self.money(self.row().price_minor)
    }

    /// Prices of all variants.
    async fn price_range(&self) -> PriceRange {
        PriceRange {
            min: self.money(self.row().price_min_minor),
            max: self.money(self.row().price_max_minor),
        }
    }

    /// The best availability of its variants.
    async fn availability(&self) -> Availability {
        self.row().availability.into()
    }

    /// Raised by each change: give it as `expectedVersion` to change only what you have seen.
    async fn version(&self) -> i32 {
        self.row().version
    }

    /// When it was made.
    async fn created_at(&self) -> Time {
        self.row().created_at.into()
    }

    /// When it changed last.
    async fn updated_at(&self) -> Time {
        self.row().updated_at.into()
    }

    /// Its variants in their order. Staff also see those that are archived.
    #[graphql(complexity = "5 * child_complexity")]
    async fn variants(&self, ctx: &Context<'_>) -> Result<Vec<ProductVariant>, ApiError> {
        let detail = self.whole(ctx).await?;
        let is_shown = |row: &variant::Model| shown(ctx, row.archived_at.is_none());
        Ok(detail.map_or_else(Vec::new, |detail| ProductVariant::of(&detail, is_shown)))
    }

    /// The variant that gives the product's price.
    async fn default_variant(&self, ctx: &Context<'_>) -> Result<Option<ProductVariant>, ApiError> {
        // Whoever has the product may see it, so only the variant is asked for.
        let detail = self.whole(ctx).await?;
        let is_default = |row: &variant::Model| row.id == self.row().default_variant_id;
        Ok(detail.and_then(|detail| ProductVariant::of(&detail, is_default).pop()))
    }

    /// Its images in their order.
    #[graphql(complexity = "5 * child_complexity")]
    async fn images(&self, ctx: &Context<'_>) -> Result<Vec<ProductImage>, ApiError> {
        let detail = self.whole(ctx).await?;
        Ok(detail.map_or_else(Vec::new, |detail| {
            let image = |place| ProductImage {
                detail: Arc::clone(&detail),
                place,
            };
            (0..detail.images.len()).map(image).collect()
        }))
    }

    /// The categories it stands in, by name. Staff also see those that are archived.
    #[graphql(complexity = "5 * child_complexity")]
    async fn categories(&self, ctx: &Context<'_>) -> Result<Vec<Category>, ApiError> {
        let Some(detail) = self.whole(ctx).await? else {
            return Ok(Vec::new());
        };
        let keys = detail.category_ids.iter().copied().map(CategoryKey);
        let found = Box::pin(load(ctx).load_many(keys)).await?;
        let mut rows: Vec<category::Model> = found.into_values().collect();
        rows.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Ok(categories_shown(ctx, Some(rows)))
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
        let parent = orders::model::Parent::Product(self.row().id);
        let args = PageArgs {
            first,
            after,
            last,
            before,
            page,
        };
        let found = orders::graphql::orders_below(ctx, parent, args, filter, order_by);
        Box::pin(found).await.map(Some)
    }
}
