//! Batches of one request: lines and history of orders, and the lists of orders that stand below a product or a user.

use super::model::{Filter, Parent, Sorting};
use super::store;
use crate::app::App;
use crate::db::Db;
use crate::db::page;
use crate::error::Fault;
use crate::graphql::batch::grouped;
use crate::graphql::loading::{Loaders, OfRequest, Place};
use crate::page::{BadCursor, Page, PageRequest};
use async_graphql::dataloader::Loader;
use entity::ids::OrderId;
use entity::orders::{
    order, order_fulfillment, order_fulfillment_line, order_history, order_line, order_note,
    order_request,
};
use std::collections::HashMap;
use std::sync::Arc;

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

/// Notes about an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NotesOfOrder(pub OrderId);

/// Parcels of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FulfillmentsOfOrder(pub OrderId);

/// A parcel with its lines.
#[derive(Clone, Debug)]
pub struct Parcel(
    /// The parcel.
    pub order_fulfillment::Model,
    /// What is in it.
    pub Vec<order_fulfillment_line::Model>,
);

/// Where the request for an order came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestOfOrder(pub OrderId);

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

impl Loader<NotesOfOrder> for OrdersLoader {
    type Value = Vec<order_note::Model>;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[NotesOfOrder],
    ) -> Result<HashMap<NotesOfOrder, Self::Value>, Self::Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let rows = self
            .db
            .read("orders.load_notes", async |c| {
                Ok::<_, Fault>(store::notes_of_orders(&*c, &ids).await?)
            })
            .await?;
        Ok(grouped(
            rows.into_iter()
                .map(|row| (NotesOfOrder(row.order_id), row)),
        ))
    }
}

impl Loader<FulfillmentsOfOrder> for OrdersLoader {
    type Value = Vec<Parcel>;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[FulfillmentsOfOrder],
    ) -> Result<HashMap<FulfillmentsOfOrder, Self::Value>, Self::Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let (rows, lines) = self
            .db
            .read("orders.load_fulfillments", async |c| {
                let rows = store::fulfillments_of_orders(&*c, &ids).await?;
                let parcels: Vec<_> = rows.iter().map(|row| row.id).collect();
                let lines = store::lines_of_fulfillments(&*c, &parcels).await?;
                Ok::<_, Fault>((rows, lines))
            })
            .await?;
        let mut lines = grouped(lines.into_iter().map(|row| (row.fulfillment_id, row)));
        Ok(grouped(rows.into_iter().map(|row| {
            let lines = lines.remove(&row.id).unwrap_or_default();
            (FulfillmentsOfOrder(row.order_id), Parcel(row, lines))
        })))
    }
}

impl Loader<RequestOfOrder> for OrdersLoader {
    type Value = order_request::Model;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[RequestOfOrder],
    ) -> Result<HashMap<RequestOfOrder, Self::Value>, Self::Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let rows = self
            .db
            .read("orders.load_requests", async |c| {
                Ok::<_, Fault>(store::requests_of_orders(&*c, &ids).await?)
            })
            .await?;
        let rows = rows.into_iter();
        Ok(rows
            .map(|row| (RequestOfOrder(row.order_id), row))
            .collect())
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

impl OfRequest for OrdersLoader {
    fn new(app: &App) -> Self {
        Self {
            db: app.db().clone(),
        }
    }

    fn place(loaders: &Loaders) -> &Place<Self> {
        &loaders.orders
    }
}
