//! Orders below the API: races, lost plans, versions and history.

use crate::support::TestApp;
use entity::accounts::Role;
use entity::events::outbox_event;
use entity::ids::{OrderId, UserId};
use entity::orders::{OrderStatus, order, order_history};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use tradepost::db::idempotency::Request;
use tradepost::domain::catalog::model::VariantReference;
use tradepost::domain::orders::error::Error;
use tradepost::domain::orders::model::Scope;
use tradepost::domain::orders::service::{Details, NewLine, NewOrder};
use tradepost::domain::orders::tasks;
use tradepost::error::{Failure, Fault};

/// An order of one product.
fn new_order(reference: VariantReference, quantity: i64) -> NewOrder {
    NewOrder {
        lines: vec![NewLine {
            reference,
            quantity,
        }],
        details: Details::default(),
    }
}

/// The events of orders; the stock's have a topic of their own.
async fn outbox(test: &TestApp) -> Vec<outbox_event::Model> {
    let query = outbox_event::Entity::find()
        .filter(outbox_event::Column::AggregateType.eq("order"))
        .order_by_asc(outbox_event::Column::Id);
    test.app
        .db()
        .read("test.outbox", async |c| {
            Ok::<_, Fault>(query.all(&*c).await?)
        })
        .await
        .unwrap()
}

async fn history(test: &TestApp) -> Vec<order_history::Model> {
    let query = order_history::Entity::find().order_by_asc(order_history::Column::Version);
    test.app
        .db()
        .read("test.history", async |c| {
            Ok::<_, Fault>(query.all(&*c).await?)
        })
        .await
        .unwrap()
}

