//! Payments: every token of the simulated provider, processes that end between two steps, parallel drives and refunds,
//! webhooks.

use crate::support::http::{Client, answer};
use crate::support::till::{PRICE, Till};
use crate::support::wait::eventually;
use entity::ids::PaymentId;
use entity::payments::{
    AttemptResult, DeclineReason, PaymentState, ProviderOperation, RefundState,
};
use futures::future::join_all;
use http::{Method as Verb, StatusCode};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use tradepost::domain::payments::error::Error;
use tradepost::domain::payments::gateway::signature::HEADER;
use tradepost::domain::payments::gateway::{Provider as _, Snapshot};
use tradepost::domain::payments::service::hook::{Hook, Point};
use tradepost::domain::payments::service::{
    Method, Outcome, RefundExceedsCapture, RefundOutcome, Service,
};
use tradepost::domain::payments::simulator::Simulator;
use tradepost::domain::payments::tasks;
use tradepost::error::Fault;

use ProviderOperation::{Authorize, Capture, Refund, Status, Void};

/// After this many milliseconds nobody can be about to ask the provider any more: twice the limit of a question.
const IN_FLIGHT_MS: i64 = 10_000;

/// A hook that fails once at a point, as if the process had ended there.
fn fails_once(point: Point) -> Hook {
    let seen = AtomicUsize::new(0);
    Hook::new(move |at| {
        if at == point && seen.fetch_add(1, Ordering::SeqCst) == 0 {
            Err(Fault::Broken(format!("killed at {at:?}")))
        } else {
            Ok(())
        }
    })
}

fn points(operation: ProviderOperation) -> [Point; 3] {
    [
        Point::Before(operation),
        Point::Answered(operation),
        Point::Settled(operation),
    ]
}

/// A captured payment.
async fn captured(till: &Till) -> PaymentId {
    let payments = till.test.app.payments();
    let id = till.insert(payments, "tok_ok").await;
    assert_eq!(payments.payment_drive(id).await.unwrap(), Outcome::Captured);
    id
}

#[tokio::test]
async fn a_card_that_works_is_captured_once_and_posted_once() {
    let till = Till::open().await;
    let payments = till.test.app.payments();
    let id = captured(&till).await;
    let again = payments.payment_drive(id).await.unwrap();
    assert_eq!(again, Outcome::Captured, "a drive can be repeated");
    let row = till.payment(id).await;
    assert_eq!(
        (row.state, row.captured_minor),
        (PaymentState::Captured, PRICE)
    );
    assert_eq!(row.masked_token, "tok_…ok");
    assert_eq!(row.next_run_at, None, "there is nothing left to do");
    assert_eq!(
        till.attempts(id).await,
        [
            (Authorize, Some(AttemptResult::Done)),
            (Capture, Some(AttemptResult::Done))
        ]
    );
    assert_eq!(till.done(id).await, [Authorize, Capture]);
    assert_eq!(till.earned().await, PRICE);
    assert_eq!(till.drift().await, [""; 0]);
}

#[tokio::test]
async fn a_card_that_is_refused_takes_nothing_and_says_why() {
    let till = Till::open().await;
    let payments = till.test.app.payments();
    for (token, reason) in [
        ("tok_declined", DeclineReason::CardDeclined),
        ("tok_insufficient", DeclineReason::InsufficientFunds),
    ] {
        let id = till.insert(payments, token).await;
        for _ in 0..2 {
            let outcome = payments.payment_drive(id).await.unwrap();
            assert_eq!(outcome, Outcome::Declined { reason });
        }
        let refused = (Authorize, Some(AttemptResult::Refused));
        assert_eq!(till.attempts(id).await, [refused]);
        assert_eq!(till.at_provider(id).await, Some(0));
        let none_left = till.refund(payments, id, 1).await;
        assert_eq!(none_left, Err(RefundExceedsCapture { left_minor: 0 }));
    }
    assert_eq!(till.earned().await, 0);
    assert_eq!(till.drift().await, [""; 0]);
}

