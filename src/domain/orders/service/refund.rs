//! Paying back: claimed under the order's lock, asked for after the commit, and told by the order when it is known.

use super::super::error::{ChangeError, Error};
use super::super::model::{self, Claimed, Scope};
use super::super::{events, store};
use super::change::Change;
use super::hook::Point;
use super::{Result, Service};
use crate::db::Tx;
use crate::db::idempotency;
use crate::domain::payments::service::{NewRefund as MoneyRefund, RefundOutcome};
use crate::error::{Failure, Fault, swallow};
use chrono::{DateTime, Utc};
use entity::ids::{OrderId, OrderLineId, PaymentId, RefundId, UserId};
use entity::orders::{
    OrderRefundStatus, OrderStatus, PaymentStatus, order, order_line, order_refund,
    order_refund_line,
};
use entity::payments::{RefundState, refund};
use serde::Serialize;
use std::collections::HashMap;

/// What staff want to pay back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewRefund {
    /// Units of lines; without it, all that was not paid back.
    pub lines: Option<Vec<(OrderLineId, i64)>>,
    /// Whether the units come back into the stock.
    pub restock: bool,
    /// Why.
    pub reason: Option<String>,
}

/// Units of a line that are to be paid back, with their money.
type Piece = (OrderLineId, i64, i64);

impl Service {
    /// Pays back units of lines. The answer has the refund as far as it is known; the rest goes on by itself.
    ///
    /// # Errors
    /// Not found, imported, a line that is not the order's, more units or money than is left.
    pub async fn order_refund(
        &self,
        actor_id: UserId,
        id: OrderId,
        new: &NewRefund,
        key: Option<idempotency::Request>,
    ) -> Result<(order::Model, refund::Model, bool)> {
        let effect = async |key| self.order_refund_once(actor_id, id, new, key).await;
        let (refund_id, replayed) = self.idempotency.once(key, effect).await?;
        let order = self.order_after(Scope::All, id).await?;
        let refunds = self.payments.refunds_of(&[id]).await?;
        let refund = refunds.into_iter().find(|row| row.id.0 == refund_id);
        let refund = refund.ok_or_else(|| {
            Fault::Broken(format!("refund {refund_id} vanished after its commit"))
        })?;
        Ok((order, refund, replayed))
    }

    async fn order_refund_once(
        &self,
        actor_id: UserId,
        id: OrderId,
        new: &NewRefund,
        key: Option<idempotency::Request>,
    ) -> Result<uuid::Uuid> {
        let seen = self.money_seen(Scope::All, id).await?;
        let (key, refund_id) = (key.as_ref(), self.clock.id::<RefundId>());
        let payment_id = seen.captured.map(|payment| payment.id);
        self.db
            .write("orders.refund", async |tx| {
                idempotency::record(&tx, &self.clock, key, refund_id.0).await?;
                let order = self.order_locked(&tx, Scope::All, id).await?;
                let lines = store::lines_of_orders(&*tx, &[id]).await?;
                let claims = self.claims_in(&tx, id).await?;
                let payment_id =
                    payment_id.ok_or(ChangeError::RefundExceedsCapture { line: None })?;
                let pieces = pieces(&order, &lines, &claims, new).map_err(Failure::Refused)?;
                let row = self.refund_row(refund_id, &order, actor_id, new, &pieces);
                self.refund_claim_in(&tx, row, &pieces, payment_id).await
            })
            .await?;
        self.refund_follow(refund_id).await;
        Ok(refund_id.0)
    }

