//! Moving stock from one warehouse to another.

use super::{Result, Service};
use crate::db::{Tx, error, idempotency};
use crate::domain::inventory::error::Error;
use crate::domain::inventory::{events, store};
use crate::error::{Failure, Fault};
use entity::catalog::variant;
use entity::ids::{StockMovementId, UserId, VariantId, WarehouseId};
use entity::inventory::{MovementReason, WarehouseStatus, stock_movement};
use uuid::Uuid;

/// Stock that goes from one warehouse to another.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Transfer {
    /// The variant.
    pub variant_id: VariantId,
    /// Where it is.
    pub from_warehouse_id: WarehouseId,
    /// Where it goes.
    pub to_warehouse_id: WarehouseId,
    /// Units, 1 or more.
    pub quantity: i64,
    /// What it belongs to; the transfer's own id when nothing is said, so that its two movements are found together.
    pub reference: Option<String>,
}

impl Service {
    /// Moves units between two active warehouses: two movements with one reference, in one transaction. Reserved units
    /// stay. What the public is told does not change, since the sum stays. Answers the movement out and the movement
    /// in, and whether an earlier request with the same key did it.
    ///
    /// # Errors
    /// The same warehouse twice, unknown or inactive ones, an unknown variant, fewer units than asked for.
    #[tracing::instrument(name = "inventory.stock_transfer", skip_all)]
    pub async fn stock_transfer(
        &self,
        actor_id: Option<UserId>,
        transfer: &Transfer,
        key: Option<idempotency::Request>,
    ) -> Result<(Vec<stock_movement::Model>, bool)> {
        if transfer.from_warehouse_id == transfer.to_warehouse_id {
            return Err(Error::SameWarehouse.into());
        }
        let effect = |key| self.stock_transfer_once(actor_id, transfer, key);
        let (id, replayed) = self.idempotency.once(key, effect).await?;
        let movements = self
            .db
            .read("inventory.transfer_read", async |c| {
                Ok::<_, Fault>(store::movements_of_transfer(&*c, StockMovementId(id)).await?)
            })
            .await?;
        Ok((movements, replayed))
    }

    async fn stock_transfer_once(
        &self,
        actor_id: Option<UserId>,
        transfer: &Transfer,
        key: Option<idempotency::Request>,
    ) -> Result<Uuid> {
        let variant = &self.variant_stocked(transfer.variant_id).await?;
        let (out, into) = self.movements_of(actor_id, transfer);
        let (out, into, key) = (&out, &into, key.as_ref());
        self.db
            .write("inventory.stock_transfer", async |tx| {
                idempotency::record(&tx, &self.clock, key, out.id.0).await?;
                self.transfer_in(&tx, transfer, variant, out, into).await
            })
            .await?;
        Ok(out.id.0)
    }

    /// The two movements of a transfer, each naming the other.
    fn movements_of(
        &self,
        actor_id: Option<UserId>,
        transfer: &Transfer,
    ) -> (stock_movement::Model, stock_movement::Model) {
        let (id, pair_id): (StockMovementId, StockMovementId) = (self.clock.id(), self.clock.id());
        let reference = transfer.reference.clone();
        let out = stock_movement::Model {
            id,
            variant_id: transfer.variant_id,
            warehouse_id: transfer.from_warehouse_id,
            delta: -transfer.quantity,
            reason: MovementReason::Transferred,
            reference: reference.or_else(|| Some(id.to_string())),
            actor_id,
            pair_id: Some(pair_id),
            created_at: self.clock.now(),
        };
        let into = stock_movement::Model {
            id: pair_id,
            warehouse_id: transfer.to_warehouse_id,
            delta: transfer.quantity,
            pair_id: Some(id),
            ..out.clone()
        };
        (out, into)
    }

    async fn transfer_in(
        &self,
        tx: &Tx,
        transfer: &Transfer,
        variant: &variant::Model,
        out: &stock_movement::Model,
        into: &stock_movement::Model,
    ) -> Result<()> {
        self.both_active_in(tx, transfer).await?;
        let mut changes = [out, into];
        // Stock rows are locked in this order everywhere, so that transfers there and back do not wait for each other.
        changes.sort_unstable_by_key(|movement| movement.warehouse_id);
        for movement in changes {
            let (variant_id, id, now) = (variant.id, movement.warehouse_id, movement.created_at);
            if movement.delta > 0 {
                let put = store::stock_put(&**tx, variant_id, id, movement.delta, now).await;
                put.map_err(|source| {
                    if error::is_foreign_key(&source) {
                        // It was deleted a moment ago.
                        Failure::from(Error::VariantNotFound)
                    } else {
                        source.into()
                    }
                })?;
            } else if !store::stock_change(&**tx, variant_id, id, movement.delta, None, now).await?
            {
                let found = store::stock_find(&**tx, variant_id, id).await?;
                return Err(Error::InsufficientStock {
                    variant_id,
                    requested: transfer.quantity,
                    available: found.map_or(0, |row| row.on_hand - row.reserved),
                }
                .into());
            }
        }
        store::movements_insert(&**tx, vec![out.clone(), into.clone()]).await?;
        let event = events::transferred(variant, out, into);
        Ok(self.events.publish_in(tx, vec![event]).await?)
    }

    /// Makes sure that both warehouses are there and stay active until the transaction ends.
    async fn both_active_in(&self, tx: &Tx, transfer: &Transfer) -> Result<()> {
        let named = [
            ("fromWarehouseId", transfer.from_warehouse_id),
            ("toWarehouseId", transfer.to_warehouse_id),
        ];
        let found = store::warehouses_shared(&**tx, &named.map(|(_, id)| id)).await?;
        let mut errors = Vec::new();
        for (field, id) in named {
            match found.iter().find(|row| row.id == id) {
                None => errors.push(Error::WarehouseNotFound(field)),
                Some(row) if row.status != WarehouseStatus::Active => {
                    errors.push(Error::WarehouseInactive(field));
                }
                Some(_) => {}
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(Failure::Refused(errors))
        }
    }
}
