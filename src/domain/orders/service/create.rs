//! Creating orders: planned without writing, written in one transaction, planned anew when others were faster.

use super::super::error::{CheckoutError, Error};
use super::super::model::{self, Scope};
use super::super::plan::{Plan, Wanted, plan};
use super::super::store;
use super::hook::Point;
use super::pay::{Paying, Purchased};
use super::{AddressChoice, Details, NewCheckout, NewLine, NewOrder, Paid, Result, Service};
use crate::db::idempotency;
use crate::db::{Tx, error};
use crate::domain::accounts::model::{AddressKind, is_default};
use crate::domain::carts::model::CheckoutCart;
use crate::domain::carts::service::CartChanged;
use crate::domain::catalog::error::ResolveError;
use crate::domain::catalog::model::{SellableVariant, VariantReference};
use crate::domain::inventory::service::Taken;
use crate::error::{Failure, Fault};
use crate::money;
use chrono::TimeDelta;
use entity::accounts::{Address, address};
use entity::ids::{OrderId, UserId};
use entity::orders::{order, order_request};

/// How often an order is planned anew when others take its units meanwhile.
const PLANS: usize = 3;

/// The version of the API that orders are made through.
const API_VERSION: &str = "v1";

/// What is bought.
#[derive(Clone, Copy, Debug)]
enum Basket<'a> {
    /// These lines.
    Lines(&'a [NewLine]),
    /// The user's cart, at the total in minor units that the customer saw.
    Cart(Option<i64>),
}

impl Basket<'_> {
    /// Problems of lines as whoever asked for this knows the lines: a cart's are not in the request.
    fn told(self, errors: Vec<Error>) -> Vec<Error> {
        let told = |error| match (self, error) {
            (
                Self::Cart(_),
                Error::InsufficientStock {
                    variant_id,
                    requested,
                    ..
                },
            ) => CheckoutError::LineShort {
                variant_id,
                requested,
            }
            .into(),
            (_, error) => error,
        };
        errors.into_iter().map(told).collect()
    }
}

/// A plan with all that is written together with it.
#[derive(Clone, Debug)]
struct Planned {
    plan: Plan,
    /// The cart that becomes the order.
    cart: Option<CheckoutCart>,
    /// The payment that starts.
    payment: Option<Paying>,
    /// The idempotency key of its request.
    key: Option<idempotency::Request>,
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

impl Service {
    /// Creates an order with server-side prices and reserves its stock; with a payment its checkout starts in the same
    /// transaction. The answer tells whether an earlier request with the same idempotency key made it.
    ///
    /// # Errors
    /// Lines that are not for sale, need a variant or are short (all of them are named), a client reference that the
    /// user has used, an address that is not the user's. A payment that is refused is no error here.
    pub async fn order_create(
        &self,
        user_id: UserId,
        new: &NewOrder,
        key: Option<idempotency::Request>,
    ) -> Result<(Paid, bool)> {
        let basket = Basket::Lines(&new.lines);
        self.order_make(user_id, basket, &new.details, key).await
    }

    /// Makes a user's cart an order, with the catalogue's prices of now. Exactly one order comes of a cart.
    ///
    /// # Errors
    /// As [`Service::order_create`]; also an empty cart, a line that is not for sale any more, another total than the
    /// customer saw.
    pub async fn cart_checkout(
        &self,
        user_id: UserId,
        new: &NewCheckout,
        key: Option<idempotency::Request>,
    ) -> Result<(Paid, bool)> {
        let basket = Basket::Cart(new.expected_total_minor);
        self.order_make(user_id, basket, &new.details, key).await
    }

    /// Buys and pays in one call: an order with its payment, which its user sees as one transaction. The answer tells
    /// whether an earlier request with the same idempotency key made it.
    ///
    /// # Errors
    /// As [`Service::order_create`]; also without a way to pay. A payment that is refused is no error here.
    pub async fn transaction_create(
        &self,
        user_id: UserId,
        new: &NewOrder,
        key: Option<idempotency::Request>,
    ) -> Result<(Purchased, bool)> {
        if new.details.payment.is_none() {
            return Err(Fault::Broken("a purchase is paid at once".to_owned()).into());
        }
        let details = Details {
            is_purchase: true,
            ..new.details.clone()
        };
        let basket = Basket::Lines(&new.lines);
        let (paid, replayed) = self.order_make(user_id, basket, &details, key).await?;
        let transaction = self.payments.purchase_of(paid.order.id).await?;
        Ok((Purchased { paid, transaction }, replayed))
    }

