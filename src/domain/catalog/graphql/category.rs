//! What clients see of a category.

use super::filters::{ProductFilter, ProductOrder};
use super::product::Product;
use super::types::{CategoryStatus, load, shown};
use crate::domain::catalog::loaders::{
    CategoryKey, ChildrenOfCategory, PathOfCategory, ProductCountsOfCategory, ProductsOfCategory,
};
use crate::domain::catalog::model;
use crate::graphql::connection::{Connection, PageArgs, list_cost};
use crate::graphql::error::ApiError;
use crate::graphql::scalars::{Time, id};
use crate::page::Page;
use async_graphql::{ComplexObject, Context, ID, SimpleObject};
use entity::catalog::category;
use entity::ids::CategoryId;

/// A category of the shop; categories stand in a tree.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Category {
    /// Id.
    pub id: ID,
    /// Handle in addresses, unique, as `teas`.
    pub slug: String,
    /// Name.
    pub name: String,
    /// Text for people.
    pub description: String,
    /// Who sees it.
    pub status: CategoryStatus,
    /// Place among its siblings, smallest first.
    pub position: i32,
    /// Raised by each change: give it as `expectedVersion` to change only what you have seen.
    pub version: i32,
    /// When it was made.
    pub created_at: Time,
    /// When it changed last.
    pub updated_at: Time,
    #[graphql(skip)]
    category_id: CategoryId,
    #[graphql(skip)]
    parent_id: Option<CategoryId>,
}

impl From<category::Model> for Category {
    fn from(row: category::Model) -> Self {
        Self {
            id: id(row.id),
            slug: row.slug,
            name: row.name,
            description: row.description,
            status: row.status.into(),
            position: row.position,
            version: row.version,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
            category_id: row.id,
            parent_id: row.parent_id,
        }
    }
}

#[ComplexObject]
impl Category {
    /// The category above it, if any.
    async fn parent(&self, ctx: &Context<'_>) -> Result<Option<Category>, ApiError> {
        let Some(parent) = self.parent_id else {
            return Ok(None);
        };
        let row = load(ctx).load_one(CategoryKey(parent)).await?;
        Ok(category_shown(ctx, row))
    }

    /// The way to it through the tree: the categories above it, from the top down to its parent. Only staff see those that
    /// are archived.
    #[graphql(complexity = "3 * child_complexity")]
    async fn breadcrumb(&self, ctx: &Context<'_>) -> Result<Vec<Category>, ApiError> {
        let Some(parent) = self.parent_id else {
            return Ok(Vec::new());
        };
        let rows = load(ctx).load_one(PathOfCategory(parent)).await?;
        Ok(categories_shown(ctx, rows))
    }

    /// How many `ACTIVE` products stand in it or in a category below; each counts once.
    #[graphql(complexity = 5)]
    async fn product_count(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "With `false` only those that stand in the category itself.",
            default = true
        )]
        include_subcategories: bool,
    ) -> Result<i32, ApiError> {
        let key = ProductCountsOfCategory(self.category_id);
        let counts = load(ctx).load_one(key).await?.unwrap_or_default();
        let count = if include_subcategories {
            counts.all
        } else {
            counts.own
        };
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }

    /// The categories directly below it, in their order. Staff also see those that are archived.
    #[graphql(complexity = "10 * child_complexity")]
    async fn children(&self, ctx: &Context<'_>) -> Result<Vec<Category>, ApiError> {
        let rows = load(ctx)
            .load_one(ChildrenOfCategory(self.category_id))
            .await?;
        Ok(categories_shown(ctx, rows))
    }

    /// Its products and those of the categories below it, newest first. Staff find drafts and archived ones with
    /// `filter: {status: …}`.
    #[graphql(complexity = "list_cost(first, last, child_complexity)")]
    #[expect(
        clippy::too_many_arguments,
        reason = "every list takes these arguments"
    )]
    async fn products(
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
            ProductFilter,
        >,
        #[graphql(
            desc = "The order of the list; newest first if nothing is said, or what fits best when something is searched for."
        )]
        order_by: Option<ProductOrder>,
    ) -> Result<Connection<Product>, ApiError> {
        let request = PageArgs {
            first,
            after,
            last,
            before,
            page,
        }
        .request(ctx)?;
        let filter = filter.unwrap_or_default().read(ctx)?;
        let key = ProductsOfCategory {
            category: self.category_id,
            request: request.clone(),
            order: order_by.map_or_else(|| model::ProductOrder::of(&filter), Into::into),
            filter,
        };
        let found = match load(ctx).load_one(key).await? {
            Some(found) => found?,
            None => Page::empty(request.with_total),
        };
        Ok(Connection::new(&request, found.map(Product::from)))
    }
}

/// A category, if the viewer may see it.
pub(super) fn category_shown(ctx: &Context<'_>, row: Option<category::Model>) -> Option<Category> {
    row.filter(|row| shown(ctx, row.status == entity::catalog::CategoryStatus::Active))
        .map(Category::from)
}

pub(super) fn categories_shown(
    ctx: &Context<'_>,
    rows: Option<Vec<category::Model>>,
) -> Vec<Category> {
    rows.unwrap_or_default()
        .into_iter()
        .filter_map(|row| category_shown(ctx, Some(row)))
        .collect()
}
