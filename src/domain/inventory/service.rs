//! Use cases of the inventory, and what orders do with stock inside their own transactions.

pub mod import;

use super::error::Error;
use super::model::{self, Allocation, Available};
use super::store;
use crate::clock::Clock;
use crate::db::idempotency::{self, Idempotency};
use crate::db::{Db, Tx, error};
use crate::domain::catalog;
use crate::error::{Failure, Fault};
use crate::page::{Page, PageRequest};
use chrono::{DateTime, Utc};
use entity::ids::{OrderId, StockMovementId, UserId, VariantId, WarehouseId};
use entity::inventory::{
    MovementReason, ReservationStatus, WarehouseStatus, reservation, stock, stock_movement,
    warehouse,
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Units on hand that a stock row may have at most.
pub const ON_HAND_MAX: i64 = 1_000_000_000_000;

/// The result of a use case.
pub type Result<T> = std::result::Result<T, Failure<Error>>;

/// Another order took the units since they were planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken;

/// A change of stock by staff.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Adjustment {
    /// The variant.
    pub variant_id: VariantId,
    /// The warehouse.
    pub warehouse_id: WarehouseId,
    /// Units that came (positive) or went (negative), not 0.
    pub delta: i64,
    /// Why.
    pub reason: MovementReason,
    /// What it belongs to.
    pub reference: Option<String>,
    /// Units that the caller believes to be on hand.
    pub expected_quantity: Option<i64>,
}

