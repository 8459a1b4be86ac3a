//! How clients name products and categories, narrow lists of them and sort them.

use super::types::{Availability, CategoryStatus, ProductStatus, sees_all};
use crate::app::App;
use crate::domain::catalog::model::{
    self, CategorySort, PRODUCT_NAME_MAX, ProductSort, SEARCH_MAX, Search, TooManyWords, fold,
};
use crate::graphql::connection::OrderDirection;
use crate::graphql::error::ApiError;
use crate::graphql::filter::{DecimalFilter, IdFilter, TextFilter, one_of};
use crate::graphql::scalars::{Decimal, query_id};
use crate::graphql::validate;
use crate::money;
use async_graphql::{Context, Enum, ID, InputObject, OneofObject};
use validator::Validate;

/// Names a product; exactly one field.
#[derive(Clone, Debug, OneofObject)]
pub enum ProductBy {
    /// By id.
    Id(ID),
    /// By slug, as `green-tea`.
    Slug(String),
    /// By the SKU of one of its variants, in any case.
    Sku(String),
    /// By its id in the system it came from.
    ExternalReference(String),
}

impl ProductBy {
    pub(super) fn read(self) -> Result<model::ProductBy, ApiError> {
        Ok(match self {
            Self::Id(id) => model::ProductBy::Id(query_id(&id)?),
            Self::Slug(slug) => model::ProductBy::Slug(slug),
            Self::Sku(sku) => model::ProductBy::Sku(sku),
            Self::ExternalReference(reference) => model::ProductBy::ExternalReference(reference),
        })
    }
}

/// Names a category; exactly one field.
#[derive(Clone, Debug, OneofObject)]
pub enum CategoryBy {
    /// By id.
    Id(ID),
    /// By slug, as `teas`.
    Slug(String),
}

impl CategoryBy {
    pub(super) fn read(self) -> Result<model::CategoryBy, ApiError> {
        Ok(match self {
            Self::Id(id) => model::CategoryBy::Id(query_id(&id)?),
            Self::Slug(slug) => model::CategoryBy::Slug(slug),
        })
    }
}

/// The status of a product is one of these.
#[derive(Clone, Debug, Default, InputObject, Validate)]
pub struct ProductStatusFilter {
    /// Exactly this.
    pub eq: Option<ProductStatus>,
    /// One of these; an empty list matches nothing.
    pub r#in: Option<Vec<ProductStatus>>,
}

/// The status of a category is one of these.
#[derive(Clone, Debug, Default, InputObject, Validate)]
pub struct CategoryStatusFilter {
    /// Exactly this.
    pub eq: Option<CategoryStatus>,
    /// One of these; an empty list matches nothing.
    pub r#in: Option<Vec<CategoryStatus>>,
}

/// The availability is one of these.
#[derive(Clone, Debug, Default, InputObject, Validate)]
pub struct AvailabilityFilter {
    /// Exactly this.
    pub eq: Option<Availability>,
    /// One of these; an empty list matches nothing.
    pub r#in: Option<Vec<Availability>>,
}

/// Narrows a list of products; all that is given must hold.
#[derive(Clone, Debug, InputObject, Validate)]
pub struct ProductFilter {
    /// Standing in one of these categories, or in a category below.
    #[validate(nested)]
    pub category: Option<IdFilter>,
    /// With `false` only products that stand in the category itself, not in a category below, are listed; also below
    /// `Category.products`.
    #[graphql(default = true)]
    pub include_subcategories: bool,
    /// Price of the default variant, in the shop's currency.
    #[validate(nested)]
    pub price: Option<DecimalFilter>,
    /// The best availability of the variants.
    #[validate(nested)]
    pub availability: Option<AvailabilityFilter>,
    /// Status; without it `ACTIVE` ones are listed. Only staff see others than `ACTIVE`.
    #[validate(nested)]
    pub status: Option<ProductStatusFilter>,
    /// Name, without regard to case.
    #[validate(nested)]
    pub name: Option<TextFilter>,
    /// Found by these words, at most 200 characters: each must stand in the SKU, the name, the name of a category or the
    /// description; of the last word the beginning is enough. Case and accents do not count. A text without any letter or
    /// digit does not narrow the list. If nothing is said of the order, what fits best comes first.
    #[validate(length(max = SEARCH_MAX))]
    pub search: Option<String>,
}

impl Default for ProductFilter {
    fn default() -> Self {
        Self {
            category: None,
            include_subcategories: true,
            price: None,
            availability: None,
            status: None,
            name: None,
            search: None,
        }
    }
}

