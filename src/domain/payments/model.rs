//! Rules of payments: what is asked next, what an answer makes of a payment, when it is tried again.

use super::gateway::Snapshot;
use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::{OrderId, PaymentId, RefundId, TransactionId, UserId};
use entity::payments::{DeclineReason, PaymentGoal, PaymentState, ProviderOperation};

/// Longest text of a reason or a provider's answer in a row, in characters.
const TEXT_MAX: usize = 200;

/// How an order is to be paid. It is serialized only to be hashed with a request's idempotency key.
#[derive(Clone, PartialEq, Eq, serde::Serialize)]
pub enum Method {
    /// By card.
    Card {
        /// What the card is known by at the provider; never stored.
        token: String,
    },
    /// From the user's wallet.
    Wallet {
        /// The asset's code.
        asset: String,
    },
}

impl Method {
    /// What the provider knows it by, and what of that may be stored.
    #[must_use]
    pub fn token(&self) -> (&str, String) {
        match self {
            Self::Card { token } => (token, masked(token)),
            Self::Wallet { asset } => (asset, asset.clone()),
        }
    }
}

impl std::fmt::Debug for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Card { token } => write!(f, "Card({})", masked(token)),
            Self::Wallet { asset } => write!(f, "Wallet({asset})"),
        }
    }
}

/// A payment that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPayment {
    /// Id, made before the transaction.
    pub id: PaymentId,
    /// The order.
    pub order_id: OrderId,
    /// Who pays.
    pub user_id: UserId,
    /// Minor units, more than 0.
    pub amount_minor: i64,
    /// Currency.
    pub currency: String,
    /// How.
    pub method: Method,
    /// The transaction that shows the user that this is bought and paid in one call.
    pub purchase: Option<TransactionId>,
}

/// A refund that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRefund {
    /// Id, made before the transaction.
    pub id: RefundId,
    /// The payment.
    pub payment_id: PaymentId,
    /// The order.
    pub order_id: OrderId,
    /// Minor units, more than 0.
    pub amount_minor: i64,
    /// Why, up to 200 characters.
    pub reason: Option<String>,
}

/// How far a payment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The amount was taken.
    Captured,
    /// Nothing was taken, and nothing will be.
    Declined {
        /// Why.
        reason: DeclineReason,
    },
    /// Nothing was taken after all, or all that was taken went back: the end of a compensation.
    Returned,
    /// It is not known yet; the worker goes on by itself.
    Unknown {
        /// When.
        retry_at: DateTime<Utc>,
    },
}

/// How far a refund has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefundOutcome {
    /// The money went back.
    Refunded,
    /// The provider refused, and says why.
    Failed {
        /// Its words.
        reason: String,
    },
    /// It is not known yet; the worker goes on by itself.
    Unknown {
        /// When.
        retry_at: DateTime<Utc>,
    },
}

/// What is to be done for a payment next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask the provider.
    Ask(ProviderOperation),
    /// Pay back what was taken.
    Refund,
    /// It is at its end.
    Done(Outcome),
}

/// What is to be done next for a payment in this state, towards this goal.
///
/// Without its token (`has_token`) a payment cannot be authorized: it is asked what became of it, and when the provider
/// has never heard of it and nobody can be about to ask, the service calls it off.
#[must_use]
pub fn next(
    state: PaymentState,
    goal: PaymentGoal,
    decline: Option<DeclineReason>,
    has_token: bool,
    is_returned: bool,
) -> Step {
    use PaymentGoal::{Capture, Return};
    use PaymentState::{Authorized, Captured, Declined, Pending, Unknown, Voided};
    let reason = decline.unwrap_or(DeclineReason::CardDeclined);
    match (state, goal) {
        (Pending, Capture) if has_token => Step::Ask(ProviderOperation::Authorize),
        (Pending | Unknown, Capture) => Step::Ask(ProviderOperation::Status),
        (Authorized, Capture) => Step::Ask(ProviderOperation::Capture),
        (Captured, Capture) => Step::Done(Outcome::Captured),
        (Declined, Capture) => Step::Done(Outcome::Declined { reason }),
        (Voided, Capture) => Step::Done(Outcome::Declined {
            reason: DeclineReason::Abandoned,
        }),
        (Pending | Unknown | Authorized, Return) => Step::Ask(ProviderOperation::Void),
        (Captured, Return) if !is_returned => Step::Refund,
        (Captured | Declined | Voided, Return) => Step::Done(Outcome::Returned),
    }
}

/// The state of a payment after an answer, with why it was refused. Nothing: the answer changes nothing, and the
/// payment is tried again later.
///
/// A state never goes back: an answer that was overtaken by a later one tells nothing new.
#[must_use]
pub fn after(
    state: PaymentState,
    goal: PaymentGoal,
    answer: Snapshot,
) -> Option<(PaymentState, Option<DeclineReason>)> {
    use PaymentState::{Authorized, Captured, Declined, Pending, Unknown, Voided};
    match (state, answer) {
        (Captured | Declined | Voided, _) => None,
        (_, Snapshot::Captured) => Some((Captured, None)),
        // Nobody wanted it called off, but its token was lost before the provider had it.
        (_, Snapshot::Voided) if goal == PaymentGoal::Capture => {
            Some((Declined, Some(DeclineReason::Abandoned)))
        }
        (_, Snapshot::Voided) => Some((Voided, None)),
        (_, Snapshot::Declined(reason)) => Some((Declined, Some(reason))),
        (Pending | Unknown, Snapshot::Authorized) => Some((Authorized, None)),
        (Pending, Snapshot::Processing) => Some((Unknown, None)),
        // It was unknown whether the question had arrived, and it had not: it can be asked again.
        (Unknown, Snapshot::NotFound) => Some((Pending, None)),
        (Authorized, Snapshot::Processing | Snapshot::NotFound | Snapshot::Authorized)
        | (Unknown, Snapshot::Processing)
        | (Pending, Snapshot::NotFound) => None,
    }
}

