//! Reads of the catalogue.

use super::category::{Category, category_shown};
use super::filters::{
    CategoryBy, CategoryFilter, CategoryOrder, ProductBy, ProductFilter, ProductOrder,
};
use super::product::Product;
use super::types::{product_shown, sees_all};
use crate::app::App;
use crate::domain::catalog::model;
use crate::graphql::authorization::Authorized;
use crate::graphql::connection::{Connection, PageArgs, list_cost};
use crate::graphql::error::ApiError;
use async_graphql::{Context, Object};

/// Reads of the catalogue.
#[derive(Clone, Copy, Debug, Default)]
pub struct CatalogQuery;

#[Object]
impl CatalogQuery {
    /// A product; null when there is none. Only staff find drafts and archived ones.
    #[graphql(guard = "Authorized")]
    async fn product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which product: by id, slug, SKU or external reference.")] by: ProductBy,
    ) -> Result<Option<Product>, ApiError> {
        let catalog = ctx.data_unchecked::<App>().catalog();
        Ok(product_shown(ctx, catalog.product_by(by.read()?).await?))
    }

    /// The products of the shop, newest first. Staff find drafts and archived ones with `filter: {status: …}`.
    #[graphql(
        guard = "Authorized",
        complexity = "list_cost(first, last, child_complexity)"
    )]
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
        let catalog = ctx.data_unchecked::<App>().catalog();
        let filter = filter.unwrap_or_default().read(ctx)?;
        let order = order_by.map_or_else(|| model::ProductOrder::of(&filter), Into::into);
        let found = catalog.products_page(&filter, order, &request).await?;
        Ok(Connection::new(&request, found.map(Product::from)))
    }

    /// A category; null when there is none. Only staff find archived ones.
    #[graphql(guard = "Authorized")]
    async fn category(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which category: by id or slug.")] by: CategoryBy,
    ) -> Result<Option<Category>, ApiError> {
        let catalog = ctx.data_unchecked::<App>().catalog();
        Ok(category_shown(ctx, catalog.category_by(by.read()?).await?))
    }

    /// The categories of the shop, by their place. Staff find archived ones with `filter: {status: …}`.
    #[graphql(
        guard = "Authorized",
        complexity = "list_cost(first, last, child_complexity)"
    )]
    #[expect(
        clippy::too_many_arguments,
        reason = "every list takes these arguments"
    )]
    async fn categories(
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
            CategoryFilter,
        >,
        #[graphql(desc = "The order of the list; by place if nothing is said.")] order_by: Option<
            CategoryOrder,
        >,
    ) -> Result<Connection<Category>, ApiError> {
        let request = PageArgs {
            first,
            after,
            last,
            before,
            page,
        }
        .request(ctx)?;
        let catalog = ctx.data_unchecked::<App>().catalog();
        let filter = filter.unwrap_or_default().read(|| sees_all(ctx))?;
        let order = order_by.map(Into::into).unwrap_or_default();
        let found = catalog.categories_page(&filter, order, &request).await?;
        Ok(Connection::new(&request, found.map(Category::from)))
    }
}
