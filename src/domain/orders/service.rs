//! Use cases of orders.

use super::error::Error;
use super::model::{self, Scope};
use super::numbers::Numbers;
use super::plan::{Plan, Wanted, plan};
use super::{events, store};
use crate::clock::Clock;
use crate::config::Shop;
use crate::db::idempotency::{self, Idempotency};
use crate::db::page::{self, Keyset};
use crate::db::{Db, Tx, error};
use crate::domain::catalog::error::ResolveError;
use crate::domain::catalog::model::{SellableVariant, VariantReference};
use crate::domain::inventory::service::Taken;
use crate::domain::{catalog, inventory};
use crate::error::{Failure, Fault};
use crate::events::{Events, outbox};
use crate::page::{Page, PageRequest};
use chrono::TimeDelta;
use entity::ids::{OrderId, UserId};
use entity::orders::{OrderStatus, PaymentStatus, order, order_history};
use serde::Serialize;
use uuid::Uuid;

/// How often an order is planned anew when others take its units meanwhile.
const PLANS: usize = 3;

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

/// What a list of orders is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sort {
    /// When they were made.
    CreatedAt,
    /// What is to be paid.
    Total,
}

/// A list's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sorting {
    /// The value.
    pub sort: Sort,
    /// Greatest first.
    pub descending: bool,
}

impl Default for Sorting {
    fn default() -> Self {
        Self {
            sort: Sort::CreatedAt,
            descending: true,
        }
    }
}

impl Sorting {
    /// The columns of the order.
    #[must_use]
    pub const fn keyset(self) -> Keyset<order::Entity> {
        let (name, column) = match self.sort {
            Sort::CreatedAt => ("CREATED_AT", order::Column::CreatedAt),
            Sort::Total => ("TOTAL", order::Column::TotalMinor),
        };
        Keyset {
            name,
            column,
            id: order::Column::Id,
            descending: self.descending,
        }
    }
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

    /// Creates an order with server-side prices and reserves its stock. The answer tells whether an earlier request
    /// with the same idempotency key made it.
    ///
    /// # Errors
    /// Lines that are not for sale, need a variant or are short (all of them are named), a client reference that the
    /// user has used.
    pub async fn order_create(
        &self,
        user_id: UserId,
        new: &NewOrder,
        key: Option<idempotency::Request>,
    ) -> Result<(order::Model, bool)> {
        let effect = |key| self.order_create_once(user_id, new, key);
        let (id, replayed) = self.idempotency.once(key, effect).await?;
        let order = self.order_read(Scope::Own(user_id), OrderId(id)).await?;
        let order =
            order.ok_or_else(|| Fault::Broken(format!("order {id} vanished after its commit")))?;
        Ok((order, replayed))
    }

    async fn order_create_once(
        &self,
        user_id: UserId,
        new: &NewOrder,
        key: Option<idempotency::Request>,
    ) -> Result<Uuid> {
        let lines = self.lines_resolve(new).await?;
        let now = self.clock.now();
        let wanted = Wanted {
            id: self.clock.id(),
            number: self.numbers.next().await?,
            user_id,
            lines,
            client_reference: new.client_reference.clone(),
            note: new.note.clone(),
            currency: self.shop.currency.clone(),
            now,
            expires_at: now + TimeDelta::minutes(self.shop.reservation_min),
        };
        let variants: Vec<_> = wanted
            .lines
            .iter()
            .map(|(variant, _)| variant.variant_id)
            .collect();
        let mut attempt = 1;
        loop {
            let stock = self.inventory.stock_available(&variants).await?;
            let plan = plan(&self.clock, &wanted, &stock).map_err(Failure::Refused)?;
            let mut results = self.apply(&[(plan, key.clone())]).await;
            match results.pop() {
                Some(Ok(())) => return Ok(wanted.id.0),
                Some(Err(ApplyError::Taken)) if attempt < PLANS => attempt += 1,
                // Every plan lost a race: what is left now is too little, or too contended to promise.
                Some(Err(ApplyError::Taken)) => {
                    return Err(Failure::Refused(self.all_short(&wanted)));
                }
                Some(Err(ApplyError::Failed(failure))) => return Err(failure),
                None => return Err(Fault::Broken("a batch of one had no result".to_owned()).into()),
            }
        }
    }

    fn all_short(&self, wanted: &Wanted) -> Vec<Error> {
        let short = |(line, (variant, requested)): (usize, &(SellableVariant, i64))| {
            Error::InsufficientStock {
                line,
                variant_id: variant.variant_id,
                requested: *requested,
            }
        };
        wanted.lines.iter().enumerate().map(short).collect()
    }

