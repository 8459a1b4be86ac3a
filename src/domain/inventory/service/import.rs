//! What imports ask of the inventory, inside their own transactions, and what exports read.

use super::Service;
use crate::db::Tx;
use crate::domain::inventory::store;
use crate::error::Fault;
use entity::ids::{VariantId, WarehouseId};
use entity::inventory::{WarehouseStatus, stock, warehouse};
use std::collections::HashSet;

/// Code of the warehouse that an import makes when it has stock and the shop has no warehouse.
pub const MAIN: &str = "MAIN";

impl Service {
    /// All warehouses, those that are emptied first in front.
    ///
    /// # Errors
    /// The database fails.
    pub async fn warehouses_all(&self) -> Result<Vec<warehouse::Model>, Fault> {
        self.db
            .read("inventory.warehouses_all", async |c| {
                Ok(store::warehouses_all(&*c).await?)
            })
            .await
    }

    /// Writes the warehouse [`MAIN`].
    ///
    /// # Errors
    /// There is one already, or the database fails.
    pub async fn warehouse_main_in(&self, tx: &Tx, id: WarehouseId) -> Result<(), Fault> {
        let now = self.clock.now();
        let row = warehouse::Model {
            id,
            code: MAIN.to_owned(),
            name: "Main warehouse".to_owned(),
            status: WarehouseStatus::Active,
            priority: 0,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        Ok(store::warehouse_insert(&**tx, row).await?)
    }

    /// The stock of variants in all warehouses.
    ///
    /// # Errors
    /// The database fails.
    pub async fn stock_of(&self, variants: &[VariantId]) -> Result<Vec<stock::Model>, Fault> {
        self.db
            .read("inventory.stock_of", async |c| {
                Ok(store::stock_of_variants(&*c, variants).await?)
            })
            .await
    }

    /// In which warehouses variants have stock, be it 0.
    ///
    /// # Errors
    /// The database fails.
    pub async fn stock_known_in(
        &self,
        tx: &Tx,
        variants: &[VariantId],
    ) -> Result<HashSet<(VariantId, WarehouseId)>, Fault> {
        let rows = store::stock_of_variants(&**tx, variants).await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.variant_id, row.warehouse_id))
            .collect())
    }
}
