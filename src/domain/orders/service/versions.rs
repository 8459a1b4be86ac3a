//! What `events verify` and `events snapshot` ask of orders: their versions, and their state as it is published.
//!
//! Reads outside of a transaction see an order at one version and its lines at the next. Each change raises the version,
//! so what was read between two looks at the same version belongs together.

use super::super::{events, store};
use super::Service;
use crate::error::Fault;
use crate::events::outbox::NewEvent;
use chrono::{DateTime, Utc};
use entity::ids::OrderId;
use entity::orders::{OrderOrigin, order, order_line};
use std::collections::HashMap;

/// How often an order is read again that changes while it is read.
const ATTEMPTS: u32 = 100;

/// The versions of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderVersions {
    /// The order.
    pub id: OrderId,
    /// The version it is at.
    pub version: i32,
    /// Whether it was imported: then it has no events.
    pub is_imported: bool,
    /// Its versions and when it got them, by its history.
    pub history: Vec<(i32, DateTime<Utc>)>,
}

impl Service {
    /// The ids of the orders behind one, ascending.
    ///
    /// # Errors
    /// The database fails.
    pub async fn order_ids_behind(
        &self,
        after: Option<OrderId>,
        limit: u64,
    ) -> Result<Vec<OrderId>, Fault> {
        self.db
            .read("orders.ids", async |c| {
                Ok::<_, Fault>(store::versions::order_ids_behind(&*c, after, limit).await?)
            })
            .await
    }

    /// The versions of the orders whose ids are behind the first and at most the second, ascending.
    ///
    /// # Errors
    /// The database fails.
    pub async fn versions_between(
        &self,
        after: Option<OrderId>,
        upto: Option<OrderId>,
    ) -> Result<Vec<OrderVersions>, Fault> {
        let (orders, history) = self
            .db
            .read("orders.versions", async |c| {
                let orders = store::versions::versions_between(&*c, after, upto).await?;
                let history = store::versions::history_between(&*c, after, upto).await?;
                Ok::<_, Fault>((orders, history))
            })
            .await?;
        let mut by_order: HashMap<OrderId, Vec<(i32, DateTime<Utc>)>> = HashMap::new();
        for (id, version, at) in history {
            by_order.entry(id).or_default().push((version, at));
        }
        let versions = orders
            .into_iter()
            .map(|(id, version, origin)| OrderVersions {
                id,
                version,
                is_imported: origin == OrderOrigin::Import,
                history: by_order.remove(&id).unwrap_or_default(),
            });
        Ok(versions.collect())
    }

    /// The versions of one order.
    ///
    /// # Errors
    /// The database fails.
    pub async fn order_versions(&self, id: OrderId) -> Result<Option<OrderVersions>, Fault> {
        self.db
            .read("orders.versions_of", async |c| {
                let orders = store::orders_by_ids(&*c, &[id]).await?;
                let history = store::history_of_orders(&*c, &[id]).await?;
                Ok(orders.into_iter().next().map(|order| OrderVersions {
                    id,
                    version: order.version,
                    is_imported: order.origin == OrderOrigin::Import,
                    history: history
                        .iter()
                        .map(|row| (row.version, row.created_at))
                        .collect(),
                }))
            })
            .await
    }

    /// The state of the orders behind one, ascending, each as an event of its newest version.
    ///
    /// # Errors
    /// The database fails, or an order changes so often that it cannot be read.
    pub async fn orders_snapshot(
        &self,
        after: Option<OrderId>,
        with_imported: bool,
        limit: u64,
    ) -> Result<Vec<NewEvent>, Fault> {
        let mut orders = self
            .db
            .read("orders.snapshot", async |c| {
                Ok::<_, Fault>(
                    store::versions::orders_behind_id(&*c, after, with_imported, limit).await?,
                )
            })
            .await?;
        let mut done: HashMap<OrderId, NewEvent> = HashMap::new();
        let ids: Vec<OrderId> = orders.iter().map(|order| order.id).collect();
        for _ in 0..ATTEMPTS {
            let (lines, now) = self.lines_and_orders(&orders).await?;
            let mut changed = Vec::new();
            for order in &orders {
                match now.get(&order.id) {
                    Some(now) if now.version == order.version => {
                        let lines = lines.get(&order.id).map_or(&[][..], Vec::as_slice);
                        done.insert(order.id, events::snapshot(order, lines));
                    }
                    Some(now) => changed.push(now.clone()),
                    // Orders are not deleted; one that is gone has no state to tell.
                    None => {}
                }
            }
            if changed.is_empty() {
                return Ok(ids.iter().filter_map(|id| done.remove(id)).collect());
            }
            orders = changed;
        }
        let id = orders.first().map(|order| order.id.to_string());
        let id = id.unwrap_or_default();
        Err(Fault::Broken(format!(
            "order {id} changed {ATTEMPTS} times while it was read"
        )))
    }

    /// The lines of orders, and then the orders again.
    async fn lines_and_orders(
        &self,
        orders: &[order::Model],
    ) -> Result<
        (
            HashMap<OrderId, Vec<order_line::Model>>,
            HashMap<OrderId, order::Model>,
        ),
        Fault,
    > {
        let ids: Vec<OrderId> = orders.iter().map(|order| order.id).collect();
        let ids = &ids;
        let (lines, orders) = self
            .db
            .read("orders.snapshot_lines", async |c| {
                let lines = store::lines_of_orders(&*c, ids).await?;
                let orders = store::orders_by_ids(&*c, ids).await?;
                Ok::<_, Fault>((lines, orders))
            })
            .await?;
        let mut by_order: HashMap<OrderId, Vec<order_line::Model>> = HashMap::new();
        for line in lines {
            by_order.entry(line.order_id).or_default().push(line);
        }
        let orders = orders.into_iter().map(|order| (order.id, order)).collect();
        Ok((by_order, orders))
    }
}
