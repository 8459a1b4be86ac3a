//! Changing stock by hand, and the first stock of imports.

use super::{ON_HAND_MAX, Result, Service};
use crate::db::idempotency;
use crate::db::{Tx, error};
use crate::domain::inventory::error::Error;
use crate::domain::inventory::{events, store};
use crate::error::{Failure, Fault};
use chrono::{DateTime, Utc};
use entity::catalog::variant;
use entity::ids::{StockMovementId, UserId, VariantId, WarehouseId};
use entity::inventory::{MovementReason, stock, stock_movement};
use uuid::Uuid;

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

impl Service {
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
        let variant = &self.variant_stocked(adjustment.variant_id).await?;
        let id: StockMovementId = self.clock.id();
        let key = key.as_ref();
        self.db
            .write("inventory.stock_adjust", async |tx| {
                idempotency::record(&tx, &self.clock, key, id.0).await?;
                self.stock_adjust_in(&tx, actor_id, adjustment, variant, id)
                    .await
            })
            .await?;
        Ok(id.0)
    }

    async fn stock_adjust_in(
        &self,
        tx: &Tx,
        actor_id: Option<UserId>,
        adjustment: &Adjustment,
        variant: &variant::Model,
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
            pair_id: None,
            created_at: now,
        };
        store::movements_insert(&**tx, vec![movement.clone()]).await?;
        let stock = store::stock_find(&**tx, variant_id, warehouse_id).await?;
        let stock = stock.ok_or_else(|| Fault::Broken("changed stock is gone".to_owned()))?;
        let event = events::adjusted(variant, &movement, &stock);
        self.events.publish_in(tx, vec![event]).await?;
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
            return Err(Error::WarehouseNotFound("warehouseId").into());
        }
        let found = store::stock_find(&**tx, variant_id, warehouse_id).await?;
        let (on_hand, reserved) = found
            .as_ref()
            .map_or((0, 0), |row| (row.on_hand, row.reserved));
        if expected_quantity.is_some_and(|expected| expected != on_hand) {
            return Err(Error::QuantityStale { on_hand }.into());
        }
        let changed = found.is_some()
            // The row may have come since it was found missing; its units are looked at once more, now locked.
            && store::stock_change(&**tx, variant_id, warehouse_id, delta, expected_quantity, now)
                .await?;
        if changed {
            return Ok(());
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
            // Another request brought the first units meanwhile and has committed: these come to them.
            Err(source)
                if expected_quantity.is_none()
                    && matches!(error::kind(&source), error::Kind::Unique(_)) =>
            {
                store::stock_change(&**tx, variant_id, warehouse_id, delta, None, now).await?;
                Ok(())
            }
            Err(source) if matches!(error::kind(&source), error::Kind::Unique(_)) => {
                let found = store::stock_find(&**tx, variant_id, warehouse_id).await?;
                let on_hand = found.map_or(0, |row| row.on_hand);
                Err(Error::QuantityStale { on_hand }.into())
            }
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
                pair_id: None,
                created_at: now,
            })
            .collect();
        store::movements_insert(&**tx, movements).await?;
        self.availability_begin_in(tx, units.iter().map(|(id, _)| *id).collect())
            .await
    }
}