async fn create(
    test: &TestApp,
    user: UserId,
    new: &NewOrder,
) -> Result<order::Model, Failure<Error>> {
    test.app
        .orders()
        .order_create(user, new, None)
        .await
        .map(|(paid, _)| paid.order)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_buyers_never_oversell_and_the_rest_are_told() {
    let test = TestApp::new().await;
    let warehouse = test.warehouse("MAIN", 0).await;
    let sold = test.product("LAST", 250, warehouse, 100).await;
    let user = test.user("buyer@example.com", Role::Customer).await;
    let new = new_order(VariantReference::Product(sold.product), 1);
    let buys = (0..200).map(|_| create(&test, user, &new));
    let results = futures::future::join_all(buys).await;
    let bought = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(bought, 100);
    for result in results {
        match result {
            Ok(order) => assert_eq!((order.total_minor, order.version), (250, 1)),
            Err(Failure::Refused(errors)) => {
                assert!(matches!(
                    errors.as_slice(),
                    [Error::InsufficientStock {
                        line: 0,
                        requested: 1,
                        ..
                    }]
                ));
            }
            Err(Failure::Fault(fault)) => panic!("{fault:?}"),
        }
    }
    assert_eq!(test.stock(sold).await, (100, 100));
    assert_eq!(outbox(&test).await.len(), 100);
}

#[tokio::test]
async fn each_change_raises_the_version_and_writes_one_history_row_and_one_event() {
    let test = TestApp::new().await;
    let warehouse = test.warehouse("MAIN", 0).await;
    let sold = test.product("TEA", 495, warehouse, 10).await;
    let user = test.user("buyer@example.com", Role::Customer).await;
    let order = create(
        &test,
        user,
        &new_order(VariantReference::Sku("tea".to_owned()), 3),
    )
    .await
    .unwrap();
    assert_eq!(
        (order.status, order.total_minor),
        (OrderStatus::AwaitingPayment, 1_485)
    );
    assert_eq!(test.stock(sold).await, (10, 3));
    let (paid, _) = test
        .app
        .orders()
        .order_mark_paid(user, order.id, None)
        .await
        .unwrap();
    assert_eq!((paid.status, paid.version), (OrderStatus::Paid, 2));
    assert_eq!(test.stock(sold).await, (7, 0));
    let events = outbox(&test).await;
    let seen: Vec<_> = events
        .iter()
        .map(|row| (row.event_type.as_str(), row.aggregate_version))
        .collect();
    assert_eq!(
        seen,
        [
            ("tradepost.order.created.v1", Some(1)),
            ("tradepost.order.paid.v1", Some(2))
        ]
    );
    assert_eq!(events[1].payload["previousStatus"], "AWAITING_PAYMENT");
    assert_eq!(events[0].payload["lines"][0]["unitPrice"]["amount"], "4.95");
    let versions: Vec<_> = history(&test)
        .await
        .iter()
        .map(|row| (row.version, row.to_status))
        .collect();
    assert_eq!(
        versions,
        [(1, OrderStatus::AwaitingPayment), (2, OrderStatus::Paid)]
    );
}

#[tokio::test]
async fn a_cancelled_order_gives_its_stock_back_and_cannot_be_cancelled_again() {
    let test = TestApp::new().await;
    let warehouse = test.warehouse("MAIN", 0).await;
    let sold = test.product("TEA", 495, warehouse, 2).await;
    let user = test.user("buyer@example.com", Role::Customer).await;
    let order = create(
        &test,
        user,
        &new_order(VariantReference::Variant(sold.variant), 2),
    )
    .await
    .unwrap();
    let orders = test.app.orders();
    let stranger = test.user("stranger@example.com", Role::Customer).await;
    let refused = orders
        .order_cancel(Scope::Own(stranger), stranger, order.id, None, None)
        .await;
    assert!(matches!(refused, Err(Failure::Refused(errors)) if errors == [Error::NotFound]));
    let (cancelled, _) = orders
        .order_cancel(Scope::Own(user), user, order.id, Some("too much"), None)
        .await
        .unwrap();
    assert_eq!(
        (cancelled.status, cancelled.cancel_reason.as_deref()),
        (OrderStatus::Cancelled, Some("too much"))
    );
    assert_eq!(test.stock(sold).await, (2, 0));
    let again = orders
        .order_cancel(Scope::Own(user), user, order.id, None, None)
        .await;
    let expected = Error::InvalidTransition {
        from: OrderStatus::Cancelled,
        to: OrderStatus::Cancelled,
    };
    assert!(matches!(again, Err(Failure::Refused(errors)) if errors == [expected]));
}

#[tokio::test]
async fn an_order_is_split_over_warehouses_and_all_short_lines_are_named() {
    let test = TestApp::new().await;
    let (first, second) = (test.warehouse("A", 0).await, test.warehouse("B", 1).await);
    let tea = test.product("TEA", 100, first, 2).await;
    let cup = test.product("CUP", 100, first, 1).await;
    let more = &[(tea.variant, 3)];
    let inventory = test.app.inventory();
    test.app
        .db()
        .write("test.more", async |tx| {
            inventory
                .stock_begin_many_in(&tx, second, more, "test")
                .await
        })
        .await
        .unwrap();
    let user = test.user("buyer@example.com", Role::Customer).await;
    let mut new = new_order(VariantReference::Variant(tea.variant), 4);
    create(&test, user, &new).await.unwrap();
    assert_eq!(test.stock(tea).await, (2, 2));
    assert_eq!(
        test.stock(crate::support::Sold {
            warehouse: second,
            ..tea
        })
        .await,
        (3, 2)
    );
    new.lines.push(NewLine {
        reference: VariantReference::Variant(cup.variant),
        quantity: 2,
    });
    let Err(Failure::Refused(errors)) = create(&test, user, &new).await else {
        panic!("it is short")
    };
    let lines: Vec<_> = errors
        .iter()
        .map(|error| match error {
            Error::InsufficientStock { line, .. } => *line,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(lines, [0, 1]);
}

#[tokio::test]
async fn unpaid_orders_expire_once_and_give_their_stock_back() {
    let test = TestApp::new().await;
    let warehouse = test.warehouse("MAIN", 0).await;
    let sold = test.product("TEA", 495, warehouse, 5).await;
    let user = test.user("buyer@example.com", Role::Customer).await;
    let order = create(
        &test,
        user,
        &new_order(VariantReference::Product(sold.product), 5),
    )
    .await
    .unwrap();
    tasks::expire_unpaid(test.app.orders()).await.unwrap();
    assert_eq!(
        test.stock(sold).await,
        (5, 5),
        "nothing expires before its time"
    );
    test.app.clock().advance(chrono::TimeDelta::minutes(16));
    let (one, two) = tokio::join!(
        tasks::expire_unpaid(test.app.orders()),
        tasks::expire_unpaid(test.app.orders())
    );
    one.unwrap();
    two.unwrap();
    assert_eq!(test.stock(sold).await, (5, 0));
    let types: Vec<_> = outbox(&test)
        .await
        .into_iter()
        .map(|row| row.event_type)
        .collect();
    assert_eq!(
        types,
        ["tradepost.order.created.v1", "tradepost.order.expired.v1"]
    );
    assert_eq!(history(&test).await[1].order_id, OrderId(order.id.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_at_once_makes_one_order_and_other_input_is_refused() {
    let test = TestApp::new().await;
    let warehouse = test.warehouse("MAIN", 0).await;
    let sold = test.product("TEA", 495, warehouse, 500).await;
    let user = test.user("buyer@example.com", Role::Customer).await;
    let new = new_order(VariantReference::Product(sold.product), 1);
    let key = |new: &NewOrder| Some(Request::new(user.0, "orderCreate", "key-1", new).unwrap());
    let calls = (0..50).map(|_| test.app.orders().order_create(user, &new, key(&new)));
    let answers: Vec<_> = futures::future::join_all(calls)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert!(
        answers
            .iter()
            .all(|(paid, _)| paid.order.id == answers[0].0.order.id)
    );
    assert_eq!(answers.iter().filter(|(_, replayed)| !replayed).count(), 1);
    assert_eq!(outbox(&test).await.len(), 1);
    assert_eq!(test.stock(sold).await, (500, 1));
    let other = new_order(VariantReference::Product(sold.product), 2);
    let reused = test
        .app
        .orders()
        .order_create(user, &other, key(&other))
        .await;
    assert!(
        matches!(reused, Err(Failure::Refused(errors)) if matches!(errors.as_slice(), [Error::Input(_)]))
    );
}
