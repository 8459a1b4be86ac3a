//! Checkouts: paying, failing between any two steps, paying back, expiring; each ends with books that agree.

use crate::support::books::Books;
use crate::support::{Sold, TestApp};
use entity::accounts::Role;
use entity::ids::{OrderId, UserId};
use entity::orders::{OrderStatus, PaymentStatus};
use entity::payments::PaymentState;
use futures::future::join_all;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tradepost::app::App;
use tradepost::domain::catalog::model::VariantReference;
use tradepost::domain::inventory::model::Released;
use tradepost::domain::orders::error::{ChangeError, Error};
use tradepost::domain::orders::model::Scope;
use tradepost::domain::orders::service::hook::{Hook, Point};
use tradepost::domain::orders::service::{
    Details, NewFulfillment, NewLine, NewOrder, NewRefund, Paid,
};
use tradepost::domain::orders::tasks;
use tradepost::domain::payments;
use tradepost::domain::payments::service::Method;
use tradepost::error::{Failure, Fault};

/// A shop with one product and a buyer.
struct Shop {
    test: TestApp,
    sold: Sold,
    buyer: UserId,
}

impl Shop {
    async fn open(units: i64) -> Self {
        Self::of(TestApp::new().await, units).await
    }

    async fn of(test: TestApp, units: i64) -> Self {
        let warehouse = test.warehouse("MAIN", 0).await;
        let sold = test.product("TEA", 495, warehouse, units).await;
        let buyer = test.user("buyer@example.com", Role::Customer).await;
        Self { test, sold, buyer }
    }

    fn order_of(&self, quantity: i64, payment: Option<&str>) -> NewOrder {
        NewOrder {
            lines: vec![NewLine {
                reference: VariantReference::Variant(self.sold.variant),
                quantity,
            }],
            details: Details {
                payment: payment.map(card),
                ..Details::default()
            },
        }
    }

    async fn order(&self, quantity: i64) -> OrderId {
        let new = self.order_of(quantity, None);
        let orders = self.test.app.orders();
        let (paid, _) = orders.order_create(self.buyer, &new, None).await.unwrap();
        paid.order.id
    }

    async fn pay(&self, id: OrderId, token: &str) -> Result<Paid, Vec<Error>> {
        let (orders, own) = (self.test.app.orders(), Scope::Own(self.buyer));
        let paid = orders
            .order_pay(own, self.buyer, id, &card(token), None)
            .await;
        refusals(paid).map(|(paid, _)| paid)
    }

    async fn cancel(&self, id: OrderId) -> Result<(), Vec<Error>> {
        let (orders, own) = (self.test.app.orders(), Scope::Own(self.buyer));
        let done = orders.order_cancel(own, self.buyer, id, None, None);
        refusals(done.await).map(|_| ())
    }

    async fn refund(&self, id: OrderId, new: &NewRefund) -> Result<(), Vec<Error>> {
        let done = self
            .test
            .app
            .orders()
            .order_refund(self.buyer, id, new, None);
        refusals(done.await).map(|_| ())
    }

    /// Books that are settled and agree, the ledger included.
    async fn settled(&self) -> Books {
        let books = self.test.settle(&self.test.app).await;
        books.agree();
        self.test.ledger_agrees().await;
        books
    }
}

fn card(token: &str) -> Method {
    Method::Card {
        token: token.to_owned(),
    }
}

/// What was refused; a fault fails the test.
fn refusals<T>(result: Result<T, Failure<Error>>) -> Result<T, Vec<Error>> {
    result.map_err(|failure| match failure {
        Failure::Refused(errors) => errors,
        Failure::Fault(fault) => panic!("{}", tradepost::error::chain(&fault)),
    })
}

fn all_of(restock: bool) -> NewRefund {
    NewRefund {
        lines: None,
        restock,
        reason: None,
    }
}

#[tokio::test]
async fn a_paid_order_takes_its_stock_out_and_tells_each_step_once() {
    let shop = Shop::open(10).await;
    let id = shop.order(3).await;
    let paid = shop.pay(id, "tok_ok").await.unwrap();
    assert_eq!(
        (paid.order.status, paid.order.payment_status),
        (OrderStatus::Paid, PaymentStatus::Paid)
    );
    assert_eq!(paid.payment.unwrap().state, PaymentState::Captured);
    assert_eq!(shop.test.stock(shop.sold).await, (7, 0));
    let books = shop.settled().await;
    assert_eq!(
        books.types(&books.orders[0]),
        ["order.created", "order.updated", "order.paid"]
    );
    let again = shop.pay(id, "tok_ok").await;
    assert_eq!(again.unwrap_err(), [Error::AlreadyPaid]);
}

