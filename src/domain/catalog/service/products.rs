//! Use cases of products.

use super::Service;
use crate::db::page;
use crate::domain::catalog::model::{ProductBy, ProductFilter, ProductOrder, sku_fold};
use crate::domain::catalog::store;
use crate::error::Fault;
use crate::page::{Page, PageRequest};
use entity::catalog::product;
use entity::ids::CategoryId;
use std::collections::HashMap;

impl Service {
    /// One product, whatever its status; whoever shows it decides who may see it.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(name = "catalog.product_by", skip_all)]
    pub async fn product_by(&self, by: ProductBy) -> Result<Option<product::Model>, Fault> {
        let by = match by {
            ProductBy::Sku(sku) => ProductBy::Sku(sku_fold(&sku)),
            by => by,
        };
        self.db
            .read("catalog.product_by", async |c| {
                Ok(store::product_find(&*c, &by).await?)
            })
            .await
    }

    /// A page of products.
    ///
    /// # Errors
    /// A cursor of another list, or the database fails.
    #[tracing::instrument(name = "catalog.products_page", skip_all)]
    pub async fn products_page(
        &self,
        filter: &ProductFilter,
        order: ProductOrder,
        request: &PageRequest,
    ) -> Result<Page<product::Model>, page::Error> {
        self.db
            .read("catalog.products_page", async |c| {
                let below = match &filter.categories {
                    None => None,
                    Some(roots) => Some(store::categories_below(&*c, roots).await?),
                };
                let below: Option<Vec<CategoryId>> =
                    below.map(|pairs| pairs.into_iter().map(|(_, id)| id).collect());
                store::products_page(&*c, filter, below.as_deref(), order, request).await
            })
            .await
    }

    /// The same page of the products of several categories with all below them, in the order of the categories: the
    /// same three statements however many categories.
    ///
    /// # Errors
    /// A cursor of another list, or the database fails.
    #[tracing::instrument(name = "catalog.products_pages_by_categories", skip_all)]
    pub async fn products_pages_by_categories(
        &self,
        categories: &[CategoryId],
        filter: &ProductFilter,
        order: ProductOrder,
        request: &PageRequest,
    ) -> Result<Vec<Page<product::Model>>, page::Error> {
        self.db
            .read("catalog.products_pages_by_categories", async |c| {
                let wanted = filter.categories.iter().flatten();
                let roots: Vec<CategoryId> = categories.iter().chain(wanted).copied().collect();
                let mut below: HashMap<CategoryId, Vec<CategoryId>> = HashMap::new();
                for (root, id) in store::categories_below(&*c, &roots).await? {
                    below.entry(root).or_default().push(id);
                }
                let all_below = |roots: &[CategoryId]| -> Vec<CategoryId> {
                    roots
                        .iter()
                        .filter_map(|root| below.get(root))
                        .flatten()
                        .copied()
                        .collect()
                };
                let parents: Vec<_> = categories.iter().map(|id| all_below(&[*id])).collect();
                let filtered = filter.categories.as_deref().map(all_below);
                store::products_pages_by_categories(
                    &*c,
                    &parents,
                    filter,
                    filtered.as_deref(),
                    order,
                    request,
                )
                .await
            })
            .await
    }
}
