//! The checkout as a durable saga: have the payment captured, let the stock go out, or undo what was done.
//!
//! Its row says what is done next. Every step can be repeated, and each result is written under the order's lock only
//! if the order and the saga still are where the step began; so two who drive the same checkout do it once. The lease
//! only keeps them from doing it at the same time.

use super::super::model::Scope;
use super::super::{events, store};
use super::Service;
use super::change::Change;
use super::commit::is_broken;
use super::hook::Point;
use crate::db::Tx;
use crate::domain::inventory::model::Released;
use crate::domain::payments::service::Outcome;
use crate::error::{Fault, chain, swallow};
use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::OrderId;
use entity::orders::{OrderStatus, PaymentStatus, SagaStep, order, order_saga};
use entity::payments::{DeclineReason, PaymentState};

/// Steps of one drive: the longest way is pay, compensate, and a look at the end.
const STEPS_MAX: usize = 6;
/// Longest reason in a saga's row.
const REASON_MAX: usize = 200;
/// Why an order failed: nobody could find out what became of its payment.
const PAYMENT_UNKNOWN: &str = "PAYMENT_UNKNOWN";
/// Why an order failed: its payment was called off.
const PAYMENT_CALLED_OFF: &str = "PAYMENT_CALLED_OFF";

/// What follows a step.
pub(super) enum Next {
    /// The next step, now.
    Again,
    /// The same step, then.
    Later(DateTime<Utc>),
    /// Nothing.
    Done,
}

impl Service {
    /// Drives a checkout as far as it goes now, unless another process does.
    ///
    /// # Errors
    /// The database or a test's hook fails; it is tried again later.
    pub(in crate::domain::orders) async fn checkout_run(&self, id: OrderId) -> Result<(), Fault> {
        let now = self.clock.now();
        let (holder, until) = (self.holder, now + self.lease());
        let claimed = self
            .db
            .write("orders.saga_claim", async |tx| {
                Ok::<_, Fault>(store::sagas::saga_claim(&*tx, id, holder, now, until).await?)
            })
            .await?;
        if claimed {
            let steps = Box::pin(self.checkout_steps(id));
            self.events.taking_up(id.0, steps).await
        } else {
            Ok(())
        }
    }

    /// Drives a checkout that this process holds.
    pub(super) async fn checkout_steps(&self, id: OrderId) -> Result<(), Fault> {
        for _ in 0..STEPS_MAX {
            let Some(saga) = self.saga_read(id).await? else {
                return Ok(());
            };
            let step = match saga.step {
                SagaStep::Pay | SagaStep::Commit => self.pay_step(&saga).await,
                SagaStep::Compensate => self.compensate_step(&saga).await,
                SagaStep::Done => return Ok(()),
            };
            match step {
                Ok(Next::Again) => {}
                Ok(Next::Done) => return Ok(()),
                Ok(Next::Later(at)) => return self.saga_postpone(&saga, at, None).await,
                Err(fault) => {
                    let at = self.saga_retry_at(saga.attempts);
                    let postponed = self.saga_postpone(&saga, at, Some(&fault)).await;
                    swallow(postponed, "postponing a checkout");
                    return Err(fault);
                }
            }
        }
        Ok(())
    }

    pub(super) async fn saga_read(&self, id: OrderId) -> Result<Option<order_saga::Model>, Fault> {
        self.db
            .read("orders.saga_read", async |c| {
                Ok(store::sagas::saga_by_id(&*c, id).await?)
            })
            .await
    }

    async fn saga_postpone(
        &self,
        saga: &order_saga::Model,
        at: DateTime<Utc>,
        fault: Option<&Fault>,
    ) -> Result<(), Fault> {
        let reason = fault.map(|fault| cut(&chain(fault)));
        let (reason, now) = (reason.as_deref(), self.clock.now());
        self.db
            .write("orders.saga_postpone", async |tx| {
                let done =
                    store::sagas::saga_postpone(&*tx, saga, self.holder, at, reason, now).await;
                Ok::<_, Fault>(done?)
            })
            .await
    }

