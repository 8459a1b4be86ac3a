//! What exports ask of the catalogue: all of it, page after page.

use super::Service;
use crate::domain::catalog::store;
use crate::error::Fault;
use entity::catalog::{product, variant};
use entity::ids::ProductId;
use std::collections::HashMap;

/// A product with what belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportedProduct {
    /// The product.
    pub product: product::Model,
    /// All its variants, the default one in front, then in the order in which they are shown.
    pub variants: Vec<variant::Model>,
    /// Slugs of its categories, sorted.
    pub categories: Vec<String>,
}

impl Service {
    /// The products behind one, in the order of their ids: four statements a page.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(name = "catalog.products_export", skip_all)]
    pub async fn products_export(
        &self,
        after: Option<ProductId>,
        limit: u64,
    ) -> Result<Vec<ExportedProduct>, Fault> {
        let (products, variants, categories) = self
            .db()
            .read("catalog.products_export", async |c| {
                let products = store::products_behind(&*c, after, limit).await?;
                let ids: Vec<ProductId> = products.iter().map(|row| row.id).collect();
                let variants = store::variants_by_products(&*c, &ids).await?;
                let categories = store::categories_by_products(&*c, &ids).await?;
                Ok::<_, Fault>((products, variants, categories))
            })
            .await?;
        let mut variants_of: HashMap<ProductId, Vec<variant::Model>> = HashMap::new();
        for row in variants {
            variants_of.entry(row.product_id).or_default().push(row);
        }
        let mut slugs_of: HashMap<ProductId, Vec<String>> = HashMap::new();
        for (id, category) in categories {
            slugs_of.entry(id).or_default().push(category.slug);
        }
        let exported = products.into_iter().map(|product| {
            let mut variants = variants_of.remove(&product.id).unwrap_or_default();
            // An import takes the first row's variant as the default one.
            variants.sort_by_key(|row| row.id != product.default_variant_id);
            let mut categories = slugs_of.remove(&product.id).unwrap_or_default();
            categories.sort_unstable();
            ExportedProduct {
                product,
                variants,
                categories,
            }
        });
        Ok(exported.collect())
    }
}
