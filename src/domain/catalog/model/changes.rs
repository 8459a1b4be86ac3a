//! What the use cases take: objects to be made, and changes of them.

use entity::catalog::{
    CategoryStatus, ProductStatus, VariantOption, product, product_image, variant,
};
use entity::ids::{CategoryId, VariantId};
use serde::Serialize;

/// An image of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewImage {
    /// Address.
    pub url: String,
    /// What it shows.
    pub alt: String,
}

/// A variant to be made. Lengths were checked by whoever read it from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewVariant {
    /// SKU.
    pub sku: String,
    /// Name; empty for the only variant of a product.
    pub name: String,
    /// Choices.
    pub options: Vec<VariantOption>,
    /// Price in minor units of the shop's currency.
    pub price_minor: i64,
}

/// A product to be made, with at least one variant, the first of which becomes the default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewProduct {
    /// Name.
    pub name: String,
    /// Slug; made from the name when it is not given.
    pub slug: Option<String>,
    /// Text for people.
    pub description: String,
    /// Status.
    pub status: ProductStatus,
    /// Id in the system it comes from.
    pub external_reference: Option<String>,
    /// The categories it stands in.
    pub category_ids: Vec<CategoryId>,
    /// Images in their order.
    pub images: Vec<NewImage>,
    /// Variants in their order.
    pub variants: Vec<NewVariant>,
}

/// Changes of a product; what is not given stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProductChanges {
    /// Name.
    pub name: Option<String>,
    /// Slug.
    pub slug: Option<String>,
    /// Text for people.
    pub description: Option<String>,
    /// Status.
    pub status: Option<ProductStatus>,
    /// Id in another system, or none.
    pub external_reference: Option<Option<String>>,
    /// All categories it stands in from now on.
    pub category_ids: Option<Vec<CategoryId>>,
    /// All its images from now on.
    pub images: Option<Vec<NewImage>>,
    /// Price of its only variant in minor units.
    pub price_minor: Option<i64>,
    /// The variant that gives its price.
    pub default_variant_id: Option<VariantId>,
    /// Refuse when the product has another version.
    pub expected_version: Option<i32>,
}

/// Changes of a variant; what is not given stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VariantChanges {
    /// SKU.
    pub sku: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Choices.
    pub options: Option<Vec<VariantOption>>,
    /// Price in minor units of the shop's currency.
    pub price_minor: Option<i64>,
    /// Place among the product's variants.
    pub position: Option<i32>,
    /// Refuse when the variant has another version.
    pub expected_version: Option<i32>,
}

/// A category to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewCategory {
    /// Name.
    pub name: String,
    /// Slug; made from the name when it is not given.
    pub slug: Option<String>,
    /// Text for people.
    pub description: String,
    /// The category above it.
    pub parent_id: Option<CategoryId>,
    /// Place among its siblings; last when it is not given.
    pub position: Option<i32>,
    /// Status.
    pub status: CategoryStatus,
}

/// Changes of a category; what is not given stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CategoryChanges {
    /// Name.
    pub name: Option<String>,
    /// Slug.
    pub slug: Option<String>,
    /// Text for people.
    pub description: Option<String>,
    /// Place among its siblings.
    pub position: Option<i32>,
    /// Status.
    pub status: Option<CategoryStatus>,
    /// Refuse when the category has another version.
    pub expected_version: Option<i32>,
}

/// How a deletion ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed<T> {
    /// The row as it is now, or as it was before it went.
    pub row: T,
    /// Whether an order refers to it, so that it was archived and is still there.
    pub archived: bool,
}

/// All rows of a new product.
#[derive(Clone, Debug)]
pub struct ProductRows {
    /// The product.
    pub product: product::Model,
    /// Its variants.
    pub variants: Vec<variant::Model>,
    /// Its images.
    pub images: Vec<product_image::Model>,
    /// The categories it stands in.
    pub category_ids: Vec<CategoryId>,
}
