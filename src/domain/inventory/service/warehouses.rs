//! Use cases of warehouses.

use super::{Result, Service};
use crate::db::idempotency;
use crate::db::page;
use crate::db::{Tx, error};
use crate::domain::inventory::error::Error;
use crate::domain::inventory::model::{
    NewWarehouse, WarehouseChange, WarehouseFilter, WarehouseSorting, warehouse_code,
};
use crate::domain::inventory::store;
use crate::error::{Failure, Fault};
use crate::page::{Page, PageRequest};
use entity::ids::WarehouseId;
use entity::inventory::{WarehouseStatus, warehouse};
use sea_orm::DbErr;
use uuid::Uuid;

/// Variants whose availability is computed by one group of statements.
const VARIANTS_AT_ONCE: usize = 500;

/// Turns the unique index of codes into an error of the caller.
fn taken(source: DbErr) -> Failure<Error> {
    if error::is_duplicate(&source, "uq_warehouses_code", "warehouses.code") {
        Error::CodeTaken.into()
    } else {
        source.into()
    }
}

fn expect_version(row: &warehouse::Model, seen: Option<i32>) -> Result<()> {
    match seen {
        Some(seen) if seen != row.version => Err(Error::VersionStale {
            version: row.version,
        }
        .into()),
        _ => Ok(()),
    }
}

/// A warehouse whose row nobody changes until the transaction ends.
async fn warehouse_lock(tx: &Tx, id: WarehouseId) -> Result<warehouse::Model> {
    let row = store::warehouse_lock(&**tx, id).await?;
    row.ok_or_else(|| Error::WarehouseNotFound("id").into())
}

impl Service {
    fn warehouse_row(&self, id: WarehouseId, new: &NewWarehouse) -> warehouse::Model {
        let now = self.clock.now();
        warehouse::Model {
            id,
            code: warehouse_code(&new.code),
            name: new.name.trim().to_owned(),
            status: WarehouseStatus::Active,
            priority: new.priority,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    /// Adds an active warehouse in the caller's transaction; for imports and demo data.
    ///
    /// # Errors
    /// The database fails, also when the code is taken.
    pub async fn warehouse_insert_in(
        &self,
        tx: &Tx,
        id: WarehouseId,
        code: &str,
        name: &str,
        priority: i32,
    ) -> std::result::Result<(), Fault> {
        let new = NewWarehouse {
            code: code.to_owned(),
            name: name.to_owned(),
            priority,
        };
        Ok(store::warehouse_insert(&**tx, self.warehouse_row(id, &new)).await?)
    }

    /// Makes an active, empty warehouse. Tells also whether an earlier request with the same key made it.
    ///
    /// # Errors
    /// [`Error::CodeTaken`].
    #[tracing::instrument(name = "inventory.warehouse_create", skip_all)]
    pub async fn warehouse_create(
        &self,
        new: &NewWarehouse,
        key: Option<idempotency::Request>,
    ) -> Result<(warehouse::Model, bool)> {
        let row = self.warehouse_row(self.clock.id(), new);
        let row = &row;
        let effect = async |key: Option<idempotency::Request>| {
            let key = key.as_ref();
            self.db
                .write("inventory.warehouse_create", async |tx| {
                    idempotency::record(&tx, &self.clock, key, row.id.0).await?;
                    store::warehouse_insert(&*tx, row.clone())
                        .await
                        .map_err(taken)
                })
                .await?;
            Ok::<Uuid, Failure<Error>>(row.id.0)
        };
        let (id, replayed) = self.idempotency.once(key, effect).await?;
        let row = self.warehouse_by_id(WarehouseId(id)).await?;
        let row = row.ok_or_else(|| Fault::Broken(format!("warehouse {id} is gone")))?;
        Ok((row, replayed))
    }

    /// Changes a warehouse. Another priority holds for the next allocation.
    ///
    /// # Errors
    /// Not found, changed meanwhile, [`Error::CodeTaken`].
    #[tracing::instrument(name = "inventory.warehouse_update", skip_all, fields(warehouse.id = %id))]
    pub async fn warehouse_update(
        &self,
        id: WarehouseId,
        change: &WarehouseChange,
    ) -> Result<warehouse::Model> {
        self.db
            .write("inventory.warehouse_update", async |tx| {
                let before = warehouse_lock(&tx, id).await?;
                expect_version(&before, change.expected_version)?;
                let mut row = change.applied_to(before.clone());
                if row != before {
                    row.version += 1;
                    row.updated_at = self.clock.now();
                    store::warehouse_update(&*tx, &row).await.map_err(taken)?;
                }
                Ok::<_, Failure<Error>>(row)
            })
            .await
    }

    /// Switches a warehouse on or off, and tells the public of everything it has, in one transaction. What orders hold
    /// in an inactive one stays theirs.
    ///
    /// # Errors
    /// Not found, changed meanwhile.
    #[tracing::instrument(name = "inventory.warehouse_set_status", skip_all, fields(warehouse.id = %id))]
    pub async fn warehouse_set_status(
        &self,
        id: WarehouseId,
        status: WarehouseStatus,
        expected_version: Option<i32>,
    ) -> Result<warehouse::Model> {
        let row = self
            .db
            .write("inventory.warehouse_set_status", async |tx| {
                let mut row = warehouse_lock(&tx, id).await?;
                expect_version(&row, expected_version)?;
                if row.status != status {
                    row.status = status;
                    row.version += 1;
                    row.updated_at = self.clock.now();
                    store::warehouse_update(&*tx, &row).await?;
                    let variants = store::variants_of_warehouse(&*tx, id).await?;
                    for variants in variants.chunks(VARIANTS_AT_ONCE) {
                        self.availability_write_in(&tx, variants.to_vec()).await?;
                    }
                }
                Ok::<_, Failure<Error>>(row)
            })
            .await?;
        Ok(row)
    }

    /// A warehouse.
    ///
    /// # Errors
    /// The database fails.
    pub async fn warehouse_by_id(
        &self,
        id: WarehouseId,
    ) -> std::result::Result<Option<warehouse::Model>, Fault> {
        self.db
            .read("inventory.warehouse_by_id", async |c| {
                Ok(store::warehouse_by_id(&*c, id).await?)
            })
            .await
    }

    /// A warehouse by its code.
    ///
    /// # Errors
    /// The database fails.
    pub async fn warehouse_by_code(
        &self,
        code: &str,
    ) -> std::result::Result<Option<warehouse::Model>, Fault> {
        self.db
            .read("inventory.warehouse_by_code", async |c| {
                Ok(store::warehouse_by_code(&*c, code).await?)
            })
            .await
    }

    /// A page of the warehouses.
    ///
    /// # Errors
    /// A cursor of another list.
    pub async fn warehouses_page(
        &self,
        filter: &WarehouseFilter,
        sorting: WarehouseSorting,
        request: &PageRequest,
    ) -> std::result::Result<Page<warehouse::Model>, page::Error> {
        self.db
            .read("inventory.warehouses_page", async |c| {
                let keyset = store::warehouses_keyset(sorting);
                page::fetch(&*c, store::warehouses(filter), &keyset, request).await
            })
            .await
    }
}
