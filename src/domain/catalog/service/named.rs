//! The catalogue as the past knows it: variants by SKU, be they for sale or not.

use super::{SellableVariant, Service};
use crate::domain::catalog::model::sku_fold;
use crate::domain::catalog::store;
use crate::error::Fault;
use std::collections::{BTreeSet, HashMap};

/// SKUs of one statement.
const SKUS: usize = 1_000;

impl Service {
    /// Variants by SKU without case, drafts and what was taken out of sale too. For data of other systems: what is
    /// sold now is found by [`Service::variants_resolve`].
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(name = "catalog.variants_of_skus", skip_all)]
    pub async fn variants_of_skus<'a>(
        &self,
        skus: impl Iterator<Item = &'a str> + Send,
    ) -> Result<HashMap<String, SellableVariant>, Fault> {
        let skus: BTreeSet<String> = skus.map(sku_fold).collect();
        let skus: Vec<String> = skus.into_iter().collect();
        let rows = self
            .db()
            .read("catalog.variants_of_skus", async |c| {
                let mut rows = Vec::new();
                for skus in skus.chunks(SKUS) {
                    rows.extend(store::variants_named_by_skus(&*c, skus).await?);
                }
                Ok::<_, Fault>(rows)
            })
            .await?;
        Ok(rows
            .iter()
            .map(|row| (row.sku_folded.clone(), SellableVariant::from(row)))
            .collect())
    }
}
