//! Use cases of the inventory, and what orders do with stock inside their own transactions.

mod adjust;
mod availability;
mod follow;
pub mod import;
mod movements;
mod reservations;
mod transfer;
mod verify;
mod warehouses;

use super::error::Error;
use super::model::Available;
use super::store;
use crate::clock::Clock;
use crate::db::Db;
use crate::db::idempotency::Idempotency;
use crate::domain::catalog;
use crate::error::{Failure, Fault};
use crate::events::Events;
use crate::events::hub::Hub;
use entity::catalog::variant;
use entity::ids::VariantId;

pub use adjust::Adjustment;
pub use follow::StockChanges;
pub use transfer::Transfer;
pub use verify::Verified;

/// Units on hand that a stock row may have at most.
pub const ON_HAND_MAX: i64 = 1_000_000_000_000;

/// The result of a use case.
pub type Result<T> = std::result::Result<T, Failure<Error>>;

/// Another order took the units since they were planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken;

/// The inventory.
#[derive(Clone, Debug)]
pub struct Service {
    db: Db,
    clock: Clock,
    idempotency: Idempotency,
    catalog: catalog::service::Service,
    events: Events,
    hub: Hub,
    low_stock_threshold: i64,
}

impl Service {
    /// Made once by the app.
    #[must_use]
    pub fn new(
        db: Db,
        clock: Clock,
        idempotency: Idempotency,
        catalog: catalog::service::Service,
        events: Events,
        hub: Hub,
        low_stock_threshold: i64,
    ) -> Self {
        Self {
            db,
            clock,
            idempotency,
            catalog,
            events,
            hub,
            low_stock_threshold,
        }
    }

    /// A variant whose stock staff change.
    async fn variant_stocked(&self, id: VariantId) -> Result<variant::Model> {
        let found = self.catalog.variant_by_id(id).await?;
        let found = found.ok_or(Error::VariantNotFound)?;
        if found.is_stocked {
            Ok(found)
        } else {
            Err(Error::NotStocked.into())
        }
    }

    /// Stock that can be reserved now, as an unlocked read sees it, in the order in which warehouses are emptied.
    ///
    /// # Errors
    /// The database fails.
    pub async fn stock_available(
        &self,
        variants: &[VariantId],
    ) -> std::result::Result<Vec<Available>, Fault> {
        self.db
            .read("inventory.stock_available", async |c| {
                Ok(store::stock_available(&*c, variants).await?)
            })
            .await
    }
}
