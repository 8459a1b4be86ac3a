//! Use cases of variants. Each begins with the lock of the product and ends with what the product repeats of them.

use super::products::{expect_version, live_variants, product_lock, repeat_variants};
use super::publish::Told;
use super::search::own_terms_write;
use super::{Service, settle};
use crate::db::Tx;
use crate::db::idempotency::{self, Request};
use crate::domain::catalog::error::{Error, Kind, Unique};
use crate::domain::catalog::events::{Change, Repriced};
use crate::domain::catalog::model::{NewVariant, Removed, VARIANTS_MAX, VariantChanges, sku_fold};
use crate::domain::catalog::store;
use crate::error::{Failure, Fault};
use chrono::{DateTime, Utc};
use entity::catalog::{Availability, VariantOptions, product, variant};
use entity::ids::{ProductId, VariantId};
use uuid::Uuid;

impl Service {
    /// One variant, whatever its state; whoever shows it decides who may see it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn variant_by_id(&self, id: VariantId) -> Result<Option<variant::Model>, Fault> {
        self.db
            .read("catalog.variant_by_id", async |c| {
                Ok(store::variants_by_ids(&*c, &[id]).await?.pop())
            })
            .await
    }

    /// The row of a new variant: nothing of it is in stock, which matters only when it is kept there.
    pub(super) fn variant_row(
        &self,
        product_id: ProductId,
        new: &NewVariant,
        position: i32,
        now: DateTime<Utc>,
    ) -> variant::Model {
        variant::Model {
            id: self.clock.id(),
            product_id,
            sku: new.sku.trim().to_owned(),
            sku_folded: sku_fold(&new.sku),
            name: new.name.clone(),
            options: VariantOptions(new.options.clone()),
            price_minor: new.price_minor,
            currency: self.currency.clone(),
            position,
            is_stocked: new.is_stocked,
            availability: if new.is_stocked {
                Availability::OutOfStock
            } else {
                Availability::InStock
            },
            archived_at: None,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    /// Adds a variant to a product, as its last, once for an idempotency key. Answers it as it is now, and whether an
    /// earlier request made it.
    ///
    /// # Errors
    /// No such product, SKU taken, too many variants.
    #[tracing::instrument(name = "catalog.variant_create", skip_all, fields(product.id = %product_id))]
    pub async fn variant_create(
        &self,
        product_id: ProductId,
        new: &NewVariant,
        key: Option<Request>,
    ) -> Result<(variant::Model, bool), Failure<Error>> {
        let write = |key: Option<Request>| async move {
            self.variant_write(product_id, new, key.as_ref()).await
        };
        let (id, replayed) = self.idempotency.once(key, write).await?;
        match self.variant_by_id(id.into()).await? {
            Some(row) => Ok((row, replayed)),
            // A replay of what was deleted since.
            None => Err(Error::at(Kind::NotFound("variant any more"), &["idempotencyKey"]).into()),
        }
    }

    async fn variant_write(
        &self,
        product_id: ProductId,
        new: &NewVariant,
        key: Option<&Request>,
    ) -> Result<Uuid, Failure<Error>> {
        let row = self.variant_row(product_id, new, 0, self.clock.now());
        settle(|| {
            self.db.write("catalog.variant_create", async |tx| {
                idempotency::record(&tx, &self.clock, key, row.id.into()).await?;
                let product = product_lock(&tx, product_id, &["productId"]).await?;
                let mut live = live_variants(&tx, product_id).await?;
                let mut wrong = Vec::new();
                if live.len() as u64 >= VARIANTS_MAX {
                    wrong.push(Error::at(Kind::TooMany(VARIANTS_MAX), &["productId"]));
                }
                wrong.extend(sku_check(&tx, &row.sku_folded, row.id).await?);
                if !wrong.is_empty() {
                    return Err(Failure::Refused(wrong));
                }
                let last = live.iter().map(|variant| variant.position).max();
                let row = variant::Model {
                    position: last.unwrap_or(-1).saturating_add(1),
                    ..row.clone()
                };
                store::variants_insert(&*tx, std::slice::from_ref(&row)).await?;
                let id = row.id;
                live.push(row);
                let told = Telling::more(true);
                self.product_repeat(&tx, product, live, told).await?;
                Ok(id.into())
            })
        })
        .await
    }

    /// Changes a variant.
    ///
    /// # Errors
    /// No such variant, changed meanwhile, SKU taken.
    #[tracing::instrument(name = "catalog.variant_update", skip_all, fields(variant.id = %id))]
    pub async fn variant_update(
        &self,
        id: VariantId,
        changes: &VariantChanges,
    ) -> Result<variant::Model, Failure<Error>> {
        settle(|| {
            self.db.write("catalog.variant_update", async |tx| {
                let (product, mut variants, index) = variant_lock(&tx, id).await?;
                let variant = &mut variants[index];
                let before = variant.clone();
                expect_version(variant.version, changes.expected_version)?;
                if let Some(sku) = &changes.sku {
                    let taken = sku_check(&tx, &sku_fold(sku), id).await?;
                    taken.map_or(Ok(()), Err)?;
                    sku.trim().clone_into(&mut variant.sku);
                    variant.sku_folded = sku_fold(sku);
                }
                if let Some(name) = &changes.name {
                    variant.name.clone_from(name);
                }
                if let Some(options) = &changes.options {
                    variant.options = VariantOptions(options.clone());
                }
                variant.price_minor = changes.price_minor.unwrap_or(variant.price_minor);
                variant.position = changes.position.unwrap_or(variant.position);
                variant.version += 1;
                variant.updated_at = self.clock.now();
                let changed = variant.clone();
                store::variant_update(&*tx, &changed).await?;
                let words = changes.sku.is_some() || changes.name.is_some();
                let told = Telling::of(words, &before, &changed);
                self.product_repeat(&tx, product, variants, told).await?;
                Ok(changed)
            })
        })
        .await
    }

    /// Writes whether a variant is kept in stock, in the caller's transaction: the inventory's, which then says anew
    /// whether it can be bought.
    ///
    /// # Errors
    /// No such variant.
    pub async fn variant_stocked_in(
        &self,
        tx: &Tx,
        id: VariantId,
        is_stocked: bool,
    ) -> Result<(), Failure<Error>> {
        let (product, mut variants, index) = variant_lock(tx, id).await?;
        let variant = &mut variants[index];
        if variant.is_stocked == is_stocked {
            return Ok(());
        }
        variant.is_stocked = is_stocked;
        variant.version += 1;
        variant.updated_at = self.clock.now();
        store::variant_update(&**tx, variant).await?;
        let told = Telling::more(false);
        self.product_repeat(tx, product, variants, told).await
    }

    /// Deletes a variant; one that orders refer to is archived instead. When it was the default, the first of the others
    /// becomes it.
    ///
    /// # Errors
    /// No such variant, or it is the product's only one.
    #[tracing::instrument(name = "catalog.variant_delete", skip_all, fields(variant.id = %id))]
    pub async fn variant_delete(
        &self,
        id: VariantId,
    ) -> Result<Removed<variant::Model>, Failure<Error>> {
        self.db
            .write("catalog.variant_delete", async |tx| {
                let (product, mut variants, index) = variant_lock(&tx, id).await?;
                let mut row = variants.remove(index);
                if !variants.iter().any(|other| other.archived_at.is_none()) {
                    return Err(Error::at(Kind::LastVariant, &["id"]).into());
                }
                let archived = !store::variant_delete(&*tx, id).await?;
                if archived && row.archived_at.is_none() {
                    let now = self.clock.now();
                    row.archived_at = Some(now);
                    row.updated_at = now;
                    row.version += 1;
                    store::variant_update(&*tx, &row).await?;
                }
                let told = Telling::more(true);
                self.product_repeat(&tx, product, variants, told).await?;
                Ok(Removed { row, archived })
            })
            .await
    }

    /// Writes a locked product as its next version, with what it repeats of these variants, with what it is found by
    /// when their words changed, and with its events.
    async fn product_repeat(
        &self,
        tx: &Tx,
        mut product: product::Model,
        mut variants: Vec<variant::Model>,
        telling: Telling,
    ) -> Result<(), Failure<Error>> {
        let change = Change {
            repriced: telling.repriced,
            ..Change::of(&product, telling.parts)
        };
        variants.retain(|variant| variant.archived_at.is_none());
        variants.sort_by_key(|variant| (variant.position, variant.id));
        repeat_variants(&mut product, &variants);
        if telling.words {
            own_terms_write(tx, &product, &variants).await?;
        }
        let told = Told {
            product: self.product_raise(tx, product).await?,
            variants: Some(variants),
            category_ids: None,
            change,
        };
        Ok(self.products_publish_in(tx, vec![told]).await?)
    }
}

/// What changed of a product's variants.
struct Telling {
    /// Whether the product is found by other words.
    words: bool,
    parts: &'static [&'static str],
    repriced: Vec<Repriced>,
}

