//! Orders paid from wallets, and `transactionCreate`: bought and paid in one call, wherever it stops.

use crate::support::books::Books;
use crate::support::{Sold, TestApp};
use entity::accounts::Role;
use entity::ids::UserId;
use entity::orders::{OrderStatus, PaymentStatus, order};
use entity::payments::{PaymentState, ProviderOperation};
use entity::wallet::{
    AccountKind, TransactionFailure, TransactionKind, TransactionStatus, transaction,
};
use futures::future::join_all;
use serde_json::{Value, json};
use tradepost::domain::catalog::model::VariantReference;
use tradepost::domain::orders::service::hook::{Hook, Point};
use tradepost::domain::orders::service::{Details, NewLine, NewOrder, NewRefund};
use tradepost::domain::orders::{model::Scope, tasks};
use tradepost::domain::payments;
use tradepost::domain::payments::service::Method;
use tradepost::domain::payments::service::hook::{Hook as PaymentHook, Point as PaymentPoint};
use tradepost::domain::wallet::model::Account;
use tradepost::domain::wallet::model::transactions::Filter;
use tradepost::domain::wallet::service::{NewTransfer, Source};
use tradepost::error::Fault;

const PRICE: i64 = 495;

const BUY: &str = "mutation($input: TransactionCreateInput!, $key: String) {
    transactionCreate(input: $input, idempotencyKey: $key) {
        transaction { id kind status failure amount { amount currencyCode } lines { sku quantity unitPrice { amount } } order { id } }
        order { id status paymentStatus }
        userErrors { code path ... on InsufficientFundsError { required { amount } available { amount } } }
    } }";

/// A shop with one product, and a buyer who has money.
struct Shop {
    test: TestApp,
    sold: Sold,
    buyer: UserId,
}

impl Shop {
    async fn open(units: i64, wallet_minor: i64) -> Self {
        let test = TestApp::new().await;
        let warehouse = test.warehouse("MAIN", 0).await;
        let sold = test.product("TEA", PRICE, warehouse, units).await;
        let buyer = test.user("buyer@example.com", Role::Customer).await;
        if wallet_minor > 0 {
            let new = NewTransfer {
                user_id: buyer,
                asset: "GBP".to_owned(),
                amount_minor: wallet_minor,
                source: Source::Card("tok_ok".to_owned()),
            };
            test.app.wallet().deposit(buyer, &new, None).await.unwrap();
        }
        Self { test, sold, buyer }
    }

    fn order_of(&self, quantity: i64, payment: Option<Method>) -> NewOrder {
        NewOrder {
            lines: vec![NewLine {
                reference: VariantReference::Variant(self.sold.variant),
                quantity,
            }],
            details: Details {
                payment,
                ..Details::default()
            },
        }
    }

    /// What the buyer can spend, and what is set aside.
    async fn has(&self) -> (i64, i64) {
        let of = |kind| Account::of_user(kind, "GBP", self.buyer);
        let wallet = self.test.app.wallet();
        let available = wallet.balance(&of(AccountKind::UserAvailable)).await;
        let held = wallet.balance(&of(AccountKind::UserHeld)).await;
        (available.unwrap(), held.unwrap())
    }

    async fn cleared(&self) -> i64 {
        let account = Account::of_shop(AccountKind::Clearing, "GBP");
        self.test.app.wallet().balance(&account).await.unwrap()
    }

    async fn transactions(&self, kind: TransactionKind) -> Vec<transaction::Model> {
        let filter = Filter {
            kinds: Some(vec![kind]),
            ..Filter::default()
        };
        let wallet = self.test.app.wallet();
        wallet.transactions_after(&filter, None).await.unwrap()
    }

    /// Books that are settled and agree, the ledger included.
    async fn settled(&self) -> Books {
        let books = self.test.settle(&self.test.app).await;
        books.agree();
        self.test.ledger_agrees().await;
        books
    }
}

fn wallet() -> Method {
    Method::Wallet {
        asset: "GBP".to_owned(),
    }
}

fn card(token: &str) -> Method {
    Method::Card {
        token: token.to_owned(),
    }
}

fn buying(quantity: i64, payment: Value) -> Value {
    json!({ "input": { "lines": [{ "sku": "tea", "quantity": quantity }], "payment": payment } })
}

