//! What other domains need of the catalogue.

use super::{ResolveError, SellableVariant, Service, VariantReference};
use crate::db::Tx;
use crate::domain::catalog::model::{AvailabilityChange, sellable_name, sku_fold};
use crate::domain::catalog::store::{self, SellableRow};
use crate::error::Fault;
use entity::catalog::Availability;
use entity::ids::{ProductId, VariantId};
use std::collections::{BTreeMap, HashMap};

impl From<&SellableRow> for SellableVariant {
    fn from(row: &SellableRow) -> Self {
        Self {
            variant_id: row.variant_id,
            product_id: row.product_id,
            sku: row.sku.clone(),
            name: sellable_name(&row.product_name, &row.variant_name),
            unit_price_minor: row.price_minor,
            currency: row.currency.clone(),
            availability: row.availability,
        }
    }
}

/// References by kind, so that each kind is one statement.
#[derive(Default)]
struct ByKind {
    products: Vec<ProductId>,
    variants: Vec<VariantId>,
    skus: Vec<String>,
}

impl ByKind {
    fn of(references: &[VariantReference]) -> Self {
        let mut kinds = Self::default();
        for reference in references {
            match reference {
                VariantReference::Product(id) => kinds.products.push(*id),
                VariantReference::Variant(id) => kinds.variants.push(*id),
                VariantReference::Sku(sku) => kinds.skus.push(sku_fold(sku)),
            }
        }
        kinds
    }
}

impl Service {
    /// Finds what is to be sold, with the prices of now, in the order of the references: at most one statement for
    /// each kind of reference. Drafts, archived ones and unknown ones are alike.
    ///
    /// # Errors
    /// The database fails; what is wrong with a single reference stands in its place.
    #[tracing::instrument(name = "catalog.variants_resolve", skip_all)]
    pub async fn variants_resolve(
        &self,
        references: &[VariantReference],
    ) -> Result<Vec<Result<SellableVariant, ResolveError>>, Fault> {
        let kinds = ByKind::of(references);
        let (by_product, by_id, by_sku) = self
            .db
            .read("catalog.variants_resolve", async |c| {
                let mut found = (Vec::new(), Vec::new(), Vec::new());
                if !kinds.products.is_empty() {
                    found.0 = store::variants_sellable_by_products(&*c, &kinds.products).await?;
                }
                if !kinds.variants.is_empty() {
                    found.1 = store::variants_sellable_by_ids(&*c, &kinds.variants).await?;
                }
                if !kinds.skus.is_empty() {
                    found.2 = store::variants_sellable_by_skus(&*c, &kinds.skus).await?;
                }
                Ok::<_, Fault>(found)
            })
            .await?;
        let mut products: HashMap<ProductId, Vec<&SellableRow>> = HashMap::new();
        for row in &by_product {
            products.entry(row.product_id).or_default().push(row);
        }
        let variants: HashMap<VariantId, &SellableRow> =
            by_id.iter().map(|row| (row.variant_id, row)).collect();
        let skus: HashMap<&str, &SellableRow> = by_sku
            .iter()
            .map(|row| (row.sku_folded.as_str(), row))
            .collect();
        Ok(references
            .iter()
            .map(|reference| {
                let row = match reference {
                    VariantReference::Product(id) => match products.get(id).map(Vec::as_slice) {
                        Some([only]) => Some(*only),
                        Some([_, _, ..]) => return Err(ResolveError::VariantRequired),
                        _ => None,
                    },
                    VariantReference::Variant(id) => variants.get(id).copied(),
                    VariantReference::Sku(sku) => skus.get(sku_fold(sku).as_str()).copied(),
                };
                row.map(SellableVariant::from).ok_or(ResolveError::NotFound)
            })
            .collect())
    }

    /// Writes what the public is told of variants' stock, and of their products, in the caller's transaction, and tells
    /// what is another than before: one statement when nothing is, at most seven however many variants. For the
    /// inventory, which holds the locks of the variants' stock, so that nobody else changes it meanwhile; versions stay.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(name = "catalog.availability_set", skip_all)]
    pub async fn availability_set_in(
        &self,
        tx: &Tx,
        wanted: &[(VariantId, Availability)],
    ) -> Result<Vec<AvailabilityChange>, Fault> {
        // The last word on a variant counts.
        let wanted: BTreeMap<VariantId, Availability> = wanted.iter().copied().collect();
        let ids: Vec<VariantId> = wanted.keys().copied().collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows = store::variants_by_ids(&**tx, &ids).await?;
        let changes: Vec<AvailabilityChange> = rows
            .into_iter()
            .filter_map(|row| {
                let to = *wanted.get(&row.id)?;
                (row.availability != to).then_some(AvailabilityChange {
                    variant_id: row.id,
                    product_id: row.product_id,
                    sku: row.sku,
                    from: row.availability,
                    to,
                })
            })
            .collect();
        if changes.is_empty() {
            return Ok(changes);
        }
        let ids: Vec<VariantId> = changes.iter().map(|change| change.variant_id).collect();
        // Products first, as every change of the catalogue does: two transactions that change variants of one product
        // must not each compute its availability without the other's.
        let products = store::products_lock_by_variants(&**tx, &ids).await?;
        for availability in Availability::ALL {
            let ids: Vec<VariantId> = changes
                .iter()
                .filter(|change| change.to == *availability)
                .map(|change| change.variant_id)
                .collect();
            if !ids.is_empty() {
                store::variants_set_availability(&**tx, &ids, *availability).await?;
            }
        }
        store::products_refresh_availability(&**tx, &products).await?;
        self.products_changed_in(tx, products).await?;
        Ok(changes)
    }
}
