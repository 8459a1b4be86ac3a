//! Refunds: claimed from what was captured, asked of the provider, posted to the ledger.

use super::super::gateway::{Answer, CallError, RefundSnapshot};
use super::super::model::{self, NewRefund, RefundOutcome};
use super::super::store::{self, Answered};
use super::drive::earned;
use super::hook::Point;
use super::{RefundExceedsCapture, Service, posted};
use crate::db::Tx;
use crate::domain::wallet::model::NewEntry;
use crate::error::Fault;
use chrono::{DateTime, Utc};
use entity::ids::RefundId;
use entity::payments::{
    AttemptResult, ProviderOperation, RefundState, payment, payment_attempt, refund,
};
use entity::wallet::EntryKind;

/// Questions of one drive: refund, status, refund and a retry.
const QUESTIONS_MAX: usize = 5;

impl Service {
    /// Writes a refund in the caller's transaction and claims its amount from what was captured, by one conditional
    /// update: refunds at the same moment never claim more than there is. Drive it after the commit.
    ///
    /// # Errors
    /// The database fails, or there is no such payment. `Ok(Err(_))`: too little is left, roll back.
    pub async fn refund_insert_in(
        &self,
        tx: &Tx,
        new: &NewRefund,
    ) -> Result<Result<(), RefundExceedsCapture>, Fault> {
        let now = self.clock.now();
        let amount_minor = new.amount_minor;
        let is_claimed = amount_minor > 0
            && store::refund_claim(&**tx, new.payment_id, amount_minor, now).await?;
        let payment = store::payment_by_id(&**tx, new.payment_id)
            .await?
            .ok_or_else(|| Fault::Broken(format!("payment {} is not there", new.payment_id)))?;
        if !is_claimed {
            return Ok(Err(RefundExceedsCapture {
                left_minor: payment.captured_minor - payment.refund_claimed_minor,
            }));
        }
        let row = refund::Model {
            id: new.id,
            payment_id: new.payment_id,
            order_id: new.order_id,
            amount_minor,
            currency: payment.currency,
            reason: new.reason.as_deref().map(model::cut),
            state: RefundState::Pending,
            failure: None,
            tries: 0,
            next_run_at: Some(now + self.limits.in_flight()),
            version: 1,
            created_at: now,
            updated_at: now,
            refunded_at: None,
        };
        store::refund_insert(&**tx, row).await?;
        Ok(Ok(()))
    }

    /// Drives a refund as far as it goes now. Every call can be repeated.
    ///
    /// # Errors
    /// The database fails, or there is no such refund. The refund stays as it is, and the worker goes on.
    pub async fn refund_drive(&self, id: RefundId) -> Result<RefundOutcome, Fault> {
        let _turn = self.turns.take(id.0).await;
        let mut retry_at = self.retry_at(0);
        for _ in 0..QUESTIONS_MAX {
            let (refund, payment) = self.refund_read(id).await?;
            let operation = match refund.state {
                RefundState::Succeeded => return Ok(RefundOutcome::Refunded),
                RefundState::Failed => {
                    return Ok(RefundOutcome::Failed {
                        reason: refund.failure.unwrap_or_default(),
                    });
                }
                RefundState::Pending => ProviderOperation::Refund,
                RefundState::Unknown => ProviderOperation::Status,
            };
            match self.refund_question(&refund, &payment, operation).await? {
                None => {}
                Some(at) => {
                    retry_at = at;
                    break;
                }
            }
        }
        Ok(RefundOutcome::Unknown { retry_at })
    }

    /// Pays back all of a payment that no refund has claimed, and drives its open refunds. Answers when to look again,
    /// if something is not known yet.
    pub(super) async fn refund_rest(
        &self,
        payment: &payment::Model,
    ) -> Result<Option<DateTime<Utc>>, Fault> {
        let left = payment.captured_minor - payment.refund_claimed_minor;
        if left > 0 {
            let new = NewRefund {
                id: self.clock.id(),
                payment_id: payment.id,
                order_id: payment.order_id,
                amount_minor: left,
                reason: payment.return_reason.clone(),
            };
            let new = &new;
            self.db
                .write("payments.refund_rest", async |tx| {
                    // When less is left now, somebody else has claimed it, and what is open is driven below.
                    let _claimed = self.refund_insert_in(&tx, new).await?;
                    Ok::<_, Fault>(())
                })
                .await?;
        }
        let id = payment.id;
        let open = self
            .db
            .read("payments.refunds_open", async |c| {
                Ok::<_, Fault>(store::refunds_open(&*c, id).await?)
            })
            .await?;
        let mut later = None;
        for id in open {
            if let RefundOutcome::Unknown { retry_at } = self.refund_drive(id).await? {
                later = Some(retry_at);
            }
        }
        Ok(later)
    }

    async fn refund_read(&self, id: RefundId) -> Result<(refund::Model, payment::Model), Fault> {
        self.db
            .read("payments.refund_read", async |c| {
                let refund = store::refund_by_id(&*c, id).await?;
                let payment = match &refund {
                    Some(refund) => store::payment_by_id(&*c, refund.payment_id).await?,
                    None => None,
                };
                refund
                    .zip(payment)
                    .ok_or_else(|| Fault::Broken(format!("refund {id} is not there")))
            })
            .await
    }

