//! Random sequences of postings: whatever is posted, together or alone, refused or not, the ledger adds up.

use crate::support::TestApp;
use entity::accounts::Role;
use entity::wallet::{AccountKind, EntryKind};
use futures::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::HashMap;
use tradepost::domain::wallet::error::Error;
use tradepost::domain::wallet::model::{Account, NewEntry, NewPosting};
use tradepost::error::Failure;

/// Users of a sequence.
const USERS: usize = 3;

/// What somebody does with money.
#[derive(Clone, Copy, Debug)]
enum Move {
    Deposit,
    Withdraw,
    Hold,
    Release,
    CaptureHeld,
    Refund,
    PayAnother,
}

/// A move of one user with an amount in minor units.
type Step = (Move, usize, i64);

fn step() -> impl Strategy<Value = Step> {
    let moves = prop::sample::select(vec![
        Move::Deposit,
        Move::Deposit,
        Move::Withdraw,
        Move::Hold,
        Move::Release,
        Move::CaptureHeld,
        Move::Refund,
        Move::PayAnother,
    ]);
    (moves, 0..USERS, 1..2_000_i64)
}

/// From where to where a move goes.
fn route(step: Step, users: &[entity::ids::UserId], asset: &str) -> (Account, Account) {
    let (kind, user, _) = step;
    let of = |kind, user: usize| Account::of_user(kind, asset, users[user]);
    let available = of(AccountKind::UserAvailable, user);
    let held = of(AccountKind::UserHeld, user);
    let outside = Account::of_shop(AccountKind::External, asset);
    let revenue = Account::of_shop(AccountKind::MerchantRevenue, asset);
    match kind {
        Move::Deposit => (outside, available),
        Move::Withdraw => (available, outside),
        Move::Hold => (available, held),
        Move::Release => (held, available),
        Move::CaptureHeld => (held, revenue),
        Move::Refund => (revenue, available),
        Move::PayAnother => (
            available,
            of(AccountKind::UserAvailable, (user + 1) % USERS),
        ),
    }
}

/// Posts the steps of a sequence, `together` at a time, and compares with a model of hash maps when they are alone.
async fn run(test: &TestApp, steps: &[Step], together: usize) {
    let wallet = test.app.wallet();
    let mut users = Vec::new();
    for _ in 0..USERS {
        let name: uuid::Uuid = test.app.clock().id();
        users.push(
            test.user(&format!("{name}@example.com"), Role::Customer)
                .await,
        );
    }
    let asset = "BTC";
    let mut model: HashMap<Account, i64> = HashMap::new();
    for chunk in steps.chunks(together) {
        let posts = chunk.iter().map(|&step| {
            let (from, to) = route(step, &users, asset);
            let id: entity::ids::JournalEntryId = test.app.clock().id();
            let postings =
                [(&from, -step.2), (&to, step.2)].map(|(account, amount_minor)| NewPosting {
                    account: account.clone(),
                    amount_minor,
                });
            let entries = [NewEntry {
                id,
                operation_key: format!("random:{id}"),
                kind: EntryKind::Deposit,
                user_id: None,
                order_id: None,
                payment_id: None,
                refund_id: None,
                description: "random".to_owned(),
                postings: postings.to_vec(),
            }];
            async move {
                let entries = &entries;
                let posted = test
                    .app
                    .db()
                    .write("test.post", async |tx| wallet.post_in(&tx, entries).await)
                    .await;
                (from, to, step.2, posted)
            }
        });
        for (from, to, amount, posted) in join_all(posts).await {
            let left = model.get(&from).copied().unwrap_or_default() - amount;
            let expected = from.user_id.is_none() || left >= 0;
            match posted {
                Ok(()) => {
                    assert!(expected || together > 1, "{from:?} had too little");
                    *model.entry(from).or_default() -= amount;
                    *model.entry(to).or_default() += amount;
                }
                Err(Failure::Refused(errors)) => {
                    assert!(!expected || together > 1, "{from:?} had enough: {errors:?}");
                    assert!(matches!(errors[..], [Error::InsufficientFunds { .. }]));
                }
                Err(Failure::Fault(fault)) => panic!("{fault:?}"),
            }
        }
    }
    for (account, expected) in &model {
        if account.user_id.is_some() {
            let balance = wallet.balance(account).await.unwrap();
            assert_eq!(balance, *expected, "{account:?}");
            assert!(balance >= 0, "{account:?}");
        }
    }
    let mut drifts = Vec::new();
    wallet
        .verify(&mut |drift| drifts.push(drift.0))
        .await
        .unwrap();
    // It posts to held accounts without holds, which `wallet.rs` tests.
    drifts.retain(|drift: &String| !drift.contains("its holds sum to"));
    assert_eq!(drifts, [""; 0]);
}

#[test]
fn any_sequence_of_postings_adds_up() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let test = runtime.block_on(TestApp::new());
    let mut runner = TestRunner::new(Config {
        cases: 12,
        failure_persistence: None,
        max_shrink_iters: 64,
        ..Config::default()
    });
    let sequences = (
        prop::collection::vec(step(), 1..40),
        prop::sample::select(vec![1, 6]),
    );
    let result = runner.run(&sequences, |(steps, together)| {
        runtime.block_on(run(&test, &steps, together));
        Ok(())
    });
    result.unwrap();
    drop(runtime);
}
