//! Use cases of products.

use super::Service;
use super::publish::Told;
use super::values::ProductDetail;
use crate::db::{Tx, page};
use crate::domain::catalog::error::{Error, Kind, Unique};
use crate::domain::catalog::events::{self, Change};
use crate::domain::catalog::model::{
    ProductBy, ProductFilter, ProductOrder, Removed, sku_fold, summary,
};
use crate::domain::catalog::store;
use crate::error::{Failure, Fault};
use crate::page::{Page, PageRequest};
use entity::catalog::{ProductStatus, category, product};
use entity::ids::{CategoryId, ProductId};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

impl Service {
    /// One product with all that belongs to it, whatever its status; whoever shows it decides who may see it.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(name = "catalog.product_by", skip_all)]
    pub async fn product_by(&self, by: ProductBy) -> Result<Option<Arc<ProductDetail>>, Fault> {
        let by = match by {
            ProductBy::Sku(sku) => ProductBy::Sku(sku_fold(&sku)),
            by => by,
        };
        self.product_detail(&by).await
    }

    /// Whether there is no product at all, not even a draft.
    ///
    /// # Errors
    /// The database fails.
    pub async fn is_empty(&self) -> Result<bool, Fault> {
        self.db
            .read("catalog.is_empty", async |c| {
                Ok(store::products_are_none(&*c).await?)
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
    ) -> Result<Page<Arc<ProductDetail>>, page::Error> {
        let arguments = ("products", filter, order, request);
        let reader = || {
            let (filter, request) = (filter.clone(), request.clone());
            move |service: Self| {
                let (filter, request) = (filter.clone(), request.clone());
                async move { service.products_page_read(&filter, order, &request).await }
            }
        };
        self.products_listed(filter, &arguments, reader).await
    }

    async fn products_page_read(
        &self,
        filter: &ProductFilter,
        order: ProductOrder,
        request: &PageRequest,
    ) -> Result<Page<product::Model>, page::Error> {
        self.db
            .read("catalog.products_page", async |c| {
                let below = store::categories_of_filter(&*c, filter).await?;
                store::products_page(&*c, filter, below.as_deref(), order, request).await
            })
            .await
    }

    /// The steps in which the database reads such a page, as it tells them itself; for those who look why a list is slow.
    ///
    /// # Errors
    /// A cursor of another list, or the database fails.
    pub async fn products_explain(
        &self,
        filter: &ProductFilter,
        order: ProductOrder,
        request: &PageRequest,
    ) -> Result<Vec<String>, page::Error> {
        self.db
            .read("catalog.products_explain", async |c| {
                let below = store::categories_of_filter(&*c, filter).await?;
                store::products_explain(&*c, filter, below.as_deref(), order, request).await
            })
            .await
    }

    /// Reads the same page of the products of several categories, with all below them if the filter says so: the same
    /// three statements however many categories.
    pub(super) async fn products_pages_read(
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
                let pairs = if filter.with_subcategories {
                    store::categories_below(&*c, &roots).await?
                } else {
                    roots.iter().map(|id| (*id, *id)).collect()
                };
                for (root, id) in pairs {
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

    /// Writes a locked product as its next version.
    pub(super) async fn product_raise(
        &self,
        tx: &Tx,
        mut product: product::Model,
    ) -> Result<product::Model, Failure<Error>> {
        product.version += 1;
        product.updated_at = self.clock.now();
        store::product_update(&**tx, &product).await?;
        self.products_changed_in(tx, [product.id]).await?;
        Ok(product)
    }

    /// Deletes a product; one that orders refer to is archived instead.
    ///
    /// # Errors
    /// No such product.
    #[tracing::instrument(name = "catalog.product_delete", skip_all, fields(product.id = %id))]
    pub async fn product_delete(
        &self,
        id: ProductId,
    ) -> Result<Removed<product::Model>, Failure<Error>> {
        self.db
            .write("catalog.product_delete", async |tx| {
                let mut product = product_lock(&tx, id, &["id"]).await?;
                if store::product_delete(&*tx, id).await? {
                    self.products_changed_in(&tx, [id]).await?;
                    let event = events::product_deleted(&product, self.clock.now());
                    self.events.publish_in(&tx, vec![event]).await?;
                    return Ok(Removed {
                        row: product,
                        archived: false,
                    });
                }
                let change = Change::of(&product, &[]);
                product.status = ProductStatus::Archived;
                let row = self.product_raise(&tx, product).await?;
                let told = Told {
                    product: row.clone(),
                    variants: None,
                    category_ids: None,
                    change,
                };
                self.products_publish_in(&tx, vec![told]).await?;
                Ok(Removed {
                    row,
                    archived: true,
                })
            })
            .await
    }
}

/// Locks a product or says at `path` that there is none.
pub(super) async fn product_lock(
    tx: &Tx,
    id: ProductId,
    path: &[&str],
) -> Result<product::Model, Failure<Error>> {
    let product = store::product_lock(&**tx, id).await?;
    product.ok_or_else(|| Error::at(Kind::NotFound("product"), path).into())
}

/// The variants of a product that are not archived, in their order.
pub(super) async fn live_variants(
    tx: &Tx,
    id: ProductId,
) -> Result<Vec<entity::catalog::variant::Model>, Failure<Error>> {
    let mut variants = store::variants_by_products(&**tx, &[id]).await?;
    variants.retain(|variant| variant.archived_at.is_none());
    Ok(variants)
}

/// Writes into a product's row what it repeats of its live variants.
pub(super) fn repeat_variants(
    product: &mut product::Model,
    live: &[entity::catalog::variant::Model],
) {
    if let Some(summary) = summary(product.default_variant_id, live) {
        product.default_variant_id = summary.default_variant_id;
        product.price_minor = summary.price_minor;
        product.price_min_minor = summary.price_min_minor;
        product.price_max_minor = summary.price_max_minor;
        product.availability = summary.availability;
    }
}

/// Refuses a change of a version that the caller has not seen.
pub(super) fn expect_version(version: i32, expected: Option<i32>) -> Result<(), Error> {
    match expected {
        Some(expected) if expected != version => Err(Error::at(
            Kind::VersionStale(version),
            &["input", "expectedVersion"],
        )),
        _ => Ok(()),
    }
}

pub(super) fn slug_taken() -> Error {
    Error::at(Kind::Taken(Unique::ProductSlug), &["input", "slug"])
}

pub(super) fn reference_taken() -> Error {
    Error::at(
        Kind::Taken(Unique::ExternalReference),
        &["input", "externalReference"],
    )
}

/// Those of some categories that exist, held until the transaction ends.
pub(super) async fn categories_known(
    tx: &Tx,
    ids: &[CategoryId],
) -> Result<Vec<category::Model>, Fault> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    Ok(store::categories_hold(&**tx, ids).await?)
}

pub(super) fn categories_unknown<'a>(
    ids: &'a [CategoryId],
    known: &'a [category::Model],
) -> impl Iterator<Item = Error> + 'a {
    ids.iter()
        .enumerate()
        .filter(|(_, id)| !known.iter().any(|row| row.id == **id))
        .map(|(index, _)| {
            Error::at(
                Kind::NotFound("category"),
                &["input", "categoryIds", &index.to_string()],
            )
        })
}

pub(super) fn without_repeats(ids: &[CategoryId]) -> Vec<CategoryId> {
    let mut seen = HashSet::new();
    ids.iter().copied().filter(|id| seen.insert(*id)).collect()
}