    async fn order_make(
        &self,
        user_id: UserId,
        basket: Basket<'_>,
        details: &Details,
        key: Option<idempotency::Request>,
    ) -> Result<(Paid, bool)> {
        if let Some(method) = &details.payment {
            self.method_check(method, &["payment"])?;
        }
        let effect = async |key| {
            let id = self.order_make_once(user_id, basket, details, key).await?;
            if details.payment.is_some() {
                self.checkout_follow(id).await;
            }
            Ok(id.0)
        };
        let (id, replayed) = self.idempotency.once(key, effect).await?;
        let (own, id) = (Scope::Own(user_id), OrderId(id));
        if details.payment.is_some() {
            return Ok((self.paid_read(own, id).await?, replayed));
        }
        let order = self.order_after(own, id).await?;
        let paid = Paid {
            order,
            payment: None,
            short: None,
        };
        Ok((paid, replayed))
    }

    async fn order_make_once(
        &self,
        user_id: UserId,
        basket: Basket<'_>,
        details: &Details,
        key: Option<idempotency::Request>,
    ) -> Result<OrderId> {
        let mut wanted = self.wanted(user_id, details).await?;
        let payment = details.payment.as_ref();
        let payment = payment.map(|method| Paying {
            payment_id: self.clock.id(),
            method: method.clone(),
            purchase: details.is_purchase.then(|| self.clock.id()),
        });
        let mut attempt = 1;
        loop {
            let cart = self.basket_read(user_id, basket, &mut wanted).await?;
            let variants: Vec<_> = wanted
                .lines
                .iter()
                .map(|(variant, _)| variant.variant_id)
                .collect();
            let stock = self.inventory.stock_available(&variants).await?;
            wanted.is_paying = payment.is_some();
            let refused = |errors| Failure::Refused(basket.told(errors));
            let mut plan = plan(&self.clock, &wanted, &stock).map_err(refused)?;
            if wanted.is_paying && plan.order.total_minor == 0 {
                // There is nothing to take: the order is paid after it was made.
                wanted.is_paying = false;
                plan = super::super::plan::plan(&self.clock, &wanted, &stock).map_err(refused)?;
            }
            self.total_check(basket, &plan.order)?;
            let planned = Planned {
                payment: payment.clone().filter(|_| wanted.is_paying),
                plan,
                cart,
                key: key.clone(),
            };
            let is_free = payment.is_some() && !wanted.is_paying;
            let mut results = self.apply(&[planned]).await;
            match results.pop() {
                Some(Ok(())) if is_free => {
                    self.order_mark_paid(user_id, wanted.id, None).await?;
                    return Ok(wanted.id);
                }
                Some(Ok(())) => return Ok(wanted.id),
                Some(Err(ApplyError::Taken)) if attempt < PLANS => attempt += 1,
                // Every plan lost a race: what is left now is too little, or too contended to promise.
                Some(Err(ApplyError::Taken)) => {
                    return Err(refused(self.all_short(&wanted)));
                }
                Some(Err(ApplyError::Failed(failure))) => return Err(failure),
                None => return Err(Fault::Broken("a batch of one had no result".to_owned()).into()),
            }
        }
    }

    /// All of an order but its lines.
    async fn wanted(&self, user_id: UserId, details: &Details) -> Result<Wanted> {
        let (shipping_address, billing_address) = self.addresses(user_id, details).await?;
        let (id, now) = (self.clock.id(), self.clock.now());
        let origin = &details.origin;
        Ok(Wanted {
            id,
            number: self.numbers.next().await?,
            user_id,
            lines: Vec::new(),
            client_reference: details.client_reference.clone(),
            note: details.note.clone(),
            shipping_address,
            billing_address,
            is_paying: false,
            request: order_request::Model {
                order_id: id,
                ip: origin.ip.clone(),
                user_agent: origin.user_agent.clone(),
                platform: model::platform(origin.user_agent.as_deref()).to_owned(),
                api_version: API_VERSION.to_owned(),
                session_id: origin.session_id,
                created_at: now,
            },
            currency: self.shop.currency.clone(),
            now,
            expires_at: now + TimeDelta::minutes(self.shop.reservation_min),
        })
    }

    /// The addresses that were chosen, or the user's defaults: one read of the address book, if any.
    async fn addresses(
        &self,
        user_id: UserId,
        details: &Details,
    ) -> Result<(Option<Address>, Option<Address>)> {
        use AddressKind::{Billing, Shipping};
        let (shipping, billing) = (&details.shipping_address, &details.billing_address);
        let is_new = |choice: &Option<AddressChoice>| matches!(choice, Some(AddressChoice::New(_)));
        let book = if is_new(shipping) && is_new(billing) {
            Vec::new()
        } else {
            self.accounts.addresses_of_users(&[user_id]).await?
        };
        let of = |choice: &Option<AddressChoice>, kind, field| match choice {
            None => {
                let default = book.iter().find(|row| is_default(row, kind));
                Ok(default.map(address::Model::value))
            }
            Some(AddressChoice::New(address)) => Ok(Some((**address).clone())),
            Some(AddressChoice::Book(id)) => {
                let found = book.iter().find(|row| row.id == *id);
                let found = found.ok_or(CheckoutError::AddressNotFound { field })?;
                Ok::<_, CheckoutError>(Some(found.value()))
            }
        };
        match (
            of(shipping, Shipping, "shippingAddress"),
            of(billing, Billing, "billingAddress"),
        ) {
            (Ok(shipping), Ok(billing)) => Ok((shipping, billing)),
            (shipping, billing) => {
                let errors = [shipping.err(), billing.err()].into_iter().flatten();
                Err(Failure::Refused(errors.map(Error::from).collect()))
            }
        }
    }

