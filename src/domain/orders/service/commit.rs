//! The step of a checkout in which the stock goes out.

use super::super::events::{STOCK_BROKEN, STOCK_GONE};
use super::super::plan::need;
use super::super::store;
use super::Service;
use super::change::Change;
use super::hook::Point;
use super::saga::Next;
use crate::db::Tx;
use crate::db::error::{Kind, kind};
use crate::domain::inventory::model::{Allocation, Need, Released, allocate};
use crate::domain::inventory::service::Taken;
use crate::error::{DbCause, Fault, chain};
use entity::ids::OrderId;
use entity::inventory::{ReservationStatus, reservation};
use entity::orders::{OrderStatus, PaymentStatus, SagaStep, order_line, order_saga};
use sea_orm::DbErr;

/// Tries of a stock commit that breaks a rule before it is given up: a rule that is broken once may be another's
/// transaction in between.
const COMMIT_TRIES: i32 = 3;
/// How often units are looked for again when others take them.
const PLANS: usize = 3;

/// Why the stock of a paid order was not committed.
#[derive(Debug)]
enum CommitError {
    /// The order does not hold its units any more.
    NotHeld,
    /// Others took the units that were found for it.
    Taken,
    /// Ours.
    Fault(Fault),
}

impl<T: Into<Fault>> From<T> for CommitError {
    fn from(fault: T) -> Self {
        Self::Fault(fault.into())
    }
}

impl DbCause for CommitError {
    fn db_err(&self) -> Option<&DbErr> {
        match self {
            Self::Fault(fault) => fault.db_err(),
            Self::NotHeld | Self::Taken => None,
        }
    }
}

/// Units that were found for an order which does not hold its own any more.
#[derive(Debug)]
struct Found {
    reservations: Vec<reservation::Model>,
    allocations: Vec<Allocation>,
}

impl Service {
    /// The money is there: the stock goes out and the order is paid. Units that the order does not hold any more are
    /// looked for anew; when there are none, or the stock breaks its own rules, what was paid goes back.
    pub(super) async fn commit_step(&self, saga: &order_saga::Model) -> Result<Next, Fault> {
        let mut found: Option<Found> = None;
        for _ in 0..=PLANS {
            let again = found.as_ref();
            let done = self
                .db
                .write("orders.commit", async |tx| {
                    self.order_commit_in(&tx, saga, again).await
                })
                .await;
            match done {
                Ok(()) => {
                    self.hook.at(Point::Settled)?;
                    return Ok(Next::Done);
                }
                Err(CommitError::NotHeld | CommitError::Taken) => {
                    let Some(units) = self.units_find(saga.order_id).await? else {
                        break;
                    };
                    found = Some(units);
                }
                Err(CommitError::Fault(fault)) if !is_broken(&fault) => return Err(fault),
                Err(CommitError::Fault(_)) if saga.step == SagaStep::Pay => {
                    // From here on the tries of the commit are counted.
                    return self.saga_paid(saga).await;
                }
                Err(CommitError::Fault(fault)) if saga.attempts + 1 < COMMIT_TRIES => {
                    return Err(fault);
                }
                Err(CommitError::Fault(fault)) => {
                    tracing::error!(order.id = %saga.order_id, error = chain(&fault), "the stock of a paid order cannot go out");
                    return self
                        .saga_compensate(saga, OrderStatus::Cancelled, STOCK_BROKEN)
                        .await;
                }
            }
        }
        self.saga_compensate(saga, OrderStatus::Cancelled, STOCK_GONE)
            .await
    }

    /// Notes that the payment was captured and the stock has to go out.
    async fn saga_paid(&self, saga: &order_saga::Model) -> Result<Next, Fault> {
        self.db
            .write("orders.saga_paid", async |tx| {
                if self.saga_order_in(&tx, saga).await?.is_none() {
                    return Ok(());
                }
                let saga = order_saga::Model {
                    step: SagaStep::Commit,
                    attempts: 0,
                    updated_at: self.clock.now(),
                    ..saga.clone()
                };
                Ok::<_, Fault>(store::sagas::saga_write(&*tx, &saga).await?)
            })
            .await?;
        Ok(Next::Again)
    }

    async fn order_commit_in(
        &self,
        tx: &Tx,
        saga: &order_saga::Model,
        found: Option<&Found>,
    ) -> Result<(), CommitError> {
        let Some(mut order) = self.saga_order_in(tx, saga).await? else {
            return Ok(());
        };
        let lines = store::lines_of_orders(&**tx, &[order.id]).await?;
        let held = self.inventory.held_in(tx, order.id).await?;
        let is_held = |line: &order_line::Model| {
            !line.is_stocked || held.get(&line.id) == Some(&line.quantity)
        };
        if found.is_none() && !lines.iter().all(is_held) {
            return Err(CommitError::NotHeld);
        }
        let from = order.status;
        let now = self.clock.now();
        order.status = OrderStatus::Paid;
        order.payment_status = PaymentStatus::Paid;
        order.paid_at = Some(now);
        order.reservation_expires_at = None;
        let change = Change::of(from, order.user_id);
        self.order_write_in(tx, &mut order, change).await?;
        self.saga_end_in(tx, saga).await?;
        if let Some(found) = found {
            // What is left of what it held before makes way for what was found.
            self.inventory
                .release_in(tx, order.id, Released::Failed)
                .await?;
            self.inventory
                .reservations_insert_in(tx, found.reservations.clone())
                .await?;
            let reserved = self.inventory.reserve_in(tx, &found.allocations, now);
            if let Err(Taken) = reserved.await? {
                return Err(CommitError::Taken);
            }
        }
        self.inventory
            .commit_in(tx, order.id, &order.number, order.user_id)
            .await?;
        self.hook.at(Point::Committing)?;
        Ok(())
    }

    /// Units for an order that does not hold its own any more; nothing when there are too few.
    async fn units_find(&self, id: OrderId) -> Result<Option<Found>, Fault> {
        let lines = self
            .db
            .read("orders.lines", async |c| {
                Ok::<_, Fault>(store::lines_of_orders(&*c, &[id]).await?)
            })
            .await?;
        let variants: Vec<_> = lines.iter().map(|line| line.variant_id).collect();
        let stock = self.inventory.stock_available(&variants).await?;
        let needs: Vec<Need> = lines.iter().map(need).collect();
        let Ok(allocations) = allocate(&needs, &stock) else {
            return Ok(None);
        };
        let now = self.clock.now();
        let reservations = allocations.iter().map(|allocation| reservation::Model {
            id: self.clock.id(),
            order_id: id,
            order_line_id: lines[allocation.need].id,
            variant_id: allocation.variant_id,
            warehouse_id: allocation.warehouse_id,
            quantity: allocation.units,
            returned: 0,
            status: ReservationStatus::Active,
            expires_at: now,
            created_at: now,
            updated_at: now,
        });
        Ok(Some(Found {
            reservations: reservations.collect(),
            allocations,
        }))
    }
}

/// Whether a rule of the data is broken, rather than the database away or busy: another try brings the same.
pub(super) fn is_broken(fault: &Fault) -> bool {
    match fault {
        Fault::Broken(_) => true,
        Fault::Db(DbErr::Custom(_)) => true,
        Fault::Db(error) => matches!(kind(error), Kind::Check(_)),
        _ => false,
    }
}
