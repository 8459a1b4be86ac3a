//! Batch loaders of one request: what a level of a query needs is read in one statement, however many rows ask.
//!
//! Loaders read rows as they are; what a viewer may see is decided where rows become GraphQL types.

use super::model::{ProductFilter, ProductOrder, TREE_DEPTH_MAX};
use super::service::{ProductDetail, Service};
use super::store::{self, ProductCounts};
use crate::app::App;
use crate::db;
use crate::error::Fault;
use crate::graphql::loading::{Loaders, OfRequest, Place};
use crate::page::{BadCursor, Page, PageRequest};
use async_graphql::dataloader::Loader;
use entity::catalog::{category, variant};
use entity::ids::{CategoryId, ProductId, VariantId};
use std::collections::HashMap;
use std::sync::Arc;

/// Lists of one statement: SQLite joins at most 500 selects by UNION ALL.
const LISTS_PER_STATEMENT: usize = 200;

/// A variant by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VariantKey(pub VariantId);

/// A product by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProductKey(pub ProductId);

/// A category by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CategoryKey(pub CategoryId);

/// The categories directly below one, archived ones too, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChildrenOfCategory(pub CategoryId);

/// A category and all above it, from the top of the tree down to it, archived ones too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PathOfCategory(pub CategoryId);

/// How many active products stand in a category.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProductCountsOfCategory(pub CategoryId);

/// A page of the products of a category and, if the filter says so, of all below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProductsOfCategory {
    /// The category.
    pub category: CategoryId,
    /// Which page.
    pub request: PageRequest,
    /// Which products.
    pub filter: ProductFilter,
    /// In which order.
    pub order: ProductOrder,
}

/// The loaders of one request.
#[derive(Clone, Debug)]
pub struct CatalogLoader {
    catalog: Service,
}

impl OfRequest for CatalogLoader {
    fn new(app: &App) -> Self {
        Self {
            catalog: app.catalog().clone(),
        }
    }

    fn place(loaders: &Loaders) -> &Place<Self> {
        &loaders.catalog
    }
}

impl Loader<VariantKey> for CatalogLoader {
    type Value = variant::Model;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[VariantKey],
    ) -> Result<HashMap<VariantKey, Self::Value>, Self::Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let read = self.catalog.db().read("catalog.load_variants", async |c| {
            Ok::<_, Fault>(store::variants_by_ids(&*c, &ids).await?)
        });
        let rows = read.await?;
        Ok(rows
            .into_iter()
            .map(|row| (VariantKey(row.id), row))
            .collect())
    }
}

impl Loader<ProductKey> for CatalogLoader {
    type Value = Arc<ProductDetail>;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[ProductKey],
    ) -> Result<HashMap<ProductKey, Self::Value>, Self::Error> {
        let ids: Vec<ProductId> = keys.iter().map(|key| key.0).collect();
        let found = self.catalog.products_by_ids(&ids).await?;
        let found = keys.iter().zip(found);
        Ok(found
            .filter_map(|(key, detail)| Some((*key, detail?)))
            .collect())
    }
}

impl Loader<CategoryKey> for CatalogLoader {
    type Value = category::Model;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[CategoryKey],
    ) -> Result<HashMap<CategoryKey, Self::Value>, Self::Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let rows = self.catalog.categories_by_ids(&ids).await?;
        let found = keys.iter().zip(rows);
        Ok(found
            .filter_map(|(key, row)| Some((*key, (*row?).clone())))
            .collect())
    }
}

impl Loader<ChildrenOfCategory> for CatalogLoader {
    type Value = Vec<category::Model>;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[ChildrenOfCategory],
    ) -> Result<HashMap<ChildrenOfCategory, Self::Value>, Self::Error> {
        let parents: Vec<_> = keys.iter().map(|key| key.0).collect();
        let found = self.catalog.categories_below(&parents).await?;
        Ok(found
            .into_iter()
            .map(|(parent, rows)| (ChildrenOfCategory(parent), rows))
            .collect())
    }
}

impl Loader<PathOfCategory> for CatalogLoader {
    type Value = Vec<category::Model>;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[PathOfCategory],
    ) -> Result<HashMap<PathOfCategory, Self::Value>, Self::Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let read = self
            .catalog
            .db()
            .read("catalog.load_paths_of_categories", async |c| {
                let above: Vec<CategoryId> = store::categories_above(&*c, &ids)
                    .await?
                    .into_iter()
                    .collect();
                Ok::<_, Fault>(store::categories_by_ids(&*c, &above).await?)
            });
        let rows = read.await?.into_iter().map(|row| (row.id, row));
        let rows: HashMap<CategoryId, category::Model> = rows.collect();
        let path = |key: &PathOfCategory| {
            let mut path = Vec::new();
            let mut next = rows.get(&key.0);
            while let Some(row) = next
                && path.len() < TREE_DEPTH_MAX
            {
                path.push(row.clone());
                next = row.parent_id.and_then(|parent| rows.get(&parent));
            }
            path.reverse();
            path
        };
        Ok(keys.iter().map(|key| (*key, path(key))).collect())
    }
}

impl Loader<ProductCountsOfCategory> for CatalogLoader {
    type Value = ProductCounts;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[ProductCountsOfCategory],
    ) -> Result<HashMap<ProductCountsOfCategory, Self::Value>, Self::Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let read = self
            .catalog
            .db()
            .read("catalog.load_product_counts", async |c| {
                Ok::<_, Fault>(store::products_count_by_categories(&*c, &ids).await?)
            });
        let rows = read.await?;
        Ok(rows
            .into_iter()
            .map(|(id, counts)| (ProductCountsOfCategory(id), counts))
            .collect())
    }
}

impl Loader<ProductsOfCategory> for CatalogLoader {
    /// A cursor that is not of this list is the client's mistake, not a failure of the batch.
    type Value = Result<Page<Arc<ProductDetail>>, BadCursor>;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[ProductsOfCategory],
    ) -> Result<HashMap<ProductsOfCategory, Self::Value>, Self::Error> {
        // One field of a query gives all its parents the same arguments; aliases of it are groups of their own.
        let mut groups: Vec<(&ProductsOfCategory, Vec<CategoryId>)> = Vec::new();
        for key in keys {
            let alike = |other: &ProductsOfCategory| {
                (&other.request, &other.filter, other.order)
                    == (&key.request, &key.filter, key.order)
            };
            match groups.iter_mut().find(|(other, _)| alike(other)) {
                Some((_, categories)) => categories.push(key.category),
                None => groups.push((key, vec![key.category])),
            }
        }
        let mut pages = HashMap::with_capacity(keys.len());
        for (arguments, categories) in groups {
            for categories in categories.chunks(LISTS_PER_STATEMENT) {
                let found = self.catalog.products_pages_by_categories(
                    categories,
                    &arguments.filter,
                    arguments.order,
                    &arguments.request,
                );
                let mut found = match found.await {
                    Ok(found) => found.into_iter().map(Ok).collect(),
                    Err(db::page::Error::Cursor(bad)) => vec![Err(bad); categories.len()],
                    Err(db::page::Error::Fault(fault)) => return Err(Arc::new(fault)),
                };
                for (&category, page) in categories.iter().zip(found.drain(..)) {
                    pages.insert(
                        ProductsOfCategory {
                            category,
                            ..arguments.clone()
                        },
                        page,
                    );
                }
            }
        }
        Ok(pages)
    }
}