    /// Asks the provider and writes down what came back; answers when to look again, if not at once.
    async fn refund_question(
        &self,
        refund: &refund::Model,
        payment: &payment::Model,
        operation: ProviderOperation,
    ) -> Result<Option<DateTime<Utc>>, Fault> {
        let provider = self.provider(&payment.provider)?;
        let mut attempt = self.attempt(payment, Some(refund.id), operation, refund.amount_minor);
        // Both questions name the refund by the key that it was asked for with.
        attempt.provider_key = provider_key(refund.id);
        self.attempt_write(&attempt).await?;
        self.hook.at(Point::Before(operation))?;
        let (reference, key) = (payment.id.to_string(), attempt.provider_key.as_str());
        let question = match operation {
            ProviderOperation::Refund => provider.refund(&reference, key, refund.amount_minor),
            _ => provider.refund_status(key),
        };
        let answer = self.ask(question).await;
        self.hook.at(Point::Answered(operation))?;
        let later = self
            .refund_settle(refund, payment, &attempt, &answer)
            .await?;
        self.hook.at(Point::Settled(operation))?;
        Ok(later)
    }

    /// Writes down an answer: the refund, its claim, the attempt, and last the ledger.
    async fn refund_settle(
        &self,
        before: &refund::Model,
        payment: &payment::Model,
        attempt: &payment_attempt::Model,
        answer: &Answer<RefundSnapshot>,
    ) -> Result<Option<DateTime<Utc>>, Fault> {
        let (row, later) = self.refund_settled(before, answer);
        let is_back = row.state == RefundState::Succeeded;
        let is_end = is_back || row.state == RefundState::Failed;
        let entry = is_back.then(|| self.refund_entry(&row, payment));
        let entry = entry.as_slice();
        let (row, answered, now) = (&row, &answered(answer, row.next_run_at), self.clock.now());
        let is_written = self
            .db
            .write("payments.refund_settle", async |tx| {
                let is_written = store::refund_update(&*tx, row).await?;
                store::attempt_answer(&*tx, attempt.id, answered, now).await?;
                if is_written && is_end {
                    let amount = row.amount_minor;
                    store::refund_claim_end(&*tx, row.payment_id, amount, is_back, now).await?;
                    self.shown_in(&tx, entry).await?;
                    posted(self.wallet.post_in(&tx, entry).await)?;
                }
                Ok::<_, Fault>(is_written)
            })
            .await?;
        if is_written && row.state != before.state {
            self.changed.notify_one();
        }
        Ok(later.filter(|_| is_written))
    }

    /// The refund after an answer, and when to look again, if not at once.
    fn refund_settled(
        &self,
        before: &refund::Model,
        answer: &Answer<RefundSnapshot>,
    ) -> (refund::Model, Option<DateTime<Utc>>) {
        let now = self.clock.now();
        let mut row = before.clone();
        row.version += 1;
        row.updated_at = now;
        match answer {
            Ok(RefundSnapshot::Succeeded) => {
                row.state = RefundState::Succeeded;
                row.refunded_at = Some(now);
                row.next_run_at = None;
                return (row, None);
            }
            Ok(RefundSnapshot::Failed(reason)) => {
                row.state = RefundState::Failed;
                row.failure = Some(model::cut(reason));
                row.next_run_at = None;
                return (row, None);
            }
            // It was unknown whether the question had arrived, and it had not: it can be asked again.
            Ok(RefundSnapshot::NotFound) if before.state == RefundState::Unknown => {
                row.state = RefundState::Pending;
                row.next_run_at = Some(now + self.limits.in_flight());
                return (row, None);
            }
            Err(CallError::NotDone(_)) if before.tries == 0 => {
                row.tries = 1;
                return (row, None);
            }
            Ok(RefundSnapshot::Processing) | Err(CallError::Unknown(_)) => {
                row.state = RefundState::Unknown;
            }
            Ok(RefundSnapshot::NotFound) | Err(CallError::NotDone(_)) => {}
        }
        let retry_at = self.retry_at(before.tries);
        row.tries = row.tries.saturating_add(1);
        row.next_run_at = Some(retry_at);
        (row, Some(retry_at))
    }

    /// What a refund posts: the reverse of a capture.
    fn refund_entry(&self, refund: &refund::Model, payment: &payment::Model) -> NewEntry {
        NewEntry {
            id: self.clock.id(),
            operation_key: refund_key(refund.id),
            kind: EntryKind::Refund,
            user_id: Some(payment.user_id),
            order_id: Some(refund.order_id),
            payment_id: Some(payment.id),
            refund_id: Some(refund.id),
            description: "Refund of an order".to_owned(),
            postings: earned(&refund.currency, -refund.amount_minor),
        }
    }
}

/// Our key of a refund at its provider.
pub(super) fn provider_key(id: RefundId) -> String {
    format!("{id}:refund")
}

/// The ledger's key of a refund.
pub(super) fn refund_key(id: RefundId) -> String {
    format!("refund:{id}")
}

/// What an attempt's row says of an answer.
fn answered(answer: &Answer<RefundSnapshot>, next_run_at: Option<DateTime<Utc>>) -> Answered {
    let (result, detail) = match answer {
        Ok(RefundSnapshot::NotFound) => (AttemptResult::NotFound, None),
        Ok(RefundSnapshot::Processing) => (AttemptResult::Processing, None),
        Ok(RefundSnapshot::Succeeded) => (AttemptResult::Done, None),
        Ok(RefundSnapshot::Failed(reason)) => (AttemptResult::Refused, Some(reason)),
        Err(CallError::NotDone(text)) => (AttemptResult::NotDone, Some(text)),
        Err(CallError::Unknown(text)) => (AttemptResult::Unknown, Some(text)),
    };
    Answered {
        result,
        detail: detail.map(|text| model::cut(text)),
        next_run_at,
    }
}
