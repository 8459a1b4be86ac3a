//! Batch loaders of one request: what a level of a query needs is read in one statement, however many rows ask.
//!
//! Loaders read rows as they are; what a viewer may see is decided where rows become GraphQL types.

use super::model::{ProductFilter, ProductOrder};
use super::service::Service;
use super::store;
use crate::app::App;
use crate::db;
use crate::error::Fault;
use crate::graphql::batch::grouped;
use crate::page::{BadCursor, Page, PageRequest};
use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::runtime::{TokioSpawner, TokioTimer};
use entity::catalog::{category, product, product_image, variant};
use entity::ids::{CategoryId, ProductId, VariantId};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

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

/// All variants of a product, archived ones too, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VariantsOfProduct(pub ProductId);

/// The images of a product in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImagesOfProduct(pub ProductId);

/// The categories of a product, archived ones too, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CategoriesOfProduct(pub ProductId);

/// The categories directly below one, archived ones too, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChildrenOfCategory(pub CategoryId);

/// A page of the products of a category and of all below it.
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

/// Gives a request its loaders. They live as long as the request, so nothing of one viewer reaches another.
#[must_use]
pub fn attach(request: async_graphql::Request, app: &App) -> async_graphql::Request {
    let loader = CatalogLoader {
        catalog: app.catalog().clone(),
    };
    // Without delay a batch is still all that the resolvers of one level ask for; waiting would only cost time.
    request.data(
        DataLoader::new(loader, TokioSpawner::current(), TokioTimer::default())
            .delay(Duration::ZERO),
    )
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
    type Value = product::Model;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[ProductKey],
    ) -> Result<HashMap<ProductKey, Self::Value>, Self::Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let read = self.catalog.db().read("catalog.load_products", async |c| {
            Ok::<_, Fault>(store::products_by_ids(&*c, &ids).await?)
        });
        let rows = read.await?;
        Ok(rows
            .into_iter()
            .map(|row| (ProductKey(row.id), row))
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
        let read = self
            .catalog
            .db()
            .read("catalog.load_categories", async |c| {
                Ok::<_, Fault>(store::categories_by_ids(&*c, &ids).await?)
            });
        let rows = read.await?;
        Ok(rows
            .into_iter()
            .map(|row| (CategoryKey(row.id), row))
            .collect())
    }
}

impl Loader<VariantsOfProduct> for CatalogLoader {
    type Value = Vec<variant::Model>;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[VariantsOfProduct],
    ) -> Result<HashMap<VariantsOfProduct, Self::Value>, Self::Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let read = self
            .catalog
            .db()
            .read("catalog.load_variants_of_products", async |c| {
                Ok::<_, Fault>(store::variants_by_products(&*c, &ids).await?)
            });
        let rows = read.await?;
        Ok(grouped(
            rows.into_iter()
                .map(|row| (VariantsOfProduct(row.product_id), row)),
        ))
    }
}

impl Loader<ImagesOfProduct> for CatalogLoader {
    type Value = Vec<product_image::Model>;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[ImagesOfProduct],
    ) -> Result<HashMap<ImagesOfProduct, Self::Value>, Self::Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let read = self
            .catalog
            .db()
            .read("catalog.load_images_of_products", async |c| {
                Ok::<_, Fault>(store::images_by_products(&*c, &ids).await?)
            });
        let rows = read.await?;
        Ok(grouped(
            rows.into_iter()
                .map(|row| (ImagesOfProduct(row.product_id), row)),
        ))
    }
}

impl Loader<CategoriesOfProduct> for CatalogLoader {
    type Value = Vec<category::Model>;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[CategoriesOfProduct],
    ) -> Result<HashMap<CategoriesOfProduct, Self::Value>, Self::Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let read = self
            .catalog
            .db()
            .read("catalog.load_categories_of_products", async |c| {
                Ok::<_, Fault>(store::categories_by_products(&*c, &ids).await?)
            });
        let rows = read.await?;
        Ok(grouped(
            rows.into_iter()
                .map(|(product, row)| (CategoriesOfProduct(product), row)),
        ))
    }
}

impl Loader<ChildrenOfCategory> for CatalogLoader {
    type Value = Vec<category::Model>;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[ChildrenOfCategory],
    ) -> Result<HashMap<ChildrenOfCategory, Self::Value>, Self::Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let read = self
            .catalog
            .db()
            .read("catalog.load_children_of_categories", async |c| {
                Ok::<_, Fault>(store::categories_by_parents(&*c, &ids).await?)
            });
        let rows = read.await?;
        Ok(grouped(rows.into_iter().filter_map(|row| {
            Some((ChildrenOfCategory(row.parent_id?), row))
        })))
    }
}

impl Loader<ProductsOfCategory> for CatalogLoader {
    /// A cursor that is not of this list is the client's mistake, not a failure of the batch.
    type Value = Result<Page<product::Model>, BadCursor>;
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