impl ProductFilter {
    /// The filter in the terms of the domain. Whether the viewer sees more than what is active is asked only when the
    /// filter asks for more.
    pub(super) fn read(self, ctx: &Context<'_>) -> Result<model::ProductFilter, ApiError> {
        use entity::catalog::ProductStatus::Active;
        validate::check_query(&self)?;
        let app = ctx.data_unchecked::<App>();
        let currency = app.catalog().currency();
        let status = self.status.unwrap_or_default();
        let statuses = match one_of(status.eq, status.r#in) {
            None => vec![Active],
            Some(statuses) => seen(statuses, Active, || sees_all(ctx)),
        };
        let words_max = app.config().limits.search_words;
        let search = self.search.map(|text| Search::of(&text, words_max));
        let search = search.transpose().map_err(|TooManyWords| {
            ApiError::BadUserInput(format!("search: at most {words_max} different words"))
        })?;
        let availability = self.availability.unwrap_or_default();
        let availability = one_of(availability.eq, availability.r#in);
        let price = self.price.unwrap_or_default();
        let name = self.name.unwrap_or_default();
        let folded = |text: Option<String>| text.map(|text| fold(&text, PRODUCT_NAME_MAX));
        Ok(model::ProductFilter {
            categories: self.category.unwrap_or_default().read()?,
            with_subcategories: self.include_subcategories,
            statuses,
            availability: availability.map(|some| some.into_iter().map(Into::into).collect()),
            price_min_minor: minor(price.gte, currency)?,
            price_max_minor: minor(price.lte, currency)?,
            name_contains: folded(name.contains),
            name_prefix: folded(name.prefix),
            search: search.flatten(),
        })
    }
}

/// The statuses that the viewer may see of those that were asked for.
fn seen<G, S: From<G> + PartialEq>(
    asked: Vec<G>,
    public: S,
    sees_all: impl FnOnce() -> bool,
) -> Vec<S> {
    let mut statuses: Vec<S> = asked.into_iter().map(S::from).collect();
    if statuses.iter().any(|status| *status != public) && !sees_all() {
        statuses.retain(|status| *status == public);
    }
    statuses
}

fn minor(amount: Option<Decimal>, currency: &str) -> Result<Option<i64>, ApiError> {
    amount
        .map(|amount| money::to_minor(amount.0, currency))
        .transpose()
        .map_err(|error| ApiError::BadUserInput(format!("price: {error}")))
}

/// What products are sorted by; equal ones are sorted by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum ProductOrderField {
    /// When they were made.
    CreatedAt,
    /// Name, without regard to case.
    Name,
    /// Price of the default variant.
    Price,
}

/// The order of a list of products.
#[derive(Clone, Copy, Debug, InputObject, Validate)]
pub struct ProductOrder {
    /// The value.
    pub field: ProductOrderField,
    /// Smallest or greatest first.
    pub direction: OrderDirection,
}

impl From<ProductOrder> for model::ProductOrder {
    fn from(order: ProductOrder) -> Self {
        Self {
            by: match order.field {
                ProductOrderField::CreatedAt => ProductSort::CreatedAt,
                ProductOrderField::Name => ProductSort::Name,
                ProductOrderField::Price => ProductSort::Price,
            },
            descending: order.direction.is_descending(),
        }
    }
}

/// Narrows a list of categories; all that is given must hold.
#[derive(Clone, Debug, Default, InputObject, Validate)]
pub struct CategoryFilter {
    /// Standing directly below one of these.
    #[validate(nested)]
    pub parent: Option<IdFilter>,
    /// At the top of the tree, or not.
    pub is_root: Option<bool>,
    /// Status; without it `ACTIVE` ones are listed. Only staff see others than `ACTIVE`.
    #[validate(nested)]
    pub status: Option<CategoryStatusFilter>,
}

impl CategoryFilter {
    /// The filter in the terms of the domain.
    pub(super) fn read(
        self,
        sees_all: impl FnOnce() -> bool,
    ) -> Result<model::CategoryFilter, ApiError> {
        use entity::catalog::CategoryStatus::Active;
        validate::check_query(&self)?;
        let status = self.status.unwrap_or_default();
        Ok(model::CategoryFilter {
            parents: self.parent.unwrap_or_default().read()?,
            is_root: self.is_root,
            statuses: match one_of(status.eq, status.r#in) {
                None => vec![Active],
                Some(statuses) => seen(statuses, Active, sees_all),
            },
        })
    }
}

/// What categories are sorted by; equal ones are sorted by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum CategoryOrderField {
    /// Place among siblings.
    Position,
    /// Name.
    Name,
}

/// The order of a list of categories.
#[derive(Clone, Copy, Debug, InputObject, Validate)]
pub struct CategoryOrder {
    /// The value.
    pub field: CategoryOrderField,
    /// Smallest or greatest first.
    pub direction: OrderDirection,
}

impl From<CategoryOrder> for model::CategoryOrder {
    fn from(order: CategoryOrder) -> Self {
        Self {
            by: match order.field {
                CategoryOrderField::Position => CategorySort::Position,
                CategoryOrderField::Name => CategorySort::Name,
            },
            descending: order.direction.is_descending(),
        }
    }
}
