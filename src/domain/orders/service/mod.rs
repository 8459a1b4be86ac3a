//! Use cases of orders.

mod change;
mod create;
mod export;
pub mod import;

use super::error::Error;
use super::model::{Filter, Scope, Sorting};
use super::numbers::Numbers;
use super::store;
use crate::clock::Clock;
use crate::config::Shop;
use crate::db::Db;
use crate::db::idempotency::Idempotency;
use crate::db::page;
use crate::domain::catalog::model::VariantReference;
use crate::domain::{catalog, inventory};
use crate::error::{Failure, Fault};
use crate::events::Events;
use crate::page::{Page, PageRequest};
use entity::ids::{OrderId, UserId};
use entity::orders::order;
use serde::Serialize;

/// The result of a use case.
pub type Result<T> = std::result::Result<T, Failure<Error>>;

/// An order that a customer asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewOrder {
    /// What and how many; at least one line.
    pub lines: Vec<NewLine>,
    /// The client's own name for the order, unique for the user.
    pub client_reference: Option<String>,
    /// A note of the customer.
    pub note: Option<String>,
}

/// A line that a customer asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewLine {
    /// What.
    pub reference: VariantReference,
    /// Units, 1 or more.
    pub quantity: i64,
}

/// Names an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderReference {
    /// By id.
    Id(OrderId),
    /// By number.
    Number(String),
    /// By the client's own name for it; only one's own orders.
    ClientReference(UserId, String),
}

/// Orders.
#[derive(Clone, Debug)]
pub struct Service {
    db: Db,
    clock: Clock,
    idempotency: Idempotency,
    numbers: Numbers,
    catalog: catalog::service::Service,
    inventory: inventory::service::Service,
    events: Events,
    shop: Shop,
}

impl Service {
    /// Made once by the app.
    #[must_use]
    pub fn new(
        db: Db,
        clock: Clock,
        idempotency: Idempotency,
        catalog: catalog::service::Service,
        inventory: inventory::service::Service,
        events: Events,
        shop: Shop,
    ) -> Self {
        let numbers = Numbers::new(db.clone(), clock.clone(), "ORD");
        Self {
            db,
            clock,
            idempotency,
            numbers,
            catalog,
            inventory,
            events,
            shop,
        }
    }

    async fn order_read(&self, scope: Scope, id: OrderId) -> Result<Option<order::Model>> {
        self.db
            .read("orders.read", async |c| {
                Ok(store::order_by_id(&*c, scope, id).await?)
            })
            .await
    }

    /// An order of the scope.
    ///
    /// # Errors
    /// The database fails.
    pub async fn order_by(
        &self,
        scope: Scope,
        reference: &OrderReference,
    ) -> std::result::Result<Option<order::Model>, Fault> {
        self.db
            .read("orders.by", async |c| {
                Ok(match reference {
                    OrderReference::Id(id) => store::order_by_id(&*c, scope, *id).await?,
                    OrderReference::Number(number) => {
                        store::order_by_number(&*c, scope, number).await?
                    }
                    OrderReference::ClientReference(user_id, reference) => {
                        store::order_by_client_reference(&*c, *user_id, reference).await?
                    }
                })
            })
            .await
    }

    /// A page of the orders of the scope.
    ///
    /// # Errors
    /// A cursor of another list.
    pub async fn orders_page(
        &self,
        scope: Scope,
        filter: &Filter,
        sorting: Sorting,
        request: &PageRequest,
    ) -> std::result::Result<Page<order::Model>, page::Error> {
        self.db
            .read("orders.page", async |c| {
                page::fetch(
                    &*c,
                    store::orders(scope, filter),
                    &store::keyset(sorting),
                    request,
                )
                .await
            })
            .await
    }
}