    /// What refunds that did not fail have claimed of an order's lines, whose lock the caller holds.
    pub(super) async fn claims_in(
        &self,
        tx: &Tx,
        id: OrderId,
    ) -> std::result::Result<HashMap<OrderLineId, Claimed>, Fault> {
        let refunds = store::refunds::refunds_of_orders(&**tx, &[id]).await?;
        let pending: HashMap<RefundId, bool> = refunds
            .iter()
            .filter(|row| row.status != OrderRefundStatus::Failed)
            .map(|row| (row.id, row.status == OrderRefundStatus::Pending))
            .collect();
        if pending.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<_> = pending.keys().copied().collect();
        let mut claims: HashMap<OrderLineId, Claimed> = HashMap::new();
        for row in store::refunds::lines_of_refunds(&**tx, &ids).await? {
            let claimed = claims.entry(row.order_line_id).or_default();
            claimed.units += row.quantity;
            claimed.amount_minor += row.amount_minor;
            if pending.get(&row.refund_id) == Some(&true) {
                claimed.pending += row.quantity;
            }
        }
        Ok(claims)
    }

    fn refund_row(
        &self,
        id: RefundId,
        order: &order::Model,
        actor_id: UserId,
        new: &NewRefund,
        pieces: &[Piece],
    ) -> order_refund::Model {
        let now = self.clock.now();
        order_refund::Model {
            id,
            order_id: order.id,
            amount_minor: pieces.iter().map(|(_, _, amount)| amount).sum(),
            restock: i32::from(new.restock),
            reason: new.reason.clone(),
            status: OrderRefundStatus::Pending,
            actor_id: Some(actor_id),
            next_run_at: Some(now + self.lease()),
            created_at: now,
            updated_at: now,
        }
    }

    /// Claims units here and money of the payment.
    async fn refund_claim_in(
        &self,
        tx: &Tx,
        row: order_refund::Model,
        pieces: &[Piece],
        payment_id: PaymentId,
    ) -> Result<()> {
        let money = MoneyRefund {
            id: row.id,
            payment_id,
            order_id: row.order_id,
            amount_minor: row.amount_minor,
            reason: row.reason.clone(),
        };
        let lines = pieces
            .iter()
            .map(
                |&(order_line_id, quantity, amount_minor)| order_refund_line::Model {
                    refund_id: row.id,
                    order_line_id,
                    quantity,
                    amount_minor,
                },
            )
            .collect();
        if row.amount_minor <= 0 {
            return Err(ChangeError::RefundExceedsCapture { line: None }.into());
        }
        store::refunds::refund_insert(&**tx, row, lines).await?;
        let claimed = self.payments.refund_insert_in(tx, &money).await?;
        claimed.map_err(|_| ChangeError::RefundExceedsCapture { line: None }.into())
    }

    /// Cancels a paid order of which nothing was sent: its units come back at once, and all that was paid and did not go
    /// back is refunded. Answers whether a refund has to be driven.
    pub(super) async fn paid_cancel_in(
        &self,
        tx: &Tx,
        mut order: order::Model,
        change: Change<'_>,
        refund: Option<(RefundId, PaymentId)>,
    ) -> Result<bool> {
        let mut lines = store::lines_of_orders(&**tx, &[order.id]).await?;
        let claims = self.claims_in(tx, order.id).await?;
        if claims.values().any(|claimed| claimed.pending > 0) {
            return Err(ChangeError::PaymentPending.into());
        }
        let new = NewRefund {
            lines: None,
            // They come back in this transaction.
            restock: false,
            reason: Some(
                change
                    .reason
                    .unwrap_or("the order was cancelled")
                    .to_owned(),
            ),
        };
        let rest = pieces(&order, &lines, &claims, &new).unwrap_or_default();
        let amount: i64 = rest.iter().map(|(_, _, amount)| amount).sum();
        let refund = refund.filter(|_| amount > 0);
        let mut back = Vec::new();
        for line in &mut lines {
            let claimed = claims.get(&line.id).copied().unwrap_or_default();
            let units = line.quantity - claimed.units;
            if units > 0 && line.is_stocked {
                line.restocked += units;
                back.push((line.id, units));
            }
        }
        store::lines_update(&**tx, &lines).await?;
        let (number, actor_id) = (order.number.clone(), change.actor_id);
        self.order_write_in(tx, &mut order, change).await?;
        if let Some((refund_id, payment_id)) = refund {
            let actor = actor_id.or(order.user_id).unwrap_or(UserId(order.id.0));
            let row = self.refund_row(refund_id, &order, actor, &new, &rest);
            self.refund_claim_in(tx, row, &rest, payment_id).await?;
        }
        self.inventory
            .restock_in(tx, order.id, &back, &number, actor_id)
            .await?;
        Ok(refund.is_some())
    }