impl Telling {
    /// Something else than a price.
    fn more(words: bool) -> Self {
        Self {
            words,
            parts: &["variants"],
            repriced: Vec::new(),
        }
    }

    /// What became of a variant.
    fn of(words: bool, before: &variant::Model, after: &variant::Model) -> Self {
        let as_before = variant::Model {
            price_minor: before.price_minor,
            version: before.version,
            updated_at: before.updated_at,
            ..after.clone()
        };
        let mut telling = Self::more(words);
        if before.price_minor != after.price_minor {
            telling.repriced.push(Repriced {
                variant_id: after.id,
                sku: after.sku.clone(),
                from_minor: before.price_minor,
                to_minor: after.price_minor,
            });
        }
        if as_before == *before {
            telling.parts = &[];
        }
        telling
    }
}

/// Locks the product of a variant and reads all its variants; the index is the variant's among them.
async fn variant_lock(
    tx: &Tx,
    id: VariantId,
) -> Result<(product::Model, Vec<variant::Model>, usize), Failure<Error>> {
    let unknown = || Error::at(Kind::NotFound("variant"), &["id"]);
    let product_id = store::variant_product(&**tx, id)
        .await?
        .ok_or_else(unknown)?;
    let product = product_lock(tx, product_id, &["id"]).await?;
    // Read after the lock was had: what was read before it may be older.
    let variants = store::variants_by_products(&**tx, &[product_id]).await?;
    let index = variants
        .iter()
        .position(|variant| variant.id == id)
        .ok_or_else(unknown)?;
    Ok((product, variants, index))
}

/// What stands against a SKU for a variant.
async fn sku_check(tx: &Tx, sku_folded: &str, id: VariantId) -> Result<Option<Error>, Fault> {
    let found = store::skus_find(&**tx, &[sku_folded.to_owned()]).await?;
    let other = found.values().any(|holder| *holder != id);
    Ok(other.then(|| Error::at(Kind::Taken(Unique::Sku), &["input", "sku"])))
}