#[tokio::test]
async fn an_order_is_paid_from_the_wallet_and_paid_back_into_it() {
    let shop = Shop::open(10, 1_000).await;
    let orders = shop.test.app.orders();
    let new = shop.order_of(2, Some(wallet()));
    let (paid, _) = orders.order_create(shop.buyer, &new, None).await.unwrap();
    assert_eq!(
        (paid.order.status, paid.order.payment_status),
        (OrderStatus::Paid, PaymentStatus::Paid)
    );
    assert_eq!(shop.has().await, (10, 0));
    assert_eq!(
        shop.cleared().await,
        0,
        "a wallet owes nothing once it is settled"
    );
    let part = NewRefund {
        lines: Some(vec![(shop.test.books().await.lines[0].id, 1)]),
        restock: true,
        reason: None,
    };
    orders
        .order_refund(shop.buyer, paid.order.id, &part, None)
        .await
        .unwrap();
    shop.settled().await;
    assert_eq!(shop.has().await, (10 + PRICE, 0));
    let rest = NewRefund {
        lines: None,
        restock: true,
        reason: None,
    };
    orders
        .order_refund(shop.buyer, paid.order.id, &rest, None)
        .await
        .unwrap();
    let books = shop.settled().await;
    assert_eq!(books.orders[0].payment_status, PaymentStatus::Refunded);
    assert_eq!(shop.has().await, (1_000, 0));
    assert_eq!(shop.cleared().await, 0);
    assert_eq!(shop.transactions(TransactionKind::Refund).await.len(), 2);
}

#[tokio::test]
async fn a_wallet_that_is_short_says_what_is_needed_and_can_pay_later() {
    let shop = Shop::open(10, 500).await;
    let graph = shop.test.viewer_of(shop.buyer, Role::Customer);
    let answer = graph
        .data(BUY, buying(2, json!({ "wallet": { "asset": "GBP" } })))
        .await;
    let answer = &answer["transactionCreate"];
    assert_eq!(
        answer["userErrors"],
        json!([{ "code": "INSUFFICIENT_FUNDS", "path": ["input", "payment"],
            "required": { "amount": "9.90" }, "available": { "amount": "5.00" } }])
    );
    assert_eq!(answer["transaction"]["status"], "FAILED");
    assert_eq!(answer["transaction"]["failure"], "INSUFFICIENT_FUNDS");
    assert_eq!(answer["order"]["status"], "AWAITING_PAYMENT");
    assert_eq!(shop.has().await, (500, 0));
    let refused = graph
        .refused(BUY, buying(1, json!({ "wallet": { "asset": "USD" } })))
        .await;
    assert_eq!(refused, ["CURRENCY_MISMATCH input.payment.wallet.asset"]);
    let own = Scope::Own(shop.buyer);
    let id = shop.test.books().await.orders[0].id;
    let orders = shop.test.app.orders();
    let (paid, _) = orders
        .order_pay(own, shop.buyer, id, &card("tok_ok"), None)
        .await
        .unwrap();
    assert_eq!(paid.order.status, OrderStatus::Paid);
    shop.settled().await;
    assert_eq!(shop.transactions(TransactionKind::Payment).await.len(), 1);
}

#[tokio::test]
async fn one_call_buys_pays_records_and_publishes_once_for_a_key() {
    for payment in [
        json!({ "wallet": { "asset": "GBP" } }),
        json!({ "card": { "token": "tok_ok" } }),
    ] {
        let shop = Shop::open(10, 1_000).await;
        let graph = shop.test.viewer_of(shop.buyer, Role::Customer);
        let mut input = buying(2, payment.clone());
        input["key"] = json!("once");
        let first = graph.done(BUY, input.clone()).await;
        let transaction = &first["transaction"];
        assert_eq!(transaction["kind"], "PURCHASE");
        assert_eq!(transaction["status"], "COMPLETED");
        assert_eq!(
            transaction["amount"],
            json!({ "amount": "-9.90", "currencyCode": "GBP" })
        );
        assert_eq!(
            transaction["lines"],
            json!([{ "sku": "TEA", "quantity": 2, "unitPrice": { "amount": "4.95" } }])
        );
        assert_eq!(transaction["order"]["id"], first["order"]["id"]);
        assert_eq!(first["order"]["paymentStatus"], "PAID");
        let together = join_all((0..8).map(|_| graph.done(BUY, input.clone()))).await;
        assert!(together.iter().all(|again| *again == first));
        let books = shop.settled().await;
        assert_eq!(books.orders.len(), 1);
        assert_eq!(
            books.types(&books.orders[0]),
            ["order.created", "order.paid"]
        );
        assert_eq!(shop.transactions(TransactionKind::Purchase).await.len(), 1);
        assert_eq!(shop.transactions(TransactionKind::Payment).await.len(), 0);
        input["input"]["lines"][0]["quantity"] = json!(1);
        let refused = graph.refused(BUY, input).await;
        assert_eq!(refused, ["IDEMPOTENCY_KEY_REUSED idempotencyKey"]);
    }
}

