//! The catalogue in the schema.

mod bulk;
mod category;
mod filters;
mod inputs;
mod mutation;
mod product;
mod query;
mod rules;
mod subscription;
mod types;

pub use bulk::{ProductsUpdateInput, ProductsUpdatePayload, ProductsUpdateResult};
pub use category::Category;
pub use filters::*;
pub use inputs::*;
pub use mutation::*;
pub use product::{PriceRange, Product, ProductImage, ProductVariant, VariantOption};
pub use query::CatalogQuery;
pub use subscription::CatalogSubscription;
pub use types::{Availability, CategoryStatus, ProductStatus, product, variant};
