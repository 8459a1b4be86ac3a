//! Use cases of warehouses.

use super::Service;
use crate::db::Tx;
use crate::domain::inventory::store;
use crate::error::Fault;
use crate::page::{Page, PageRequest};
use entity::ids::WarehouseId;
use entity::inventory::{WarehouseStatus, warehouse};

impl Service {
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
        let now = self.clock.now();
        let row = warehouse::Model {
            id,
            code: code.to_owned(),
            name: name.to_owned(),
            status: WarehouseStatus::Active,
            priority,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        Ok(store::warehouse_insert(&**tx, row).await?)
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

    /// A page of the warehouses, those that are emptied first in front.
    ///
    /// # Errors
    /// A cursor of another list.
    pub async fn warehouses_page(
        &self,
        request: &PageRequest,
    ) -> std::result::Result<Page<warehouse::Model>, crate::db::page::Error> {
        self.db
            .read("inventory.warehouses_page", async |c| {
                crate::db::page::fetch(
                    &*c,
                    store::warehouses(),
                    &store::WAREHOUSES_BY_PRIORITY,
                    request,
                )
                .await
            })
            .await
    }
}
