//! What exports ask of orders: all sales, page after page.

use super::super::store;
use super::Service;
use crate::error::Fault;
use chrono::{DateTime, Utc};
use entity::ids::OrderId;
use entity::orders::{OrderStatus, order, order_line};
use std::collections::HashMap;

/// The states in which an order was sold for good.
const SOLD: [OrderStatus; 3] = [
    OrderStatus::Paid,
    OrderStatus::PartlyFulfilled,
    OrderStatus::Fulfilled,
];

impl Service {
    /// The orders behind one that are sold, oldest first, each with its lines in their places.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(name = "orders.export", skip_all)]
    pub async fn orders_export(
        &self,
        after: Option<(DateTime<Utc>, OrderId)>,
        limit: u64,
    ) -> Result<Vec<(order::Model, Vec<order_line::Model>)>, Fault> {
        let (orders, lines) = self
            .db
            .read("orders.export", async |c| {
                let orders = store::import::orders_behind(&*c, &SOLD, after, limit).await?;
                let ids: Vec<OrderId> = orders.iter().map(|order| order.id).collect();
                let lines = store::import::lines_of(&*c, &ids).await?;
                Ok::<_, Fault>((orders, lines))
            })
            .await?;
        let mut by_order: HashMap<OrderId, Vec<order_line::Model>> = HashMap::new();
        for line in lines {
            by_order.entry(line.order_id).or_default().push(line);
        }
        let with_lines = orders.into_iter().map(|order| {
            let mut lines = by_order.remove(&order.id).unwrap_or_default();
            lines.sort_unstable_by_key(|line| line.position);
            (order, lines)
        });
        Ok(with_lines.collect())
    }
}
