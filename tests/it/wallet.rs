//! Wallets: deposits, withdrawals, holds, transactions, statements, and that all of it adds up.

use crate::support::TestApp;
use crate::support::till::Till;
use chrono::TimeDelta;
use entity::accounts::Role;
use entity::ids::{HoldId, UserId};
use entity::wallet::{
    AccountKind, EntryKind, HoldStatus, TransactionFailure, TransactionStatus, hold, transaction,
};
use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use std::sync::Arc;
use tradepost::domain::payments::service::hook::Hook;
use tradepost::domain::wallet::error::Error;
use tradepost::domain::wallet::gateway::{Funding, Moved, Transfer};
use tradepost::domain::wallet::model::transactions::{Filter, Scope};
use tradepost::domain::wallet::model::{Account, NewEntry, NewPosting};
use tradepost::domain::wallet::service::{
    Capture, NewHold, NewTransfer, Period, Rest, Service, Source,
};
use tradepost::error::{Failure, Fault};
use tradepost::export;
use tradepost::export::transactions::Wanted;
use tradepost::page::PageRequest;
use tradepost::random::between;

const DEPOSIT: &str = "mutation($input: WalletDepositInput!, $key: String) {
    walletDeposit(input: $input, idempotencyKey: $key) {
        transaction { id kind status amount { amount currencyCode } method maskedToken failure }
        userErrors { code path ... on InsufficientFundsError { required { amount } available { amount } } }
    } }";
const WITHDRAW: &str = "mutation($input: WalletWithdrawInput!, $key: String) {
    walletWithdraw(input: $input, idempotencyKey: $key) {
        transaction { id kind status amount { amount currencyCode } failure }
        userErrors { code path ... on InsufficientFundsError { required { amount } available { amount } } }
    } }";

fn card(asset: &str, amount: &str, token: &str) -> Value {
    json!({ "input": { "asset": asset, "amount": amount, "source": { "card": { "token": token } } } })
}

fn to_card(asset: &str, amount: &str, token: &str) -> Value {
    json!({ "input": { "asset": asset, "amount": amount, "destination": { "card": { "token": token } } } })
}

fn transfer(user_id: UserId, amount_minor: i64, token: &str) -> NewTransfer {
    NewTransfer {
        user_id,
        asset: "GBP".to_owned(),
        amount_minor,
        source: Source::Card(token.to_owned()),
    }
}

/// What a user can spend, and what is set aside, in pence.
async fn has(test: &TestApp, user: UserId) -> (i64, i64) {
    let wallet = test.app.wallet();
    let of = |kind| Account::of_user(kind, "GBP", user);
    let available = wallet
        .balance(&of(AccountKind::UserAvailable))
        .await
        .unwrap();
    let held = wallet.balance(&of(AccountKind::UserHeld)).await.unwrap();
    (available, held)
}

async fn drift(test: &TestApp) -> Vec<String> {
    let mut drifts = Vec::new();
    let mut report = |drift: tradepost::domain::wallet::service::Drift| drifts.push(drift.0);
    test.app.wallet().verify(&mut report).await.unwrap();
    drifts
}

/// A user with an amount in pence.
async fn rich(test: &TestApp, amount_minor: i64) -> UserId {
    let user = test.user("rich@example.com", Role::Customer).await;
    let new = transfer(user, amount_minor, "tok_ok");
    test.app.wallet().deposit(user, &new, None).await.unwrap();
    user
}

fn new_hold(test: &TestApp, user_id: UserId, amount_minor: i64) -> NewHold {
    let id: HoldId = test.app.clock().id();
    NewHold {
        id,
        entry_id: test.app.clock().id(),
        user_id,
        asset: "GBP".to_owned(),
        amount_minor,
        reference: format!("test:{id}"),
        order_id: None,
        expires_at: None,
        description: "For a test".to_owned(),
    }
}

async fn place(test: &TestApp, new: &NewHold) -> Result<(), Failure<Error>> {
    let wallet = test.app.wallet();
    let write = test
        .app
        .db()
        .write("test.hold", async |tx| wallet.hold_place_in(&tx, new).await);
    write.await
}

