//! Categories, products and their variants.

use crate::text_enum;
use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};

text_enum!(
    /// Who sees a product.
    ProductStatus {
        /// Staff only; not for sale yet.
        Draft = "DRAFT",
        /// Everybody; for sale.
        Active = "ACTIVE",
        /// Staff only; no longer for sale, kept because orders refer to it.
        Archived = "ARCHIVED",
    }
);

text_enum!(
    /// Who sees a category.
    CategoryStatus {
        /// Everybody.
        Active = "ACTIVE",
        /// Staff only.
        Archived = "ARCHIVED",
    }
);

text_enum!(
    /// What the public is told of the stock.
    Availability {
        /// More than the threshold of low stock can be bought.
        InStock = "IN_STOCK",
        /// Something can be bought, at most the threshold.
        LowStock = "LOW_STOCK",
        /// Nothing can be bought.
        OutOfStock = "OUT_OF_STOCK",
    }
);

/// One choice of a variant, as `Colour: Red`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VariantOption {
    /// What is chosen (`Colour`).
    pub name: String,
    /// The choice (`Red`).
    pub value: String,
}

/// The choices of a variant, in the order in which they are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct VariantOptions(pub Vec<VariantOption>);

/// A node of the category tree.
pub mod category {
    use super::CategoryStatus;
    use crate::ids::CategoryId;
    use sea_orm::entity::prelude::*;
    use serde::{Deserialize, Serialize};

    /// One row of `categories`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
    #[sea_orm(table_name = "categories")]
    pub struct Model {
        /// Id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: CategoryId,
        /// The category above it, if any.
        pub parent_id: Option<CategoryId>,
        /// Name, 1 to 120 characters.
        pub name: String,
        /// Handle in addresses, unique, lower case letters, digits and hyphens.
        pub slug: String,
        /// Text for people, up to 10,000 characters.
        pub description: String,
        /// Status.
        pub status: CategoryStatus,
        /// Place among its siblings, smallest first.
        pub position: i32,
        /// Raised by each change.
        pub version: i32,
        /// When it was made.
        pub created_at: DateTimeUtc,
        /// When it changed last.
        pub updated_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A product.
pub mod product {
    use super::{Availability, ProductStatus};
    use crate::ids::{ProductId, VariantId};
    use sea_orm::entity::prelude::*;
    use serde::{Deserialize, Serialize};

    /// One row of `products`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
    #[sea_orm(table_name = "products")]
    pub struct Model {
        /// Id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: ProductId,
        /// Handle in addresses, unique.
        pub slug: String,
        /// Name, 1 to 200 characters.
        pub name: String,
        /// The name in lower case: what lists are sorted by, alike on every database.
        pub name_folded: String,
        /// Text for people, up to 10,000 characters.
        pub description: String,
        /// Status.
        pub status: ProductStatus,
        /// Id in the system it came from, unique where given, up to 64 characters.
        pub external_reference: Option<String>,
        /// The variant that gives the product's price.
        pub default_variant_id: VariantId,
        /// Price of the default variant in minor units, kept by the catalogue.
        pub price_minor: i64,
        /// Smallest price of its variants in minor units.
        pub price_min_minor: i64,
        /// Greatest price of its variants in minor units.
        pub price_max_minor: i64,
        /// Currency of the prices.
        pub currency: String,
        /// The best availability of its variants.
        pub availability: Availability,
        /// Raised by each change that staff make.
        pub version: i32,
        /// When it was made.
        pub created_at: DateTimeUtc,
        /// When it changed last.
        pub updated_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Which product stands in which category.
pub mod product_category {
    use crate::ids::{CategoryId, ProductId};
    use sea_orm::entity::prelude::*;

    /// One row of `product_categories`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "product_categories")]
    pub struct Model {
        /// The product.
        #[sea_orm(primary_key, auto_increment = false)]
        pub product_id: ProductId,
        /// The category.
        #[sea_orm(primary_key, auto_increment = false)]
        pub category_id: CategoryId,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// The words that products are found by.
pub mod product_term {
    use crate::ids::ProductId;
    use sea_orm::entity::prelude::*;

    /// One row of `product_terms`: a word that a product is found by, and where it has it from.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "product_terms")]
    pub struct Model {
        /// The word, folded: 1 to 64 characters.
        #[sea_orm(primary_key, auto_increment = false)]
        pub term: String,
        /// The product.
        #[sea_orm(primary_key, auto_increment = false)]
        pub product_id: ProductId,
        /// Where the word stands: in the product itself, or in the name of a category that it stands in.
        #[sea_orm(primary_key, auto_increment = false)]
        pub source_id: Uuid,
        /// How little the word says of the product; 0 is most.
        pub distance: i32,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Images of products: addresses only, nothing is uploaded.
pub mod product_image {
    use crate::ids::{ProductId, ProductImageId};
    use sea_orm::entity::prelude::*;
    use serde::{Deserialize, Serialize};

    /// One row of `product_images`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
    #[sea_orm(table_name = "product_images")]
    pub struct Model {
        /// Id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: ProductImageId,
        /// The product.
        pub product_id: ProductId,
        /// Place among the product's images, from 0.
        pub position: i32,
        /// Address of the image.
        pub url: String,
        /// What the image shows, for those who do not see it.
        pub alt: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// What is sold: a product has one or more of them.
pub mod variant {
    use super::{Availability, VariantOptions};
    use crate::ids::{ProductId, VariantId};
    use sea_orm::entity::prelude::*;
    use serde::{Deserialize, Serialize};

    /// One row of `variants`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
    #[sea_orm(table_name = "variants")]
    pub struct Model {
        /// Id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: VariantId,
        /// Its product.
        pub product_id: ProductId,
        /// Stock keeping unit as staff write it, 1 to 64 characters.
        pub sku: String,
        /// The SKU in lower case, unique: SKUs are compared without case.
        pub sku_folded: String,
        /// Name of the variant; empty for the only one of a product.
        pub name: String,
        /// Choices.
        pub options: VariantOptions,
        /// Price in minor units of the currency, 0 or more.
        pub price_minor: i64,
        /// Currency of the price.
        pub currency: String,
        /// Place among the product's variants, from 0.
        pub position: i32,
        /// What the public is told of its stock; written by the inventory through the catalogue.
        pub availability: Availability,
        /// When it was taken out of sale, because an order refers to it and it cannot be deleted.
        pub archived_at: Option<DateTimeUtc>,
        /// Raised by each change that staff make.
        pub version: i32,
        /// When it was made.
        pub created_at: DateTimeUtc,
        /// When it changed last.
        pub updated_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}