#[tokio::test]
async fn a_refused_payment_leaves_the_order_to_be_paid_again() {
    let shop = Shop::open(10).await;
    let new = shop.order_of(2, Some("tok_declined"));
    let orders = shop.test.app.orders();
    let (paid, _) = orders.order_create(shop.buyer, &new, None).await.unwrap();
    assert_eq!(paid.order.status, OrderStatus::AwaitingPayment);
    assert_eq!(paid.order.payment_status, PaymentStatus::Unpaid);
    assert!(paid.declined().is_some());
    assert_eq!(
        shop.test.stock(shop.sold).await,
        (10, 2),
        "it is still held"
    );
    shop.pay(paid.order.id, "tok_insufficient").await.unwrap();
    let paid = shop.pay(paid.order.id, "tok_ok").await.unwrap();
    assert_eq!(paid.order.status, OrderStatus::Paid);
    let books = shop.settled().await;
    let expected = [
        "order.created",
        "order.payment_failed",
        "order.updated",
        "order.payment_failed",
        "order.updated",
        "order.paid",
    ];
    assert_eq!(books.types(&books.orders[0]), expected);
}

#[tokio::test]
async fn every_token_ends_well_or_is_told() {
    for token in [
        "tok_slow",
        "tok_fails_once",
        "tok_unknown",
        "tok_webhook_late",
        "tok_webhook_twice",
    ] {
        let shop = Shop::open(5).await;
        let id = shop.order(1).await;
        let paid = shop.pay(id, token).await.unwrap();
        assert!(
            matches!(paid.order.status, OrderStatus::Pending | OrderStatus::Paid),
            "{token}: {paid:?}"
        );
        let books = shop.settled().await;
        assert_eq!(books.orders[0].status, OrderStatus::Paid, "{token}");
        assert_eq!(shop.test.stock(shop.sold).await, (4, 0), "{token}");
    }
}

#[tokio::test]
async fn an_order_whose_payment_is_not_known_cannot_expire_be_cancelled_or_paid_again() {
    let shop = Shop::open(5).await;
    let id = shop.order(1).await;
    let paid = shop.pay(id, "tok_unknown").await.unwrap();
    assert_eq!(paid.order.status, OrderStatus::Pending);
    let pending = [Error::from(ChangeError::PaymentPending)];
    assert_eq!(shop.pay(id, "tok_ok").await.unwrap_err(), pending);
    assert_eq!(shop.cancel(id).await.unwrap_err(), pending);
    shop.test
        .app
        .clock()
        .advance(chrono::TimeDelta::minutes(20));
    tasks::expire_unpaid(shop.test.app.orders()).await.unwrap();
    let books = shop.test.books().await;
    assert_eq!(books.orders[0].status, OrderStatus::Pending);
    let books = shop.settled().await;
    assert_eq!(books.orders[0].status, OrderStatus::Paid);
}

/// Lets a checkout fail at a point, the first time or each time it comes there in this process.
fn failing(at: Point) -> (Hook, Arc<AtomicBool>) {
    let reached = Arc::new(AtomicBool::new(false));
    let seen = reached.clone();
    let hook = Hook::new(move |point| {
        if point != at {
            return Ok(());
        }
        seen.store(true, Ordering::SeqCst);
        Err(Fault::Broken(format!("the test ends it at {at:?}")))
    });
    (hook, reached)
}

