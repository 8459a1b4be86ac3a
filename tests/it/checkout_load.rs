//! Checkouts under load.

use crate::support::{Sold, TestApp};
use entity::accounts::Role;
use entity::ids::{UserId, WarehouseId};
use entity::inventory::{MovementReason, stock_movement};
use entity::orders::OrderStatus;
use futures::stream::{self, StreamExt as _};
use serde_json::json;
use tradepost::domain::catalog::model::VariantReference;
use tradepost::domain::inventory::service::{Adjustment, Transfer};
use tradepost::domain::orders::model::Scope;
use tradepost::domain::orders::service::{Details, NewLine, NewOrder, NewRefund};
use tradepost::domain::orders::tasks;
use tradepost::domain::payments::service::Method;
use tradepost::error::Failure;

/// Buyers at the same time.
const AT_ONCE: usize = 32;

/// What a buyer does with an order, by the buyer's number.
async fn buyer(test: &TestApp, user: UserId, sold: Sold, number: usize) {
    let orders = test.app.orders();
    let own = Scope::Own(user);
    let card = |token: &str| Method::Card {
        token: token.to_owned(),
    };
    let payment = (number % 10 == 9).then(|| card("tok_ok"));
    let new = NewOrder {
        lines: vec![NewLine {
            reference: VariantReference::Variant(sold.variant),
            quantity: 1,
        }],
        details: Details {
            payment,
            ..Details::default()
        },
    };
    let id = match orders.order_create(user, &new, None).await {
        Ok((paid, _)) => paid.order.id,
        Err(Failure::Refused(_)) => return,
        Err(Failure::Fault(fault)) => panic!("{}", tradepost::error::chain(&fault)),
    };
    match number % 10 {
        0 | 1 => drop(
            orders
                .order_pay(own, user, id, &card("tok_ok"), None)
                .await
                .unwrap(),
        ),
        2 => {
            let declined = card("tok_declined");
            let (paid, _) = orders
                .order_pay(own, user, id, &declined, None)
                .await
                .unwrap();
            assert!(paid.declined().is_some());
        }
        3 => drop(
            orders
                .order_cancel(own, user, id, None, None)
                .await
                .unwrap(),
        ),
        4 => {
            orders
                .order_pay(own, user, id, &card("tok_ok"), None)
                .await
                .unwrap();
            orders
                .order_cancel(own, user, id, None, None)
                .await
                .unwrap();
        }
        5 | 6 => {
            orders
                .order_pay(own, user, id, &card("tok_fails_once"), None)
                .await
                .unwrap();
            let refund = NewRefund {
                lines: None,
                restock: number.is_multiple_of(2),
                reason: None,
            };
            match orders.order_refund(user, id, &refund, None).await {
                // The payment may not be known yet.
                Ok(_) | Err(Failure::Refused(_)) => {}
                Err(Failure::Fault(fault)) => panic!("{}", tradepost::error::chain(&fault)),
            }
        }
        // The others wait until their time is over, or have paid at once.
        _ => {}
    }
}

/// Staff count goods in and out while orders are made.
async fn adjust(test: &TestApp, sold: Sold, delta: i64) {
    let adjustment = Adjustment {
        variant_id: sold.variant,
        warehouse_id: sold.warehouse,
        delta,
        reason: MovementReason::Counted,
        reference: None,
        expected_quantity: None,
    };
    // Too few to take out is one of the answers.
    match test
        .app
        .inventory()
        .stock_adjust(None, &adjustment, None)
        .await
    {
        Ok(_) | Err(Failure::Refused(_)) => {}
        Err(Failure::Fault(fault)) => panic!("{}", tradepost::error::chain(&fault)),
    }
}

/// Staff move units between warehouses while orders are made.
async fn transfer(test: &TestApp, sold: Sold, from: WarehouseId, to: WarehouseId, quantity: i64) {
    let transfer = Transfer {
        variant_id: sold.variant,
        from_warehouse_id: from,
        to_warehouse_id: to,
        quantity,
        reference: None,
    };
    // Too few to move is one of the answers.
    let inventory = test.app.inventory();
    match inventory.stock_transfer(None, &transfer, None).await {
        Ok(_) | Err(Failure::Refused(_)) => {}
        Err(Failure::Fault(fault)) => panic!("{}", tradepost::error::chain(&fault)),
    }
}

