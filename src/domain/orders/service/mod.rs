//! Use cases of orders.

mod change;
mod commit;
mod create;
mod export;
mod fulfil;
pub mod hook;
pub mod import;
mod pay;
mod refund;
mod saga;
mod versions;

use super::error::Error;
use super::model::{Filter, Scope, Sorting, Summary};
use super::numbers::Numbers;
use super::store;
use crate::clock::Clock;
use crate::config::{Checkout, Config, Shop};
use crate::db::Db;
use crate::db::idempotency::Idempotency;
use crate::db::page;
use crate::domain::catalog::model::VariantReference;
use crate::domain::payments::service::Method;
use crate::domain::{accounts, carts, catalog, inventory, payments};
use crate::error::{Failure, Fault};
use crate::events::Events;
use crate::page::{Page, PageRequest};
use entity::accounts::Address;
use entity::ids::{AddressId, OrderId, SessionId, UserId};
use entity::orders::order;
use hook::Hook;
use serde::Serialize;
use uuid::Uuid;

pub use fulfil::{NewFulfillment, Tracking};
pub use pay::{Paid, Purchased};
pub use refund::NewRefund;
pub use versions::OrderVersions;

/// The result of a use case.
pub type Result<T> = std::result::Result<T, Failure<Error>>;

/// An order that a customer asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NewOrder {
    /// What and how many; at least one line.
    pub lines: Vec<NewLine>,
    /// All but the lines.
    pub details: Details,
}

/// The checkout of a customer's cart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NewCheckout {
    /// What the customer saw that it costs, in minor units.
    pub expected_total_minor: Option<i64>,
    /// All but the lines.
    pub details: Details,
}

/// What an order is asked for with, beside its lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Details {
    /// The client's own name for the order, unique for the user.
    pub client_reference: Option<String>,
    /// A note of the customer.
    pub note: Option<String>,
    /// Where it is sent; without it, the default of the address book.
    pub shipping_address: Option<AddressChoice>,
    /// Who is billed; without it, the default of the address book.
    pub billing_address: Option<AddressChoice>,
    /// Pay at once.
    pub payment: Option<Method>,
    /// Whether it is bought and paid in one call, which its user sees as one transaction. It is part of the operation, so
    /// it needs no hash.
    #[serde(skip)]
    pub is_purchase: bool,
    /// Where the request comes from; not a part of what is asked for.
    #[serde(skip)]
    pub origin: Origin,
}

/// An address of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum AddressChoice {
    /// One of the user's address book.
    Book(AddressId),
    /// Another one.
    New(Box<Address>),
}

/// Where a request comes from, as far as it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The address of the client's end of the connection.
    pub ip: Option<String>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// The session.
    pub session_id: Option<SessionId>,
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

/// The services that orders call.
#[derive(Clone, Debug)]
pub struct Neighbours {
    /// Users and their address books.
    pub accounts: accounts::service::Service,
    /// What is sold.
    pub catalog: catalog::service::Service,
    /// Carts.
    pub carts: carts::service::Service,
    /// Stock.
    pub inventory: inventory::service::Service,
    /// Money.
    pub payments: payments::service::Service,
}

/// Orders.
#[derive(Clone, Debug)]
pub struct Service {
    db: Db,
    clock: Clock,
    idempotency: Idempotency,
    numbers: Numbers,
    accounts: accounts::service::Service,
    catalog: catalog::service::Service,
    carts: carts::service::Service,
    inventory: inventory::service::Service,
    payments: payments::service::Service,
    events: Events,
    shop: Shop,
    checkout: Checkout,
    hook: Hook,
    /// Names this process in leases.
    holder: Uuid,
}

impl Service {
    /// Made once by the app; `holder` names the process.
    #[must_use]
    pub fn new(
        db: Db,
        clock: Clock,
        idempotency: Idempotency,
        events: Events,
        neighbours: Neighbours,
        config: &Config,
        holder: Uuid,
    ) -> Self {
        let numbers = Numbers::new(db.clone(), clock.clone(), "ORD");
        let Neighbours {
            accounts,
            catalog,
            carts,
            inventory,
            payments,
        } = neighbours;
        Self {
            db,
            clock,
            idempotency,
            numbers,
            accounts,
            catalog,
            carts,
            inventory,
            payments,
            events,
            shop: config.shop.clone(),
            checkout: config.checkout.clone(),
            hook: Hook::of(config),
            holder,
        }
    }

    /// The same with something that happens between the steps of a checkout; for tests of crashes.
    #[must_use]
    pub fn with_hook(&self, hook: Hook) -> Self {
        Self {
            hook,
            ..self.clone()
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

    /// What the orders of the scope under a filter sum to.
    ///
    /// # Errors
    /// The database fails.
    pub async fn order_summary(
        &self,
        scope: Scope,
        filter: &Filter,
    ) -> std::result::Result<Summary, Fault> {
        let engine = self.db.engine();
        self.db
            .read("orders.summary", async |c| {
                let sums = store::orders_sums(&*c, engine, scope, filter).await?;
                Ok(Summary::of(&sums))
            })
            .await
    }
}
