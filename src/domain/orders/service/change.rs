//! Changing orders: each change is one transaction with one row of history and one event.

use super::super::error::{ChangeError, Error};
use super::super::model::{self, Scope};
use super::super::{events, store};
use super::{Result, Service};
use crate::db::Tx;
use crate::db::idempotency;
use crate::domain::inventory::model::Released;
use crate::error::{Failure, Fault};
use chrono::TimeDelta;
use entity::ids::{OrderId, UserId};
use entity::orders::{OrderOrigin, OrderStatus, PaymentStatus, order, order_history, order_note};

/// What the history and the event of a change tell beside the order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    /// The state before.
    pub(super) from: OrderStatus,
    /// Who did it, if a person did.
    pub(super) actor_id: Option<UserId>,
    /// Why, for the history.
    pub(super) reason: Option<&'a str>,
    /// The event's type, where the new state alone does not give it.
    pub(super) event_type: Option<&'static str>,
    /// A code of what failed, for the event.
    pub(super) failure: Option<&'a str>,
}

impl<'a> Change<'a> {
    /// A change from a state by somebody.
    pub(super) const fn of(from: OrderStatus, actor_id: Option<UserId>) -> Self {
        Self {
            from,
            actor_id,
            reason: None,
            event_type: None,
            failure: None,
        }
    }

    /// The same with a reason.
    pub(super) const fn because(mut self, reason: Option<&'a str>) -> Self {
        self.reason = reason;
        self
    }

    /// The same with its own type of event.
    pub(super) const fn told_as(mut self, event_type: &'static str) -> Self {
        self.event_type = Some(event_type);
        self
    }

    /// The same with a code of what failed.
    pub(super) const fn failed(mut self, code: &'a str) -> Self {
        self.failure = Some(code);
        self
    }
}

/// Refuses a change that the state does not allow.
pub(super) fn follow(from: OrderStatus, to: OrderStatus) -> std::result::Result<(), Error> {
    if model::can_follow(from, to) {
        Ok(())
    } else {
        Err(Error::InvalidTransition { from, to })
    }
}

impl Service {
    /// Cancels an order and gives its stock back. What was paid goes back in full.
    ///
    /// # Errors
    /// Not found in the scope, imported, its state does not allow it, a payment or a refund is under way.
    pub async fn order_cancel(
        &self,
        scope: Scope,
        actor_id: UserId,
        id: OrderId,
        reason: Option<&str>,
        key: Option<idempotency::Request>,
    ) -> Result<(order::Model, bool)> {
        let effect = async |key| {
            self.order_cancel_once(scope, actor_id, id, reason, key)
                .await
                .map(|()| id.0)
        };
        let (id, replayed) = self.idempotency.once(key, effect).await?;
        Ok((self.order_after(scope, OrderId(id)).await?, replayed))
    }

    async fn order_cancel_once(
        &self,
        scope: Scope,
        actor_id: UserId,
        id: OrderId,
        reason: Option<&str>,
        key: Option<idempotency::Request>,
    ) -> Result<()> {
        let seen = self.money_seen(scope, id).await?;
        let refund_id = self.clock.id();
        let key = key.as_ref();
        let refunds = self
            .db
            .write("orders.cancel", async |tx| {
                idempotency::record(&tx, &self.clock, key, id.0).await?;
                let mut order = self.order_locked(&tx, scope, id).await?;
                let from = order.status;
                if from == OrderStatus::Pending {
                    return Err(ChangeError::PaymentPending.into());
                }
                follow(from, OrderStatus::Cancelled)?;
                if order.paid_at != seen.paid_at {
                    // It was paid since: what was captured has to be read again.
                    return Err(ChangeError::PaymentPending.into());
                }
                order.status = OrderStatus::Cancelled;
                order.reservation_expires_at = None;
                order.cancelled_at = Some(self.clock.now());
                order.cancel_reason = reason.map(str::to_owned);
                let change = Change::of(from, Some(actor_id)).because(reason);
                if order.paid_at.is_some() {
                    let payment = seen.captured.as_ref();
                    if payment.is_none() && scope != Scope::All {
                        return Err(ChangeError::PaidOutside.into());
                    }
                    let refund = payment.map(|payment| (refund_id, payment.id));
                    return self.paid_cancel_in(&tx, order, change, refund).await;
                }
                self.order_write_in(&tx, &mut order, change).await?;
                self.inventory
                    .release_in(&tx, id, Released::Cancelled)
                    .await?;
                Ok::<_, Failure<Error>>(false)
            })
            .await?;
        if refunds {
            self.refund_follow(refund_id).await;
        }
        Ok(())
    }