    fn saga_retry_at(&self, attempts: i32) -> DateTime<Utc> {
        let least = TimeDelta::milliseconds(self.checkout.retry_least_ms);
        let most = TimeDelta::milliseconds(self.checkout.retry_most_ms);
        let pause = least * (1_i32 << attempts.clamp(0, 12));
        self.clock.now() + pause.min(most)
    }

    async fn pay_step(&self, saga: &order_saga::Model) -> Result<Next, Fault> {
        self.hook.at(Point::BeforePayment)?;
        let outcome = self.payments.payment_drive(saga.payment_id).await?;
        self.hook.at(Point::AfterPayment)?;
        match outcome {
            Outcome::Captured => self.commit_step(saga).await,
            Outcome::Declined { reason } => {
                self.payment_declined(saga, reason).await?;
                self.hook.at(Point::Settled)?;
                Ok(Next::Done)
            }
            Outcome::Returned => {
                self.saga_compensate(saga, OrderStatus::Failed, PAYMENT_CALLED_OFF)
                    .await
            }
            Outcome::Unknown { retry_at } => {
                let limit = TimeDelta::hours(self.checkout.unknown_hours);
                if self.clock.now() < saga.started_at + limit {
                    return Ok(Next::Later(retry_at));
                }
                self.saga_compensate(saga, OrderStatus::Failed, PAYMENT_UNKNOWN)
                    .await
            }
        }
    }

    /// The order of a saga, locked, if both still are where the step began.
    pub(super) async fn saga_order_in(
        &self,
        tx: &Tx,
        saga: &order_saga::Model,
    ) -> Result<Option<order::Model>, Fault> {
        let order = store::order_lock(&**tx, Scope::All, saga.order_id).await?;
        let now = store::sagas::saga_by_id(&**tx, saga.order_id).await?;
        let is_same =
            now.is_some_and(|now| now.payment_id == saga.payment_id && now.step == saga.step);
        Ok(order.filter(|order| is_same && order.status == OrderStatus::Pending))
    }

    /// A refused payment: the order waits for another one until its time is over.
    async fn payment_declined(
        &self,
        saga: &order_saga::Model,
        reason: DeclineReason,
    ) -> Result<(), Fault> {
        self.db
            .write("orders.payment_declined", async |tx| {
                let Some(mut order) = self.saga_order_in(&tx, saga).await? else {
                    return Ok(());
                };
                let change = Change::of(order.status, None)
                    .because(Some(reason.as_str()))
                    .told_as(events::PAYMENT_FAILED)
                    .failed(reason.as_str());
                order.status = OrderStatus::AwaitingPayment;
                order.payment_status = PaymentStatus::Unpaid;
                self.order_write_in(&tx, &mut order, change).await?;
                self.saga_end_in(&tx, saga).await
            })
            .await?;
        Ok(())
    }

    /// Decides that a checkout is undone, and as what its order ends. When the stock is why, that is published.
    pub(super) async fn saga_compensate(
        &self,
        saga: &order_saga::Model,
        end: OrderStatus,
        code: &'static str,
    ) -> Result<Next, Fault> {
        self.db
            .write("orders.compensate", async |tx| {
                let Some(mut order) = self.saga_order_in(&tx, saga).await? else {
                    return Ok(());
                };
                if end == OrderStatus::Cancelled {
                    let change = Change::of(order.status, None)
                        .because(Some(code))
                        .told_as(events::STOCK_UPDATE_FAILED)
                        .failed(code);
                    self.order_write_in(&tx, &mut order, change).await?;
                }
                let now = self.clock.now();
                let saga = order_saga::Model {
                    step: SagaStep::Compensate,
                    end_status: Some(end),
                    reason: Some(code.to_owned()),
                    attempts: 0,
                    next_run_at: Some(now),
                    lease_holder: Some(self.holder),
                    lease_until: Some(now + self.lease()),
                    updated_at: now,
                    ..saga.clone()
                };
                Ok::<_, Fault>(store::sagas::saga_write(&*tx, &saga).await?)
            })
            .await?;
        self.hook.at(Point::Compensating)?;
        Ok(Next::Again)
    }