/// The inventory.
#[derive(Clone, Debug)]
pub struct Service {
    db: Db,
    clock: Clock,
    idempotency: Idempotency,
    catalog: catalog::service::Service,
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
        low_stock_threshold: i64,
    ) -> Self {
        Self {
            db,
            clock,
            idempotency,
            catalog,
            low_stock_threshold,
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

    /// Reserves in the caller's transaction; its last statements, because stock rows are what orders wait for.
    ///
    /// The first update asks for more than is needed: when more than the threshold of low stock stays in this
    /// warehouse alone, no threshold was crossed and nothing has to be looked at.
    ///
    /// # Errors
    /// The database fails. `Ok(Err(Taken))`: the units are gone, roll back and plan anew.
    pub async fn reserve_in(
        &self,
        tx: &Tx,
        allocations: &[Allocation],
        now: DateTime<Utc>,
    ) -> std::result::Result<std::result::Result<(), Taken>, Fault> {
        let mut sums: BTreeMap<(VariantId, WarehouseId), i64> = BTreeMap::new();
        for allocation in allocations {
            *sums
                .entry((allocation.variant_id, allocation.warehouse_id))
                .or_default() += allocation.units;
        }
        let mut near = Vec::new();
        for ((variant_id, warehouse_id), units) in sums {
            let row = Allocation {
                need: 0,
                variant_id,
                warehouse_id,
                units,
            };
            if store::stock_reserve(&**tx, &row, self.low_stock_threshold + 1, now).await? {
                continue;
            }
            if !store::stock_reserve(&**tx, &row, 0, now).await? {
                return Ok(Err(Taken));
            }
            near.push(variant_id);
        }
        self.availability_write_in(tx, near).await?;
        Ok(Ok(()))
    }

    /// Writes reservations in the caller's transaction; [`Service::reserve_in`] then takes the units.
    ///
    /// # Errors
    /// The database fails.
    pub async fn reservations_insert_in(
        &self,
        tx: &Tx,
        rows: &[reservation::Model],
    ) -> std::result::Result<(), Fault> {
        Ok(store::reservations_insert(&**tx, rows).await?)
    }

    /// Gives back what an order holds, in the caller's transaction, which holds the order's lock.
    ///
    /// # Errors
    /// The database fails.
    pub async fn release_in(&self, tx: &Tx, order_id: OrderId) -> std::result::Result<(), Fault> {
        let held = store::reservations_active(&**tx, order_id).await?;
        let now = self.clock.now();
        store::reservations_end(
            &**tx,
            order_id,
            ReservationStatus::Released,
            held.len(),
            now,
        )
        .await?;
        for row in &held {
            store::stock_unreserve(
                &**tx,
                row.variant_id,
                row.warehouse_id,
                row.quantity,
                false,
                now,
            )
            .await?;
        }
        self.availability_write_in(tx, held.iter().map(|row| row.variant_id).collect())
            .await
    }

    /// Lets the units of a paid order leave the stock, in the caller's transaction, which holds the order's lock.
    ///
    /// # Errors
    /// The database fails.
    pub async fn commit_in(
        &self,
        tx: &Tx,
        order_id: OrderId,
        reference: &str,
        actor_id: Option<UserId>,
    ) -> std::result::Result<(), Fault> {
        let held = store::reservations_active(&**tx, order_id).await?;
        let now = self.clock.now();
        store::reservations_end(
            &**tx,
            order_id,
            ReservationStatus::Committed,
            held.len(),
            now,
        )
        .await?;
        let movements = held
            .iter()
            .map(|row| stock_movement::Model {
                id: self.clock.id(),
                variant_id: row.variant_id,
                warehouse_id: row.warehouse_id,
                delta: -row.quantity,
                reason: MovementReason::Sold,
                reference: Some(reference.to_owned()),
                actor_id,
                created_at: now,
            })
            .collect();
        store::movements_insert(&**tx, movements).await?;
        // Reserved units were not available before either, so no threshold is crossed.
        for row in &held {
            store::stock_unreserve(
                &**tx,
                row.variant_id,
                row.warehouse_id,
                row.quantity,
                true,
                now,
            )
            .await?;
        }
        Ok(())
    }

    /// Writes the availability of variants whose stock this transaction changed, where it is another one now.
    async fn availability_write_in(
        &self,
        tx: &Tx,
        mut variants: Vec<VariantId>,
    ) -> std::result::Result<(), Fault> {
        variants.sort_unstable();
        variants.dedup();
        if variants.is_empty() {
            return Ok(());
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
            .into_iter()
            .map(|(id, available)| (id, model::availability(available, self.low_stock_threshold)))
            .collect();
        self.catalog.availability_set_in(tx, &now).await
    }

    /// Changes the stock by hand and records the movement. The answer tells whether an earlier request with the same
    /// idempotency key did it.
    ///
    /// # Errors
    /// Unknown variant or warehouse, another quantity than expected, or fewer units than are taken.
    pub async fn stock_adjust(
        &self,
        actor_id: Option<UserId>,
        adjustment: &Adjustment,
        key: Option<idempotency::Request>,
    ) -> Result<(stock_movement::Model, stock::Model, bool)> {
        let effect = |key| self.stock_adjust_once(actor_id, adjustment, key);
        let (id, replayed) = self.idempotency.once(key, effect).await?;
        let (movement, stock) = self
            .db
            .read("inventory.movement_read", async |c| {
                let movement = store::movement_by_id(&*c, StockMovementId(id)).await?;
                let stock =
                    store::stock_find(&*c, adjustment.variant_id, adjustment.warehouse_id).await?;
                Ok::<_, Failure<Error>>((movement, stock))
            })
            .await?;
        match (movement, stock) {
            (Some(movement), Some(stock)) => Ok((movement, stock, replayed)),
            _ => Err(Fault::Broken("a movement vanished after its commit".to_owned()).into()),
        }
    }

    async fn stock_adjust_once(
        &self,
        actor_id: Option<UserId>,
        adjustment: &Adjustment,
        key: Option<idempotency::Request>,
    ) -> Result<Uuid> {
        let id: StockMovementId = self.clock.id();
        let key = key.as_ref();
        self.db
            .write("inventory.stock_adjust", async |tx| {
                idempotency::record(&tx, &self.clock, key, id.0).await?;
                self.stock_adjust_in(&tx, actor_id, adjustment, id).await
            })
            .await?;
        Ok(id.0)
    }

    async fn stock_adjust_in(
        &self,
        tx: &Tx,
        actor_id: Option<UserId>,
        adjustment: &Adjustment,
        id: StockMovementId,
    ) -> Result<()> {
        let now = self.clock.now();
        let &Adjustment {
            variant_id,
            warehouse_id,
            delta,
            expected_quantity,
            ..
        } = adjustment;
        if !store::stock_change(
            &**tx,
            variant_id,
            warehouse_id,
            delta,
            expected_quantity,
            now,
        )
        .await?
        {
            self.stock_begin_in(tx, adjustment, now).await?;
        }
        let movement = stock_movement::Model {
            id,
            variant_id,
            warehouse_id,
            delta,
            reason: adjustment.reason,
            reference: adjustment.reference.clone(),
            actor_id,
            created_at: now,
        };
        store::movements_insert(&**tx, vec![movement]).await?;
        Ok(self.availability_write_in(tx, vec![variant_id]).await?)
    }

    /// Writes the first stock of a variant in a warehouse, or says why an existing row could not be changed.
    async fn stock_begin_in(
        &self,
        tx: &Tx,
        adjustment: &Adjustment,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let &Adjustment {
            variant_id,
            warehouse_id,
            delta,
            expected_quantity,
            ..
        } = adjustment;
        if store::warehouse_by_id(&**tx, warehouse_id).await?.is_none() {
            return Err(Error::WarehouseNotFound.into());
        }
        let found = store::stock_find(&**tx, variant_id, warehouse_id).await?;
        let (on_hand, reserved) = found
            .as_ref()
            .map_or((0, 0), |row| (row.on_hand, row.reserved));
        if expected_quantity.is_some_and(|expected| expected != on_hand) {
            return Err(Error::QuantityStale { on_hand }.into());
        }
        if found.is_some() || delta < 0 {
            return Err(Error::TooFew {
                available: on_hand - reserved,
            }
            .into());
        }
        if delta > ON_HAND_MAX {
            return Err(Error::TooMany.into());
        }
        let row = stock::Model {
            variant_id,
            warehouse_id,
            on_hand: delta,
            reserved: 0,
            updated_at: now,
        };
        match store::stock_insert(&**tx, vec![row]).await {
            Ok(()) => Ok(()),
            Err(source) if error::is_foreign_key(&source) => Err(Error::VariantNotFound.into()),
            Err(source) => Err(source.into()),
        }
    }

    /// Writes the first stock of many new variants, each with its movement, in the caller's transaction: for imports
    /// and demo data. The variants must have no stock in the warehouse.
    ///
    /// # Errors
    /// The database fails.
    pub async fn stock_begin_many_in(
        &self,
        tx: &Tx,
        warehouse_id: WarehouseId,
        units: &[(VariantId, i64)],
        reference: &str,
    ) -> std::result::Result<(), Fault> {
        let now = self.clock.now();
        let rows = units
            .iter()
            .map(|&(variant_id, on_hand)| stock::Model {
                variant_id,
                warehouse_id,
                on_hand,
                reserved: 0,
                updated_at: now,
            })
            .collect();
        store::stock_insert(&**tx, rows).await?;
        let movements = units
            .iter()
            .filter(|(_, units)| *units != 0)
            .map(|&(variant_id, delta)| stock_movement::Model {
                id: self.clock.id(),
                variant_id,
                warehouse_id,
                delta,
                reason: MovementReason::Received,
                reference: Some(reference.to_owned()),
                actor_id: None,
                created_at: now,
            })
            .collect();
        store::movements_insert(&**tx, movements).await?;
        self.availability_write_in(tx, units.iter().map(|(id, _)| *id).collect())
            .await
    }
}
