//! The ledger: what is posted adds up, at any concurrency, and what does not is found.

use crate::support::TestApp;
use crate::support::till::{PRICE, Till};
use entity::accounts::Role;
use entity::ids::{JournalEntryId, UserId};
use entity::payments::{PaymentState, payment, refund};
use entity::wallet::{
    AccountKind, EntryKind, journal_entry, ledger_account, ledger_balance, posting,
};
use futures::future::join_all;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;
use std::process::{Command, Output};
use tradepost::db::Tx;
use tradepost::domain::wallet::error::Error;
use tradepost::domain::wallet::model::{Account, NewEntry, NewPosting};
use tradepost::error::{Failure, Fault};
use tradepost::money::{self, Money};

/// An entry over postings of account and amount.
fn entry(test: &TestApp, key: &str, postings: &[(&Account, i64)]) -> NewEntry {
    NewEntry {
        id: test.app.clock().id(),
        operation_key: key.to_owned(),
        kind: EntryKind::Deposit,
        user_id: None,
        order_id: None,
        payment_id: None,
        refund_id: None,
        description: "test".to_owned(),
        postings: postings
            .iter()
            .map(|&(account, amount_minor)| NewPosting {
                account: account.clone(),
                amount_minor,
            })
            .collect(),
    }
}

async fn post(test: &TestApp, entries: &[NewEntry]) -> Result<(), Failure<Error>> {
    let wallet = test.app.wallet();
    test.app
        .db()
        .write("test.post", async |tx| wallet.post_in(&tx, entries).await)
        .await
}

async fn balance(test: &TestApp, account: &Account) -> i64 {
    test.app.wallet().balance(account).await.unwrap()
}

/// Everything in the ledger that does not add up.
async fn drift(test: &TestApp) -> Vec<String> {
    let mut drifts = Vec::new();
    let mut report = |drift: tradepost::domain::wallet::service::Drift| drifts.push(drift.0);
    test.app.wallet().verify(&mut report).await.unwrap();
    // These tests post to held accounts without holds, which `wallet.rs` tests.
    drifts.retain(|drift| !drift.contains("its holds sum to"));
    drifts
}

/// A user with money, and the account it is in.
async fn purse(test: &TestApp, email: &str, asset: &str, amount_minor: i64) -> (UserId, Account) {
    let user = test.user(email, Role::Customer).await;
    let account = Account::of_user(AccountKind::UserAvailable, asset, user);
    let outside = Account::of_shop(AccountKind::External, asset);
    let deposit = entry(
        test,
        &format!("deposit:{email}"),
        &[(&outside, -amount_minor), (&account, amount_minor)],
    );
    post(test, &[deposit]).await.unwrap();
    (user, account)
}

async fn write<F, Fut>(test: &TestApp, change: F)
where
    F: Fn(Tx) -> Fut + Send,
    Fut: Future<Output = Result<(), Fault>> + Send,
{
    test.app.db().write("test.plant", change).await.unwrap();
}

