//! Driving a payment towards its goal.

use super::super::gateway::{Answer, CallError, Charge, Snapshot, Token};
use super::super::model::{self, Outcome, Step};
use super::super::store::{self, Answered};
use super::hook::Point;
use super::{Service, posted};
use crate::domain::wallet::model::{Account, NewEntry, NewPosting};
use crate::error::Fault;
use chrono::{DateTime, Utc};
use entity::ids::{PaymentAttemptId, PaymentId};
use entity::payments::{
    AttemptResult, PaymentGoal, PaymentMethod, PaymentState, ProviderOperation, payment,
    payment_attempt,
};
use entity::wallet::{AccountKind, EntryKind};
use std::sync::Arc;

/// Questions of one drive: the longest way is authorize, status, capture, status, capture and a few retries.
const QUESTIONS_MAX: usize = 10;

/// How a question went on.
enum Asked {
    /// Look again at once.
    Again,
    /// It brought nothing; look again then.
    Later(DateTime<Utc>),
}

/// A question that was written down and is to be asked.
type Open = Option<(PaymentAttemptId, ProviderOperation)>;

impl Service {
    /// Drives a payment as far as it goes now: authorizes and captures, or finds out what became of what was asked
    /// before. Every call can be repeated, here and in other processes: the provider knows our key, and of two that
    /// write down the same answer one does. The result, the attempt and the ledger are one transaction.
    ///
    /// # Errors
    /// The database fails, or there is no such payment. The payment stays as it is, and the worker goes on.
    pub async fn payment_drive(&self, id: PaymentId) -> Result<Outcome, Fault> {
        let _turn = self.turns.take(id.0).await;
        let first = self.tokens.first_attempt(id);
        let mut open: Open = first.map(|attempt| (attempt, ProviderOperation::Authorize));
        let mut is_given_up = false;
        for _ in 0..QUESTIONS_MAX {
            let payment = self.payment_read(id).await?;
            let token = self.token(&payment);
            let step = match self.step(&payment, token.is_some()) {
                Step::Ask(ProviderOperation::Status) if is_given_up => {
                    Step::Ask(ProviderOperation::Void)
                }
                step => step,
            };
            let asked = match step {
                Step::Done(outcome) => {
                    self.tokens.forget(id);
                    self.payment_rest(payment).await?;
                    return Ok(outcome);
                }
                Step::Refund => self.captured_return(payment).await?,
                Step::Ask(operation) => {
                    let token = token.as_deref();
                    let asked = self.question(&payment, operation, token, &mut open).await?;
                    let (asked, answer) = asked;
                    // Whoever has the token had time enough to ask. Calling it off makes sure that nobody does later.
                    is_given_up = answer == Some(Snapshot::NotFound)
                        && token.is_none()
                        && self.clock.now() >= payment.created_at + self.limits.in_flight();
                    if is_given_up { Asked::Again } else { asked }
                }
            };
            if let Asked::Later(retry_at) = asked {
                return Ok(Outcome::Unknown { retry_at });
            }
        }
        let retry_at = self.retry_at(0);
        Ok(Outcome::Unknown { retry_at })
    }

    /// Makes the money of a payment go back, whatever state it is in: calls it off, or refunds what was taken and did
    /// not go back yet. For sagas that have to be undone; every call can be repeated, and the worker goes on with what
    /// is not known yet. The end is [`Outcome::Returned`].
    ///
    /// # Errors
    /// The database fails, or there is no such payment.
    pub async fn payment_void_or_refund(
        &self,
        id: PaymentId,
        reason: &str,
    ) -> Result<Outcome, Fault> {
        loop {
            let mut payment = self.payment_read(id).await?;
            if payment.goal == PaymentGoal::Return {
                return self.payment_drive(id).await;
            }
            let now = self.clock.now();
            payment.goal = PaymentGoal::Return;
            payment.return_reason = Some(model::cut(reason));
            payment.tries = 0;
            payment.next_run_at = Some(now);
            self.payment_write(payment).await?;
        }
    }

    /// What the provider knows the payment's source by, if it is still known here. A wallet needs nothing secret.
    fn token(&self, payment: &payment::Model) -> Option<Arc<str>> {
        match payment.method {
            PaymentMethod::Card => self.tokens.get(payment.id),
            PaymentMethod::Wallet => Some(payment.currency.as_str().into()),
        }
    }

    fn step(&self, payment: &payment::Model, has_token: bool) -> Step {
        let is_returned =
            payment.captured_minor > 0 && payment.refunded_minor == payment.captured_minor;
        model::next(
            payment.state,
            payment.goal,
            payment.decline_reason,
            has_token,
            is_returned,
        )
    }