#[tokio::test]
async fn a_purchase_of_what_cannot_be_bought_leaves_nothing() {
    let shop = Shop::open(1, 1_000).await;
    let graph = shop.test.viewer_of(shop.buyer, Role::Customer);
    let pay = json!({ "wallet": { "asset": "GBP" } });
    let refused = graph.refused(BUY, buying(2, pay.clone())).await;
    assert_eq!(refused, ["INSUFFICIENT_STOCK input.lines.0.quantity"]);
    let refused = graph.refused(BUY, buying(0, pay)).await;
    assert_eq!(refused, ["OUT_OF_RANGE input.lines.0.quantity"]);
    let refused = graph
        .refused(BUY, buying(1, json!({ "card": { "token": "4111" } })))
        .await;
    assert_eq!(refused, ["INVALID input.payment.card.token"]);
    assert!(shop.test.books().await.orders.is_empty());
    assert_eq!(shop.transactions(TransactionKind::Purchase).await.len(), 0);
    assert_eq!(shop.has().await, (1_000, 0));
}

#[tokio::test]
async fn of_two_hundred_purchases_from_a_wallet_for_fifty_fifty_succeed() {
    let shop = Shop::open(1_000, 50 * PRICE).await;
    let orders = shop.test.app.orders();
    let new = shop.order_of(1, Some(wallet()));
    let bought =
        join_all((0..200).map(|_| orders.transaction_create(shop.buyer, &new, None))).await;
    for one in bought {
        let (bought, _) = one.unwrap();
        // Of those that wait too long for their turn it is not known yet what becomes of them.
        if let Some(lack) = bought.paid.short {
            let status = bought.transaction.unwrap().status;
            assert_eq!(status, TransactionStatus::Failed);
            assert_eq!(lack.required.minor, PRICE);
            assert!(lack.available.minor < 50 * PRICE);
        }
    }
    let books = shop.settled().await;
    assert_eq!(books.states()[&OrderStatus::Paid], 50);
    let purchases = shop.transactions(TransactionKind::Purchase).await;
    let ended = |status, failure| {
        let rows = purchases.iter();
        rows.filter(|row| (row.status, row.failure) == (status, failure))
            .count()
    };
    let short = Some(TransactionFailure::InsufficientFunds);
    assert_eq!(ended(TransactionStatus::Completed, None), 50);
    assert_eq!(ended(TransactionStatus::Failed, short), 150);
    assert_eq!(shop.has().await, (0, 0));
}

/// What is left of a purchase after it was killed and everything came to its end.
async fn all_or_nothing(shop: &Shop, order: &order::Model, is_paid: bool, case: &str) {
    let purchases = shop.transactions(TransactionKind::Purchase).await;
    assert_eq!(purchases.len(), 1, "{case}");
    let (available, held) = shop.has().await;
    assert_eq!(held, 0, "{case}: nothing stays set aside");
    let books = shop.test.books().await;
    let captured = books.payments.iter();
    let captured = captured.filter(|row| row.state == PaymentState::Captured);
    let captured = captured.count();
    if is_paid {
        assert_eq!(order.status, OrderStatus::Paid, "{case}");
        assert_eq!(purchases[0].status, TransactionStatus::Completed, "{case}");
        assert_eq!(captured, 1, "{case}");
    } else {
        assert_eq!(order.status, OrderStatus::AwaitingPayment, "{case}");
        assert_eq!(purchases[0].status, TransactionStatus::Failed, "{case}");
        assert_eq!((captured, available), (0, 2_000), "{case}");
    }
}

#[tokio::test]
async fn a_purchase_that_stops_between_any_two_steps_of_its_saga_is_finished_or_undone() {
    for (method, name) in [(wallet(), "wallet"), (card("tok_ok"), "card")] {
        for point in [
            Point::Begun,
            Point::BeforePayment,
            Point::AfterPayment,
            Point::Settled,
        ] {
            let shop = Shop::open(5, 2_000).await;
            let hook = Hook::new(move |at| match at == point {
                true => Err(Fault::Broken(format!("the test ends it at {at:?}"))),
                false => Ok(()),
            });
            let orders = shop.test.app.orders().with_hook(hook);
            let new = shop.order_of(2, Some(method.clone()));
            orders
                .transaction_create(shop.buyer, &new, None)
                .await
                .unwrap();
            let other = shop.test.replica().await;
            let books = shop.test.settle(&other).await;
            books.agree();
            shop.test.ledger_agrees().await;
            // A card's token is in the memory of the process that ended, so what was not asked for is called off.
            let lost = name == "card" && matches!(point, Point::Begun | Point::BeforePayment);
            let case = format!("{name} {point:?}");
            all_or_nothing(&shop, &books.orders[0], !lost, &case).await;
            tasks::checkouts_resume(other.orders()).await.unwrap();
            let again = shop.test.books().await.orders[0].version;
            assert_eq!(again, books.orders[0].version, "{case}");
        }
    }
}