    async fn lines_resolve(&self, new: &NewOrder) -> Result<Vec<(SellableVariant, i64)>> {
        let references: Vec<_> = new
            .lines
            .iter()
            .map(|line| line.reference.clone())
            .collect();
        let resolved = self.catalog.variants_resolve(&references).await?;
        let mut lines = Vec::with_capacity(references.len());
        let mut errors = Vec::new();
        for (line, (found, wanted)) in resolved.into_iter().zip(&new.lines).enumerate() {
            match found {
                Ok(variant) => lines.push((variant, wanted.quantity)),
                Err(ResolveError::VariantRequired) => errors.push(Error::VariantRequired { line }),
                Err(ResolveError::NotFound) => {
                    let field = match wanted.reference {
                        VariantReference::Product(_) => "productId",
                        VariantReference::Variant(_) => "variantId",
                        VariantReference::Sku(_) => "sku",
                    };
                    errors.push(Error::LineNotFound { line, field });
                }
            }
        }
        if errors.is_empty() {
            Ok(lines)
        } else {
            Err(errors.into())
        }
    }

    /// Writes plans in one transaction; when that fails because of one of them, each alone, in their order, so that
    /// one order's failure never fails another. One result a plan.
    async fn apply(&self, plans: &[Keyed]) -> Vec<std::result::Result<(), ApplyError>> {
        match self.apply_together(plans).await {
            Ok(()) => plans.iter().map(|_| Ok(())).collect(),
            Err(error) if plans.len() == 1 => vec![Err(error)],
            Err(_) => {
                let mut results = Vec::with_capacity(plans.len());
                for plan in plans {
                    results.push(self.apply_together(std::slice::from_ref(plan)).await);
                }
                results
            }
        }
    }

    async fn apply_together(&self, plans: &[Keyed]) -> std::result::Result<(), ApplyError> {
        let written = self
            .db
            .write("orders.create", async |tx| self.apply_in(&tx, plans).await)
            .await;
        match written {
            Ok(()) => {}
            Err(ApplyError::Failed(Failure::Fault(Fault::CommitUnknown(name, source)))) => {
                // The answer of the commit was lost: the orders are there, all of them or none.
                let first = plans.first().map(|(plan, _)| plan.order.id);
                let found = match first {
                    Some(id) => self
                        .order_read(Scope::All, id)
                        .await
                        .map_err(ApplyError::Failed)?,
                    None => None,
                };
                if found.is_none() {
                    return Err(ApplyError::Failed(
                        Fault::CommitUnknown(name, source).into(),
                    ));
                }
            }
            Err(error) => return Err(error),
        }
        self.events.wake();
        Ok(())
    }

    /// The keys' rows, the orders, their events, and last what other orders wait for: the stock.
    async fn apply_in(&self, tx: &Tx, plans: &[Keyed]) -> std::result::Result<(), ApplyError> {
        for (plan, key) in plans {
            idempotency::record(tx, &self.clock, key.as_ref(), plan.order.id.0).await?;
        }
        let rows: Vec<&Plan> = plans.iter().map(|(plan, _)| plan).collect();
        store::orders_insert(&**tx, &rows).await.map_err(|source| {
            let (index, columns) = (
                "uq_orders_client_reference",
                "orders.user_id, orders.client_reference",
            );
            if error::is_duplicate(&source, index, columns) {
                ApplyError::Failed(Error::ClientReferenceTaken.into())
            } else if error::is_foreign_key(&source) {
                // A variant was deleted since it was resolved: plan anew and find it gone.
                ApplyError::Taken
            } else {
                source.into()
            }
        })?;
        let reservations: Vec<_> = rows
            .iter()
            .flat_map(|plan| plan.reservations.clone())
            .collect();
        self.inventory
            .reservations_insert_in(tx, &reservations)
            .await?;
        outbox::insert(
            &**tx,
            &self.clock,
            rows.iter().map(|plan| plan.event.clone()).collect(),
        )
        .await?;
        let allocations: Vec<_> = rows
            .iter()
            .flat_map(|plan| plan.allocations.clone())
            .collect();
        let now = self.clock.now();
        match self.inventory.reserve_in(tx, &allocations, now).await? {
            Ok(()) => Ok(()),
            Err(Taken) => Err(ApplyError::Taken),
        }
    }

    /// Cancels an order that is not paid and gives its stock back.
    ///
    /// # Errors
    /// Not found in the scope, or its state does not allow it.
    pub async fn order_cancel(
        &self,
        scope: Scope,
        actor_id: UserId,
        id: OrderId,
        reason: Option<&str>,
        key: Option<idempotency::Request>,
    ) -> Result<(order::Model, bool)> {
        let change = Change {
            to: OrderStatus::Cancelled,
            actor_id: Some(actor_id),
            reason,
        };
        self.order_change_once(scope, id, change, key).await
    }

    /// Marks an order as paid outside of this program: its units leave the stock.
    ///
    /// # Errors
    /// Not found, paid already, or its state does not allow it.
    pub async fn order_mark_paid(
        &self,
        actor_id: UserId,
        id: OrderId,
        key: Option<idempotency::Request>,
    ) -> Result<(order::Model, bool)> {
        let change = Change {
            to: OrderStatus::Paid,
            actor_id: Some(actor_id),
            reason: None,
        };
        self.order_change_once(Scope::All, id, change, key).await
    }