fn capture(test: &TestApp, hold: &NewHold, amount_minor: i64, rest: Rest) -> Capture {
    let id = test.app.clock().id();
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
            account: Account::of_shop(AccountKind::MerchantRevenue, "GBP"),
            amount_minor,
        }],
    };
    Capture {
        hold_id: hold.id,
        amount_minor,
        rest,
        entry,
    }
}

async fn take(test: &TestApp, capture: &Capture) -> Result<hold::Model, Failure<Error>> {
    let wallet = test.app.wallet();
    let write = test.app.db().write("test.capture", async |tx| {
        wallet.hold_capture_in(&tx, capture.clone()).await
    });
    write.await
}

async fn give_back(test: &TestApp, id: HoldId) -> bool {
    let (wallet, entry_id) = (test.app.wallet(), test.app.clock().id());
    let write = test.app.db().write("test.release", async |tx| {
        wallet.hold_release_in(&tx, id, entry_id).await
    });
    write.await.unwrap()
}

/// The only reason of a refusal.
fn reason<T: std::fmt::Debug>(outcome: Result<T, Failure<Error>>) -> Error {
    match outcome {
        Err(Failure::Refused(mut errors)) if errors.len() == 1 => errors.remove(0),
        other => panic!("{other:?} is no single refusal"),
    }
}