    /// Reads what is bought into an order; answers the cart that it came from.
    async fn basket_read(
        &self,
        user_id: UserId,
        basket: Basket<'_>,
        wanted: &mut Wanted,
    ) -> Result<Option<CheckoutCart>> {
        let lines = match basket {
            Basket::Lines(lines) => {
                wanted.lines = self.lines_resolve(lines).await?;
                return Ok(None);
            }
            Basket::Cart(_) => self.carts.cart_for_checkout(user_id).await?,
        };
        let cart = lines.filter(|cart| !cart.lines.is_empty());
        let cart = cart.ok_or(CheckoutError::EmptyCart)?;
        let references: Vec<_> = cart
            .lines
            .iter()
            .map(|(variant_id, _)| VariantReference::Variant(*variant_id))
            .collect();
        let resolved = self.catalog.variants_resolve(&references).await?;
        let mut errors = Vec::new();
        wanted.lines.clear();
        for (found, &(variant_id, quantity)) in resolved.into_iter().zip(&cart.lines) {
            match found {
                Ok(variant) => wanted.lines.push((variant, quantity)),
                Err(ResolveError::NotFound | ResolveError::VariantRequired) => {
                    errors.push(CheckoutError::LineGone { variant_id }.into());
                }
            }
        }
        if errors.is_empty() {
            Ok(Some(cart))
        } else {
            Err(Failure::Refused(errors))
        }
    }

    /// Refuses a total that the customer has not seen.
    fn total_check(&self, basket: Basket<'_>, order: &order::Model) -> Result<()> {
        let Basket::Cart(Some(expected)) = basket else {
            return Ok(());
        };
        if expected == order.total_minor {
            return Ok(());
        }
        let amount = money::to_decimal(order.total_minor, &order.currency);
        let total = format!("{amount} {}", order.currency);
        Err(CheckoutError::PriceChanged { total }.into())
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

    async fn lines_resolve(&self, new: &[NewLine]) -> Result<Vec<(SellableVariant, i64)>> {
        let references: Vec<_> = new.iter().map(|line| line.reference.clone()).collect();
        let resolved = self.catalog.variants_resolve(&references).await?;
        let mut lines = Vec::with_capacity(references.len());
        let mut errors = Vec::new();
        for (line, (found, wanted)) in resolved.into_iter().zip(new).enumerate() {
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
    async fn apply(&self, plans: &[Planned]) -> Vec<std::result::Result<(), ApplyError>> {
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

    async fn apply_together(&self, plans: &[Planned]) -> std::result::Result<(), ApplyError> {
        let written = self
            .db
            .write("orders.create", async |tx| self.apply_in(&tx, plans).await)
            .await;
        match written {
            Ok(()) => {}
            Err(ApplyError::Failed(Failure::Fault(Fault::CommitUnknown(name, source)))) => {
                // The answer of the commit was lost: the orders are there, all of them or none.
                let first = plans.first().map(|planned| planned.plan.order.id);
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
        Ok(())
    }

    /// The keys' rows, the orders, their events, and last what other orders wait for: the stock.
    async fn apply_in(&self, tx: &Tx, plans: &[Planned]) -> std::result::Result<(), ApplyError> {
        for planned in plans {
            let id = planned.plan.order.id;
            idempotency::record(tx, &self.clock, planned.key.as_ref(), id.0).await?;
            if let Some(cart) = &planned.cart {
                let converted = self.carts.cart_convert_in(tx, cart, id).await?;
                converted.map_err(|CartChanged| ApplyError::Taken)?;
            }
        }
        let rows: Vec<&Plan> = plans.iter().map(|planned| &planned.plan).collect();
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
        for planned in plans {
            if let Some(paying) = &planned.payment {
                self.saga_begin_in(tx, &planned.plan.order, paying).await?;
            }
        }
        let reservations: Vec<_> = rows
            .iter()
            .flat_map(|plan| plan.reservations.clone())
            .collect();
        self.inventory
            .reservations_insert_in(tx, reservations)
            .await?;
        let created = rows.iter().map(|plan| plan.event.clone()).collect();
        self.events.publish_in(tx, created).await?;
        let allocations: Vec<_> = rows
            .iter()
            .flat_map(|plan| plan.allocations.clone())
            .collect();
        let now = self.clock.now();
        match self.inventory.reserve_in(tx, &allocations, now).await? {
            Ok(()) => {}
            Err(Taken) => return Err(ApplyError::Taken),
        }
        self.hook.at(Point::Placing)?;
        Ok(())
    }
}
