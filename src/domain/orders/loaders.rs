//! Batches of one request: lines and history of orders, and the lists of orders that stand below a product or a user.

use super::model::{Filter, Parent, Sorting};
use super::store;
use crate::app::App;
use crate::db::Db;
use crate::db::page;
use crate::error::Fault;
use crate::graphql::batch::grouped;
use crate::page::{BadCursor, Page, PageRequest};
use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::runtime::{TokioSpawner, TokioTimer};
use entity::ids::OrderId;
use entity::orders::{order, order_history, order_line};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Reads of orders, batched within a request.
#[derive(Clone, Debug)]
pub struct OrdersLoader {
    db: Db,
}

/// An order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OrderKey(pub OrderId);

/// Lines of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinesOfOrder(pub OrderId);

/// History of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HistoryOfOrder(pub OrderId);

/// A page of the orders below a parent. Equal pages of several parents are one statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrdersBelow {
    /// The parent.
    pub parent: Parent,
    /// Further conditions.
    pub filter: Filter,
    /// Order of the list.
    pub sorting: Sorting,
    /// Which part.
    pub request: PageRequest,
}

/// Why a batch failed: shared by all that waited for it.
#[derive(Clone, Debug)]
pub enum BatchError {
    /// The client's cursor is not one of this list.
    Cursor(BadCursor),
    /// Ours.
    Fault(Arc<Fault>),
}

impl From<Fault> for BatchError {
    fn from(fault: Fault) -> Self {
        Self::Fault(Arc::new(fault))
    }
}

impl From<page::Error> for BatchError {
    fn from(error: page::Error) -> Self {
        match error {
            page::Error::Cursor(error) => Self::Cursor(error),
            page::Error::Fault(fault) => fault.into(),
        }
    }
}

impl Loader<OrderKey> for OrdersLoader {
    type Value = order::Model;
    type Error = Arc<Fault>;

    async fn load(&self, keys: &[OrderKey]) -> Result<HashMap<OrderKey, Self::Value>, Self::Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let rows = self
            .db
            .read("orders.load_orders", async |c| {
                Ok::<_, Fault>(store::orders_by_ids(&*c, &ids).await?)
            })
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| (OrderKey(row.id), row))
            .collect())
    }
}

impl Loader<LinesOfOrder> for OrdersLoader {
    type Value = Vec<order_line::Model>;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[LinesOfOrder],
    ) -> Result<HashMap<LinesOfOrder, Self::Value>, Self::Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let rows = self
            .db
            .read("orders.load_lines", async |c| {
                Ok::<_, Fault>(store::lines_of_orders(&*c, &ids).await?)
            })
            .await?;
        Ok(grouped(
            rows.into_iter()
                .map(|row| (LinesOfOrder(row.order_id), row)),
        ))
    }
}

impl Loader<HistoryOfOrder> for OrdersLoader {
    type Value = Vec<order_history::Model>;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[HistoryOfOrder],
    ) -> Result<HashMap<HistoryOfOrder, Self::Value>, Self::Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let rows = self
            .db
            .read("orders.load_history", async |c| {
                Ok::<_, Fault>(store::history_of_orders(&*c, &ids).await?)
            })
            .await?;
        Ok(grouped(
            rows.into_iter()
                .map(|row| (HistoryOfOrder(row.order_id), row)),
        ))
    }
}

impl Loader<OrdersBelow> for OrdersLoader {
    type Value = Page<order::Model>;
    type Error = BatchError;

    async fn load(
        &self,
        keys: &[OrdersBelow],
    ) -> Result<HashMap<OrdersBelow, Self::Value>, Self::Error> {
        let mut lists: HashMap<(Filter, Sorting, PageRequest), Vec<&OrdersBelow>> = HashMap::new();
        for key in keys {
            lists
                .entry((key.filter.clone(), key.sorting, key.request.clone()))
                .or_default()
                .push(key);
        }
        let mut found = HashMap::with_capacity(keys.len());
        for ((filter, sorting, request), keys) in lists {
            let selects = keys
                .iter()
                .map(|key| store::orders_below(key.parent, &filter))
                .collect();
            let pages = self
                .db
                .read("orders.load_below", async |c| {
                    page::fetch_many(&*c, selects, &store::keyset(sorting), &request).await
                })
                .await?;
            found.extend(keys.into_iter().cloned().zip(pages));
        }
        Ok(found)
    }
}

/// Gives a request its own loader.
#[must_use]
pub fn attach(request: async_graphql::Request, app: &App) -> async_graphql::Request {
    let loader = OrdersLoader {
        db: app.db().clone(),
    };
    request.data(
        DataLoader::new(loader, TokioSpawner::current(), TokioTimer::default())
            .delay(Duration::ZERO),
    )
}
