//! What must agree after whatever happened to orders: stock, payments, ledger, history and events.

use super::TestApp;
use entity::events::outbox_event;
use entity::inventory::{ReservationStatus, reservation, stock, stock_movement};
use entity::orders::{
    OrderRefundStatus, OrderStatus, PaymentStatus, order, order_history, order_line, order_refund,
    order_saga,
};
use entity::payments::{PaymentState, payment};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use std::collections::HashMap;
use tradepost::app::App;
use tradepost::domain::{orders, payments};
use tradepost::error::Fault;

/// Passes after which everything that is open must have come to its end.
const PASSES: usize = 60;

/// Everything the books are made of.
pub(crate) struct Books {
    pub(crate) orders: Vec<order::Model>,
    pub(crate) lines: Vec<order_line::Model>,
    pub(crate) history: Vec<order_history::Model>,
    pub(crate) events: Vec<outbox_event::Model>,
    pub(crate) stock: Vec<stock::Model>,
    pub(crate) movements: Vec<stock_movement::Model>,
    pub(crate) reservations: Vec<reservation::Model>,
    pub(crate) payments: Vec<payment::Model>,
    pub(crate) sagas: Vec<order_saga::Model>,
    pub(crate) refunds: Vec<order_refund::Model>,
}

impl TestApp {
    /// Reads the books.
    pub(crate) async fn books(&self) -> Books {
        self.app
            .db()
            .read("test.books", async |c| {
                let history =
                    order_history::Entity::find().order_by_asc(order_history::Column::Version);
                let events = outbox_event::Entity::find()
                    .filter(outbox_event::Column::AggregateType.eq("order"))
                    .order_by_asc(outbox_event::Column::Id);
                let payments = payment::Entity::find().order_by_asc(payment::Column::CreatedAt);
                Ok::<_, Fault>(Books {
                    orders: order::Entity::find().all(&*c).await?,
                    lines: order_line::Entity::find().all(&*c).await?,
                    history: history.all(&*c).await?,
                    events: events.all(&*c).await?,
                    stock: stock::Entity::find().all(&*c).await?,
                    movements: stock_movement::Entity::find().all(&*c).await?,
                    reservations: reservation::Entity::find().all(&*c).await?,
                    payments: payments.all(&*c).await?,
                    sagas: order_saga::Entity::find().all(&*c).await?,
                    refunds: order_refund::Entity::find().all(&*c).await?,
                })
            })
            .await
            .unwrap()
    }

    /// Lets a process do its background work until nothing of orders is open, and moves the clock meanwhile.
    pub(crate) async fn settle(&self, app: &App) -> Books {
        for _ in 0..PASSES {
            // One pass may meet a lease or a pause; the next one comes after it.
            self.app.clock().advance(chrono::TimeDelta::seconds(11));
            payments::tasks::drive_due(app.payments()).await.unwrap();
            payments::tasks::simulated_webhooks(app.payments())
                .await
                .unwrap();
            orders::tasks::checkouts_resume(app.orders()).await.unwrap();
            let books = self.books().await;
            if books.is_settled() {
                return books;
            }
        }
        let books = self.books().await;
        panic!("it does not settle: {:?} {:?}", books.sagas, books.refunds);
    }

    /// Fails unless the ledger agrees with itself, and with payments and refunds.
    pub(crate) async fn ledger_agrees(&self) {
        let mut drifts = Vec::new();
        let mut report = |drift: tradepost::domain::wallet::service::Drift| {
            drifts.push(drift.to_string());
        };
        self.app.wallet().verify(&mut report).await.unwrap();
        self.app
            .payments()
            .ledger_verify(&mut report)
            .await
            .unwrap();
        assert!(drifts.is_empty(), "{drifts:#?}");
    }
}

impl Books {
    fn is_settled(&self) -> bool {
        let sagas = self.sagas.iter().all(|saga| saga.next_run_at.is_none());
        let refunds = self
            .refunds
            .iter()
            .all(|refund| refund.status != OrderRefundStatus::Pending);
        sagas && refunds
    }

