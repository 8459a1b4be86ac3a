//! The catalogue in the schema.

mod types;

pub use types::{
    Availability, Category, CategoryStatus, PriceRange, Product, ProductImage, ProductStatus,
    ProductVariant, VariantOption, product, variant,
};