/// The state of a payment whose question had no answer that tells.
#[must_use]
pub fn after_unknown(state: PaymentState) -> Option<PaymentState> {
    match state {
        PaymentState::Pending | PaymentState::Authorized => Some(PaymentState::Unknown),
        _ => None,
    }
}

/// When something that brought nothing is tried again: after `least`, then each time after twice as long, up to `most`.
#[must_use]
pub fn retry_at(
    now: DateTime<Utc>,
    tries: i32,
    least: TimeDelta,
    most: TimeDelta,
) -> DateTime<Utc> {
    let factor = 1_i32 << tries.clamp(0, 16);
    now + least
        .checked_mul(factor)
        .map_or(most, |pause| pause.min(most))
}

/// A token with its middle masked, as `tok_…ed`: enough to tell two apart, not enough to use one.
#[must_use]
pub fn masked(token: &str) -> String {
    let kind = token
        .split_once('_')
        .map_or("", |(kind, _)| kind)
        .chars()
        .take(8);
    let end: String = token.chars().rev().take(2).collect();
    let mut masked: String = kind.collect();
    if !masked.is_empty() {
        masked.push('_');
    }
    masked.push('…');
    if token.chars().count() > 4 {
        masked.extend(end.chars().rev());
    }
    masked
}

/// Text cut to what a row holds.
#[must_use]
pub fn cut(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProviderOperation::{Authorize, Capture, Status, Void};

    #[test]
    fn a_payment_goes_towards_its_goal_from_every_state() {
        let next = |state, goal, has_token| super::next(state, goal, None, has_token, false);
        let capture = PaymentGoal::Capture;
        let back = PaymentGoal::Return;
        for (state, has_token, operation) in [
            (PaymentState::Pending, true, Authorize),
            (PaymentState::Pending, false, Status),
            (PaymentState::Unknown, true, Status),
            (PaymentState::Authorized, false, Capture),
        ] {
            assert_eq!(next(state, capture, has_token), Step::Ask(operation));
            assert_eq!(next(state, back, has_token), Step::Ask(Void));
        }
        let done = |state, goal| next(state, goal, false);
        assert_eq!(
            done(PaymentState::Captured, capture),
            Step::Done(Outcome::Captured)
        );
        assert_eq!(done(PaymentState::Captured, back), Step::Refund);
        assert_eq!(
            super::next(PaymentState::Captured, back, None, false, true),
            Step::Done(Outcome::Returned)
        );
        assert_eq!(
            done(PaymentState::Declined, back),
            Step::Done(Outcome::Returned)
        );
        assert_eq!(
            done(PaymentState::Voided, back),
            Step::Done(Outcome::Returned)
        );
    }

    #[test]
    fn no_answer_takes_a_state_back() {
        let answers = [
            Snapshot::NotFound,
            Snapshot::Processing,
            Snapshot::Authorized,
            Snapshot::Captured,
            Snapshot::Declined(DeclineReason::CardDeclined),
            Snapshot::Voided,
        ];
        for answer in answers {
            for end in [
                PaymentState::Captured,
                PaymentState::Declined,
                PaymentState::Voided,
            ] {
                assert_eq!(
                    after(end, PaymentGoal::Return, answer),
                    None,
                    "{end} {answer:?}"
                );
            }
            let authorized = after(PaymentState::Authorized, PaymentGoal::Return, answer)
                .map(|(state, _)| state);
            assert!(
                !matches!(
                    authorized,
                    Some(PaymentState::Pending | PaymentState::Unknown)
                ),
                "{answer:?}"
            );
        }
        assert_eq!(
            after(
                PaymentState::Unknown,
                PaymentGoal::Capture,
                Snapshot::NotFound
            ),
            Some((PaymentState::Pending, None))
        );
        assert_eq!(
            after(
                PaymentState::Pending,
                PaymentGoal::Capture,
                Snapshot::Voided
            ),
            Some((PaymentState::Declined, Some(DeclineReason::Abandoned)))
        );
    }

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let now = DateTime::from_timestamp(0, 0).unwrap();
        let (least, most) = (TimeDelta::milliseconds(500), TimeDelta::seconds(60));
        let pause = |tries| (retry_at(now, tries, least, most) - now).num_milliseconds();
        assert_eq!(
            [0, 1, 2, 7, 100].map(pause),
            [500, 1_000, 2_000, 60_000, 60_000]
        );
    }

    #[test]
    fn tokens_are_masked() {
        assert_eq!(masked("tok_declined"), "tok_…ed");
        assert_eq!(masked("4242424242424242"), "…42");
        assert_eq!(masked("ab"), "…");
        assert!(
            !format!(
                "{:?}",
                Method::Card {
                    token: "tok_declined".into()
                }
            )
            .contains("declined")
        );
        assert_eq!(masked(&format!("{}_x", "k".repeat(100))), "kkkkkkkk_…_x");
    }
}