    /// The types of an order's events, in the order of its versions.
    pub(crate) fn types(&self, order: &order::Model) -> Vec<&str> {
        let of = |event: &&outbox_event::Model| event.aggregate_id == order.id.0;
        let short = |event: &'_ outbox_event::Model| {
            let text = event.event_type.strip_prefix("tradepost.").unwrap();
            text.strip_suffix(".v1").unwrap().to_owned()
        };
        let types = self.events.iter().filter(of).map(short);
        // Leaked for the sake of short assertions; tests end soon.
        types.map(|text| &*text.leak()).collect()
    }

    /// Fails unless stock, orders, payments, history and events agree.
    pub(crate) fn agree(&self) {
        self.stock_agrees();
        for order in &self.orders {
            self.order_agrees(order);
        }
    }

    fn stock_agrees(&self) {
        for row in &self.stock {
            let key = (row.variant_id, row.warehouse_id);
            let moved: i64 = self
                .movements
                .iter()
                .filter(|movement| (movement.variant_id, movement.warehouse_id) == key)
                .map(|movement| movement.delta)
                .sum();
            assert_eq!(row.on_hand, moved, "on hand and movements: {row:?}");
            let held: i64 = self
                .reservations
                .iter()
                .filter(|held| (held.variant_id, held.warehouse_id) == key)
                .filter(|held| held.status == ReservationStatus::Active)
                .map(|held| held.quantity)
                .sum();
            assert_eq!(row.reserved, held, "reserved and reservations: {row:?}");
            assert!(row.on_hand >= row.reserved && row.reserved >= 0, "{row:?}");
        }
    }

    fn order_agrees(&self, order: &order::Model) {
        let mine = |status| {
            let rows = self.reservations.iter();
            rows.filter(|row| row.order_id == order.id && row.status == status)
                .map(|row| row.quantity - row.returned)
                .sum::<i64>()
        };
        let (active, out) = (
            mine(ReservationStatus::Active),
            mine(ReservationStatus::Committed),
        );
        let lines = self.lines.iter().filter(|line| line.order_id == order.id);
        let (mut units, mut restocked) = (0, 0);
        for line in lines {
            // Services are not held and do not leave.
            units += if line.is_stocked { line.quantity } else { 0 };
            restocked += line.restocked;
        }
        use OrderStatus::{
            AwaitingPayment, Cancelled, Expired, Failed, Fulfilled, Paid, PartlyFulfilled, Pending,
        };
        match order.status {
            AwaitingPayment | Pending => assert_eq!((active, out), (units, 0), "{order:?}"),
            Paid | PartlyFulfilled | Fulfilled => {
                assert_eq!((active, out), (0, units - restocked), "{order:?}");
            }
            // Units that were paid back and kept by the buyer do not come back with the others.
            Cancelled if order.paid_at.is_some() => {
                assert_eq!((active, out), (0, units - restocked), "{order:?}");
            }
            Cancelled | Expired | Failed => assert_eq!((active, out), (0, 0), "{order:?}"),
        }
        let payments = self.payments.iter().filter(|row| row.order_id == order.id);
        let captured: Vec<_> = payments
            .filter(|row| row.state == PaymentState::Captured)
            .collect();
        assert!(captured.len() <= 1, "paid twice: {order:?}");
        let taken: i64 = captured.iter().map(|row| row.captured_minor).sum();
        let back: i64 = captured.iter().map(|row| row.refunded_minor).sum();
        let expected = match order.payment_status {
            PaymentStatus::Unpaid | PaymentStatus::Pending => (0, 0),
            _ => (order.total_minor, order.refunded_minor),
        };
        assert_eq!((taken, back), expected, "{order:?} {captured:?}");
        let versions: Vec<_> = self
            .history
            .iter()
            .filter(|row| row.order_id == order.id)
            .map(|row| row.version)
            .collect();
        let all: Vec<_> = (1..=order.version).collect();
        assert_eq!(versions, all, "history of {order:?}");
        let events: Vec<_> = self
            .events
            .iter()
            .filter(|row| row.aggregate_id == order.id.0)
            .filter_map(|row| row.aggregate_version)
            .collect();
        assert_eq!(events, all, "events of {order:?}");
    }

    /// How many orders there are of each state.
    pub(crate) fn states(&self) -> HashMap<OrderStatus, usize> {
        let mut states = HashMap::new();
        for order in &self.orders {
            *states.entry(order.status).or_default() += 1;
        }
        states
    }
}