    /// Marks an order as paid outside of this program: its units leave the stock.
    ///
    /// # Errors
    /// Not found, imported, paid already, a payment is under way, or its state does not allow it.
    pub async fn order_mark_paid(
        &self,
        actor_id: UserId,
        id: OrderId,
        key: Option<idempotency::Request>,
    ) -> Result<(order::Model, bool)> {
        let effect = async |key: Option<idempotency::Request>| {
            let key = key.as_ref();
            self.db
                .write("orders.mark_paid", async |tx| {
                    idempotency::record(&tx, &self.clock, key, id.0).await?;
                    self.mark_paid_in(&tx, Scope::All, actor_id, id).await
                })
                .await?;
            Ok(id.0)
        };
        let (id, replayed) = self.idempotency.once(key, effect).await?;
        Ok((self.order_after(Scope::All, OrderId(id)).await?, replayed))
    }

    pub(super) async fn mark_paid_in(
        &self,
        tx: &Tx,
        scope: Scope,
        actor_id: UserId,
        id: OrderId,
    ) -> Result<()> {
        let mut order = self.order_locked(tx, scope, id).await?;
        let from = order.status;
        if order.paid_at.is_some() {
            return Err(Error::AlreadyPaid.into());
        }
        if from == OrderStatus::Pending {
            return Err(ChangeError::PaymentPending.into());
        }
        follow(from, OrderStatus::Paid)?;
        order.status = OrderStatus::Paid;
        order.payment_status = PaymentStatus::Paid;
        order.paid_at = Some(self.clock.now());
        order.reservation_expires_at = None;
        self.order_write_in(tx, &mut order, Change::of(from, Some(actor_id)))
            .await?;
        self.inventory
            .commit_in(tx, id, &order.number, Some(actor_id))
            .await?;
        Ok(())
    }