    /// Drives a refund that this request has begun. Whatever goes wrong here, the worker goes on with it.
    pub(super) async fn refund_follow(&self, id: RefundId) {
        let run = async {
            self.hook.at(Point::RefundBegun)?;
            self.refund_run(id).await
        };
        swallow(run.await, "driving a refund");
    }

    /// Drives a refund as far as it goes now, and lets its order tell the end.
    ///
    /// # Errors
    /// The database or a test's hook fails; it is tried again later.
    pub(in crate::domain::orders) async fn refund_run(
        &self,
        id: RefundId,
    ) -> std::result::Result<(), Fault> {
        let outcome = self.payments.refund_drive(id).await?;
        self.hook.at(Point::AfterRefund)?;
        match outcome {
            RefundOutcome::Refunded => self.refund_done(id).await?,
            RefundOutcome::Failed { .. } => {
                let now = self.clock.now();
                let status = OrderRefundStatus::Failed;
                self.db
                    .write("orders.refund_failed", async |tx| {
                        store::refunds::refund_end(&*tx, id, status, now).await?;
                        Ok::<_, Fault>(())
                    })
                    .await?;
            }
            RefundOutcome::Unknown { retry_at } => self.refund_postpone(id, retry_at).await?,
        }
        Ok(())
    }

    async fn refund_postpone(
        &self,
        id: RefundId,
        at: DateTime<Utc>,
    ) -> std::result::Result<(), Fault> {
        let now = self.clock.now();
        self.db
            .write("orders.refund_postpone", async |tx| {
                Ok::<_, Fault>(store::refunds::refund_postpone(&*tx, id, at, now).await?)
            })
            .await
    }

    async fn refund_done(&self, id: RefundId) -> std::result::Result<(), Fault> {
        let row = self
            .db
            .read("orders.refund_read", async |c| {
                Ok::<_, Fault>(store::refunds::refund_by_id(&*c, id).await?)
            })
            .await?;
        let Some(row) = row else {
            return Ok(());
        };
        let row = &row;
        let done = self.db.write("orders.refund_done", async |tx| {
            self.refund_done_in(&tx, row).await
        });
        let done = Box::pin(done);
        self.events.taking_up(row.order_id.0, done).await?;
        Ok(())
    }

    async fn refund_done_in(
        &self,
        tx: &Tx,
        row: &order_refund::Model,
    ) -> std::result::Result<(), Fault> {
        let order = store::order_lock(&**tx, Scope::All, row.order_id).await?;
        let Some(mut order) = order else {
            return Ok(());
        };
        let now = self.clock.now();
        let status = OrderRefundStatus::Done;
        if !store::refunds::refund_end(&**tx, row.id, status, now).await? {
            return Ok(());
        }
        let mut lines = store::lines_of_orders(&**tx, &[order.id]).await?;
        let mut back = Vec::new();
        for piece in store::refunds::lines_of_refunds(&**tx, &[row.id]).await? {
            let line = lines.iter_mut().find(|line| line.id == piece.order_line_id);
            let Some(line) = line else {
                continue;
            };
            let unsent = line.quantity - line.fulfilled - line.dropped;
            line.dropped += piece.quantity.min(unsent);
            line.refunded += piece.quantity;
            line.refunded_minor += piece.amount_minor;
            let units = piece.quantity.min(line.quantity - line.restocked);
            if row.restock == 1 && units > 0 && line.is_stocked {
                line.restocked += units;
                back.push((line.id, units));
            }
        }
        store::lines_update(&**tx, &lines).await?;
        let change = Change::of(order.status, row.actor_id)
            .because(row.reason.as_deref())
            .told_as(events::REFUNDED);
        order.refunded_minor += row.amount_minor;
        order.payment_status = if order.refunded_minor >= order.total_minor {
            PaymentStatus::Refunded
        } else {
            PaymentStatus::PartlyRefunded
        };
        let is_all_sent = lines
            .iter()
            .all(|line| line.fulfilled + line.dropped == line.quantity);
        if order.status == OrderStatus::PartlyFulfilled && is_all_sent {
            order.status = OrderStatus::Fulfilled;
            order.fulfilled_at = Some(now);
        }
        self.order_write_in(tx, &mut order, change).await?;
        self.inventory
            .restock_in(tx, order.id, &back, &order.number, row.actor_id)
            .await
    }