/// The stock row of a product says that nothing is reserved, as a broken program would leave it.
async fn break_stock(shop: &Shop, reserved: i64) {
    let variant = shop.sold.variant;
    shop.test
        .app
        .db()
        .write("test.break", async |tx| {
            entity::inventory::stock::Entity::update_many()
                .col_expr(
                    entity::inventory::stock::Column::Reserved,
                    Expr::value(reserved),
                )
                .filter(entity::inventory::stock::COLUMN.variant_id.eq(variant))
                .exec(&*tx)
                .await?;
            Ok::<_, Fault>(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_checkout_that_stops_between_any_two_steps_is_finished_by_another_process() {
    let points = [
        Point::Begun,
        Point::BeforePayment,
        Point::AfterPayment,
        Point::Settled,
    ];
    for token in ["tok_ok", "tok_declined", "tok_fails_once", "tok_unknown"] {
        for point in points {
            let shop = Shop::open(5).await;
            let (hook, reached) = failing(point);
            let orders = shop.test.app.orders().with_hook(hook);
            let new = shop.order_of(2, Some(token));
            let (paid, _) = orders.order_create(shop.buyer, &new, None).await.unwrap();
            let is_reached = reached.load(Ordering::SeqCst);
            assert!(
                is_reached || token == "tok_unknown",
                "{token} never came to {point:?}"
            );
            // Another process knows nothing of what this one had in its memory, the card's token for one.
            let other = shop.test.replica().await;
            let books = shop.test.settle(&other).await;
            books.agree();
            shop.test.ledger_agrees().await;
            let order = &books.orders[0];
            let expected = match (token, point) {
                (_, Point::Begun | Point::BeforePayment) | ("tok_declined", _) => {
                    OrderStatus::AwaitingPayment
                }
                _ => OrderStatus::Paid,
            };
            assert_eq!(order.status, expected, "{token} {point:?} {paid:?}");
            // Driving it again changes nothing.
            let versions = order.version;
            tasks::checkouts_resume(other.orders()).await.unwrap();
            assert_eq!(shop.test.books().await.orders[0].version, versions);
        }
    }
}

#[tokio::test]
async fn an_order_whose_stock_cannot_go_out_is_cancelled_and_paid_back_wherever_it_stops() {
    for point in [
        None,
        Some(Point::Compensating),
        Some(Point::AfterReturn),
        Some(Point::Settled),
    ] {
        let shop = Shop::open(5).await;
        let id = shop.order(2).await;
        break_stock(&shop, 0).await;
        let reached = match point {
            None => {
                shop.pay(id, "tok_ok").await.unwrap();
                None
            }
            Some(point) => {
                let (hook, reached) = failing(point);
                let orders = shop.test.app.orders().with_hook(hook);
                let own = Scope::Own(shop.buyer);
                let tok_ok = card("tok_ok");
                let pay = orders.order_pay(own, shop.buyer, id, &tok_ok, None);
                refusals(pay.await).unwrap();
                for _ in 0..10 {
                    shop.test
                        .app
                        .clock()
                        .advance(chrono::TimeDelta::seconds(11));
                    tasks::checkouts_resume(&orders).await.unwrap();
                }
                Some(reached)
            }
        };
        let other = shop.test.replica().await;
        let books = shop.test.settle(&other).await;
        if let Some(reached) = reached {
            assert!(reached.load(Ordering::SeqCst), "never came to {point:?}");
        }
        let order = &books.orders[0];
        assert_eq!(order.status, OrderStatus::Cancelled, "{point:?}");
        assert_eq!(order.payment_status, PaymentStatus::Refunded);
        let payment = &books.payments[0];
        assert_eq!(
            (payment.captured_minor, payment.refunded_minor),
            (990, 990),
            "{point:?}"
        );
        let expected = [
            "order.created",
            "order.updated",
            "stock.update_failed",
            "order.cancelled",
        ];
        assert_eq!(books.types(order), expected, "{point:?}");
        shop.test.ledger_agrees().await;
    }
}

/// At a point another process comes in between and does all that is left; then the first goes on, and does it again.
fn overtaken(at: Point, other: &App) -> (Hook, Arc<AtomicBool>) {
    let reached = Arc::new(AtomicBool::new(false));
    let (seen, other) = (reached.clone(), other.clone());
    let hook = Hook::new(move |point| {
        if point != at || seen.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let finish = async {
            for _ in 0..8 {
                // The first one's lease is over.
                other.clock().advance(chrono::TimeDelta::seconds(11));
                payments::tasks::drive_due(other.payments()).await.unwrap();
                tasks::checkouts_resume(other.orders()).await.unwrap();
            }
        };
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(finish));
        Ok(())
    });
    (hook, reached)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_of_a_checkout_may_be_done_twice() {
    use Point::{AfterPayment, AfterReturn, BeforePayment, Begun, Compensating, Settled};
    for (token, is_broken, points) in [
        (
            "tok_ok",
            false,
            &[Begun, BeforePayment, AfterPayment, Settled][..],
        ),
        (
            "tok_declined",
            false,
            &[BeforePayment, AfterPayment, Settled],
        ),
        ("tok_ok", true, &[Compensating, AfterReturn, Settled]),
    ] {
        for &point in points {
            let shop = Shop::open(5).await;
            let id = shop.order(2).await;
            if is_broken {
                break_stock(&shop, 0).await;
            }
            let other = shop.test.replica().await;
            let (hook, reached) = overtaken(point, &other);
            let orders = shop.test.app.orders().with_hook(hook);
            let own = Scope::Own(shop.buyer);
            let token = card(token);
            let pay = orders.order_pay(own, shop.buyer, id, &token, None);
            refusals(pay.await).unwrap();
            for _ in 0..10 {
                let pause = chrono::TimeDelta::seconds(11);
                shop.test.app.clock().advance(pause);
                tasks::checkouts_resume(&orders).await.unwrap();
            }
            assert!(reached.load(Ordering::SeqCst), "never came to {point:?}");
            let books = shop.test.settle(&other).await;
            shop.test.ledger_agrees().await;
            let order = &books.orders[0];
            let back = books.payments[0].refunded_minor;
            if is_broken {
                assert_eq!(order.status, OrderStatus::Cancelled, "{point:?}");
                assert_eq!(back, 990, "{point:?}");
                let told = books.types(order);
                assert_eq!(told[2..], ["stock.update_failed", "order.cancelled"]);
            } else {
                books.agree();
                assert_eq!(back, 0, "{point:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_of_a_refund_may_be_done_twice() {
    for point in [Point::RefundBegun, Point::AfterRefund] {
        let shop = Shop::open(5).await;
        let id = shop.order(2).await;
        shop.pay(id, "tok_ok").await.unwrap();
        let other = shop.test.replica().await;
        let (hook, reached) = overtaken(point, &other);
        let orders = shop.test.app.orders().with_hook(hook);
        let all = all_of(true);
        let refund = orders.order_refund(shop.buyer, id, &all, None);
        refusals(refund.await).unwrap();
        assert!(reached.load(Ordering::SeqCst), "never came to {point:?}");
        let books = shop.settled().await;
        assert_eq!(books.orders[0].refunded_minor, 990, "{point:?}");
        assert_eq!(shop.test.stock(shop.sold).await, (5, 0), "{point:?}");
        let told = books.types(&books.orders[0]);
        let refunded = told.iter().filter(|name| **name == "order.refunded");
        assert_eq!(refunded.count(), 1, "{point:?} {told:?}");
    }
}

/// A checkout whose payment is known only after its units were given away.
async fn late_payment(shop: &Shop) -> OrderId {
    let id = shop.order(3).await;
    let paid = shop.pay(id, "tok_unknown").await.unwrap();
    assert_eq!(paid.order.status, OrderStatus::Pending);
    let inventory = shop.test.app.inventory();
    shop.test
        .app
        .db()
        .write("test.release", async |tx| {
            inventory.release_in(&tx, id, Released::Expired).await
        })
        .await
        .unwrap();
    id
}

#[tokio::test]
async fn a_late_payment_takes_other_units_if_there_are_any() {
    let shop = Shop::open(5).await;
    late_payment(&shop).await;
    let books = shop.settled().await;
    assert_eq!(books.orders[0].status, OrderStatus::Paid);
    assert_eq!(shop.test.stock(shop.sold).await, (2, 0));
}

#[tokio::test]
async fn a_late_payment_goes_back_when_the_units_are_sold() {
    let shop = Shop::open(5).await;
    let id = late_payment(&shop).await;
    let other = shop.order(4).await;
    shop.pay(other, "tok_ok").await.unwrap();
    let books = shop.settled().await;
    let order = books.orders.iter().find(|order| order.id == id).unwrap();
    assert_eq!(
        (order.status, order.payment_status),
        (OrderStatus::Cancelled, PaymentStatus::Refunded)
    );
    assert!(books.types(order).contains(&"stock.update_failed"));
    assert_eq!(shop.test.stock(shop.sold).await, (1, 0));
}

#[tokio::test]
async fn a_payment_that_is_not_known_for_too_long_is_called_off_and_its_order_fails() {
    let test = TestApp::with(&[
        ("checkout.unknown_hours", json!(1)),
        ("payments.simulated_webhook_late_ms", json!(86_400_000)),
    ])
    .await;
    let shop = Shop::of(test, 5).await;
    let id = shop.order(1).await;
    shop.pay(id, "tok_webhook_late").await.unwrap();
    shop.test
        .app
        .clock()
        .advance(chrono::TimeDelta::minutes(50));
    tasks::checkouts_resume(shop.test.app.orders())
        .await
        .unwrap();
    let books = shop.test.books().await;
    assert_eq!(books.orders[0].status, OrderStatus::Pending);
    shop.test
        .app
        .clock()
        .advance(chrono::TimeDelta::minutes(20));
    let books = shop.settled().await;
    let order = &books.orders[0];
    assert_eq!(
        (order.status, order.payment_status),
        (OrderStatus::Failed, PaymentStatus::Unpaid)
    );
    assert_eq!(books.payments[0].captured_minor, 0);
    let types = books.types(order);
    assert_eq!(types, ["order.created", "order.updated", "order.failed"]);
    assert_eq!(shop.test.stock(shop.sold).await, (5, 0));
}

#[tokio::test]
async fn a_cancelled_paid_order_is_paid_back_in_full_and_its_units_come_back() {
    let shop = Shop::open(10).await;
    let id = shop.order(4).await;
    shop.pay(id, "tok_ok").await.unwrap();
    shop.cancel(id).await.unwrap();
    let books = shop.settled().await;
    let order = &books.orders[0];
    assert_eq!(
        (order.status, order.payment_status, order.refunded_minor),
        (OrderStatus::Cancelled, PaymentStatus::Refunded, 1_980)
    );
    assert_eq!(shop.test.stock(shop.sold).await, (10, 0));
    let types = books.types(order);
    assert_eq!(types[3..], ["order.cancelled", "order.refunded"]);
}

#[tokio::test]
async fn parcels_and_partial_refunds_share_the_units_of_a_line() {
    let shop = Shop::open(10).await;
    let id = shop.order(5).await;
    shop.pay(id, "tok_ok").await.unwrap();
    let line = shop.test.books().await.lines[0].id;
    let orders = shop.test.app.orders();
    let parcel = |units| NewFulfillment {
        lines: Some(vec![(line, units)]),
        ..NewFulfillment::default()
    };
    let send = async |units| {
        let parcel = parcel(units);
        let sent = orders.order_fulfil(shop.buyer, id, &parcel, None);
        refusals(sent.await).map(|(order, _)| order.status)
    };
    let back = |units, restock| NewRefund {
        lines: Some(vec![(line, units)]),
        restock,
        reason: None,
    };
    assert_eq!(send(2).await.unwrap(), OrderStatus::PartlyFulfilled);
    shop.refund(id, &back(2, true)).await.unwrap();
    let (first, left) = (Some(0), 1);
    let too_many = ChangeError::TooManyUnits { line: first, left };
    assert_eq!(send(2).await.unwrap_err(), [too_many.into()]);
    assert_eq!(send(1).await.unwrap(), OrderStatus::Fulfilled);
    shop.refund(id, &back(2, false)).await.unwrap();
    let exceeds = ChangeError::RefundExceedsCapture { line: first };
    let refused = shop.refund(id, &back(2, false)).await;
    assert_eq!(refused.unwrap_err(), [exceeds.into()]);
    shop.refund(id, &all_of(false)).await.unwrap();
    let books = shop.settled().await;
    let order = &books.orders[0];
    assert_eq!(
        (order.payment_status, order.refunded_minor),
        (PaymentStatus::Refunded, 5 * 495)
    );
    let line = &books.lines[0];
    assert_eq!(
        (line.fulfilled, line.refunded, line.dropped, line.restocked),
        (3, 5, 2, 2)
    );
    assert_eq!(shop.test.stock(shop.sold).await, (7, 0));
}

#[tokio::test]
async fn a_refund_that_stops_between_its_steps_is_finished_by_another_process() {
    for point in [Point::RefundBegun, Point::AfterRefund] {
        let shop = Shop::open(10).await;
        let id = shop.order(2).await;
        shop.pay(id, "tok_ok").await.unwrap();
        let (hook, reached) = failing(point);
        let orders = shop.test.app.orders().with_hook(hook);
        let all = all_of(true);
        let refund = orders.order_refund(shop.buyer, id, &all, None);
        refusals(refund.await).unwrap();
        assert!(reached.load(Ordering::SeqCst), "never came to {point:?}");
        let other = shop.test.replica().await;
        let books = shop.test.settle(&other).await;
        books.agree();
        shop.test.ledger_agrees().await;
        assert_eq!(books.orders[0].payment_status, PaymentStatus::Refunded);
        assert_eq!(shop.test.stock(shop.sold).await, (10, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_payments_at_once_are_one_capture() {
    let shop = Shop::open(5).await;
    let id = shop.order(1).await;
    let answers = join_all((0..50).map(|_| shop.pay(id, "tok_ok"))).await;
    assert!(answers.iter().any(Result::is_ok));
    for errors in answers.into_iter().filter_map(Result::err) {
        let known = [Error::AlreadyPaid, ChangeError::PaymentPending.into()];
        assert!(
            errors.iter().all(|error| known.contains(error)),
            "{errors:?}"
        );
    }
    let books = shop.settled().await;
    assert_eq!(books.payments.len(), 1);
    assert_eq!(books.orders[0].status, OrderStatus::Paid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_refunds_of_the_whole_at_once_are_one() {
    let shop = Shop::open(5).await;
    let id = shop.order(2).await;
    shop.pay(id, "tok_ok").await.unwrap();
    let all = all_of(true);
    let answers = join_all((0..50).map(|_| shop.refund(id, &all))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    let books = shop.settled().await;
    assert_eq!(books.refunds.len(), 1);
    assert_eq!(books.orders[0].refunded_minor, 990);
    assert_eq!(shop.test.stock(shop.sold).await, (5, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_payment_and_a_cancellation_at_once_the_stock_is_right_either_way() {
    let shop = Shop::open(100).await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(shop.order(2).await);
    }
    let races = ids.iter().map(|id| async {
        let (paid, cancelled) = tokio::join!(shop.pay(*id, "tok_ok"), shop.cancel(*id));
        assert!(paid.is_ok() || cancelled.is_ok(), "nobody won");
    });
    join_all(races).await;
    let books = shop.settled().await;
    let states = books.states();
    let of = |status| states.get(&status).copied().unwrap_or_default();
    let (paid, cancelled) = (of(OrderStatus::Paid), of(OrderStatus::Cancelled));
    assert_eq!(paid + cancelled, 20, "{states:?}");
    let out = i64::try_from(paid).unwrap() * 2;
    assert_eq!(shop.test.stock(shop.sold).await, (100 - out, 0));
}

/// Orders that nobody paid while no worker ran, and three workers that start at once.
async fn expire_after_an_outage(count: usize) {
    let shop = Shop::open(i64::try_from(count).unwrap()).await;
    for _ in 0..count {
        shop.order(1).await;
    }
    shop.test.app.clock().advance(chrono::TimeDelta::hours(1));
    let (second, third) = (shop.test.replica().await, shop.test.replica().await);
    let work = |app: tradepost::app::App| async move {
        while tasks::expire_unpaid(app.orders()).await.unwrap()
            == tradepost::workers::Progress::More
        {}
    };
    tokio::join!(work(shop.test.app.clone()), work(second), work(third));
    let books = shop.settled().await;
    assert_eq!(
        books.states(),
        HashMap::from([(OrderStatus::Expired, count)])
    );
    for order in &books.orders {
        assert_eq!(books.types(order), ["order.created", "order.expired"]);
    }
    let units = i64::try_from(count).unwrap();
    assert_eq!(shop.test.stock(shop.sold).await, (units, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_that_expired_during_an_outage_expire_once_with_three_workers() {
    Box::pin(expire_after_an_outage(120)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: runs with scripts/test --full"]
async fn a_thousand_orders_that_expired_during_an_outage_expire_once_with_three_workers() {
    Box::pin(expire_after_an_outage(1_000)).await;
}

#[tokio::test]
async fn the_time_to_pay_is_extended_once() {
    let shop = Shop::open(5).await;
    let id = shop.order(1).await;
    let orders = shop.test.app.orders();
    let extend = || orders.reservation_extend(Scope::Own(shop.buyer), shop.buyer, id);
    shop.test
        .app
        .clock()
        .advance(chrono::TimeDelta::minutes(10));
    refusals(extend().await).unwrap();
    let again = refusals(extend().await).unwrap_err();
    assert_eq!(again, [ChangeError::AlreadyExtended.into()]);
    shop.test
        .app
        .clock()
        .advance(chrono::TimeDelta::minutes(19));
    tasks::expire_unpaid(orders).await.unwrap();
    assert_eq!(
        shop.test.books().await.orders[0].status,
        OrderStatus::AwaitingPayment
    );
    shop.test.app.clock().advance(chrono::TimeDelta::minutes(2));
    assert_eq!(
        refusals(extend().await).unwrap_err(),
        [ChangeError::ReservationExpired.into()]
    );
    tasks::expire_unpaid(orders).await.unwrap();
    let books = shop.settled().await;
    assert_eq!(books.orders[0].status, OrderStatus::Expired);
    assert_eq!(
        shop.pay(id, "tok_ok").await.unwrap_err(),
        [ChangeError::ReservationExpired.into()]
    );
}
