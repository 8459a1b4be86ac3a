//! Making products: rows, checks and inserts are batches; one product is a batch of one.

use super::products::{
    categories_known, categories_unknown, reference_taken, repeat_variants, slug_taken,
    without_repeats,
};
use super::publish::Told;
use super::search::terms_of;
use super::values::ProductDetail;
use super::{Service, settle, slugs_pick};
use crate::db::Tx;
use crate::db::idempotency::{self, Request};
use crate::domain::catalog::error::{Error, Kind, Unique};
use crate::domain::catalog::events::Change;
use crate::domain::catalog::model::{
    NewImage, NewProduct, PRODUCT_NAME_MAX, ProductBy, ProductRows, category_terms, fold,
    repeated_skus, slug,
};
use crate::domain::catalog::store;
use crate::error::{Failure, Fault};
use entity::catalog::{Availability, category, product, product_image};
use entity::ids::{CategoryId, ProductId};
use std::sync::Arc;
use uuid::Uuid;

impl Service {
    /// Makes a product with its variants, once for an idempotency key. Answers it as it is now, and whether an earlier
    /// request made it.
    ///
    /// # Errors
    /// Everything that is wrong with it at once: slug, reference or SKU taken, categories unknown.
    #[tracing::instrument(name = "catalog.product_create", skip_all)]
    pub async fn product_create(
        &self,
        new: &NewProduct,
        key: Option<Request>,
    ) -> Result<(Arc<ProductDetail>, bool), Failure<Error>> {
        let write =
            |key: Option<Request>| async move { self.product_write(new, key.as_ref()).await };
        let (id, replayed) = self.idempotency.once(key, write).await?;
        match self.product_by(ProductBy::Id(id.into())).await? {
            Some(detail) => Ok((detail, replayed)),
            // A replay of what was deleted since.
            None => Err(Error::at(Kind::NotFound("product any more"), &["idempotencyKey"]).into()),
        }
    }

    async fn product_write(
        &self,
        new: &NewProduct,
        key: Option<&Request>,
    ) -> Result<Uuid, Failure<Error>> {
        let rows = [self.product_rows(new)];
        let id = rows[0].product.id.into();
        settle(|| {
            self.db.write("catalog.product_create", async |tx| {
                idempotency::record(&tx, &self.clock, key, id).await?;
                let (wrong, categories) = self.products_check_in(&tx, &rows).await?;
                if !wrong.is_empty() {
                    return Err(Failure::Refused(
                        wrong.into_iter().map(|(_, e)| e).collect(),
                    ));
                }
                self.products_insert_in(&tx, &rows, &categories).await?;
                Ok(id)
            })
        })
        .await
    }

