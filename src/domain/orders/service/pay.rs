//! Paying: the start of a checkout's saga, and what the one who pays is told.

use super::super::error::{ChangeError, Error};
use super::super::model::Scope;
use super::super::{events, store};
use super::change::{Change, follow};
use super::hook::Point;
use super::{Result, Service};
use crate::db::Tx;
use crate::db::idempotency;
use crate::domain::payments::service::{Method, NewPayment};
use crate::domain::wallet::model::Short;
use crate::error::{Fault, Problem, Refusal as _, swallow};
use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::{OrderId, PaymentId, TransactionId, UserId};
use entity::orders::{OrderStatus, PaymentStatus, SagaStep, order, order_saga};
use entity::payments::{DeclineReason, PaymentState, payment};
use entity::wallet::transaction;

/// An order with its payment, after somebody tried to pay it.
#[derive(Clone, Debug)]
pub struct Paid {
    /// The order as it is now.
    pub order: order::Model,
    /// The payment; none when there was nothing to pay.
    pub payment: Option<payment::Model>,
    /// What the wallet lacks, when it was to pay and had too little.
    pub short: Option<Short>,
}

/// What was bought and paid in one call.
#[derive(Clone, Debug)]
pub struct Purchased {
    /// The order with its payment.
    pub paid: Paid,
    /// What its user sees of it; none when there was nothing to pay.
    pub transaction: Option<transaction::Model>,
}

/// A payment that is to begin.
#[derive(Clone, Debug)]
pub(super) struct Paying {
    /// Id of the payment.
    pub(super) payment_id: PaymentId,
    /// How.
    pub(super) method: Method,
    /// Id of the transaction of what is bought and paid in one call.
    pub(super) purchase: Option<TransactionId>,
}

impl Paid {
    /// Why the payment was refused, if it was.
    #[must_use]
    pub fn declined(&self) -> Option<DeclineReason> {
        let payment = self.payment.as_ref()?;
        let reason = payment
            .decline_reason
            .unwrap_or(DeclineReason::CardDeclined);
        (payment.state == PaymentState::Declined).then_some(reason)
    }

    /// The same as the one who pays is told it.
    #[must_use]
    pub fn refused(&self) -> Option<ChangeError> {
        let reason = self.declined()?;
        Some(match self.short.clone() {
            Some(short) => ChangeError::WalletShort(short),
            None => ChangeError::PaymentDeclined { reason },
        })
    }
}

/// Whether an order can be paid now.
pub(super) fn payable(order: &order::Model, now: DateTime<Utc>) -> std::result::Result<(), Error> {
    match order.status {
        OrderStatus::AwaitingPayment => {}
        OrderStatus::Pending => return Err(ChangeError::PaymentPending.into()),
        OrderStatus::Expired => return Err(ChangeError::ReservationExpired.into()),
        OrderStatus::Paid | OrderStatus::PartlyFulfilled | OrderStatus::Fulfilled => {
            return Err(Error::AlreadyPaid);
        }
        from @ (OrderStatus::Cancelled | OrderStatus::Failed) => {
            return follow(from, OrderStatus::Pending);
        }
    }
    if order.reservation_expires_at.is_some_and(|at| at < now) {
        return Err(ChangeError::ReservationExpired.into());
    }
    Ok(())
}

impl Service {
    /// Pays an order that waits for it. The answer tells how it ended, or that it is not known yet; the rest goes on by
    /// itself.
    ///
    /// # Errors
    /// Not found in the scope, imported, paid already, out of time, another payment is under way, or the way to pay
    /// cannot be used. A payment that is refused is no error here: [`Paid::declined`].
    pub async fn order_pay(
        &self,
        scope: Scope,
        actor_id: UserId,
        id: OrderId,
        method: &Method,
        key: Option<idempotency::Request>,
    ) -> Result<(Paid, bool)> {
        self.method_check(method, &[])?;
        let effect = async |key: Option<idempotency::Request>| {
            let key = key.as_ref();
            let payment = &Paying {
                payment_id: self.clock.id(),
                method: method.clone(),
                purchase: None,
            };
            self.db
                .write("orders.pay", async |tx| {
                    idempotency::record(&tx, &self.clock, key, id.0).await?;
                    self.pay_begin_in(&tx, scope, actor_id, id, payment).await
                })
                .await?;
            self.checkout_follow(id).await;
            Ok(id.0)
        };
        let (id, replayed) = self.idempotency.once(key, effect).await?;
        Ok((self.paid_read(scope, OrderId(id)).await?, replayed))
    }