#[tokio::test]
async fn a_deposit_comes_in_once_for_a_key() {
    let test = TestApp::new().await;
    let user = test.user("one@example.com", Role::Customer).await;
    let graph = test.viewer_of(user, Role::Customer);
    let mut input = card("GBP", "25.00", "tok_ok");
    input["key"] = json!("once");
    let first = graph.done(DEPOSIT, input.clone()).await;
    let transaction = &first["transaction"];
    assert_eq!(transaction["status"], "COMPLETED");
    assert_eq!(
        transaction["amount"],
        json!({ "amount": "25.00", "currencyCode": "GBP" })
    );
    assert_eq!(transaction["maskedToken"], "***k_ok");
    assert_eq!(graph.done(DEPOSIT, input.clone()).await, first);
    let together = join_all((0..10).map(|_| graph.done(DEPOSIT, input.clone()))).await;
    assert!(together.iter().all(|again| *again == first));
    assert_eq!(has(&test, user).await, (2_500, 0));
    input["input"]["amount"] = json!("26.00");
    let refused = graph.refused(DEPOSIT, input).await;
    assert_eq!(refused, ["IDEMPOTENCY_KEY_REUSED idempotencyKey"]);
    assert_eq!(drift(&test).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_the_provider_declines_moves_nothing() {
    let test = TestApp::new().await;
    let user = rich(&test, 1_000).await;
    let graph = test.viewer_of(user, Role::Customer);
    for (token, failure) in [
        ("tok_declined", "DECLINED"),
        ("tok_insufficient", "INSUFFICIENT_FUNDS"),
    ] {
        let done = graph.done(DEPOSIT, card("GBP", "5.00", token)).await;
        assert_eq!(done["transaction"]["status"], "FAILED", "{token}");
        assert_eq!(done["transaction"]["failure"], failure);
        let done = graph.done(WITHDRAW, to_card("GBP", "5.00", token)).await;
        assert_eq!(done["transaction"]["status"], "FAILED", "{token}");
        assert_eq!(has(&test, user).await, (1_000, 0), "{token}");
    }
    assert_eq!(drift(&test).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_withdrawal_takes_what_is_there_and_no_more() {
    let test = TestApp::new().await;
    let user = rich(&test, 1_000).await;
    let graph = test.viewer_of(user, Role::Customer);
    let done = graph
        .done(WITHDRAW, to_card("GBP", "4.00", "tok_fails_once"))
        .await;
    assert_eq!(done["transaction"]["status"], "COMPLETED");
    assert_eq!(done["transaction"]["amount"]["amount"], "-4.00");
    assert_eq!(has(&test, user).await, (600, 0));
    let answer = graph.data(WITHDRAW, to_card("GBP", "6.01", "tok_ok")).await;
    let expected = json!([{ "code": "INSUFFICIENT_FUNDS", "path": ["input", "amount"],
        "required": { "amount": "6.01" }, "available": { "amount": "6.00" } }]);
    assert_eq!(answer["walletWithdraw"]["userErrors"], expected);
    assert_eq!(drift(&test).await, Vec::<String>::new());
}

#[tokio::test]
async fn amounts_assets_tokens_and_owners_that_are_wrong_are_told_with_their_path() {
    let test = TestApp::new().await;
    let user = test.user("one@example.com", Role::Customer).await;
    let other = test.user("two@example.com", Role::Customer).await;
    let graph = test.viewer_of(user, Role::Customer);
    for (asset, amount, expected) in [
        ("GBP", "0", "OUT_OF_RANGE input.amount"),
        ("GBP", "-1.00", "OUT_OF_RANGE input.amount"),
        ("GBP", "1.001", "PRECISION input.amount"),
        ("JPY", "1.5", "PRECISION input.amount"),
        ("BTC", "0.000000001", "PRECISION input.amount"),
        ("GBP", "99999999999999999999", "OUT_OF_RANGE input.amount"),
        ("GBP", "92233720368547758.07", "OUT_OF_RANGE input.amount"),
        ("XYZ", "1.00", "NOT_FOUND input.asset"),
    ] {
        let refused = graph.refused(DEPOSIT, card(asset, amount, "tok_ok")).await;
        assert_eq!(refused, [expected], "{asset} {amount}");
        let refused = graph.refused(WITHDRAW, to_card(asset, amount, "tok_ok"));
        assert_eq!(refused.await, [expected], "{asset} {amount}");
    }
    // What is no decimal at all is told before anything is executed, with its place.
    for amount in [
        "NaN", "-NaN", "Infinity", "1e400", "1E5", "", "1,5", "0x10", " 1", "١",
    ] {
        for (query, variables) in [
            (DEPOSIT, card("GBP", amount, "tok_ok")),
            (WITHDRAW, to_card("GBP", amount, "tok_ok")),
        ] {
            let answer = graph.ask(query, variables).await;
            let error = &answer["errors"][0];
            assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{amount}");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains("input.amount"), "{amount}: {message}");
        }
    }
    let refused = graph
        .refused(DEPOSIT, card("GBP", "1.00", "4111111111111111"))
        .await;
    assert_eq!(refused, ["INVALID input.source.card.token"]);
    let refused = graph
        .refused(WITHDRAW, to_card("GBP", "1.00", "4111111111111111"))
        .await;
    assert_eq!(refused, ["INVALID input.destination.card.token"]);
    for (query, mut foreign) in [
        (DEPOSIT, card("GBP", "0", "tok_ok")),
        (WITHDRAW, to_card("GBP", "0", "tok_ok")),
    ] {
        foreign["input"]["userId"] = json!(other.to_string());
        let refused = graph.refused(query, foreign).await;
        assert_eq!(
            refused,
            ["OUT_OF_RANGE input.amount", "NOT_FOUND input.userId"],
            "all at once"
        );
    }
    assert_eq!(drift(&test).await, Vec::<String>::new());
}

#[tokio::test]
async fn staff_may_give_and_customers_may_not() {
    let test = TestApp::new().await;
    let user = test.user("one@example.com", Role::Customer).await;
    let staff = test.user("staff@example.com", Role::Staff).await;
    let gift = json!({ "input": { "asset": "GBP", "amount": "3.00", "userId": user.to_string(),
        "source": { "grant": { "reason": "Sorry for the delay" } } } });
    let customer = test.viewer_of(user, Role::Customer);
    assert_eq!(customer.error(DEPOSIT, gift.clone()).await, "FORBIDDEN");
    let done = test
        .viewer_of(staff, Role::Staff)
        .done(DEPOSIT, gift.clone())
        .await;
    assert_eq!(done["transaction"]["method"], "GRANT");
    assert_eq!(has(&test, user).await, (300, 0));
    let mut to_nobody = gift;
    to_nobody["input"]["userId"] = json!(test.app.clock().id::<UserId>().to_string());
    let refused = test
        .viewer_of(staff, Role::Staff)
        .refused(DEPOSIT, to_nobody)
        .await;
    assert_eq!(refused, ["NOT_FOUND input.userId"]);
    assert_eq!(drift(&test).await, Vec::<String>::new());
}

/// A provider that nobody can reach: what a process leaves that is killed before it asked.
#[derive(Debug)]
struct OutOfReach;

impl Funding for OutOfReach {
    fn accepts(&self, _: &str) -> bool {
        true
    }

    fn transfer<'a>(&'a self, _: Transfer<'a>, _: &'a str) -> BoxFuture<'a, Moved> {
        async { Moved::Open }.boxed()
    }

    fn settle<'a>(&'a self, _: Transfer<'a>) -> BoxFuture<'a, Moved> {
        async { Moved::Open }.boxed()
    }
}

fn out_of_reach(test: &TestApp) -> Service {
    let app = &test.app;
    Service::new(
        app.db().clone(),
        app.clock().clone(),
        app.idempotency().clone(),
        app.accounts().clone(),
        Arc::new(OutOfReach),
    )
}

#[tokio::test]
async fn what_never_reached_the_provider_is_called_off_and_given_back() {
    let test = TestApp::new().await;
    let user = rich(&test, 1_000).await;
    let app = &test.app;
    let killed = out_of_reach(&test);
    let (deposit, _) = killed
        .deposit(user, &transfer(user, 50, "tok_ok"), None)
        .await
        .unwrap();
    let (withdrawal, _) = killed
        .withdraw(user, &transfer(user, 400, "tok_ok"), None)
        .await
        .unwrap();
    assert_eq!(deposit.status, TransactionStatus::Pending);
    assert_eq!(has(&test, user).await, (600, 400));
    app.clock().advance(TimeDelta::seconds(61));
    app.wallet().transfers_settle().await.unwrap();
    for id in [deposit.id, withdrawal.id] {
        let row = app
            .wallet()
            .transaction_by_id(Scope::All, id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(row.status, TransactionStatus::Failed);
        assert_eq!(row.failure, Some(TransactionFailure::Abandoned));
    }
    assert_eq!(has(&test, user).await, (1_000, 0));
    assert_eq!(drift(&test).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_not_known_is_settled_once_however_many_ask() {
    let test = TestApp::new().await;
    let user = rich(&test, 1_000).await;
    let wallet = test.app.wallet();
    let (deposit, _) = wallet
        .deposit(user, &transfer(user, 50, "tok_unknown"), None)
        .await
        .unwrap();
    let (withdrawal, _) = wallet
        .withdraw(user, &transfer(user, 400, "tok_unknown"), None)
        .await
        .unwrap();
    assert_eq!(deposit.status, TransactionStatus::Pending);
    assert_eq!(withdrawal.status, TransactionStatus::Pending);
    assert_eq!(has(&test, user).await, (600, 400));
    test.app.clock().advance(TimeDelta::minutes(2));
    for settled in join_all((0..20).map(|_| wallet.transfers_settle())).await {
        settled.unwrap();
    }
    assert_eq!(has(&test, user).await, (650, 0));
    assert_eq!(drift(&test).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_hold_is_used_in_parts_and_the_rest_is_given_back() {
    let test = TestApp::new().await;
    let user = rich(&test, 1_000).await;
    let new = new_hold(&test, user, 700);
    place(&test, &new).await.unwrap();
    assert_eq!(has(&test, user).await, (300, 700));
    let part = take(&test, &capture(&test, &new, 200, Rest::Keep))
        .await
        .unwrap();
    assert_eq!(
        (part.remaining_minor, part.status),
        (500, HoldStatus::Active)
    );
    let more = reason(take(&test, &capture(&test, &new, 501, Rest::Keep)).await);
    assert!(matches!(more, Error::HoldTooSmall { .. }), "{more:?}");
    let rest = Rest::Release(test.app.clock().id());
    let last = take(&test, &capture(&test, &new, 100, rest)).await.unwrap();
    assert_eq!(
        (last.captured_minor, last.status),
        (300, HoldStatus::Captured)
    );
    assert_eq!(has(&test, user).await, (700, 0));
    assert_eq!(
        reason(take(&test, &capture(&test, &new, 1, Rest::Keep)).await),
        Error::HoldClosed
    );
    assert!(
        !give_back(&test, new.id).await,
        "nothing is left to give back"
    );

    let released = new_hold(&test, user, 50);
    place(&test, &released).await.unwrap();
    assert!(give_back(&test, released.id).await);
    assert!(!give_back(&test, released.id).await);
    assert_eq!(has(&test, user).await, (700, 0));
    assert_eq!(drift(&test).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_hold_whose_time_is_over_is_given_back() {
    let test = TestApp::new().await;
    let user = rich(&test, 1_000).await;
    let new = NewHold {
        expires_at: Some(test.app.clock().now() + TimeDelta::minutes(15)),
        ..new_hold(&test, user, 700)
    };
    place(&test, &new).await.unwrap();
    let wallet = test.app.wallet();
    wallet.holds_expire().await.unwrap();
    assert_eq!(has(&test, user).await, (300, 700), "not yet");
    test.app.clock().advance(TimeDelta::minutes(15));
    for expired in join_all((0..10).map(|_| wallet.holds_expire())).await {
        expired.unwrap();
    }
    assert_eq!(has(&test, user).await, (1_000, 0));
    let row = wallet.hold(new.id).await.unwrap().unwrap();
    assert_eq!(row.status, HoldStatus::Expired);
    assert_eq!(drift(&test).await, Vec::<String>::new());
}

#[tokio::test]
async fn of_two_hundred_holds_as_many_succeed_as_the_balance_covers() {
    let test = TestApp::new().await;
    let user = rich(&test, 50 * 7).await;
    let holds: Vec<_> = (0..200).map(|_| new_hold(&test, user, 7)).collect();
    let outcomes = join_all(holds.iter().map(|new| place(&test, new))).await;
    let (placed, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(placed.len(), 50);
    for outcome in refused {
        let Error::InsufficientFunds {
            required,
            available,
        } = reason(outcome)
        else {
            panic!("another refusal");
        };
        assert_eq!(required.minor, 7);
        assert!(available.minor < 7, "{available:?}");
    }
    assert_eq!(has(&test, user).await, (0, 350));
    assert_eq!(drift(&test).await, Vec::<String>::new());
}

#[tokio::test]
async fn of_fifty_captures_of_one_hold_as_many_succeed_as_it_has() {
    let test = TestApp::new().await;
    let user = rich(&test, 1_000).await;
    let new = new_hold(&test, user, 100);
    place(&test, &new).await.unwrap();
    let captures: Vec<_> = (0..50)
        .map(|_| capture(&test, &new, 10, Rest::Keep))
        .collect();
    let outcomes = join_all(captures.iter().map(|one| take(&test, one))).await;
    assert_eq!(outcomes.iter().filter(|one| one.is_ok()).count(), 10);
    assert_eq!(has(&test, user).await, (900, 0));
    assert_eq!(drift(&test).await, Vec::<String>::new());
}

#[tokio::test]
async fn transactions_are_seen_by_their_user_and_by_staff() {
    const LIST: &str = "query($filter: TransactionFilter, $first: Int, $after: String, $page: Int) {
        transactions(filter: $filter, first: $first, after: $after, page: $page) {
            nodes { id kind amount { amount } user { id } } totalCount pageInfo { endCursor hasNextPage } } }";
    const ONE: &str = "query($id: ID!) { transaction(id: $id) { id asset { code scale } lines { sku } order { id } } }";
    let test = TestApp::new().await;
    let user = rich(&test, 1_000).await;
    let other = test.user("two@example.com", Role::Customer).await;
    let wallet = test.app.wallet();
    for amount in [100, 200] {
        wallet
            .withdraw(user, &transfer(user, amount, "tok_ok"), None)
            .await
            .unwrap();
    }
    wallet
        .deposit(other, &transfer(other, 77, "tok_ok"), None)
        .await
        .unwrap();
    let own = test.viewer_of(user, Role::Customer);
    let amounts = |data: &Value| -> Vec<String> {
        let nodes = data["transactions"]["nodes"].as_array().unwrap();
        nodes
            .iter()
            .map(|node| node["amount"]["amount"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = own.data(LIST, json!({})).await;
    assert_eq!(
        amounts(&all),
        ["-2.00", "-1.00", "10.00"],
        "newest first, nobody else's"
    );
    assert_eq!(all["transactions"]["totalCount"], 3);
    let first = own.data(LIST, json!({ "first": 2 })).await;
    let after = first["transactions"]["pageInfo"]["endCursor"].clone();
    let rest = own.data(LIST, json!({ "first": 2, "after": after })).await;
    assert_eq!(amounts(&rest), ["10.00"]);
    let page = own.data(LIST, json!({ "first": 2, "page": 2 })).await;
    assert_eq!(amounts(&page), ["10.00"]);
    let filter =
        json!({ "filter": { "kind": { "eq": "DEPOSIT" }, "asset": { "in": ["GBP", "USD"] } } });
    assert_eq!(amounts(&own.data(LIST, filter).await), ["10.00"]);
    let none = json!({ "filter": { "kind": { "in": [] } } });
    assert_eq!(amounts(&own.data(LIST, none).await), Vec::<String>::new());
    let staff = test.viewer(Role::Staff);
    assert_eq!(amounts(&staff.data(LIST, json!({})).await).len(), 4);
    let of_other = json!({ "filter": { "userId": other.to_string() } });
    assert_eq!(amounts(&staff.data(LIST, of_other.clone()).await), ["0.77"]);
    assert_eq!(
        amounts(&own.data(LIST, of_other).await),
        Vec::<String>::new()
    );

    let id = all["transactions"]["nodes"][0]["id"].clone();
    let one = own.data(ONE, json!({ "id": id })).await;
    assert_eq!(
        one["transaction"]["asset"],
        json!({ "code": "GBP", "scale": 2 })
    );
    let stranger = test.viewer_of(other, Role::Customer);
    assert_eq!(
        stranger.data(ONE, json!({ "id": id })).await,
        json!({ "transaction": null })
    );
    let below = "{ me { transactions(filter: { kind: { eq: WITHDRAWAL } }) { nodes { kind } totalCount } } }";
    assert_eq!(
        own.data(below, json!({})).await["me"]["transactions"]["totalCount"],
        2
    );
}

#[tokio::test]
async fn a_statement_begins_and_ends_with_what_the_wallet_had() {
    const STATEMENT: &str = "query($from: DateTime!, $to: DateTime!, $user: ID) {
        walletStatement(asset: \"GBP\", from: $from, to: $to, userId: $user) {
            openingBalance { amount } closingBalance { amount }
            entries { nodes { kind amount { amount } } } } }";
    let test = TestApp::new().await;
    let user = rich(&test, 1_000).await;
    let (wallet, clock) = (test.app.wallet(), test.app.clock());
    clock.advance(TimeDelta::days(1));
    let from = clock.now();
    wallet
        .withdraw(user, &transfer(user, 100, "tok_ok"), None)
        .await
        .unwrap();
    place(&test, &new_hold(&test, user, 5)).await.unwrap();
    wallet
        .deposit(user, &transfer(user, 30, "tok_ok"), None)
        .await
        .unwrap();
    wallet
        .deposit(user, &transfer(user, 1, "tok_declined"), None)
        .await
        .unwrap();
    let to = clock.now();
    clock.advance(TimeDelta::days(1));
    wallet
        .deposit(user, &transfer(user, 9, "tok_ok"), None)
        .await
        .unwrap();
    let variables = json!({ "from": from.to_rfc3339(), "to": to.to_rfc3339() });
    let own = test.viewer_of(user, Role::Customer);
    let data = own.data(STATEMENT, variables.clone()).await;
    let expected = json!({ "walletStatement": {
        "openingBalance": { "amount": "10.00" }, "closingBalance": { "amount": "9.30" },
        "entries": { "nodes": [
            { "kind": "WITHDRAWAL", "amount": { "amount": "-1.00" } },
            { "kind": "DEPOSIT", "amount": { "amount": "0.30" } } ] } } });
    assert_eq!(data, expected);
    let mut foreign = variables.clone();
    foreign["user"] = json!(user.to_string());
    let stranger = test.viewer(Role::Customer);
    assert_eq!(
        stranger.data(STATEMENT, foreign.clone()).await,
        json!({ "walletStatement": null })
    );
    assert_eq!(
        test.viewer(Role::Staff).data(STATEMENT, foreign).await,
        expected
    );
    let turned = json!({ "from": variables["to"], "to": variables["from"] });
    assert_eq!(own.error(STATEMENT, turned).await, "BAD_USER_INPUT");
    let period = Period {
        user_id: user,
        asset: "GBP".to_owned(),
        from,
        to,
    };
    let page = wallet
        .statement_entries(&period, &PageRequest::first(1))
        .await
        .unwrap();
    assert!(page.has_next);
}

#[tokio::test]
async fn an_export_has_every_transaction_with_its_exact_amount() {
    let test = TestApp::new().await;
    let user = rich(&test, 123_456).await;
    let other = test.user("two@example.com", Role::Customer).await;
    test.app
        .wallet()
        .deposit(other, &transfer(other, 1, "tok_ok"), None)
        .await
        .unwrap();
    let write = async |name: &str, wanted: Wanted| {
        let file = test.dir.path().join(name);
        let rows = export::transactions::run(&test.app, &file, &wanted).await;
        (rows.unwrap(), std::fs::read_to_string(file).unwrap())
    };
    assert_eq!(write("all.csv", Wanted::default()).await.0, 2);
    let wanted = Wanted {
        user_id: Some(user),
        ..Wanted::default()
    };
    let (rows, text) = write("own.csv", wanted).await;
    assert_eq!(rows, 1);
    let mut lines = text.lines();
    let head = "id,created_at,completed_at,user_id,kind,status,asset,amount,description,order_id,payment_id,refund_id,trade_order_id";
    assert_eq!(lines.next().unwrap(), head);
    let line = lines.next().unwrap();
    assert!(
        line.contains(",DEPOSIT,COMPLETED,GBP,1234.56,Deposit,"),
        "{line}"
    );
}

#[tokio::test]
async fn a_paid_order_is_a_transaction_of_its_customer() {
    let till = Till::open().await;
    let payments = till.process(Hook::default());
    let id = till.insert(&payments, "tok_ok").await;
    payments.payment_drive(id).await.unwrap();
    let filter = Filter {
        order_id: Some(till.order),
        ..Filter::default()
    };
    let rows = till
        .test
        .app
        .wallet()
        .transactions_after(&filter, None)
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].user_id, rows[0].amount_minor), (till.user, -1_485));
    let query =
        "{ transactions { nodes { kind order { id } lines { quantity unitPrice { amount } } } } }";
    let data = till
        .test
        .viewer_of(till.user, Role::Customer)
        .data(query, json!({}))
        .await;
    let node = &data["transactions"]["nodes"][0];
    assert_eq!(node["kind"], "PAYMENT");
    assert_eq!(node["order"]["id"], till.order.to_string());
    assert_eq!(node["lines"].as_array().unwrap().len(), 1);
    assert_eq!(till.drift().await, Vec::<String>::new());
}

#[tokio::test]
async fn verify_finds_transactions_and_holds_that_disagree_with_the_ledger() {
    let test = TestApp::new().await;
    let user = rich(&test, 1_000).await;
    place(&test, &new_hold(&test, user, 10)).await.unwrap();
    assert_eq!(drift(&test).await, Vec::<String>::new());
    let plant = async |amount: i64, remaining: i64| {
        let write = test.app.db().write("test.plant", async |tx| {
            transaction::Entity::update_many()
                .col_expr(transaction::Column::AmountMinor, Expr::value(amount))
                .filter(transaction::COLUMN.user_id.eq(user))
                .exec(&*tx)
                .await?;
            hold::Entity::update_many()
                .col_expr(hold::Column::RemainingMinor, Expr::value(remaining))
                .filter(hold::COLUMN.user_id.eq(user))
                .exec(&*tx)
                .await?;
            Ok::<_, Fault>(())
        });
        write.await.unwrap();
    };
    plant(999, 10).await;
    let found = drift(&test).await;
    assert!(
        found.len() == 1 && found[0].contains("says 999 GBP but 1000"),
        "{found:?}"
    );
    plant(1_000, 9).await;
    let found = drift(&test).await;
    assert!(
        found.len() == 1 && found[0].contains("its holds sum to 9"),
        "{found:?}"
    );
    let write = test.app.db().write("test.plant", async |tx| {
        transaction::Entity::delete_many()
            .filter(transaction::COLUMN.user_id.eq(user))
            .exec(&*tx)
            .await?;
        Ok::<_, Fault>(())
    });
    write.await.unwrap();
    plant(1_000, 10).await;
    let found = drift(&test).await;
    assert!(
        found.len() == 1 && found[0].contains("no transaction of its user"),
        "{found:?}"
    );
}

#[tokio::test]
async fn every_asset_is_exact_with_the_decimals_that_the_table_says() {
    let test = TestApp::new().await;
    let assets = test.app.wallet().assets().await.unwrap();
    for asset in &assets {
        let scale = u32::try_from(asset.scale).unwrap();
        assert_eq!(
            tradepost::money::exponent(&asset.code),
            Some(scale),
            "{}",
            asset.code
        );
        for minor in [
            1,
            9,
            10,
            99_999_999,
            100_000_000,
            -1,
            i64::MAX,
            i64::MIN + 1,
        ] {
            let decimal = tradepost::money::to_decimal(minor, &asset.code);
            assert_eq!(tradepost::money::to_minor(decimal, &asset.code), Ok(minor));
            assert_eq!(decimal.scale(), scale, "{decimal} {}", asset.code);
        }
    }
}

/// One of the things that can happen to money, chosen by chance; what is refused is refused.
async fn anything(test: &TestApp, killed: &Service, users: &[UserId], holds: &[NewHold]) {
    let user = users[usize::try_from(between(0, users.len() as u64 - 1)).unwrap()];
    let amount = i64::try_from(between(1, 900)).unwrap();
    let hold = &holds[usize::try_from(between(0, holds.len() as u64 - 1)).unwrap()];
    let wallet = test.app.wallet();
    let outcome = match between(0, 7) {
        0 => wallet
            .deposit(user, &transfer(user, amount, "tok_ok"), None)
            .await
            .map(|_| ()),
        1 => wallet
            .withdraw(user, &transfer(user, amount, "tok_ok"), None)
            .await
            .map(|_| ()),
        2 => wallet
            .withdraw(user, &transfer(user, amount, "tok_declined"), None)
            .await
            .map(|_| ()),
        3 => killed
            .deposit(user, &transfer(user, amount, "tok_ok"), None)
            .await
            .map(|_| ()),
        4 => killed
            .withdraw(user, &transfer(user, amount, "tok_ok"), None)
            .await
            .map(|_| ()),
        5 => place(test, &new_hold(test, user, amount)).await,
        6 => take(test, &capture(test, hold, amount, Rest::Keep))
            .await
            .map(|_| ()),
        _ => {
            give_back(test, hold.id).await;
            Ok(())
        }
    };
    if let Err(Failure::Fault(fault)) = outcome {
        panic!("{fault:?}");
    }
}

#[tokio::test]
async fn whatever_happens_to_money_at_once_it_adds_up() {
    let test = TestApp::new().await;
    let users = [
        rich(&test, 2_000).await,
        test.user("two@example.com", Role::Customer).await,
    ];
    let killed = out_of_reach(&test);
    for _ in 0..6 {
        let holds: Vec<_> = (0..3).map(|_| new_hold(&test, users[0], 20)).collect();
        let more = transfer(users[0], 60, "tok_ok");
        test.app
            .wallet()
            .deposit(users[0], &more, None)
            .await
            .unwrap();
        for new in &holds {
            place(&test, new).await.unwrap();
        }
        join_all((0..16).map(|_| anything(&test, &killed, &users, &holds))).await;
        test.app.clock().advance(TimeDelta::seconds(61));
        test.app.wallet().transfers_settle().await.unwrap();
        assert_eq!(drift(&test).await, Vec::<String>::new());
        for user in users {
            let (available, held) = has(&test, user).await;
            assert!(available >= 0 && held >= 0, "{available} {held}");
        }
    }
}
