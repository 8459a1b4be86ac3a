//! Use cases of products.

use super::{Service, settle};
use crate::db::{Tx, page};
use crate::domain::catalog::error::{Error, Kind, Unique};
use crate::domain::catalog::model::{
    PRODUCT_NAME_MAX, ProductBy, ProductChanges, ProductFilter, ProductOrder, Removed, fold,
    sku_fold, summary,
};
use crate::domain::catalog::store;
use crate::error::{Failure, Fault};
use crate::page::{Page, PageRequest};
use entity::catalog::{ProductStatus, product};
use entity::ids::{CategoryId, ProductId};
use std::collections::{HashMap, HashSet};

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
        let found = self.product_detail(&by).await?;
        Ok(found.map(|detail| detail.product.clone()))
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
    ) -> Result<Page<product::Model>, page::Error> {
        let arguments = ("products", filter, order, request);
        let (filter_, request_) = (filter.clone(), request.clone());
        let read = move |service: Self| {
            let (filter, request) = (filter_.clone(), request_.clone());
            async move { service.products_page_read(&filter, order, &request).await }
        };
        self.products_listed(filter, &arguments, read).await
    }

    async fn products_page_read(
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

    /// Reads the same page of the products of several categories with all below them: the same three statements however
    /// many categories.
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

    /// Changes a product.
    ///
    /// # Errors
    /// No such product, changed meanwhile, slug or reference taken, categories or default variant unknown.
    #[tracing::instrument(name = "catalog.product_update", skip_all, fields(product.id = %id))]
    pub async fn product_update(
        &self,
        id: ProductId,
        changes: &ProductChanges,
    ) -> Result<product::Model, Failure<Error>> {
        settle(|| {
            self.db.write("catalog.product_update", async |tx| {
                let mut product = product_lock(&tx, id, &["id"]).await?;
                expect_version(product.version, changes.expected_version)?;
                let wrong = self.product_changes_check(&tx, &product, changes).await?;
                if !wrong.is_empty() {
                    return Err(Failure::Refused(wrong));
                }
                apply(&mut product, changes);
                if let Some(default) = changes.default_variant_id {
                    product.default_variant_id = default;
                    let live = live_variants(&tx, id).await?;
                    repeat_variants(&mut product, &live);
                }
                if let Some(images) = &changes.images {
                    store::images_delete(&*tx, id).await?;
                    store::images_insert(&*tx, &self.image_rows(id, images)).await?;
                }
                if let Some(categories) = &changes.category_ids {
                    let links: Vec<_> = without_repeats(categories)
                        .into_iter()
                        .map(|c| (id, c))
                        .collect();
                    store::product_categories_delete(&*tx, id).await?;
                    store::product_categories_insert(&*tx, &links).await?;
                }
                self.product_raise(&tx, product).await
            })
        })
        .await
    }

    async fn product_changes_check(
        &self,
        tx: &Tx,
        product: &product::Model,
        changes: &ProductChanges,
    ) -> Result<Vec<Error>, Failure<Error>> {
        let mut wrong = Vec::new();
        if let Some(slug) = changes.slug.as_ref().filter(|slug| **slug != product.slug)
            && !store::product_slugs_find(&**tx, std::slice::from_ref(slug))
                .await?
                .is_empty()
        {
            wrong.push(slug_taken());
        }
        if let Some(Some(reference)) = &changes.external_reference
            && product.external_reference.as_ref() != Some(reference)
            && !store::external_references_find(&**tx, std::slice::from_ref(reference))
                .await?
                .is_empty()
        {
            wrong.push(reference_taken());
        }
        if let Some(ids) = &changes.category_ids {
            let known = categories_known(tx, ids).await?;
            wrong.extend(categories_unknown(ids, &known));
        }
        if let Some(default) = changes.default_variant_id
            && !live_variants(tx, product.id)
                .await?
                .iter()
                .any(|v| v.id == default)
        {
            wrong.push(Error::at(
                Kind::NotFound("variant of this product"),
                &["input", "defaultVariantId"],
            ));
        }
        Ok(wrong)
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
                    return Ok(Removed {
                        row: product,
                        archived: false,
                    });
                }
                product.status = ProductStatus::Archived;
                let row = self.product_raise(&tx, product).await?;
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

/// Writes the changes that are plain values.
fn apply(product: &mut product::Model, changes: &ProductChanges) {
    if let Some(name) = &changes.name {
        product.name.clone_from(name);
        product.name_folded = fold(name, PRODUCT_NAME_MAX);
    }
    if let Some(slug) = &changes.slug {
        product.slug.clone_from(slug);
    }
    if let Some(description) = &changes.description {
        product.description.clone_from(description);
    }
    if let Some(status) = changes.status {
        product.status = status;
    }
    if let Some(reference) = &changes.external_reference {
        product.external_reference.clone_from(reference);
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

/// Which of some categories exist.
pub(super) async fn categories_known(
    tx: &Tx,
    ids: &[CategoryId],
) -> Result<HashSet<CategoryId>, Fault> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = store::categories_by_ids(&**tx, ids).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

pub(super) fn categories_unknown<'a>(
    ids: &'a [CategoryId],
    known: &'a HashSet<CategoryId>,
) -> impl Iterator<Item = Error> + 'a {
    ids.iter()
        .enumerate()
        .filter(|(_, id)| !known.contains(id))
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