/// Buyers who pay, are refused, cancel, let expire and are paid back, for a hundred units in three warehouses.
async fn buyers(count: usize) {
    // The clock is moved by an hour, and Kafka takes no record of tomorrow: the log on this run's database it is.
    let test = TestApp::with(&[("kafka.brokers", json!(""))]).await;
    let main = test.warehouse("A", 0).await;
    let sold = test.product("LAST", 250, main, 40).await;
    let mut places = vec![sold];
    for code in ["B", "C"] {
        let warehouse = test.warehouse(code, 1).await;
        let more = &[(sold.variant, 30)];
        let inventory = test.app.inventory();
        test.app
            .db()
            .write("test.more", async |tx| {
                inventory
                    .stock_begin_many_in(&tx, warehouse, more, "test")
                    .await
            })
            .await
            .unwrap();
        places.push(Sold { warehouse, ..sold });
    }
    let user = test.user("buyer@example.com", Role::Customer).await;
    let buying = stream::iter(0..count)
        .map(|number| buyer(&test, user, sold, number))
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<()>>();
    let counting = async {
        for round in 0..count / 10 {
            let place = places[round % 3];
            adjust(&test, place, if round % 2 == 0 { 1 } else { -1 }).await;
        }
    };
    let moving = async {
        for round in 0..count / 5 {
            let (from, to) = (places[round % 3], places[(round + 1 + round % 2) % 3]);
            let units = 1 + i64::try_from(round % 4).unwrap();
            transfer(&test, sold, from.warehouse, to.warehouse, units).await;
        }
    };
    tokio::join!(buying, counting, moving);
    test.settle(&test.app).await;
    test.app.clock().advance(chrono::TimeDelta::hours(1));
    while tasks::expire_unpaid(test.app.orders()).await.unwrap()
        == tradepost::workers::Progress::More
    {}
    let books = test.books().await;
    books.agree();
    test.ledger_agrees().await;
    let verified = test.events_agree().await;
    assert_eq!(verified.orders, books.orders.len() as u64);
    let mut drifts = Vec::new();
    let verified = test.app.inventory().stock_verify(|d| drifts.push(*d)).await;
    assert_eq!(verified.unwrap().places, 3);
    assert!(drifts.is_empty(), "stock verify: {drifts:?}");
    let moved = |row: &&stock_movement::Model| row.reason == MovementReason::Transferred;
    let moved: Vec<_> = books.movements.iter().filter(moved).collect();
    assert!(!moved.is_empty(), "nothing was moved meanwhile");
    assert_eq!(moved.iter().map(|row| row.delta).sum::<i64>(), 0);
    let states = books.states();
    assert!(
        !states.contains_key(&OrderStatus::AwaitingPayment),
        "{states:?}"
    );
    // Sold and available and reserved are what was received, in all and by warehouse, since each movement is counted.
    let out: i64 = books.stock.iter().map(|row| row.on_hand).sum();
    let kept: i64 = books
        .orders
        .iter()
        .filter(|order| order.status == OrderStatus::Paid)
        .map(|order| {
            let lines = books.lines.iter().filter(|line| line.order_id == order.id);
            lines
                .map(|line| line.quantity - line.restocked)
                .sum::<i64>()
        })
        .sum();
    let counted: i64 = books
        .movements
        .iter()
        .filter(|row| row.reason == MovementReason::Counted)
        .map(|row| row.delta)
        .sum();
    assert_eq!(out + kept, 100 + counted, "{states:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buyers_of_all_kinds_leave_books_that_agree() {
    buyers(80).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: runs with scripts/test --full"]
async fn five_hundred_buyers_of_all_kinds_leave_books_that_agree() {
    buyers(500).await;
}
