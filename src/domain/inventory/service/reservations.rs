//! What orders do with stock, inside their own transactions.
//!
//! A reservation is released on one path ([`Service::release_in`]) whatever ended it, and leaves the stock on one path
//! ([`Service::commit_in`]). The caller holds the lock of the order, so the two never meet.

use super::{Service, Taken};
use crate::db::Tx;
use crate::domain::inventory::model::{self, Allocation, Released, Returning};
use crate::domain::inventory::{events, store};
use crate::error::Fault;
use chrono::{DateTime, Utc};
use entity::ids::{OrderId, OrderLineId, UserId, VariantId, WarehouseId};
use entity::inventory::{MovementReason, ReservationStatus, reservation, stock_movement};
use std::collections::BTreeMap;

impl Service {
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
        rows: Vec<reservation::Model>,
    ) -> std::result::Result<(), Fault> {
        Ok(store::reservations_insert(&**tx, rows).await?)
    }

    /// Gives back what an order holds, in the caller's transaction, which holds the order's lock: the one path for
    /// expiry, cancel and failure. What is not held any more is left alone, so it can be repeated.
    ///
    /// # Errors
    /// The database fails.
    pub async fn release_in(
        &self,
        tx: &Tx,
        order_id: OrderId,
        why: Released,
    ) -> std::result::Result<(), Fault> {
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
        if why == Released::Expired {
            let expired = held
                .iter()
                .map(|row| events::reservation_expired(row, now))
                .collect();
            self.events.publish_in(tx, expired).await?;
        }
        self.availability_write_in(tx, held.iter().map(|row| row.variant_id).collect())
            .await
    }

    /// Units that lines of an order hold, in the caller's transaction, which holds the order's lock.
    ///
    /// # Errors
    /// The database fails.
    pub async fn held_in(
        &self,
        tx: &Tx,
        order_id: OrderId,
    ) -> std::result::Result<BTreeMap<OrderLineId, i64>, Fault> {
        let mut units = BTreeMap::new();
        for row in store::reservations_active(&**tx, order_id).await? {
            *units.entry(row.order_line_id).or_default() += row.quantity;
        }
        Ok(units)
    }

    /// Holds an order's units until another time, in the caller's transaction, which holds the order's lock.
    ///
    /// # Errors
    /// The database fails.
    pub async fn reservations_extend_in(
        &self,
        tx: &Tx,
        order_id: OrderId,
        until: DateTime<Utc>,
    ) -> std::result::Result<(), Fault> {
        Ok(store::reservations_extend(&**tx, order_id, until, self.clock.now()).await?)
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
                pair_id: None,
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

    /// Puts units of a paid order back into the warehouses that they left, in the caller's transaction, which holds
    /// the order's lock. `lines` are units of lines of the order; a line may stand there once.
    ///
    /// # Errors
    /// More units of a line than went out and have not come back: the order has counted wrongly. The database fails.
    pub async fn restock_in(
        &self,
        tx: &Tx,
        order_id: OrderId,
        lines: &[(OrderLineId, i64)],
        reference: &str,
        actor_id: Option<UserId>,
    ) -> std::result::Result<(), Fault> {
        let out = store::reservations_committed(&**tx, order_id).await?;
        let back = model::returning(lines, &out).map_err(|line| {
            Fault::Broken(format!(
                "more of order line {line} comes back than went out"
            ))
        })?;
        let now = self.clock.now();
        let movements = back
            .iter()
            .map(|row| stock_movement::Model {
                id: self.clock.id(),
                variant_id: row.variant_id,
                warehouse_id: row.warehouse_id,
                delta: row.units,
                reason: MovementReason::Returned,
                reference: Some(reference.to_owned()),
                actor_id,
                pair_id: None,
                created_at: now,
            })
            .collect();
        store::movements_insert(&**tx, movements).await?;
        for &Returning {
            reservation_id,
            variant_id,
            warehouse_id,
            units,
        } in &back
        {
            store::reservation_returned(&**tx, reservation_id, units, now).await?;
            if !store::stock_change(&**tx, variant_id, warehouse_id, units, None, now).await? {
                return Err(Fault::Broken(format!(
                    "{variant_id} has no stock in {warehouse_id}, where it came from"
                )));
            }
        }
        self.availability_write_in(tx, back.iter().map(|row| row.variant_id).collect())
            .await
    }
}
