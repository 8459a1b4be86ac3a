//! What an event told of an order, in the words of the database: for the mails that follow from it.

use super::super::model::Scope;
use super::super::store;
use super::Service;
use crate::error::Fault;
use chrono::{DateTime, Utc};
use entity::ids::OrderId;
use entity::orders::{
    OrderRefundStatus, order, order_fulfillment, order_fulfillment_line, order_history, order_line,
    order_refund, order_refund_line,
};

/// An order and the change that an event told.
#[derive(Clone, Debug)]
pub struct Told {
    /// The order as it is now.
    pub order: order::Model,
    /// Its lines in their places.
    pub lines: Vec<order_line::Model>,
    /// The change.
    pub change: order_history::Model,
    /// The last parcel that had left by then, with its lines.
    pub parcel: Option<(order_fulfillment::Model, Vec<order_fulfillment_line::Model>)>,
    /// The last refund that was done by then, with its lines.
    pub refund: Option<(order_refund::Model, Vec<order_refund_line::Model>)>,
}

impl Service {
    /// What the event of a version of an order told. Changes of one order are made one after another, so what was the
    /// last parcel or refund at the event's time is the one that it told.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(name = "orders.told", skip_all, fields(order.id = %id))]
    pub async fn order_told(
        &self,
        id: OrderId,
        version: i32,
        at: DateTime<Utc>,
    ) -> Result<Option<Told>, Fault> {
        self.db
            .read("orders.told", async |c| {
                let Some(order) = store::order_by_id(&*c, Scope::All, id).await? else {
                    return Ok(None);
                };
                let history = store::history_of_orders(&*c, &[id]).await?;
                let Some(change) = history.into_iter().find(|row| row.version == version) else {
                    return Ok(None);
                };
                let parcels = store::fulfillments_of_orders(&*c, &[id]).await?;
                let parcel = match parcels.into_iter().rfind(|row| row.created_at <= at) {
                    Some(row) => {
                        let lines = store::lines_of_fulfillments(&*c, &[row.id]).await?;
                        Some((row, lines))
                    }
                    None => None,
                };
                let refunds = store::refunds::refunds_of_orders(&*c, &[id]).await?;
                let refund = refunds
                    .into_iter()
                    .filter(|row| row.status == OrderRefundStatus::Done && row.updated_at <= at)
                    .max_by_key(|row| row.updated_at);
                let refund = match refund {
                    Some(row) => {
                        let lines = store::refunds::lines_of_refunds(&*c, &[row.id]).await?;
                        Some((row, lines))
                    }
                    None => None,
                };
                let lines = store::lines_of_orders(&*c, &[id]).await?;
                Ok(Some(Told {
                    order,
                    lines,
                    change,
                    parcel,
                    refund,
                }))
            })
            .await
    }
}