    /// Takes a payment that is at its end from the worker.
    async fn payment_rest(&self, mut payment: payment::Model) -> Result<(), Fault> {
        if payment.next_run_at.take().is_some() {
            self.payment_write(payment).await?;
        }
        Ok(())
    }

    /// Writes a payment that was changed here; `false` when somebody else changed it since it was read.
    async fn payment_write(&self, mut payment: payment::Model) -> Result<bool, Fault> {
        payment.version += 1;
        payment.updated_at = self.clock.now();
        let payment = &payment;
        self.db
            .write("payments.write", async |tx| {
                Ok(store::payment_update(&*tx, payment).await?)
            })
            .await
    }

    /// Pays back what was captured.
    async fn captured_return(&self, mut payment: payment::Model) -> Result<Asked, Fault> {
        if let Some(retry_at) = self.refund_rest(&payment).await? {
            return Ok(Asked::Later(retry_at));
        }
        let now = self.payment_read(payment.id).await?;
        if now.refunded_minor == now.captured_minor {
            return Ok(Asked::Again);
        }
        // The provider refused. What then helps is a person; until one does, it is tried less and less often.
        payment = now;
        let retry_at = self.retry_at(payment.tries);
        tracing::error!(payment.id = %payment.id, "a payment could not be paid back");
        payment.tries = payment.tries.saturating_add(1);
        payment.next_run_at = Some(retry_at);
        self.payment_write(payment).await?;
        Ok(Asked::Later(retry_at))
    }

    /// Asks the provider, and writes down what came back.
    async fn question(
        &self,
        payment: &payment::Model,
        operation: ProviderOperation,
        token: Option<&str>,
        open: &mut Open,
    ) -> Result<(Asked, Option<Snapshot>), Fault> {
        let amount = match operation {
            ProviderOperation::Authorize | ProviderOperation::Capture => payment.amount_minor,
            _ => 0,
        };
        let mut attempt = self.attempt(payment, None, operation, amount);
        match open.take() {
            Some((id, of)) if of == operation => attempt.id = id,
            _ => self.attempt_write(&attempt).await?,
        }
        self.hook.at(Point::Before(operation))?;
        let answer = self.payment_ask(payment, &attempt, token).await?;
        self.hook.at(Point::Answered(operation))?;
        let asked = self.settle(payment, &attempt, &answer, open).await?;
        self.hook.at(Point::Settled(operation))?;
        Ok((asked, answer.ok()))
    }

    pub(super) async fn attempt_write(
        &self,
        attempt: &payment_attempt::Model,
    ) -> Result<(), Fault> {
        self.db
            .write("payments.attempt", async |tx| {
                Ok(store::attempt_insert(&*tx, attempt.clone()).await?)
            })
            .await
    }

    async fn payment_ask(
        &self,
        payment: &payment::Model,
        attempt: &payment_attempt::Model,
        token: Option<&str>,
    ) -> Result<Answer<Snapshot>, Fault> {
        let provider = self.provider(&payment.provider)?;
        let reference = payment.id.to_string();
        let (reference, key) = (reference.as_str(), attempt.provider_key.as_str());
        let amount_minor = payment.amount_minor;
        let question = match (attempt.operation, token) {
            (ProviderOperation::Authorize, Some(token)) => provider.authorize(Charge {
                reference,
                key,
                token: Token(token),
                amount_minor,
                currency: &payment.currency,
            }),
            (ProviderOperation::Capture, _) => provider.capture(reference, key, amount_minor),
            (ProviderOperation::Void, _) => provider.void(reference, key),
            _ => provider.status(reference),
        };
        Ok(self.ask(question).await)
    }

    /// Writes down an answer: the payment, the attempt, the next attempt when it follows at once, and last the ledger.
    async fn settle(
        &self,
        before: &payment::Model,
        attempt: &payment_attempt::Model,
        answer: &Answer<Snapshot>,
        open: &mut Open,
    ) -> Result<Asked, Fault> {
        let (row, asked) = self.settled(before, answer);
        let entry = (row.state == PaymentState::Captured).then(|| self.capture_entry(&row));
        let entry = entry.as_slice();
        let follows = row.state == PaymentState::Authorized
            && before.state != PaymentState::Authorized
            && row.goal == PaymentGoal::Capture;
        let next =
            follows.then(|| self.attempt(&row, None, ProviderOperation::Capture, row.amount_minor));
        let (row, next, now) = (&row, &next, self.clock.now());
        let answered = &answered(answer, row.next_run_at);
        let is_written = self
            .db
            .write("payments.settle", async |tx| {
                let is_written = store::payment_update(&*tx, row).await?;
                store::attempt_answer(&*tx, attempt.id, answered, now).await?;
                if !is_written {
                    return Ok(false);
                }
                if let Some(next) = next {
                    store::attempt_insert(&*tx, next.clone()).await?;
                }
                self.payment_shown_in(&tx, row, entry).await?;
                posted(self.wallet.post_in(&tx, entry).await)?;
                Ok::<_, Fault>(true)
            })
            .await?;
        if !is_written {
            // Somebody else wrote something down meanwhile: look at that.
            return Ok(Asked::Again);
        }
        *open = next
            .as_ref()
            .map(|next| (next.id, ProviderOperation::Capture));
        if row.state != before.state {
            self.changed.notify_one();
        }
        Ok(asked)
    }