#[tokio::test]
async fn an_entry_that_does_not_sum_to_zero_is_never_written() {
    let test = TestApp::new().await;
    let (a, b) = (
        Account::of_shop(AccountKind::External, "GBP"),
        Account::of_shop(AccountKind::Fees, "GBP"),
    );
    let dollars = Account::of_shop(AccountKind::Fees, "USD");
    for wrong in [
        &[(&a, 100), (&b, -99)][..],
        &[(&a, 100), (&dollars, -100)],
        &[(&a, 0), (&b, 0)],
        &[(&a, i64::MAX), (&a, i64::MAX), (&b, 2)],
        &[],
    ] {
        let fine = entry(&test, "fine", &[(&a, 5), (&b, -5)]);
        let refused = post(&test, &[fine, entry(&test, "wrong", wrong)]).await;
        assert!(
            matches!(refused, Err(Failure::Fault(Fault::Broken(_)))),
            "{refused:?}"
        );
    }
    assert!(
        test.app
            .wallet()
            .posted_after(None)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(balance(&test, &a).await, 0);
}

#[tokio::test]
async fn an_operation_is_posted_once() {
    let test = TestApp::new().await;
    let (a, b) = (
        Account::of_shop(AccountKind::External, "GBP"),
        Account::of_shop(AccountKind::Fees, "GBP"),
    );
    let postings = [(&a, -5), (&b, 5)];
    post(&test, &[entry(&test, "once", &postings)])
        .await
        .unwrap();
    let twice = post(&test, &[entry(&test, "once", &postings)]).await;
    assert!(
        matches!(twice, Err(Failure::Fault(Fault::Broken(_)))),
        "{twice:?}"
    );
    // Keys are compared by their bytes.
    post(&test, &[entry(&test, "Once", &postings)])
        .await
        .unwrap();
    assert_eq!(
        (balance(&test, &a).await, balance(&test, &b).await),
        (-10, 10)
    );
    assert_eq!(drift(&test).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_parallel_spends_of_a_balance_for_fifty_are_fifty() {
    let test = TestApp::new().await;
    let (_, purse) = purse(&test, "buyer@example.com", "GBP", 5_000).await;
    let shop = Account::of_shop(AccountKind::MerchantRevenue, "GBP");
    let spends = (0..200).map(|n| {
        let spend = entry(
            &test,
            &format!("spend:{n}"),
            &[(&purse, -100), (&shop, 100)],
        );
        let test = &test;
        async move { post(test, &[spend]).await }
    });
    let results = join_all(spends).await;
    let spent = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(spent, 50);
    for result in results {
        let short = Error::InsufficientFunds {
            required: Money::new(100, "GBP"),
            available: Money::new(0, "GBP"),
        };
        match result {
            Ok(()) => {}
            // Some are refused while a little is left that others took.
            Err(Failure::Refused(errors)) => assert_eq!(errors, [short]),
            Err(Failure::Fault(fault)) => panic!("{fault:?}"),
        }
    }
    assert_eq!(
        (balance(&test, &purse).await, balance(&test, &shop).await),
        (0, 5_000)
    );
    assert_eq!(drift(&test).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_who_pay_each_other_in_both_directions_at_once_do_not_lock_each_other_out() {
    let test = TestApp::new().await;
    let mut purses = Vec::new();
    for n in 0..4 {
        let email = format!("user{n}@example.com");
        purses.push(purse(&test, &email, "BTC", 100_000_000).await.1);
    }
    let pays = (0..120).map(|n| {
        let (from, to) = (&purses[n % 4], &purses[(n + 1 + n / 4 % 3) % 4]);
        let pay = entry(&test, &format!("pay:{n}"), &[(from, -1_000), (to, 1_000)]);
        let test = &test;
        async move { post(test, &[pay]).await }
    });
    for result in join_all(pays).await {
        result.unwrap();
    }
    let mut sum = 0;
    for purse in &purses {
        sum += balance(&test, purse).await;
    }
    assert_eq!(sum, 400_000_000);
    assert_eq!(drift(&test).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_that_many_post_to_for_the_first_time_are_made_once() {
    let test = TestApp::new().await;
    let shop = Account::of_shop(AccountKind::Fees, "JPY");
    let outside = Account::of_shop(AccountKind::External, "JPY");
    let posts = (0..40).map(|n| {
        let post_one = entry(&test, &format!("fee:{n}"), &[(&outside, -7), (&shop, 7)]);
        let test = &test;
        async move { post(test, &[post_one]).await }
    });
    for result in join_all(posts).await {
        result.unwrap();
    }
    assert_eq!(balance(&test, &shop).await, 280);
    let rows = test
        .app
        .db()
        .read("test.shards", async |c| {
            let id = shop.id();
            let rows = ledger_balance::Entity::find()
                .filter(ledger_balance::COLUMN.account_id.eq(id))
                .all(&*c)
                .await?;
            Ok::<_, Fault>(rows)
        })
        .await
        .unwrap();
    assert_eq!(rows.len(), 16);
    let used = rows.iter().filter(|row| row.amount_minor != 0).count();
    assert!(used > 4, "posts are spread over the shards, not {used}");
    assert_eq!(drift(&test).await, [""; 0]);
}

#[tokio::test]
async fn balances_that_do_not_fit_are_refused_and_change_nothing() {
    let test = TestApp::new().await;
    let (user, purse) = purse(&test, "rich@example.com", "GBP", i64::MAX).await;
    let held = Account::of_user(AccountKind::UserHeld, "GBP", user);
    let shop = Account::of_shop(AccountKind::Fees, "GBP");
    let more = entry(&test, "more", &[(&shop, -1), (&purse, 1)]);
    let refused = post(&test, &[more]).await;
    assert!(
        matches!(&refused, Err(Failure::Refused(errors)) if *errors == [Error::TooLarge]),
        "{refused:?}"
    );
    assert_eq!(balance(&test, &purse).await, i64::MAX);
    let hold = entry(&test, "hold", &[(&purse, -i64::MAX), (&held, i64::MAX)]);
    post(&test, &[hold]).await.unwrap();
    assert_eq!(balance(&test, &held).await, i64::MAX);
    assert_eq!(drift(&test).await, [""; 0]);
}

#[tokio::test]
async fn assets_are_those_that_amounts_can_be_written_in() {
    let test = TestApp::new().await;
    let data = test
        .guest()
        .data("{ assets { code kind scale symbol } }", json!({}))
        .await;
    let assets = data["assets"].as_array().unwrap();
    assert!(assets.len() > 100, "{}", assets.len());
    for asset in assets {
        let code = asset["code"].as_str().unwrap();
        let scale = money::exponent(code);
        assert_eq!(asset["scale"].as_u64(), scale.map(u64::from), "{code}");
        // Every exponent is exact both ways.
        for minor in [0, 1, -1, 123_456_789, i64::MAX, i64::MIN] {
            let decimal = money::to_decimal(minor, code);
            assert_eq!(money::to_minor(decimal, code), Ok(minor), "{code}");
        }
    }
    let find = |code: &str| {
        let found = assets.iter().find(|asset| asset["code"] == code);
        found.unwrap().clone()
    };
    assert_eq!(
        find("GBP"),
        json!({ "code": "GBP", "kind": "FIAT", "scale": 2, "symbol": "£" })
    );
    assert_eq!(
        find("BTC"),
        json!({ "code": "BTC", "kind": "CRYPTO", "scale": 8, "symbol": "₿" })
    );
    assert_eq!(
        (&find("JPY")["scale"], &find("KWD")["scale"]),
        (&json!(0), &json!(3))
    );
}

#[tokio::test]
async fn a_wallet_shows_its_owner_and_staff_what_is_available_and_held() {
    const WALLET: &str = "query($id: ID) { wallet(userId: $id) {
        balances { asset { code } available { amount currencyCode } held { amount } } } }";
    let test = TestApp::new().await;
    let (user, available) = purse(&test, "buyer@example.com", "GBP", 5_000).await;
    let held = Account::of_user(AccountKind::UserHeld, "GBP", user);
    let bitcoin = Account::of_user(AccountKind::UserAvailable, "BTC", user);
    let outside = Account::of_shop(AccountKind::External, "BTC");
    let hold = entry(&test, "hold", &[(&available, -1_234), (&held, 1_234)]);
    let deposit = entry(&test, "btc", &[(&outside, -1), (&bitcoin, 1)]);
    post(&test, &[hold, deposit]).await.unwrap();
    let expected = json!({ "wallet": { "balances": [
        { "asset": { "code": "BTC" }, "available": { "amount": "0.00000001", "currencyCode": "BTC" },
          "held": { "amount": "0.00000000" } },
        { "asset": { "code": "GBP" }, "available": { "amount": "37.66", "currencyCode": "GBP" },
          "held": { "amount": "12.34" } },
    ] } });
    let owner = test.viewer_of(user, Role::Customer);
    assert_eq!(owner.data(WALLET, json!({})).await, expected);
    assert_eq!(
        owner.data(WALLET, json!({ "id": user.to_string() })).await,
        expected
    );
    let staff = test.viewer(Role::Staff);
    assert_eq!(
        staff.data(WALLET, json!({ "id": user.to_string() })).await,
        expected
    );
    assert_eq!(
        staff.data(WALLET, json!({})).await,
        json!({ "wallet": { "balances": [] } })
    );
    let nothing = json!({ "wallet": null });
    let stranger = test.viewer(Role::Customer);
    assert_eq!(
        stranger
            .data(WALLET, json!({ "id": user.to_string() }))
            .await,
        nothing
    );
    let unknown = json!({ "id": "01930000-0000-7000-8000-000000000000" });
    assert_eq!(staff.data(WALLET, unknown).await, nothing);
    assert_eq!(
        owner.error(WALLET, json!({ "id": "me" })).await,
        "BAD_USER_INPUT"
    );
    assert_eq!(
        test.guest().error(WALLET, json!({})).await,
        "UNAUTHENTICATED"
    );
}

/// Runs `tradepost ledger verify` on a test's database.
fn verify(test: &TestApp) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tradepost"))
        .args(["ledger", "verify"])
        .current_dir(test.dir.path())
        .env_remove("REDIS_URL")
        .env_remove("KAFKA_BROKERS")
        .env("DATABASE_URL", test.database_url())
        .env("TRADEPOST_SERVER__ENV", "development")
        .env("TRADEPOST_SERVER__DATA_DIR", test.dir.path())
        .output()
        .unwrap()
}

/// A kind of drift that is planted, and what `ledger verify` says of it.
#[derive(Clone, Copy, Debug)]
enum Planted {
    Balance,
    Posting,
    PostingGone,
    PostingOfOtherAsset,
    PaymentNotCaptured,
    PaymentNotPosted,
    PaymentAmount,
    RefundNotSucceeded,
    RefundedSum,
}

impl Planted {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Balance, "but its postings sum to"),
        (Self::Posting, "instead of 0"),
        (Self::PostingGone, "has 1 postings"),
        (Self::PostingOfOtherAsset, "to an account of GBP"),
        (Self::PaymentNotCaptured, "is of no captured payment"),
        (Self::PaymentNotPosted, "was not posted"),
        (Self::PaymentAmount, "but its postings are others"),
        (
            Self::RefundNotSucceeded,
            "is of no captured payment and no refund that succeeded",
        ),
        (Self::RefundedSum, "claimed by refunds, but they sum to"),
    ];

    async fn plant(self, tx: &Tx, entry: JournalEntryId) -> Result<(), Fault> {
        let amount = Expr::col(posting::Column::AmountMinor);
        let of_entry = posting::COLUMN
            .entry_id
            .eq(entry)
            .and(posting::COLUMN.position.eq(0));
        match self {
            Self::Balance => {
                let kind = ledger_account::COLUMN.kind.eq(AccountKind::Clearing);
                let account = ledger_account::Entity::find()
                    .filter(kind)
                    .one(&**tx)
                    .await?;
                ledger_balance::Entity::update_many()
                    .col_expr(ledger_balance::Column::AmountMinor, Expr::value(7))
                    .filter(ledger_balance::COLUMN.account_id.eq(account.unwrap().id))
                    .filter(ledger_balance::COLUMN.shard.eq(3))
                    .exec(&**tx)
                    .await?;
            }
            Self::Posting => {
                posting::Entity::update_many()
                    .col_expr(posting::Column::AmountMinor, amount.add(1))
                    .filter(of_entry)
                    .exec(&**tx)
                    .await?;
            }
            Self::PostingGone => {
                posting::Entity::delete_many()
                    .filter(of_entry)
                    .exec(&**tx)
                    .await?;
            }
            Self::PostingOfOtherAsset => {
                posting::Entity::update_many()
                    .col_expr(posting::Column::Asset, Expr::value("USD"))
                    .filter(posting::COLUMN.entry_id.eq(entry))
                    .exec(&**tx)
                    .await?;
            }
            Self::PaymentNotCaptured => {
                payment::Entity::update_many()
                    .col_expr(payment::Column::State, Expr::value(PaymentState::Voided))
                    .exec(&**tx)
                    .await?;
            }
            Self::PaymentNotPosted => {
                journal_entry::Entity::update_many()
                    .col_expr(journal_entry::Column::OperationKey, Expr::value("other"))
                    .filter(journal_entry::COLUMN.id.eq(entry))
                    .exec(&**tx)
                    .await?;
            }
            Self::PaymentAmount => {
                payment::Entity::update_many()
                    .col_expr(payment::Column::CapturedMinor, Expr::value(PRICE - 1))
                    .exec(&**tx)
                    .await?;
            }
            Self::RefundNotSucceeded => {
                refund::Entity::update_many()
                    .col_expr(refund::Column::State, Expr::value("FAILED"))
                    .exec(&**tx)
                    .await?;
            }
            Self::RefundedSum => {
                payment::Entity::update_many()
                    .col_expr(payment::Column::RefundClaimedMinor, Expr::value(600))
                    .exec(&**tx)
                    .await?;
            }
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ledger_verify_finds_every_kind_of_drift_and_fails() {
    for (planted, says) in Planted::ALL {
        let till = Till::open().await;
        let payments = till.test.app.payments();
        let id = till.insert(payments, "tok_ok").await;
        payments.payment_drive(id).await.unwrap();
        let refund = till.refund(payments, id, 500).await.unwrap();
        payments.refund_drive(refund).await.unwrap();
        assert_eq!(till.drift().await, [""; 0]);
        let entries = till.test.app.wallet().posted_after(None).await.unwrap();
        let entry = entries[0].0.id;
        write(&till.test, async |tx| planted.plant(&tx, entry).await).await;
        let found = till.drift().await;
        assert!(
            found.iter().any(|drift| drift.contains(says)),
            "{planted:?}: {found:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_ledger_verify_succeeds_only_without_drift() {
    let till = Till::open().await;
    let payments = till.test.app.payments();
    let id = till.insert(payments, "tok_ok").await;
    payments.payment_drive(id).await.unwrap();
    let clean = verify(&till.test);
    let out = String::from_utf8(clean.stdout).unwrap();
    assert!(clean.status.success(), "{out}");
    assert!(
        out.contains("1 entries, 32 balances and 1 payments were recomputed."),
        "{out}"
    );
    let entries = till.test.app.wallet().posted_after(None).await.unwrap();
    let entry = entries[0].0.id;
    write(&till.test, async |tx| {
        Planted::Balance.plant(&tx, entry).await
    })
    .await;
    let dirty = verify(&till.test);
    let out = String::from_utf8(dirty.stdout).unwrap();
    assert!(!dirty.status.success(), "{out}");
    assert!(
        out.contains("shard 3 has 7 but its postings sum to"),
        "{out}"
    );
}