    /// The money goes back, and then the order ends and gives up what it holds.
    async fn compensate_step(&self, saga: &order_saga::Model) -> Result<Next, Fault> {
        let code = saga.reason.as_deref().unwrap_or(PAYMENT_CALLED_OFF);
        let outcome = self
            .payments
            .payment_void_or_refund(saga.payment_id, code)
            .await?;
        match outcome {
            Outcome::Returned | Outcome::Declined { .. } => {}
            Outcome::Unknown { retry_at } => return Ok(Next::Later(retry_at)),
            Outcome::Captured => return Ok(Next::Later(self.saga_retry_at(saga.attempts))),
        }
        self.hook.at(Point::AfterReturn)?;
        let payment = self.payments.payment_by_id(saga.payment_id).await?;
        let was_captured = payment.is_some_and(|payment| payment.state == PaymentState::Captured);
        match self.checkout_undo(saga, was_captured, true).await {
            Err(fault) if is_broken(&fault) => {
                // The stock breaks its own rules, which `stock verify` tells; the customer need not wait for that.
                tracing::error!(order.id = %saga.order_id, error = chain(&fault), "an order ends without giving its stock back");
                self.checkout_undo(saga, was_captured, false).await?;
            }
            done => done?,
        }
        self.hook.at(Point::Settled)?;
        Ok(Next::Done)
    }

    async fn checkout_undo(
        &self,
        saga: &order_saga::Model,
        was_captured: bool,
        releases: bool,
    ) -> Result<(), Fault> {
        self.db
            .write("orders.checkout_undo", async |tx| {
                let Some(mut order) = self.saga_order_in(&tx, saga).await? else {
                    return Ok(());
                };
                let change = Change::of(order.status, None).because(saga.reason.as_deref());
                let now = self.clock.now();
                order.status = saga.end_status.unwrap_or(OrderStatus::Failed);
                order.reservation_expires_at = None;
                order.payment_status = PaymentStatus::Unpaid;
                if was_captured {
                    order.payment_status = PaymentStatus::Refunded;
                    order.refunded_minor = order.total_minor;
                }
                if order.status == OrderStatus::Cancelled {
                    order.cancelled_at = Some(now);
                    order.cancel_reason.clone_from(&saga.reason);
                }
                self.order_write_in(&tx, &mut order, change).await?;
                self.saga_end_in(&tx, saga).await?;
                if releases {
                    self.inventory
                        .release_in(&tx, order.id, Released::Failed)
                        .await?;
                }
                Ok(())
            })
            .await
    }

    pub(super) async fn saga_end_in(&self, tx: &Tx, saga: &order_saga::Model) -> Result<(), Fault> {
        let saga = order_saga::Model {
            step: SagaStep::Done,
            next_run_at: None,
            lease_holder: None,
            lease_until: None,
            updated_at: self.clock.now(),
            ..saga.clone()
        };
        Ok(store::sagas::saga_write(&**tx, &saga).await?)
    }

    /// Checkouts that somebody has to go on with: those that are due, and those whose payment has come to its end.
    pub(in crate::domain::orders) async fn checkouts_open(
        &self,
        limit: u64,
    ) -> Result<Vec<OrderId>, Fault> {
        let now = self.clock.now();
        let open = self
            .db
            .read("orders.sagas_open", async |c| {
                Ok::<_, Fault>(store::sagas::sagas_open(&*c, now, limit).await?)
            })
            .await?;
        let is_due = |saga: &order_saga::Model| saga.next_run_at.is_some_and(|at| at <= now);
        let (due, waiting): (Vec<_>, Vec<_>) = open.into_iter().partition(is_due);
        let ids: Vec<OrderId> = waiting.iter().map(|saga| saga.order_id).collect();
        let mut run: Vec<OrderId> = due.into_iter().map(|saga| saga.order_id).collect();
        if ids.is_empty() {
            return Ok(run);
        }
        let payments = self.payments.payments_of(&ids).await?;
        let is_known = |saga: &&order_saga::Model| {
            payments.iter().any(|payment| {
                use PaymentState::{Captured, Declined, Voided};
                payment.id == saga.payment_id
                    && saga.step == SagaStep::Pay
                    && matches!(payment.state, Captured | Declined | Voided)
            })
        };
        run.extend(waiting.iter().filter(is_known).map(|saga| saga.order_id));
        Ok(run)
    }
}

fn cut(text: &str) -> String {
    text.chars().take(REASON_MAX).collect()
}