    /// The payment after an answer, and how it goes on.
    fn settled(
        &self,
        before: &payment::Model,
        answer: &Answer<Snapshot>,
    ) -> (payment::Model, Asked) {
        let now = self.clock.now();
        let mut row = before.clone();
        row.version += 1;
        row.updated_at = now;
        let change = match answer {
            Ok(snapshot) => model::after(before.state, before.goal, *snapshot),
            Err(CallError::NotDone(_)) => None,
            Err(CallError::Unknown(_)) => {
                model::after_unknown(before.state).map(|state| (state, None))
            }
        };
        let Some((state, decline)) = change else {
            let is_first_failure =
                before.tries == 0 && matches!(answer, Err(CallError::NotDone(_)));
            let retry_at = self.retry_at(row.tries);
            row.tries = row.tries.saturating_add(1);
            row.next_run_at = Some(retry_at);
            let asked = if is_first_failure {
                Asked::Again
            } else {
                Asked::Later(retry_at)
            };
            return (row, asked);
        };
        row.state = state;
        row.decline_reason = decline;
        row.tries = 0;
        if state == PaymentState::Unknown {
            let retry_at = self.retry_at(0);
            row.next_run_at = Some(retry_at);
            return (row, Asked::Later(retry_at));
        }
        if state == PaymentState::Captured {
            row.captured_minor = row.amount_minor;
            row.captured_at = Some(now);
        }
        row.next_run_at = match (state, row.goal) {
            (PaymentState::Declined | PaymentState::Voided, _)
            | (PaymentState::Captured, PaymentGoal::Capture) => None,
            // The next question follows at once; if this process ends before, the worker asks it.
            _ => Some(now + self.limits.in_flight()),
        };
        (row, Asked::Again)
    }

    /// What a capture posts: the provider owes the shop what it earned.
    fn capture_entry(&self, payment: &payment::Model) -> NewEntry {
        let (asset, amount_minor) = (payment.currency.as_str(), payment.captured_minor);
        NewEntry {
            id: self.clock.id(),
            operation_key: capture_key(payment.id),
            kind: EntryKind::Payment,
            user_id: Some(payment.user_id),
            order_id: Some(payment.order_id),
            payment_id: Some(payment.id),
            refund_id: None,
            description: "Payment of an order".to_owned(),
            postings: earned(asset, amount_minor),
        }
    }
}

/// The ledger's key of a capture.
pub(super) fn capture_key(id: PaymentId) -> String {
    format!("payment:{id}:capture")
}

/// Postings by which the shop earns an amount from a provider; a negative one is given back.
pub(super) fn earned(asset: &str, amount_minor: i64) -> Vec<NewPosting> {
    vec![
        NewPosting {
            account: Account::of_shop(AccountKind::Clearing, asset),
            amount_minor: -amount_minor,
        },
        NewPosting {
            account: Account::of_shop(AccountKind::MerchantRevenue, asset),
            amount_minor,
        },
    ]
}

/// What an attempt's row says of an answer.
fn answered(answer: &Answer<Snapshot>, next_run_at: Option<DateTime<Utc>>) -> Answered {
    let (result, detail) = match answer {
        Ok(Snapshot::NotFound) => (AttemptResult::NotFound, None),
        Ok(Snapshot::Processing) => (AttemptResult::Processing, None),
        Ok(Snapshot::Authorized | Snapshot::Captured | Snapshot::Voided) => (
            AttemptResult::Done,
            answer.as_ref().ok().map(|now| format!("{now:?}")),
        ),
        Ok(Snapshot::Declined(reason)) => (AttemptResult::Refused, Some(reason.to_string())),
        Err(CallError::NotDone(text)) => (AttemptResult::NotDone, Some(text.clone())),
        Err(CallError::Unknown(text)) => (AttemptResult::Unknown, Some(text.clone())),
    };
    Answered {
        result,
        detail: detail.map(|text| model::cut(&text)),
        next_run_at,
    }
}
