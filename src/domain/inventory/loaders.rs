//! Batches of one request: stock of variants and warehouses by id.

use super::store;
use crate::app::App;
use crate::db::Db;
use crate::error::Fault;
use crate::graphql::batch::grouped;
use crate::graphql::loading::{Loaders, OfRequest, Place};
use async_graphql::dataloader::Loader;
use entity::ids::{VariantId, WarehouseId};
use entity::inventory::{stock, warehouse};
use std::collections::HashMap;
use std::sync::Arc;

/// Reads of the inventory, batched within a request.
#[derive(Clone, Debug)]
pub struct InventoryLoader {
    db: Db,
}

/// Stock rows of a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StockOfVariant(pub VariantId);

/// A warehouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WarehouseKey(pub WarehouseId);

impl Loader<StockOfVariant> for InventoryLoader {
    type Value = Vec<stock::Model>;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[StockOfVariant],
    ) -> Result<HashMap<StockOfVariant, Self::Value>, Self::Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let rows = self
            .db
            .read("inventory.load_stock", async |c| {
                Ok::<_, Fault>(store::stock_of_variants(&*c, &ids).await?)
            })
            .await?;
        Ok(grouped(
            rows.into_iter()
                .map(|row| (StockOfVariant(row.variant_id), row)),
        ))
    }
}

impl Loader<WarehouseKey> for InventoryLoader {
    type Value = warehouse::Model;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[WarehouseKey],
    ) -> Result<HashMap<WarehouseKey, Self::Value>, Self::Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let rows = self
            .db
            .read("inventory.load_warehouses", async |c| {
                Ok::<_, Fault>(store::warehouses_by_ids(&*c, &ids).await?)
            })
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| (WarehouseKey(row.id), row))
            .collect())
    }
}

impl OfRequest for InventoryLoader {
    fn new(app: &App) -> Self {
        Self {
            db: app.db().clone(),
        }
    }

    fn place(loaders: &Loaders) -> &Place<Self> {
        &loaders.inventory
    }
}