    /// Expires an unpaid order; one that changed meanwhile is left alone.
    pub(super) async fn order_expire(&self, id: OrderId) -> std::result::Result<(), Fault> {
        let change = Change {
            to: OrderStatus::Expired,
            actor_id: None,
            reason: None,
        };
        match self.order_change(Scope::All, id, change, None).await {
            Ok(()) | Err(Failure::Refused(_)) => Ok(()),
            Err(Failure::Fault(fault)) => Err(fault),
        }
    }

    pub(super) async fn orders_expired(
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

    async fn order_change_once(
        &self,
        scope: Scope,
        id: OrderId,
        change: Change<'_>,
        key: Option<idempotency::Request>,
    ) -> Result<(order::Model, bool)> {
        let effect = async |key| {
            self.order_change(scope, id, change, key)
                .await
                .map(|()| id.0)
        };
        let (id, replayed) = self.idempotency.once(key, effect).await?;
        let order = self
            .order_read(scope, OrderId(id))
            .await?
            .ok_or(Error::NotFound)?;
        Ok((order, replayed))
    }

    async fn order_change(
        &self,
        scope: Scope,
        id: OrderId,
        change: Change<'_>,
        key: Option<idempotency::Request>,
    ) -> Result<()> {
        let key = key.as_ref();
        self.db
            .write("orders.change", async |tx| {
                idempotency::record(&tx, &self.clock, key, id.0).await?;
                self.order_change_in(&tx, scope, id, change).await
            })
            .await?;
        self.events.wake();
        Ok(())
    }

    /// One change of state: the order, its history, its event, and last the stock.
    async fn order_change_in(
        &self,
        tx: &Tx,
        scope: Scope,
        id: OrderId,
        change: Change<'_>,
    ) -> Result<()> {
        let mut order = store::order_lock(&**tx, scope, id)
            .await?
            .ok_or(Error::NotFound)?;
        let (from, to) = (order.status, change.to);
        if to == OrderStatus::Paid && order.paid_at.is_some() {
            return Err(Error::AlreadyPaid.into());
        }
        if !model::can_follow(from, to) {
            return Err(Error::InvalidTransition { from, to }.into());
        }
        let now = self.clock.now();
        order.status = to;
        order.version += 1;
        order.updated_at = now;
        order.reservation_expires_at = None;
        if to == OrderStatus::Paid {
            order.payment_status = PaymentStatus::Paid;
            order.paid_at = Some(now);
        } else if to == OrderStatus::Cancelled {
            order.cancelled_at = Some(now);
            order.cancel_reason = change.reason.map(str::to_owned);
        }
        store::order_update(&**tx, &order).await?;
        let history = order_history::Model {
            id: self.clock.id(),
            order_id: id,
            version: order.version,
            from_status: Some(from),
            to_status: to,
            actor_id: change.actor_id,
            reason: change.reason.map(str::to_owned),
            created_at: now,
        };
        store::history_insert(&**tx, vec![history]).await?;
        let lines = store::lines_of_orders(&**tx, &[id]).await?;
        outbox::insert(
            &**tx,
            &self.clock,
            vec![events::event(&order, &lines, Some(from))],
        )
        .await?;
        if to == OrderStatus::Paid {
            self.inventory
                .commit_in(tx, id, &order.number, change.actor_id)
                .await?;
        } else {
            self.inventory.release_in(tx, id).await?;
        }
        Ok(())
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
        filter: &store::Filter,
        sorting: Sorting,
        request: &PageRequest,
    ) -> std::result::Result<Page<order::Model>, page::Error> {
        self.db
            .read("orders.page", async |c| {
                page::fetch(
                    &*c,
                    store::orders(scope, filter),
                    &sorting.keyset(),
                    request,
                )
                .await
            })
            .await
    }
}

/// A plan with the idempotency key of its request.
type Keyed = (Plan, Option<idempotency::Request>);

/// A change of an order's state.
#[derive(Clone, Copy, Debug)]
struct Change<'a> {
    to: OrderStatus,
    actor_id: Option<UserId>,
    reason: Option<&'a str>,
}

/// Why plans were not written.
#[derive(Debug)]
enum ApplyError {
    /// Others took the units since they were planned.
    Taken,
    /// Anything else.
    Failed(Failure<Error>),
}

impl<T: Into<Failure<Error>>> From<T> for ApplyError {
    fn from(error: T) -> Self {
        Self::Failed(error.into())
    }
}

impl crate::error::DbCause for ApplyError {
    fn db_err(&self) -> Option<&sea_orm::DbErr> {
        match self {
            Self::Taken => None,
            Self::Failed(failure) => failure.db_err(),
        }
    }
}
