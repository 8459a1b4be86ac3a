//! Changing orders: each change of state is one transaction with one row of history and one event.

use super::super::error::Error;
use super::super::model::{self, Scope};
use super::super::{events, store};
use super::{Result, Service};
use crate::db::Tx;
use crate::db::idempotency;
use crate::domain::inventory::model::Released;
use crate::error::{Failure, Fault};
use crate::events::outbox;
use entity::ids::{OrderId, UserId};
use entity::orders::{OrderStatus, PaymentStatus, order, order_history};

/// A change of an order's state.
#[derive(Clone, Copy, Debug)]
struct Change<'a> {
    to: OrderStatus,
    actor_id: Option<UserId>,
    reason: Option<&'a str>,
}

impl Service {
    /// Cancels an order that is not paid and gives its stock back.
    ///
    /// # Errors
    /// Not found in the scope, or its state does not allow it.
    pub async fn order_cancel(
        &self,
        scope: Scope,
        actor_id: UserId,
        id: OrderId,
        reason: Option<&str>,
        key: Option<idempotency::Request>,
    ) -> Result<(order::Model, bool)> {
        let change = Change {
            to: OrderStatus::Cancelled,
            actor_id: Some(actor_id),
            reason,
        };
        self.order_change_once(scope, id, change, key).await
    }

    /// Marks an order as paid outside of this program: its units leave the stock.
    ///
    /// # Errors
    /// Not found, paid already, or its state does not allow it.
    pub async fn order_mark_paid(
        &self,
        actor_id: UserId,
        id: OrderId,
        key: Option<idempotency::Request>,
    ) -> Result<(order::Model, bool)> {
        let change = Change {
            to: OrderStatus::Paid,
            actor_id: Some(actor_id),
            reason: None,
        };
        self.order_change_once(Scope::All, id, change, key).await
    }

    /// Expires an unpaid order; one that changed meanwhile is left alone.
    pub(in crate::domain::orders) async fn order_expire(
        &self,
        id: OrderId,
    ) -> std::result::Result<(), Fault> {
        let change = Change {
            to: OrderStatus::Expired,
            actor_id: None,
            reason: None,
        };
        match self.order_change(Scope::All, id, change, None).await {
            Ok(()) | Err(Failure::Refused(_)) => Ok(()),
            Err(Failure::Fault(fault)) => Err(fault),
        }
    }

    pub(in crate::domain::orders) async fn orders_expired(
        &self,
        limit: u64,
    ) -> std::result::Result<Vec<OrderId>, Fault> {
        let now = self.clock.now();
        self.db
            .read("orders.expired", async |c| {
                Ok(store::orders_expired(&*c, now, limit).await?)
            })
            .await
    }

    async fn order_change_once(
        &self,
        scope: Scope,
        id: OrderId,
        change: Change<'_>,
        key: Option<idempotency::Request>,
    ) -> Result<(order::Model, bool)> {
        let effect = async |key| {
            self.order_change(scope, id, change, key)
                .await
                .map(|()| id.0)
        };
        let (id, replayed) = self.idempotency.once(key, effect).await?;
        let order = self
            .order_read(scope, OrderId(id))
            .await?
            .ok_or(Error::NotFound)?;
        Ok((order, replayed))
    }

    async fn order_change(
        &self,
        scope: Scope,
        id: OrderId,
        change: Change<'_>,
        key: Option<idempotency::Request>,
    ) -> Result<()> {
        let key = key.as_ref();
        self.db
            .write("orders.change", async |tx| {
                idempotency::record(&tx, &self.clock, key, id.0).await?;
                self.order_change_in(&tx, scope, id, change).await
            })
            .await?;
        self.events.wake();
        Ok(())
    }

    /// One change of state: the order, its history, its event, and last the stock.
    async fn order_change_in(
        &self,
        tx: &Tx,
        scope: Scope,
        id: OrderId,
        change: Change<'_>,
    ) -> Result<()> {
        let mut order = store::order_lock(&**tx, scope, id)
            .await?
            .ok_or(Error::NotFound)?;
        let (from, to) = (order.status, change.to);
        if to == OrderStatus::Paid && order.paid_at.is_some() {
            return Err(Error::AlreadyPaid.into());
        }
        if !model::can_follow(from, to) {
            return Err(Error::InvalidTransition { from, to }.into());
        }
        let now = self.clock.now();
        order.status = to;
        order.version += 1;
        order.updated_at = now;
        order.reservation_expires_at = None;
        if to == OrderStatus::Paid {
            order.payment_status = PaymentStatus::Paid;
            order.paid_at = Some(now);
        } else if to == OrderStatus::Cancelled {
            order.cancelled_at = Some(now);
            order.cancel_reason = change.reason.map(str::to_owned);
        }
        store::order_update(&**tx, &order).await?;
        let history = order_history::Model {
            id: self.clock.id(),
            order_id: id,
            version: order.version,
            from_status: Some(from),
            to_status: to,
            actor_id: change.actor_id,
            reason: change.reason.map(str::to_owned),
            created_at: now,
        };
        store::history_insert(&**tx, vec![history]).await?;
        let lines = store::lines_of_orders(&**tx, &[id]).await?;
        outbox::insert(
            &**tx,
            &self.clock,
            vec![events::event(&order, &lines, Some(from))],
        )
        .await?;
        if to == OrderStatus::Paid {
            self.inventory
                .commit_in(tx, id, &order.number, change.actor_id)
                .await?;
        } else {
            let why = match to {
                OrderStatus::Expired => Released::Expired,
                OrderStatus::Failed => Released::Failed,
                _ => Released::Cancelled,
            };
            self.inventory.release_in(tx, id, why).await?;
        }
        Ok(())
    }
}