#[tokio::test]
async fn a_payment_from_a_wallet_that_stops_at_any_question_is_taken_once() {
    use ProviderOperation::{Authorize, Capture, Refund, Void};
    for operation in [Authorize, Capture, Refund, Void] {
        for point in [
            PaymentPoint::Before(operation),
            PaymentPoint::Answered(operation),
            PaymentPoint::Settled(operation),
        ] {
            let shop = Shop::open(5, 2_000).await;
            let app = &shop.test.app;
            let stopping = |at: PaymentPoint| {
                let hook = PaymentHook::new(move |now| match now == at {
                    true => Err(Fault::Broken(format!("the test ends it at {at:?}"))),
                    false => Ok(()),
                });
                payments::service::Service::new(
                    app.db().clone(),
                    app.clock().clone(),
                    app.wallet().clone(),
                    &app.config().payments,
                    hook,
                )
            };
            let new = shop.order_of(2, None);
            let (made, _) = app
                .orders()
                .order_create(shop.buyer, &new, None)
                .await
                .unwrap();
            let stopped = stopping(point);
            let payment = payments::service::NewPayment {
                id: app.clock().id(),
                order_id: made.order.id,
                user_id: shop.buyer,
                amount_minor: made.order.total_minor,
                currency: "GBP".to_owned(),
                method: wallet(),
                purchase: Some(app.clock().id()),
            };
            let (row, begun) = (&payment, &stopped);
            app.db()
                .write("test.payment", async |tx| {
                    begun.payment_insert_in(&tx, row).await
                })
                .await
                .unwrap();
            let is_return = matches!(operation, Refund | Void);
            // What is to be called off was set aside before; what is to be paid back was taken before.
            let first = match operation {
                Void => stopping(PaymentPoint::Settled(Authorize)),
                _ => stopped.clone(),
            };
            let _ended = first.payment_drive(payment.id).await;
            if is_return {
                let ended = stopped.payment_void_or_refund(payment.id, "test").await;
                assert!(ended.is_err(), "never came to {point:?}: {ended:?}");
            }
            // Nobody is at work any more when the worker finds it.
            for _ in 0..3 {
                app.clock().advance(chrono::TimeDelta::seconds(61));
                payments::tasks::drive_due(app.payments()).await.unwrap();
            }
            let (taken, returned) = (2 * PRICE, shop.has().await);
            let expected = if is_return { 2_000 } else { 2_000 - taken };
            assert_eq!(returned, (expected, 0), "{point:?}");
            let row = app.payments().payment_by_id(payment.id).await.unwrap();
            let row = row.unwrap();
            let state = match operation {
                Void => PaymentState::Voided,
                _ => PaymentState::Captured,
            };
            assert_eq!(row.state, state, "{point:?}");
            assert_eq!(shop.cleared().await, 0, "{point:?}");
            shop.test.ledger_agrees().await;
        }
    }
}

#[tokio::test]
async fn a_payment_called_off_before_the_wallet_heard_of_it_is_never_taken() {
    let shop = Shop::open(5, 2_000).await;
    let wallet = shop.test.app.wallet();
    let charge = tradepost::domain::wallet::service::Charge {
        reference: "late".to_owned(),
        user_id: shop.buyer,
        order_id: shop.test.app.clock().id(),
        asset: "GBP".to_owned(),
        amount_minor: 100,
    };
    use tradepost::domain::wallet::service::Charged;
    assert_eq!(wallet.charge_find(&charge).await.unwrap(), None);
    let called_off = wallet.charge_call_off(&charge).await.unwrap();
    assert_eq!(called_off, Charged::CalledOff);
    assert_eq!(
        wallet.charge_hold(&charge).await.unwrap(),
        Charged::CalledOff
    );
    assert_eq!(
        wallet.charge_take(&charge).await.unwrap(),
        Some(Charged::CalledOff)
    );
    assert_eq!(shop.has().await, (2_000, 0));
    shop.test.ledger_agrees().await;
}
