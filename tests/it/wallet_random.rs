//! Random lives of a wallet and its orders: deposits, holds, captures, releases, purchases, refunds and cancellations,
//! together and alone, with processes that stop between two steps. Whatever happened, everything adds up in the end.

use crate::support::{Sold, TestApp};
use entity::accounts::Role;
use entity::ids::{OrderId, UserId};
use entity::orders::OrderStatus;
use entity::wallet::{AccountKind, EntryKind};
use futures::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::sync::Mutex;
use tradepost::domain::catalog::model::VariantReference;
use tradepost::domain::orders::model::Scope;
use tradepost::domain::orders::service::hook::{Hook, Point};
use tradepost::domain::orders::service::{Details, NewLine, NewOrder, NewRefund, Service};
use tradepost::domain::payments::service::Method;
use tradepost::domain::wallet::model::{Account, NewEntry, NewPosting};
use tradepost::domain::wallet::service::{Capture, NewHold, NewTransfer, Rest, Source};
use tradepost::error::{Failure, Fault};

/// What a unit costs in pence.
const PRICE: i64 = 495;
/// Steps that happen at the same time, in the sequences that are not alone.
const TOGETHER: usize = 6;
/// The fault of a process that stops.
const STOPPED: &str = "the test stops it";
/// Sequences that are tried.
const SEQUENCES: u32 = 8;