#[tokio::test]
async fn a_token_that_no_card_has_is_refused_before_anything_is_written() {
    let till = Till::open().await;
    let check = |token: &str| {
        let token = token.to_owned();
        till.test
            .app
            .payments()
            .method_check(&Method::Card { token }, "GBP")
    };
    for token in [
        "tok_ok",
        "tok_declined",
        "tok_insufficient",
        "tok_slow",
        "tok_fails_once",
        "tok_unknown",
        "tok_webhook_late",
        "tok_webhook_twice",
    ] {
        assert_eq!(check(token), Ok(()));
    }
    for token in ["", "tok_", "TOK_OK", "4242424242424242", "tok_ok ", "'; --"] {
        assert_eq!(check(token), Err(Error::TokenInvalid));
    }
}

#[tokio::test]
async fn a_failure_without_effect_is_tried_again_at_once() {
    let till = Till::open().await;
    let payments = till.test.app.payments();
    let id = till.insert(payments, "tok_fails_once").await;
    assert_eq!(payments.payment_drive(id).await.unwrap(), Outcome::Captured);
    assert_eq!(
        till.attempts(id).await,
        [
            (Authorize, Some(AttemptResult::NotDone)),
            (Authorize, Some(AttemptResult::Done)),
            (Capture, Some(AttemptResult::Done))
        ]
    );
    assert_eq!(till.done(id).await, [Authorize, Capture]);
    assert_eq!(till.drift().await, [""; 0]);
}

