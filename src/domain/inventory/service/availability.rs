//! What the public is told of stock, written when a transaction crosses a threshold.

use super::Service;
use crate::db::Tx;
use crate::domain::catalog::{self, model::AvailabilityChange};
use crate::domain::inventory::{events, model, store};
use crate::error::{Failure, Fault};
use entity::catalog::variant;
use entity::ids::{VariantId, WarehouseId};
use std::collections::BTreeMap;

impl Service {
    /// Writes the availability of variants whose stock this transaction changed where it is another one now, and
    /// publishes what crossed a threshold. The stock rows stay locked until the transaction ends, so two
    /// transactions cannot both believe that they crossed it, nor both miss that together they did.
    pub(super) async fn availability_write_in(
        &self,
        tx: &Tx,
        variants: Vec<VariantId>,
    ) -> Result<(), Fault> {
        let (changes, sums) = self.availability_set_in(tx, variants).await?;
        let now = self.clock.now();
        let crossed = changes
            .iter()
            .filter_map(|change| {
                let available = sums.get(&change.variant_id).copied().unwrap_or(0);
                events::crossed(change, available, now)
            })
            .collect();
        self.events.publish_in(tx, crossed).await
    }

    /// Makes a variant one that is kept in stock, or one that is not and can always be bought. Its stock, if it has any,
    /// and what orders hold of it stay; orders that were made go on as they were made.
    ///
    /// # Errors
    /// No such variant.
    #[tracing::instrument(name = "inventory.variant_set_stocked", skip_all, fields(variant.id = %id))]
    pub async fn variant_set_stocked(
        &self,
        id: VariantId,
        is_stocked: bool,
    ) -> std::result::Result<variant::Model, Failure<catalog::error::Error>> {
        self.db
            .write("inventory.variant_set_stocked", async |tx| {
                self.catalog.variant_stocked_in(&tx, id, is_stocked).await?;
                Ok::<_, Failure<catalog::error::Error>>(self.stocked_changed_in(&tx, &[id]).await?)
            })
            .await?;
        let found = self.catalog.variant_by_id(id).await?;
        found.ok_or_else(|| Fault::Broken(format!("{id} vanished after its commit")).into())
    }

    /// The same without events: for first stock of imports and demo data, which was never away.
    pub(super) async fn availability_begin_in(
        &self,
        tx: &Tx,
        variants: Vec<VariantId>,
    ) -> Result<(), Fault> {
        self.availability_set_in(tx, variants).await.map(|_| ())
    }

    async fn availability_set_in(
        &self,
        tx: &Tx,
        mut variants: Vec<VariantId>,
    ) -> Result<(Vec<AvailabilityChange>, BTreeMap<VariantId, i64>), Fault> {
        variants.sort_unstable();
        variants.dedup();
        if variants.is_empty() {
            return Ok(Default::default());
        }
        let active: Vec<WarehouseId> = store::warehouses_active(&**tx)
            .await?
            .iter()
            .map(|row| row.id)
            .collect();
        let mut sums: BTreeMap<VariantId, i64> = variants.iter().map(|id| (*id, 0)).collect();
        for row in store::stock_of_variants_shared(&**tx, &variants).await? {
            if active.contains(&row.warehouse_id) {
                *sums.entry(row.variant_id).or_default() += row.on_hand - row.reserved;
            }
        }
        let now: Vec<_> = sums
            .iter()
            .map(|(id, available)| {
                (
                    *id,
                    model::availability(*available, self.low_stock_threshold),
                )
            })
            .collect();
        let changes = self.catalog.availability_set_in(tx, &now).await?;
        Ok((changes, sums))
    }
}
