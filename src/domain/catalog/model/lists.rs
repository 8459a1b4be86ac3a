//! How products and categories are named, and how lists of them are narrowed and sorted.

use super::Search;
use entity::catalog::{Availability, CategoryStatus, ProductStatus};
use entity::ids::{CategoryId, ProductId};

/// Which products are listed; all that is given must hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProductFilter {
    /// In one of these categories; an empty list matches nothing.
    pub categories: Option<Vec<CategoryId>>,
    /// Or in a category below one of these; also decides for the list of one category's products.
    pub with_subcategories: bool,
    /// With one of these statuses.
    pub statuses: Vec<ProductStatus>,
    /// With one of these availabilities.
    pub availability: Option<Vec<Availability>>,
    /// The default variant costs at least this, in minor units.
    pub price_min_minor: Option<i64>,
    /// The default variant costs at most this, in minor units.
    pub price_max_minor: Option<i64>,
    /// The folded name contains this.
    pub name_contains: Option<String>,
    /// The folded name begins with this.
    pub name_prefix: Option<String>,
    /// Found by these words.
    pub search: Option<Search>,
}

impl Default for ProductFilter {
    /// What everybody sees.
    fn default() -> Self {
        Self {
            categories: None,
            with_subcategories: true,
            statuses: vec![ProductStatus::Active],
            availability: None,
            price_min_minor: None,
            price_max_minor: None,
            name_contains: None,
            name_prefix: None,
            search: None,
        }
    }
}

/// What products are sorted by; equal ones by their id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProductSort {
    /// When they were made.
    #[default]
    CreatedAt,
    /// Name without case.
    Name,
    /// Price of the default variant.
    Price,
    /// How well they fit what was searched for, then by name; without a search only by name.
    Relevance,
}

/// The order of products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProductOrder {
    /// By what.
    pub by: ProductSort,
    /// Greatest first.
    pub descending: bool,
}

impl ProductOrder {
    /// The order of a list for which nothing is said: what was searched for by how well it fits, else newest first.
    #[must_use]
    pub fn of(filter: &ProductFilter) -> Self {
        match filter.search {
            Some(_) => Self {
                by: ProductSort::Relevance,
                descending: false,
            },
            None => Self::default(),
        }
    }
}

impl Default for ProductOrder {
    /// Newest first.
    fn default() -> Self {
        Self {
            by: ProductSort::CreatedAt,
            descending: true,
        }
    }
}

/// Which categories are listed; all that is given must hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CategoryFilter {
    /// Directly below one of these.
    pub parents: Option<Vec<CategoryId>>,
    /// At the top of the tree, or not.
    pub is_root: Option<bool>,
    /// With one of these statuses.
    pub statuses: Vec<CategoryStatus>,
}

impl Default for CategoryFilter {
    /// What everybody sees.
    fn default() -> Self {
        Self {
            parents: None,
            is_root: None,
            statuses: vec![CategoryStatus::Active],
        }
    }
}

/// What categories are sorted by; equal ones by their id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CategorySort {
    /// Place among siblings.
    #[default]
    Position,
    /// Name.
    Name,
}

/// The order of categories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CategoryOrder {
    /// By what.
    pub by: CategorySort,
    /// Greatest first.
    pub descending: bool,
}

/// How one product is named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ProductBy {
    /// By its id.
    Id(ProductId),
    /// By its slug.
    Slug(String),
    /// By the SKU of one of its variants, without case.
    Sku(String),
    /// By its id in the system it came from.
    ExternalReference(String),
}

/// How one category is named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CategoryBy {
    /// By its id.
    Id(CategoryId),
    /// By its slug.
    Slug(String),
}