#[tokio::test]
async fn an_unknown_result_is_a_state_until_the_provider_tells() {
    let till = Till::open().await;
    let payments = till.test.app.payments();
    let id = till.insert(payments, "tok_unknown").await;
    let outcome = payments.payment_drive(id).await.unwrap();
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(till.payment(id).await.state, PaymentState::Unknown);
    assert_eq!(till.earned().await, 0, "nothing is guessed");
    // It asks, and is told that it is not known yet; each time it waits longer.
    let before = till.payment(id).await.next_run_at.unwrap();
    till.wait(600);
    tasks::drive_due(payments).await.unwrap();
    let row = till.payment(id).await;
    assert_eq!(row.state, PaymentState::Unknown);
    assert!(row.next_run_at.unwrap() > before);
    till.wait(5_000);
    tasks::drive_due(payments).await.unwrap();
    assert_eq!(till.payment(id).await.state, PaymentState::Captured);
    assert_eq!(
        till.done(id).await,
        [Authorize, Capture],
        "it was never asked twice"
    );
    let attempts = till.attempts(id).await;
    assert_eq!(attempts[0], (Authorize, Some(AttemptResult::Unknown)));
    assert_eq!(attempts[1], (Status, Some(AttemptResult::Processing)));
    assert_eq!(till.earned().await, PRICE);
    assert_eq!(till.drift().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_slower_than_its_limit_is_asked_until_it_is_known() {
    let till = Till::with(&[
        ("payments.call_timeout_ms", json!(200)),
        ("payments.simulated_slow_ms", json!(60_000)),
    ])
    .await;
    let payments = till.test.app.payments();
    let id = till.insert(payments, "tok_slow").await;
    let outcome = payments.payment_drive(id).await.unwrap();
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(
        till.attempts(id).await,
        [(Authorize, Some(AttemptResult::Unknown))]
    );
    eventually("it is captured", async || {
        till.wait(60_000);
        tasks::drive_due(payments).await.unwrap();
        (till.payment(id).await.state == PaymentState::Captured).then_some(())
    })
    .await;
    assert_eq!(till.done(id).await, [Authorize, Capture]);
    assert_eq!(till.drift().await, [""; 0]);
}

#[tokio::test]
async fn a_slow_provider_within_its_limit_is_waited_for() {
    let till = Till::with(&[("payments.simulated_slow_ms", json!(50))]).await;
    let payments = till.test.app.payments();
    let id = till.insert(payments, "tok_slow").await;
    assert_eq!(payments.payment_drive(id).await.unwrap(), Outcome::Captured);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_parallel_drives_of_one_payment_capture_once() {
    let till = Till::open().await;
    let payments = till.test.app.payments().clone();
    // The second service is another process: it shares nothing with the first but the database.
    let other = till.process(Hook::default());
    for token in ["tok_ok", "tok_fails_once"] {
        let id = till.insert(&payments, token).await;
        let drives = (0..50).map(|n| if n % 2 == 0 { &payments } else { &other }.payment_drive(id));
        for outcome in join_all(drives).await {
            let outcome = outcome.unwrap();
            // The other process may be told that the first is still at it.
            assert!(
                matches!(outcome, Outcome::Captured | Outcome::Unknown { .. }),
                "{outcome:?}"
            );
        }
        assert_eq!(payments.payment_drive(id).await.unwrap(), Outcome::Captured);
        assert_eq!(till.done(id).await, [Authorize, Capture]);
    }
    assert_eq!(till.earned().await, 2 * PRICE);
    assert_eq!(till.drift().await, [""; 0]);
}

#[tokio::test]
async fn a_process_that_ends_between_two_steps_leaves_nothing_half_done() {
    for point in points(Authorize).into_iter().chain(points(Capture)) {
        let till = Till::open().await;
        let killed = till.process(fails_once(point));
        let id = till.insert(&killed, "tok_ok").await;
        killed.payment_drive(id).await.unwrap_err();
        // Its successor knows no token. It finds what is due by itself.
        let next = till.process(Hook::default());
        till.wait(IN_FLIGHT_MS + 1);
        tasks::drive_due(&next).await.unwrap();
        let row = till.payment(id).await;
        if point == Point::Before(Authorize) {
            assert_eq!(row.state, PaymentState::Declined, "{point:?}");
            assert_eq!(row.decline_reason, Some(DeclineReason::Abandoned));
            assert_eq!(
                (till.at_provider(id).await, till.earned().await),
                (Some(0), 0)
            );
            assert_eq!(till.done(id).await, [Void]);
        } else {
            assert_eq!(row.state, PaymentState::Captured, "{point:?}");
            assert_eq!(
                (till.at_provider(id).await, till.earned().await),
                (Some(PRICE), PRICE)
            );
            assert_eq!(till.done(id).await, [Authorize, Capture], "{point:?}");
        }
        assert_eq!(row.next_run_at, None, "{point:?}");
        assert_eq!(till.drift().await, [""; 0], "{point:?}");
    }
}

#[tokio::test]
async fn a_step_that_fails_is_repeated_by_the_same_process() {
    for point in points(Authorize).into_iter().chain(points(Capture)) {
        let till = Till::open().await;
        let payments = till.process(fails_once(point));
        let id = till.insert(&payments, "tok_ok").await;
        payments.payment_drive(id).await.unwrap_err();
        let outcome = payments.payment_drive(id).await.unwrap();
        assert_eq!(outcome, Outcome::Captured, "{point:?}");
        assert_eq!(till.done(id).await, [Authorize, Capture], "{point:?}");
        assert_eq!(till.drift().await, [""; 0], "{point:?}");
    }
}

#[tokio::test]
async fn nobody_gives_a_payment_up_while_its_process_may_be_asking() {
    let till = Till::open().await;
    let slow = till.test.app.payments();
    let id = till.insert(slow, "tok_ok").await;
    let other = till.process(Hook::default());
    let outcome = other.payment_drive(id).await.unwrap();
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(till.at_provider(id).await, None, "nothing was called off");
    // The first process was away for longer than that, and comes back: the provider refuses what was called off.
    till.wait(IN_FLIGHT_MS + 1);
    let reason = DeclineReason::Abandoned;
    assert_eq!(
        other.payment_drive(id).await.unwrap(),
        Outcome::Declined { reason }
    );
    assert_eq!(
        slow.payment_drive(id).await.unwrap(),
        Outcome::Declined { reason }
    );
    assert_eq!(till.at_provider(id).await, Some(0));
}

#[tokio::test]
async fn a_question_that_comes_after_the_payment_was_called_off_takes_nothing() {
    let till = Till::open().await;
    let slow = till.process(fails_once(Point::Before(Authorize)));
    let id = till.insert(&slow, "tok_ok").await;
    slow.payment_drive(id).await.unwrap_err();
    // The process sleeps before its question, and is given up; the provider alone remembers, for its row is lost.
    let provider = Simulator::new(
        till.test.app.db().clone(),
        till.test.app.clock().clone(),
        &till.test.app.config().payments,
    );
    let reference = id.to_string();
    let voided = provider.void(&reference, "void").await.unwrap();
    assert_eq!(voided, Snapshot::Voided);
    assert_eq!(
        slow.payment_drive(id).await.unwrap(),
        Outcome::Declined {
            reason: DeclineReason::Abandoned
        }
    );
    assert_eq!(
        (till.at_provider(id).await, till.earned().await),
        (Some(0), 0)
    );
}

#[tokio::test]
async fn money_goes_back_whatever_state_a_payment_is_in() {
    for token in ["tok_ok", "tok_unknown", "tok_declined", "tok_webhook_late"] {
        for drive_before in [false, true] {
            let till = Till::open().await;
            let payments = till.test.app.payments();
            let id = till.insert(payments, token).await;
            if drive_before {
                payments.payment_drive(id).await.unwrap();
            }
            let back = payments
                .payment_void_or_refund(id, "the stock is gone")
                .await
                .unwrap();
            assert_eq!(back, Outcome::Returned, "{token} {drive_before}");
            let again = payments.payment_void_or_refund(id, "again").await.unwrap();
            assert_eq!(again, Outcome::Returned);
            // A drive that comes late does not take the money again.
            till.wait(60_000);
            assert_eq!(payments.payment_drive(id).await.unwrap(), Outcome::Returned);
            assert_eq!(till.at_provider(id).await, Some(0), "{token}");
            assert_eq!(till.earned().await, 0);
            let row = till.payment(id).await;
            assert_eq!(row.return_reason.as_deref(), Some("the stock is gone"));
            assert_eq!(row.next_run_at, None);
            let was_captured = token == "tok_ok" && drive_before;
            assert_eq!(till.refunds().await.len(), usize::from(was_captured));
            assert_eq!(till.drift().await, [""; 0]);
        }
    }
}

#[tokio::test]
async fn a_compensation_is_finished_by_another_process_wherever_the_first_ended() {
    // Called off before the capture, and paid back after it.
    for (operation, is_captured) in [(Void, false), (Refund, true)] {
        for point in points(operation) {
            let till = Till::open().await;
            let killed = till.process(fails_once(point));
            let id = till.insert(&killed, "tok_ok").await;
            if is_captured {
                killed.payment_drive(id).await.unwrap();
            }
            killed
                .payment_void_or_refund(id, "undone")
                .await
                .unwrap_err();
            let next = till.process(Hook::default());
            till.wait(IN_FLIGHT_MS + 1);
            tasks::drive_due(&next).await.unwrap();
            assert_eq!(
                next.payment_drive(id).await.unwrap(),
                Outcome::Returned,
                "{point:?}"
            );
            assert_eq!(
                (till.at_provider(id).await, till.earned().await),
                (Some(0), 0)
            );
            let refunds = till.done(id).await;
            let refunds = refunds.iter().filter(|&&done| done == Refund).count();
            assert_eq!(refunds, usize::from(is_captured), "{point:?}");
            assert_eq!(till.payment(id).await.next_run_at, None, "{point:?}");
            assert_eq!(till.drift().await, [""; 0], "{point:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_pay_and_undo_end_with_the_money_back() {
    let till = Till::open().await;
    let payments = till.test.app.payments().clone();
    let other = till.process(Hook::default());
    for _ in 0..5 {
        let id = till.insert(&payments, "tok_ok").await;
        let drives = (0..10).map(|_| payments.payment_drive(id));
        let undo = (0..5).map(|_| other.payment_void_or_refund(id, "cancelled"));
        let (drives, undo) = tokio::join!(join_all(drives), join_all(undo));
        drives.into_iter().chain(undo).for_each(|outcome| {
            outcome.unwrap();
        });
        eventually("the money is back", async || {
            till.wait(1_000);
            let outcome = other.payment_drive(id).await.unwrap();
            (outcome == Outcome::Returned).then_some(())
        })
        .await;
        assert_eq!(till.at_provider(id).await, Some(0));
    }
    assert_eq!(till.earned().await, 0);
    assert_eq!(till.drift().await, [""; 0]);
}

#[tokio::test]
async fn parts_go_back_until_nothing_is_left() {
    let till = Till::open().await;
    let payments = till.test.app.payments();
    let id = captured(&till).await;
    let first = till.refund(payments, id, 1_000).await.unwrap();
    let exceeds = till.refund(payments, id, 486).await;
    assert_eq!(
        exceeds,
        Err(RefundExceedsCapture { left_minor: 485 }),
        "claimed, not yet back"
    );
    for nothing in [0, -1] {
        let refused = till.refund(payments, id, nothing).await;
        assert_eq!(refused, Err(RefundExceedsCapture { left_minor: 485 }));
    }
    for _ in 0..2 {
        let outcome = payments.refund_drive(first).await.unwrap();
        assert_eq!(outcome, RefundOutcome::Refunded);
    }
    assert_eq!(till.payment(id).await.refunded_minor, 1_000);
    assert_eq!(till.earned().await, 485);
    // What the saga undoes is the rest.
    let back = payments.payment_void_or_refund(id, "undone").await.unwrap();
    assert_eq!(back, Outcome::Returned);
    let amounts: Vec<_> = till
        .refunds()
        .await
        .iter()
        .map(|refund| (refund.amount_minor, refund.state))
        .collect();
    assert_eq!(
        amounts,
        [
            (1_000, RefundState::Succeeded),
            (485, RefundState::Succeeded)
        ]
    );
    assert_eq!(
        (till.at_provider(id).await, till.earned().await),
        (Some(0), 0)
    );
    assert_eq!(till.drift().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_parallel_refunds_of_the_whole_are_one() {
    let till = Till::open().await;
    let payments = till.test.app.payments();
    let id = captured(&till).await;
    let refunds = join_all((0..50).map(|_| till.refund(payments, id, PRICE))).await;
    let claimed: Vec<_> = refunds.iter().filter_map(|refund| refund.ok()).collect();
    assert_eq!(claimed.len(), 1, "{refunds:?}");
    let other = till.process(Hook::default());
    let drives =
        (0..20).map(|n| if n % 2 == 0 { payments } else { &other }.refund_drive(claimed[0]));
    for outcome in join_all(drives).await {
        assert_eq!(outcome.unwrap(), RefundOutcome::Refunded);
    }
    assert_eq!(till.done(id).await, [Authorize, Capture, Refund]);
    assert_eq!(
        (till.at_provider(id).await, till.earned().await),
        (Some(0), 0)
    );
    assert_eq!(till.drift().await, [""; 0]);
}

#[tokio::test]
async fn a_refund_is_finished_by_another_process_wherever_the_first_ended() {
    for point in points(Refund) {
        let till = Till::open().await;
        let killed = till.process(fails_once(point));
        let id = captured(&till).await;
        let refund = till.refund(&killed, id, 500).await.unwrap();
        killed.refund_drive(refund).await.unwrap_err();
        let next = till.process(Hook::default());
        till.wait(IN_FLIGHT_MS + 1);
        tasks::drive_due(&next).await.unwrap();
        assert_eq!(
            till.refunds().await[0].state,
            RefundState::Succeeded,
            "{point:?}"
        );
        assert_eq!(till.at_provider(id).await, Some(PRICE - 500), "{point:?}");
        assert_eq!(till.earned().await, PRICE - 500);
        assert_eq!(till.drift().await, [""; 0], "{point:?}");
    }
}

#[tokio::test]
async fn a_late_webhook_brings_the_news_and_a_second_one_does_no_harm() {
    for (token, late_ms) in [("tok_webhook_late", 5_000), ("tok_webhook_twice", 2_000)] {
        let till = Till::open().await;
        let payments = till.test.app.payments();
        let id = till.insert(payments, token).await;
        let outcome = payments.payment_drive(id).await.unwrap();
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
        // It is asked in vain a few times, so that the next time is far away when the news come.
        let mut waited = 0;
        while waited + 500 < late_ms {
            till.wait(500);
            waited += 500;
            tasks::simulated_webhooks(payments).await.unwrap();
            tasks::drive_due(payments).await.unwrap();
            assert_eq!(till.payment(id).await.state, PaymentState::Unknown);
        }
        till.wait(late_ms - waited + 1);
        tasks::simulated_webhooks(payments).await.unwrap();
        let due = till.payment(id).await.next_run_at.unwrap();
        assert!(
            due <= till.test.app.clock().now(),
            "the webhook has it driven now"
        );
        tasks::drive_due(payments).await.unwrap();
        assert_eq!(till.payment(id).await.state, PaymentState::Captured);
        tasks::simulated_webhooks(payments).await.unwrap();
        tasks::drive_due(payments).await.unwrap();
        assert_eq!(till.done(id).await, [Authorize, Capture]);
        assert_eq!(till.earned().await, PRICE);
        assert_eq!(till.drift().await, [""; 0]);
    }
}

/// Posts a webhook, and returns the status.
async fn post(client: &Client, provider: &str, signature: Option<&str>, body: &str) -> StatusCode {
    let mut request = client
        .raw(Verb::POST, &format!("/webhooks/payments/{provider}"))
        .header("content-type", "application/json")
        .body(body.to_owned());
    if let Some(signature) = signature {
        request = request.header(HEADER, signature);
    }
    answer(request).await.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_arrive_over_http_and_only_signed_ones_count() {
    let till = Till::with(&[("payments.webhook_secret", json!("a secret of the provider"))]).await;
    let server = till.test.serve().await;
    let client = server.client();
    let app = &till.test.app;
    let payments = app.payments();
    let sign = |body: &str| payments.signer().sign(body.as_bytes(), app.clock().now());
    let id = till.insert(payments, "tok_webhook_late").await;
    let body = json!({ "reference": id.to_string(), "event": "payment.authorized" }).to_string();
    // Early: the provider tells before we have asked.
    let status = post(&client, "simulated", Some(&sign(&body)), &body).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(till.payment(id).await.state, PaymentState::Pending);
    payments.payment_drive(id).await.unwrap();
    assert_eq!(till.payment(id).await.state, PaymentState::Unknown);
    let refused = [
        (None, body.as_str()),
        (Some("nonsense".to_owned()), &body),
        (Some(sign("another body")), &body),
        (
            Some(payments.signer().sign(
                body.as_bytes(),
                app.clock().now() - chrono::TimeDelta::seconds(301),
            )),
            &body,
        ),
    ];
    let row = till.payment(id).await;
    for (signature, body) in refused {
        let status = post(&client, "simulated", signature.as_deref(), body).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{signature:?}");
    }
    assert_eq!(
        till.payment(id).await,
        row,
        "what is not believed does nothing"
    );
    let status = post(&client, "nobody", Some(&sign(&body)), &body).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let status = post(&client, "simulated", Some(&sign("[]")), "[]").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let huge = "x".repeat(300_000);
    let status = post(&client, "simulated", Some(&sign(&huge)), &huge).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    for unknown in ["not an id", "01930000-0000-7000-8000-000000000000"] {
        let body = json!({ "reference": unknown, "event": "payment.authorized" }).to_string();
        let status = post(&client, "simulated", Some(&sign(&body)), &body).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{unknown}");
    }
    let get = client.raw(Verb::GET, "/webhooks/payments/simulated");
    assert_eq!(answer(get).await.0, StatusCode::METHOD_NOT_ALLOWED);
    // In time, and again, and after the end.
    till.wait(5_001);
    for _ in 0..2 {
        let status = post(&client, "simulated", Some(&sign(&body)), &body).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        tasks::drive_due(payments).await.unwrap();
        assert_eq!(till.payment(id).await.state, PaymentState::Captured);
    }
    let row = till.payment(id).await;
    post(&client, "simulated", Some(&sign(&body)), &body).await;
    assert_eq!(till.payment(id).await, row);
    assert_eq!(till.earned().await, PRICE);
    assert_eq!(till.drift().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_finish_what_was_begun() {
    let till = Till::with(&[
        ("payments.simulated_settle_ms", json!(100)),
        ("payments.retry_least_ms", json!(50)),
    ])
    .await;
    till.test.app.start_workers();
    let payments: &Service = till.test.app.payments();
    let id = till.insert(payments, "tok_unknown").await;
    payments.payment_drive(id).await.unwrap();
    eventually("the worker captures it", async || {
        (till.payment(id).await.state == PaymentState::Captured).then_some(())
    })
    .await;
    assert_eq!(till.drift().await, [""; 0]);
}
