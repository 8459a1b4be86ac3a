//! Sending what was paid, whole or in parcels.

use super::super::error::{ChangeError, Error};
use super::super::model::{self, Claimed, Scope};
use super::super::store;
use super::change::{Change, follow};
use super::{Result, Service};
use crate::db::Tx;
use crate::db::idempotency;
use crate::error::{Failure, Fault};
use chrono::TimeDelta;
use entity::ids::{OrderFulfillmentId, OrderId, OrderLineId, UserId};
use entity::orders::{OrderStatus, order, order_fulfillment, order_fulfillment_line, order_line};
use serde::Serialize;
use std::collections::HashMap;

/// A parcel that was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NewFulfillment {
    /// Units of lines; without it, all that can be sent.
    pub lines: Option<Vec<(OrderLineId, i64)>>,
    /// How it can be followed.
    pub tracking: Tracking,
}

/// How a parcel can be followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tracking {
    /// Who carries it.
    pub carrier: Option<String>,
    /// The carrier's number of it.
    pub number: Option<String>,
    /// Where it can be followed.
    pub url: Option<String>,
}

impl Service {
    /// Notes that units of a paid order were sent.
    ///
    /// # Errors
    /// Not found, imported, not paid or all sent, a line that is not the order's, more units than are left.
    pub async fn order_fulfil(
        &self,
        actor_id: UserId,
        id: OrderId,
        new: &NewFulfillment,
        key: Option<idempotency::Request>,
    ) -> Result<(order::Model, bool)> {
        let effect = async |key: Option<idempotency::Request>| {
            let (key, fulfillment_id) = (key.as_ref(), self.clock.id());
            self.db
                .write("orders.fulfil", async |tx| {
                    idempotency::record(&tx, &self.clock, key, id.0).await?;
                    self.fulfil_in(&tx, actor_id, id, new, fulfillment_id).await
                })
                .await?;
            Ok(id.0)
        };
        let (id, replayed) = self.idempotency.once(key, effect).await?;
        Ok((self.order_after(Scope::All, OrderId(id)).await?, replayed))
    }

    async fn fulfil_in(
        &self,
        tx: &Tx,
        actor_id: UserId,
        id: OrderId,
        new: &NewFulfillment,
        fulfillment_id: OrderFulfillmentId,
    ) -> Result<()> {
        let mut order = self.order_locked(tx, Scope::All, id).await?;
        let from = order.status;
        // A further parcel of an order that was sent in part may leave it so.
        follow(from, OrderStatus::Fulfilled)?;
        let mut lines = store::lines_of_orders(&**tx, &[id]).await?;
        let claims = self.claims_in(tx, id).await?;
        let units = sent(&lines, &claims, new).map_err(Failure::Refused)?;
        for (line_id, units) in &units {
            for line in lines.iter_mut().filter(|line| line.id == *line_id) {
                line.fulfilled += units;
            }
        }
        let is_all = lines
            .iter()
            .all(|line| line.fulfilled + line.dropped == line.quantity);
        let now = self.clock.now();
        order.status = OrderStatus::PartlyFulfilled;
        if is_all {
            order.status = OrderStatus::Fulfilled;
            order.fulfilled_at = Some(now);
        }
        let parcel = order_fulfillment::Model {
            id: fulfillment_id,
            order_id: id,
            carrier: new.tracking.carrier.clone(),
            tracking_number: new.tracking.number.clone(),
            tracking_url: new.tracking.url.clone(),
            actor_id: Some(actor_id),
            created_at: now,
        };
        let rows = units
            .iter()
            .map(|&(order_line_id, quantity)| order_fulfillment_line::Model {
                fulfillment_id,
                order_line_id,
                quantity,
            })
            .collect();
        store::lines_update(&**tx, &lines).await?;
        store::fulfillment_insert(&**tx, parcel, rows).await?;
        let change = Change::of(from, Some(actor_id));
        Ok(self.order_write_in(tx, &mut order, change).await?)
    }

    /// Forgets where some old orders came from; answers how many.
    pub(in crate::domain::orders) async fn requests_forget(
        &self,
        limit: u64,
    ) -> std::result::Result<usize, Fault> {
        let before = self.clock.now() - TimeDelta::days(self.checkout.request_days);
        let old = self
            .db
            .read("orders.requests_old", async |c| {
                Ok::<_, Fault>(store::requests_old(&*c, before, limit).await?)
            })
            .await?;
        if old.is_empty() {
            return Ok(0);
        }
        let old = &old;
        self.db
            .write("orders.requests_forget", async |tx| {
                Ok::<_, Fault>(store::requests_delete(&*tx, old).await?)
            })
            .await?;
        Ok(old.len())
    }
}

/// The units that were sent: those that were named, or all that are left.
fn sent(
    lines: &[order_line::Model],
    claims: &HashMap<OrderLineId, Claimed>,
    new: &NewFulfillment,
) -> std::result::Result<Vec<(OrderLineId, i64)>, Vec<Error>> {
    let left = |line: &order_line::Model| {
        model::sendable(line, claims.get(&line.id).copied().unwrap_or_default())
    };
    let Some(wanted) = &new.lines else {
        let rest: Vec<_> = lines
            .iter()
            .map(|line| (line.id, left(line)))
            .filter(|(_, units)| *units > 0)
            .collect();
        if rest.is_empty() {
            let (line, left) = (None, 0);
            return Err(vec![ChangeError::TooManyUnits { line, left }.into()]);
        }
        return Ok(rest);
    };
    let mut units: Vec<(OrderLineId, i64)> = Vec::with_capacity(wanted.len());
    let mut errors: Vec<Error> = Vec::new();
    for (place, &(id, quantity)) in wanted.iter().enumerate() {
        let Some(line) = lines.iter().find(|line| line.id == id) else {
            errors.push(ChangeError::OrderLineNotFound { line: place }.into());
            continue;
        };
        if units.iter().any(|(known, _)| *known == id) {
            errors.push(ChangeError::OrderLineRepeated { line: place }.into());
        } else if quantity > left(line) {
            let (line, left) = (Some(place), left(line));
            errors.push(ChangeError::TooManyUnits { line, left }.into());
        } else {
            units.push((id, quantity));
        }
    }
    if errors.is_empty() {
        Ok(units)
    } else {
        Err(errors)
    }
}