    /// Expires an unpaid order whose time is over; one that changed meanwhile is left alone.
    pub(in crate::domain::orders) async fn order_expire(
        &self,
        id: OrderId,
    ) -> std::result::Result<(), Fault> {
        let expire = self.db.write("orders.expire", async |tx| {
            let order = store::order_lock(&*tx, Scope::All, id).await?;
            let now = self.clock.now();
            let Some(mut order) = order.filter(|order| is_over(order, now)) else {
                return Ok(());
            };
            let from = order.status;
            order.status = OrderStatus::Expired;
            order.reservation_expires_at = None;
            self.order_write_in(&tx, &mut order, Change::of(from, None))
                .await?;
            self.inventory.release_in(&tx, id, Released::Expired).await
        });
        self.events.taking_up(id.0, Box::pin(expire)).await?;
        Ok(())
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

    /// Gives an order that waits for its payment as much time again, once.
    ///
    /// # Errors
    /// Not found in the scope, not waiting for a payment, out of time, or extended before.
    pub async fn reservation_extend(
        &self,
        scope: Scope,
        actor_id: UserId,
        id: OrderId,
    ) -> Result<order::Model> {
        self.db
            .write("orders.extend", async |tx| {
                let mut order = self.order_locked(&tx, scope, id).await?;
                let now = self.clock.now();
                super::pay::payable(&order, now)?;
                if order.reservation_extended_at.is_some() {
                    return Err(ChangeError::AlreadyExtended.into());
                }
                let least = order.reservation_expires_at.unwrap_or(now);
                let until = least + TimeDelta::minutes(self.shop.reservation_min);
                order.reservation_expires_at = Some(until);
                order.reservation_extended_at = Some(now);
                let change =
                    Change::of(order.status, Some(actor_id)).because(Some("more time to pay"));
                self.order_write_in(&tx, &mut order, change).await?;
                self.inventory
                    .reservations_extend_in(&tx, id, until)
                    .await?;
                Ok::<_, Failure<Error>>(())
            })
            .await?;
        self.order_after(scope, id).await
    }

    /// Adds a note of staff to an order.
    ///
    /// # Errors
    /// Not found.
    pub async fn order_note_add(
        &self,
        author_id: UserId,
        id: OrderId,
        text: &str,
        key: Option<idempotency::Request>,
    ) -> Result<(order::Model, bool)> {
        let effect = async |key: Option<idempotency::Request>| {
            let (key, note_id) = (key.as_ref(), self.clock.id());
            self.db
                .write("orders.note_add", async |tx| {
                    idempotency::record(&tx, &self.clock, key, id.0).await?;
                    let order = store::order_lock(&*tx, Scope::All, id).await?;
                    let mut order = order.ok_or(Error::NotFound)?;
                    let change =
                        Change::of(order.status, Some(author_id)).because(Some("note added"));
                    self.order_write_in(&tx, &mut order, change.told_as(events::UPDATED))
                        .await?;
                    let note = order_note::Model {
                        id: note_id,
                        order_id: id,
                        author_id,
                        text: text.to_owned(),
                        created_at: order.updated_at,
                    };
                    Ok::<_, Failure<Error>>(store::note_insert(&*tx, note).await?)
                })
                .await?;
            Ok(id.0)
        };
        let (id, replayed) = self.idempotency.once(key, effect).await?;
        Ok((self.order_after(Scope::All, OrderId(id)).await?, replayed))
    }

    /// An order of the scope for a change, locked until the transaction ends. Imported ones cannot be changed.
    pub(super) async fn order_locked(
        &self,
        tx: &Tx,
        scope: Scope,
        id: OrderId,
    ) -> Result<order::Model> {
        let order = store::order_lock(&**tx, scope, id).await?;
        let order = order.ok_or(Error::NotFound)?;
        if order.origin == OrderOrigin::Import {
            return Err(ChangeError::Imported.into());
        }
        Ok(order)
    }

    /// The order after a change.
    pub(super) async fn order_after(&self, scope: Scope, id: OrderId) -> Result<order::Model> {
        let order = self.order_read(scope, id).await?;
        Ok(order.ok_or(Error::NotFound)?)
    }

    /// Writes a change of an order whose lock the caller holds: the order, its history and its event. The stock comes
    /// after it, because others wait for that.
    pub(super) async fn order_write_in(
        &self,
        tx: &Tx,
        order: &mut order::Model,
        change: Change<'_>,
    ) -> std::result::Result<(), Fault> {
        let now = self.clock.now();
        order.version += 1;
        order.updated_at = now;
        store::order_update(&**tx, order).await?;
        let history = order_history::Model {
            id: self.clock.id(),
            order_id: order.id,
            version: order.version,
            from_status: Some(change.from),
            to_status: order.status,
            actor_id: change.actor_id,
            reason: change.reason.map(str::to_owned),
            created_at: now,
        };
        store::history_insert(&**tx, vec![history]).await?;
        let lines = store::lines_of_orders(&**tx, &[order.id]).await?;
        let told = events::Told {
            previous: Some(change.from),
            event_type: change.event_type,
            failure: change.failure,
        };
        let event = events::event(order, &lines, &told);
        self.events.publish_in(tx, vec![event]).await
    }
}

/// Whether nobody paid in time.
fn is_over(order: &order::Model, now: chrono::DateTime<chrono::Utc>) -> bool {
    let ended = order.reservation_expires_at.is_some_and(|at| at < now);
    order.status == OrderStatus::AwaitingPayment && ended
}