    /// Refunds that somebody has to go on with: those that are due, and those whose money has come to its end.
    pub(in crate::domain::orders) async fn refunds_due(
        &self,
        limit: u64,
    ) -> std::result::Result<Vec<RefundId>, Fault> {
        let open = self
            .db
            .read("orders.refunds_open", async |c| {
                Ok::<_, Fault>(store::refunds::refunds_open(&*c, limit).await?)
            })
            .await?;
        let now = self.clock.now();
        let is_due = |row: &order_refund::Model| row.next_run_at.is_none_or(|at| at <= now);
        let (due, waiting): (Vec<_>, Vec<_>) = open.into_iter().partition(is_due);
        let mut run: Vec<RefundId> = due.into_iter().map(|row| row.id).collect();
        let orders: Vec<OrderId> = waiting.iter().map(|row| row.order_id).collect();
        if orders.is_empty() {
            return Ok(run);
        }
        let money = self.payments.refunds_of(&orders).await?;
        let is_known = |row: &&order_refund::Model| {
            money.iter().any(|money| {
                let ended = matches!(money.state, RefundState::Succeeded | RefundState::Failed);
                money.id == row.id && ended
            })
        };
        run.extend(waiting.iter().filter(is_known).map(|row| row.id));
        Ok(run)
    }
}

/// The units that are to be paid back, with their money: those that were named, or all that are left.
fn pieces(
    order: &order::Model,
    lines: &[order_line::Model],
    claims: &HashMap<OrderLineId, Claimed>,
    new: &NewRefund,
) -> std::result::Result<Vec<Piece>, Vec<Error>> {
    let shares = model::shares(order.total_minor, lines);
    let claimed = |line: &order_line::Model| claims.get(&line.id).copied().unwrap_or_default();
    let piece = |(line, share): (&order_line::Model, i64), units: i64| {
        let amount = model::refund_minor(share, line.quantity, claimed(line), units);
        (line.id, units, amount)
    };
    let with_share = || lines.iter().zip(shares.iter().copied());
    let Some(wanted) = &new.lines else {
        let rest: Vec<Piece> = with_share()
            .map(|(line, share)| piece((line, share), line.quantity - claimed(line).units))
            .filter(|(_, units, _)| *units > 0)
            .collect();
        if rest.is_empty() {
            return Err(vec![
                ChangeError::RefundExceedsCapture { line: None }.into(),
            ]);
        }
        return Ok(rest);
    };
    let mut pieces: Vec<Piece> = Vec::with_capacity(wanted.len());
    let mut errors: Vec<Error> = Vec::new();
    for (place, &(id, units)) in wanted.iter().enumerate() {
        let Some((line, share)) = with_share().find(|(line, _)| line.id == id) else {
            errors.push(ChangeError::OrderLineNotFound { line: place }.into());
            continue;
        };
        if pieces.iter().any(|(known, _, _)| *known == id) {
            errors.push(ChangeError::OrderLineRepeated { line: place }.into());
        } else if units > line.quantity - claimed(line).units {
            errors.push(ChangeError::RefundExceedsCapture { line: Some(place) }.into());
        } else {
            pieces.push(piece((line, share), units));
        }
    }
    if errors.is_empty() {
        Ok(pieces)
    } else {
        Err(errors)
    }
}
