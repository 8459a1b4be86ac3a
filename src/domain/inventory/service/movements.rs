//! Reading what changed the stock.

use super::Service;
use crate::db::page;
use crate::domain::inventory::model::MovementFilter;
use crate::domain::inventory::store;
use crate::page::{Page, PageRequest};
use entity::inventory::stock_movement;

impl Service {
    /// A page of movements, by time.
    ///
    /// # Errors
    /// A cursor of another list.
    pub async fn movements_page(
        &self,
        filter: &MovementFilter,
        descending: bool,
        request: &PageRequest,
    ) -> Result<Page<stock_movement::Model>, page::Error> {
        self.db
            .read("inventory.movements_page", async |c| {
                let keyset = store::movements_keyset(descending);
                page::fetch(&*c, store::movements(filter), &keyset, request).await
            })
            .await
    }
}
