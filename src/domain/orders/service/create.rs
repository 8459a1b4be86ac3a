//! Creating orders: planned without writing, written in one transaction, planned anew when others were faster.

use super::super::error::Error;
use super::super::model::Scope;
use super::super::plan::{Plan, Wanted, plan};
use super::super::store;
use super::{NewOrder, Result, Service};
use crate::db::idempotency;
use crate::db::{Tx, error};
use crate::domain::catalog::error::ResolveError;
use crate::domain::catalog::model::{SellableVariant, VariantReference};
use crate::domain::inventory::service::Taken;
use crate::error::{Failure, Fault};
use crate::events::outbox;
use chrono::TimeDelta;
use entity::ids::{OrderId, UserId};
use entity::orders::order;
use uuid::Uuid;

/// How often an order is planned anew when others take its units meanwhile.
const PLANS: usize = 3;

/// A plan with the idempotency key of its request.
type Keyed = (Plan, Option<idempotency::Request>);

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

impl Service {
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
            .reservations_insert_in(tx, reservations)
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
}