    /// Checks a way to pay; its mistakes are told below `path`.
    pub(super) fn method_check(
        &self,
        method: &Method,
        path: &[&str],
    ) -> std::result::Result<(), Error> {
        let currency = &self.shop.currency;
        self.payments
            .method_check(method, currency)
            .map_err(|error| {
                let problem = error.problem();
                let above = path.iter().map(|&part| part.to_owned());
                Error::Payment(Problem {
                    path: above.chain(problem.path.clone()).collect(),
                    ..problem
                })
            })
    }

    async fn pay_begin_in(
        &self,
        tx: &Tx,
        scope: Scope,
        actor_id: UserId,
        id: OrderId,
        paying: &Paying,
    ) -> Result<()> {
        let mut order = self.order_locked(tx, scope, id).await?;
        payable(&order, self.clock.now())?;
        if order.total_minor == 0 {
            // There is nothing to take, so nobody has to be asked.
            return self.mark_paid_in(tx, scope, actor_id, id).await;
        }
        let from = order.status;
        order.status = OrderStatus::Pending;
        order.payment_status = PaymentStatus::Pending;
        let change = Change::of(from, Some(actor_id)).told_as(events::UPDATED);
        self.order_write_in(tx, &mut order, change).await?;
        self.saga_begin_in(tx, &order, paying).await?;
        Ok(())
    }

    /// Writes a payment and its saga, held by this process for as long as driving it should take.
    pub(super) async fn saga_begin_in(
        &self,
        tx: &Tx,
        order: &order::Model,
        paying: &Paying,
    ) -> std::result::Result<(), Fault> {
        let user_id = order
            .user_id
            .ok_or_else(|| Fault::Broken(format!("order {} has no user", order.id)))?;
        let payment_id = paying.payment_id;
        let payment = NewPayment {
            id: payment_id,
            order_id: order.id,
            user_id,
            amount_minor: order.total_minor,
            currency: order.currency.clone(),
            method: paying.method.clone(),
            purchase: paying.purchase,
        };
        self.payments.payment_insert_in(tx, &payment).await?;
        let now = self.clock.now();
        let saga = order_saga::Model {
            order_id: order.id,
            payment_id,
            step: SagaStep::Pay,
            end_status: None,
            reason: None,
            attempts: 0,
            next_run_at: Some(now),
            lease_holder: Some(self.holder),
            lease_until: Some(now + self.lease()),
            started_at: now,
            updated_at: now,
        };
        if order.version == 1 {
            return Ok(store::sagas::saga_insert(&**tx, saga).await?);
        }
        Ok(store::sagas::saga_write(&**tx, &saga).await?)
    }

    pub(super) fn lease(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.checkout.lease_ms)
    }

    /// Drives the checkout that this request has begun. Whatever goes wrong here, the worker goes on with it.
    pub(super) async fn checkout_follow(&self, id: OrderId) {
        let run = async {
            self.hook.at(Point::Begun)?;
            self.checkout_steps(id).await
        };
        swallow(run.await, "driving a checkout");
    }

    /// An order with its latest payment.
    pub(super) async fn paid_read(&self, scope: Scope, id: OrderId) -> Result<Paid> {
        let order = self.order_after(scope, id).await?;
        let payment = self.payments.payments_of(&[id]).await?.pop();
        let short = match &payment {
            Some(payment) => self.payments.short_of(payment).await?,
            None => None,
        };
        Ok(Paid {
            order,
            payment,
            short,
        })
    }

    /// What an unlocked read saw of an order's money.
    pub(super) async fn money_seen(&self, scope: Scope, id: OrderId) -> Result<Seen> {
        let order = self.order_after(scope, id).await?;
        let payments = self.payments.payments_of(&[id]).await?;
        let captured = payments
            .into_iter()
            .find(|payment| payment.state == PaymentState::Captured);
        Ok(Seen {
            paid_at: order.paid_at,
            captured,
        })
    }
}

/// What an unlocked read saw of an order's money. What was captured stays captured.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// When the order was paid.
    pub(super) paid_at: Option<DateTime<Utc>>,
    /// The payment that was captured; nothing for what was paid outside.
    pub(super) captured: Option<payment::Model>,
}