    /// The rows of a new product, made before any transaction; its slug is empty while it has to be picked.
    pub(super) fn product_rows(&self, new: &NewProduct) -> ProductRows {
        let now = self.clock.now();
        let id: ProductId = self.clock.id();
        let variants: Vec<_> = (0..)
            .zip(&new.variants)
            .map(|(position, variant)| self.variant_row(id, variant, position, now))
            .collect();
        let default_variant_id = variants
            .first()
            .map_or_else(|| self.clock.id(), |variant| variant.id);
        let mut product = product::Model {
            id,
            slug: new.slug.clone().unwrap_or_default(),
            name: new.name.clone(),
            name_folded: fold(&new.name, PRODUCT_NAME_MAX),
            description: new.description.clone(),
            status: new.status,
            external_reference: new.external_reference.clone(),
            default_variant_id,
            price_minor: 0,
            price_min_minor: 0,
            price_max_minor: 0,
            currency: self.currency.clone(),
            availability: Availability::OutOfStock,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        repeat_variants(&mut product, &variants);
        ProductRows {
            product,
            variants,
            images: self.image_rows(id, &new.images),
            category_ids: without_repeats(&new.category_ids),
        }
    }

    pub(super) fn image_rows(
        &self,
        product_id: ProductId,
        images: &[NewImage],
    ) -> Vec<product_image::Model> {
        (0..)
            .zip(images)
            .map(|(position, image)| product_image::Model {
                id: self.clock.id(),
                product_id,
                position,
                url: image.url.clone(),
                alt: image.alt.clone(),
            })
            .collect()
    }

    /// What stands against new products, each with the index of its product, and their categories, held: at most four
    /// statements.
    async fn products_check_in(
        &self,
        tx: &Tx,
        rows: &[ProductRows],
    ) -> Result<(Vec<(usize, Error)>, Vec<category::Model>), Failure<Error>> {
        let products = || rows.iter().map(|rows| &rows.product).enumerate();
        let mut wrong = Vec::new();
        let slugs: Vec<String> = products()
            .map(|(_, p)| p.slug.clone())
            .filter(|s| !s.is_empty())
            .collect();
        if !slugs.is_empty() {
            let taken = store::product_slugs_find(&**tx, &slugs).await?;
            let hit = products().filter(|(_, p)| taken.contains(&p.slug));
            wrong.extend(hit.map(|(index, _)| (index, slug_taken())));
        }
        let references: Vec<String> = products()
            .filter_map(|(_, p)| p.external_reference.clone())
            .collect();
        if !references.is_empty() {
            let taken = store::external_references_find(&**tx, &references).await?;
            let hit = products().filter(|(_, p)| {
                p.external_reference
                    .as_ref()
                    .is_some_and(|r| taken.contains(r))
            });
            wrong.extend(hit.map(|(index, _)| (index, reference_taken())));
        }
        let ids: Vec<CategoryId> = rows
            .iter()
            .flat_map(|rows| rows.category_ids.iter().copied())
            .collect();
        let known = categories_known(tx, &ids).await?;
        for (index, rows) in rows.iter().enumerate() {
            wrong
                .extend(categories_unknown(&rows.category_ids, &known).map(|error| (index, error)));
        }
        let skus: Vec<String> = rows
            .iter()
            .flat_map(|rows| &rows.variants)
            .map(|v| v.sku_folded.clone())
            .collect();
        let taken = store::skus_find(&**tx, &skus).await?;
        for (index, rows) in rows.iter().enumerate() {
            let repeated = repeated_skus(rows.variants.iter().map(|v| v.sku.as_str()));
            for (position, variant) in rows.variants.iter().enumerate() {
                let kind = if taken.contains_key(&variant.sku_folded) {
                    Kind::Taken(Unique::Sku)
                } else if repeated.contains(&position) {
                    Kind::SkuRepeated
                } else {
                    continue;
                };
                let path = ["input", "variants", &position.to_string(), "sku"];
                wrong.push((index, Error::at(kind, &path)));
            }
        }
        Ok((wrong, known))
    }

    /// Writes new products with all that belongs to them, in the caller's transaction: seven statements for a batch. A
    /// product without slug gets one from its name. `categories` are those that they stand in, held by the transaction.
    ///
    /// # Errors
    /// The database fails, or something of them is there already.
    pub async fn products_insert_in(
        &self,
        tx: &Tx,
        rows: &[ProductRows],
        categories: &[category::Model],
    ) -> Result<(), Fault> {
        let mut products: Vec<product::Model> =
            rows.iter().map(|rows| rows.product.clone()).collect();
        let mut open: Vec<&mut product::Model> = products
            .iter_mut()
            .filter(|product| product.slug.is_empty())
            .collect();
        let bases: Vec<String> = open
            .iter()
            .map(|product| slug(&product.name, "product", PRODUCT_NAME_MAX))
            .collect();
        let picked = slugs_pick(&bases, async |slugs| {
            Ok(store::product_slugs_find(&**tx, &slugs).await?)
        })
        .await?;
        for (product, slug) in open.iter_mut().zip(picked) {
            product.slug = slug;
        }
        let variants: Vec<_> = rows
            .iter()
            .flat_map(|rows| rows.variants.iter().cloned())
            .collect();
        let images: Vec<_> = rows
            .iter()
            .flat_map(|rows| rows.images.iter().cloned())
            .collect();
        let links: Vec<_> = rows
            .iter()
            .flat_map(|rows| {
                rows.category_ids
                    .iter()
                    .map(|category| (rows.product.id, *category))
            })
            .collect();
        store::products_insert(&**tx, &products).await?;
        store::variants_insert(&**tx, &variants).await?;
        store::images_insert(&**tx, &images).await?;
        store::product_categories_insert(&**tx, &links).await?;
        let mut terms = terms_of(&products, &variants);
        terms.extend(category_terms(categories, &links));
        store::terms_insert(&**tx, &terms).await?;
        let ids = products.iter().map(|product| product.id);
        self.products_changed_in(tx, ids).await?;
        let told = products.into_iter().zip(rows).map(|(product, rows)| Told {
            product,
            variants: Some(rows.variants.clone()),
            category_ids: Some(rows.category_ids.clone()),
            change: Change::default(),
        });
        self.products_publish_in(tx, told.collect()).await
    }
}