/// What somebody does.
#[derive(Clone, Copy, Debug)]
enum Move {
    Deposit(&'static str),
    Withdraw(&'static str),
    Hold,
    Capture(bool),
    Release,
    /// By wallet, or with a card.
    Buy(Option<&'static str>),
    Refund {
        whole: bool,
    },
    Cancel,
}

/// A move, a number that says how much or which, and where the process stops meanwhile.
#[derive(Clone, Copy, Debug)]
struct Step {
    what: Move,
    number: usize,
    stops: Option<Point>,
}

fn step() -> impl Strategy<Value = Step> {
    let moves = prop::sample::select(vec![
        Move::Deposit("tok_ok"),
        Move::Deposit("tok_declined"),
        Move::Deposit("tok_unknown"),
        Move::Withdraw("tok_ok"),
        Move::Withdraw("tok_unknown"),
        Move::Hold,
        Move::Hold,
        Move::Capture(false),
        Move::Capture(true),
        Move::Release,
        Move::Buy(None),
        Move::Buy(None),
        Move::Buy(None),
        Move::Buy(Some("tok_ok")),
        Move::Buy(Some("tok_declined")),
        Move::Buy(Some("tok_unknown")),
        Move::Refund { whole: false },
        Move::Refund { whole: true },
        Move::Cancel,
    ]);
    let stops = prop::option::weighted(0.4, prop::sample::select(Point::ALL));
    (moves, 0..1_000_usize, stops).prop_map(|(what, number, stops)| Step {
        what,
        number,
        stops,
    })
}

/// A shop with one product and a buyer.
struct Shop {
    test: TestApp,
    sold: Sold,
}

/// A buyer and what is set aside of the buyer's money.
struct Life<'a> {
    shop: &'a Shop,
    user: UserId,
    holds: Mutex<Vec<NewHold>>,
}

/// What is refused is refused; a fault that no test made fails the test.
fn allowed<T, E: std::fmt::Debug>(outcome: Result<T, Failure<E>>) {
    match outcome {
        Ok(_) | Err(Failure::Refused(_)) => {}
        Err(Failure::Fault(Fault::Timeout(STOPPED))) => {}
        Err(Failure::Fault(fault)) => panic!("{}", tradepost::error::chain(&fault)),
    }
}

impl Life<'_> {
    /// Orders as a process has them that stops at a point.
    fn orders(&self, stops: Option<Point>) -> Service {
        let orders = self.shop.test.app.orders();
        let Some(stops) = stops else {
            return orders.clone();
        };
        orders.with_hook(Hook::new(move |point| match point == stops {
            true => Err(Fault::Timeout(STOPPED)),
            false => Ok(()),
        }))
    }

    /// One of the buyer's orders that have this status.
    async fn pick(&self, status: OrderStatus, number: usize) -> Option<OrderId> {
        let books = self.shop.test.books().await;
        let mut mine: Vec<OrderId> = books
            .orders
            .iter()
            .filter(|order| order.user_id == Some(self.user) && order.status == status)
            .map(|order| order.id)
            .collect();
        mine.sort();
        (!mine.is_empty()).then(|| mine[number % mine.len()])
    }

    fn pick_hold(&self, number: usize) -> Option<NewHold> {
        let holds = self.holds.lock().unwrap();
        (!holds.is_empty()).then(|| holds[number % holds.len()].clone())
    }

    async fn act(&self, step: Step) {
        let app = &self.shop.test.app;
        let wallet = app.wallet();
        let amount_minor = i64::try_from(step.number).unwrap() + 1;
        let transfer = |token: &str| NewTransfer {
            user_id: self.user,
            asset: "GBP".to_owned(),
            amount_minor: amount_minor * 5,
            source: Source::Card(token.to_owned()),
        };
        match step.what {
            Move::Deposit(token) => {
                allowed(wallet.deposit(self.user, &transfer(token), None).await);
            }
            Move::Withdraw(token) => {
                allowed(wallet.withdraw(self.user, &transfer(token), None).await);
            }
            Move::Hold => self.hold(amount_minor).await,
            Move::Capture(releases) => {
                self.capture(step.number, amount_minor / 3 + 1, releases)
                    .await;
            }
            Move::Release => {
                let Some(hold) = self.pick_hold(step.number) else {
                    return;
                };
                let entry_id = app.clock().id();
                let released = app.db().write("test.release", async |tx| {
                    wallet.hold_release_in(&tx, hold.id, entry_id).await
                });
                released.await.unwrap();
            }
            Move::Buy(card) => self.buy(step, card).await,
            Move::Refund { whole } => self.refund(step, whole).await,
            Move::Cancel => {
                let status = match step.number % 2 {
                    0 => OrderStatus::Paid,
                    _ => OrderStatus::AwaitingPayment,
                };
                if let Some(id) = self.pick(status, step.number).await {
                    let (orders, own) = (self.orders(step.stops), Scope::Own(self.user));
                    allowed(orders.order_cancel(own, self.user, id, None, None).await);
                }
            }
        }
    }

    async fn hold(&self, amount_minor: i64) {
        let app = &self.shop.test.app;
        let id: entity::ids::HoldId = app.clock().id();
        let new = NewHold {
            id,
            entry_id: app.clock().id(),
            user_id: self.user,
            asset: "GBP".to_owned(),
            amount_minor,
            reference: format!("test:{id}"),
            order_id: None,
            expires_at: None,
            description: "For a test".to_owned(),
        };
        let (wallet, hold) = (app.wallet(), &new);
        let placed = app.db().write("test.hold", async |tx| {
            wallet.hold_place_in(&tx, hold).await
        });
        let placed = placed.await;
        if placed.is_ok() {
            self.holds.lock().unwrap().push(new.clone());
        }
        allowed(placed);
    }

    async fn capture(&self, number: usize, amount_minor: i64, releases: bool) {
        let Some(hold) = self.pick_hold(number) else {
            return;
        };
        let app = &self.shop.test.app;
        let id: entity::ids::JournalEntryId = app.clock().id();
        let entry = NewEntry {
            id,
            operation_key: format!("test:{id}"),
            kind: EntryKind::Payment,
            user_id: None,
            order_id: None,
            payment_id: None,
            refund_id: None,
            description: "For a test".to_owned(),
            postings: vec![NewPosting {
                account: Account::of_shop(AccountKind::Fees, "GBP"),
                amount_minor,
            }],
        };
        let capture = Capture {
            hold_id: hold.id,
            amount_minor,
            rest: match releases {
                true => Rest::Release(app.clock().id()),
                false => Rest::Keep,
            },
            entry,
        };
        let (wallet, capture) = (app.wallet(), &capture);
        let taken = app.db().write("test.capture", async |tx| {
            wallet.hold_capture_in(&tx, capture.clone()).await
        });
        allowed(taken.await);
    }

    async fn buy(&self, step: Step, card: Option<&str>) {
        let payment = match card {
            Some(token) => Method::Card {
                token: token.to_owned(),
            },
            None => Method::Wallet {
                asset: "GBP".to_owned(),
            },
        };
        let new = NewOrder {
            lines: vec![NewLine {
                reference: VariantReference::Variant(self.shop.sold.variant),
                quantity: i64::try_from(step.number % 3).unwrap() + 1,
            }],
            details: Details {
                payment: Some(payment),
                ..Details::default()
            },
        };
        let orders = self.orders(step.stops);
        allowed(orders.transaction_create(self.user, &new, None).await);
    }

    async fn refund(&self, step: Step, whole: bool) {
        let Some(id) = self.pick(OrderStatus::Paid, step.number).await else {
            return;
        };
        let lines = self.shop.test.books().await.lines;
        let line = lines.iter().find(|line| line.order_id == id).unwrap().id;
        let new = NewRefund {
            lines: (!whole).then(|| vec![(line, 1)]),
            restock: step.number.is_multiple_of(2),
            reason: None,
        };
        let orders = self.orders(step.stops);
        allowed(orders.order_refund(self.user, id, &new, None).await);
    }

    /// Nothing of the buyer's is below zero, and everything agrees with everything.
    async fn adds_up(&self) {
        let test = &self.shop.test;
        // The worker finds what processes left that stopped.
        for _ in 0..2 {
            test.app.clock().advance(chrono::TimeDelta::seconds(61));
            test.app.wallet().transfers_settle().await.unwrap();
        }
        let other = test.replica().await;
        test.settle(&other).await.agree();
        test.ledger_agrees().await;
        for kind in [AccountKind::UserAvailable, AccountKind::UserHeld] {
            let account = Account::of_user(kind, "GBP", self.user);
            let balance = test.app.wallet().balance(&account).await.unwrap();
            assert!(balance >= 0, "{kind:?} {balance}");
        }
    }
}

async fn run(shop: &Shop, steps: &[Step], together: usize) {
    let name: uuid::Uuid = shop.test.app.clock().id();
    let email = format!("{name}@example.com");
    let life = Life {
        shop,
        user: shop.test.user(&email, Role::Customer).await,
        holds: Mutex::default(),
    };
    let begin = NewTransfer {
        user_id: life.user,
        asset: "GBP".to_owned(),
        amount_minor: 10 * PRICE,
        source: Source::Card("tok_ok".to_owned()),
    };
    let wallet = shop.test.app.wallet();
    wallet.deposit(life.user, &begin, None).await.unwrap();
    for chunk in steps.chunks(together) {
        join_all(chunk.iter().map(|&step| life.act(step))).await;
    }
    life.adds_up().await;
}

#[test]
fn any_sequence_of_deposits_holds_purchases_and_refunds_adds_up_also_when_processes_stop() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let shop = runtime.block_on(async {
        let test = TestApp::new().await;
        let warehouse = test.warehouse("MAIN", 0).await;
        let sold = test.product("TEA", PRICE, warehouse, 100_000).await;
        Shop { test, sold }
    });
    let mut runner = TestRunner::new(Config {
        cases: SEQUENCES,
        failure_persistence: None,
        max_shrink_iters: 32,
        ..Config::default()
    });
    let sequences = (
        prop::collection::vec(step(), 4..24),
        prop::sample::select(vec![1, TOGETHER]),
    );
    let result = runner.run(&sequences, |(steps, together)| {
        runtime.block_on(run(&shop, &steps, together));
        Ok(())
    });
    result.unwrap();
    drop(shop);
    drop(runtime);
}
