//! Keeps the words that products are found by, in the transactions that change what the words come from.

use super::Service;
use crate::db::Tx;
use crate::domain::catalog::model::{category_terms, own_terms};
use crate::domain::catalog::store;
use crate::error::Fault;
use entity::catalog::{category, product, product_term, variant};
use entity::ids::{CategoryId, ProductId};
use std::collections::HashMap;

/// Products whose words [`Service::search_rebuild`] writes in one transaction.
const REBUILD: u64 = 200;

/// The words of products for themselves; `variants` are those of all of them.
pub(super) fn terms_of(
    products: &[product::Model],
    variants: &[variant::Model],
) -> Vec<product_term::Model> {
    let mut by_product: HashMap<ProductId, Vec<&variant::Model>> = HashMap::new();
    for variant in variants {
        by_product
            .entry(variant.product_id)
            .or_default()
            .push(variant);
    }
    let variants = |id| by_product.get(&id).into_iter().flatten().copied();
    products
        .iter()
        .flat_map(|product| own_terms(product, variants(product.id)))
        .collect()
}

/// Writes anew the words that a locked product has for itself.
pub(super) async fn own_terms_write(
    tx: &Tx,
    product: &product::Model,
    variants: &[variant::Model],
) -> Result<(), Fault> {
    store::terms_delete_own(&**tx, &[product.id]).await?;
    store::terms_insert(&**tx, &own_terms(product, variants)).await?;
    Ok(())
}

/// Writes anew the words that locked products have for their categories, which the caller holds.
pub(super) async fn category_terms_write(
    tx: &Tx,
    products: &[ProductId],
    categories: &[category::Model],
    links: &[(ProductId, CategoryId)],
) -> Result<(), Fault> {
    store::terms_delete_of_categories(&**tx, products).await?;
    store::terms_insert(&**tx, &category_terms(categories, links)).await?;
    Ok(())
}

/// Writes anew the words that all its products have for a category, which the caller has locked.
pub(super) async fn category_terms_renew(tx: &Tx, category: &category::Model) -> Result<(), Fault> {
    let products = store::products_in_category(&**tx, category.id).await?;
    store::terms_delete_of_category(&**tx, &products, category.id).await?;
    let links: Vec<_> = products.into_iter().map(|id| (id, category.id)).collect();
    let terms = category_terms(std::slice::from_ref(category), &links);
    store::terms_insert(&**tx, &terms).await?;
    Ok(())
}

impl Service {
    /// Writes the words of all products anew, some at a time; for a release that reads words otherwise. The shop may be
    /// open meanwhile. `each` is told how many are done so far, which is also the answer.
    ///
    /// # Errors
    /// The database fails; it may be run again.
    #[tracing::instrument(name = "catalog.search_rebuild", skip_all)]
    pub async fn search_rebuild(&self, mut each: impl FnMut(u64)) -> Result<u64, Fault> {
        let mut done = 0;
        let mut last: Option<ProductId> = None;
        loop {
            let write = self.db.write("catalog.search_rebuild", async |tx| {
                let products = store::products_lock_next(&*tx, last, REBUILD).await?;
                rebuild_in(&tx, &products).await?;
                let ids = products.iter().map(|product| product.id);
                self.products_changed_in(&tx, ids).await?;
                Ok::<_, Fault>((products.len() as u64, products.last().map(|p| p.id)))
            });
            let (rows, next) = write.await?;
            done += rows;
            each(done);
            match next {
                Some(next) if rows == REBUILD => last = Some(next),
                _ => return Ok(done),
            }
        }
    }
}

async fn rebuild_in(tx: &Tx, products: &[product::Model]) -> Result<(), Fault> {
    let ids: Vec<ProductId> = products.iter().map(|product| product.id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let variants = store::variants_by_products(&**tx, &ids).await?;
    store::terms_delete_own(&**tx, &ids).await?;
    store::terms_insert(&**tx, &terms_of(products, &variants)).await?;
    let links = store::links_by_products(&**tx, &ids).await?;
    let categories: Vec<CategoryId> = links.iter().map(|(_, category)| *category).collect();
    let categories = store::categories_hold(&**tx, &categories).await?;
    category_terms_write(tx, &ids, &categories, &links).await
}
