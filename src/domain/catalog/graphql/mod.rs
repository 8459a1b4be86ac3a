//! The catalogue in the schema.

mod filters;
mod inputs;
mod mutation;
mod query;
mod rules;
mod types;

pub use filters::*;
pub use inputs::*;
pub use mutation::*;
pub use query::CatalogQuery;
pub use types::{
    Availability, Category, CategoryStatus, PriceRange, Product, ProductImage, ProductStatus,
    ProductVariant, VariantOption, product, variant,
};
