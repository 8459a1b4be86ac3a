//! Whether payments and refunds agree with what the ledger has of them.

use super::super::from_wallet::charge_of;
use super::super::store;
use super::drive::{capture_key, earned};
use super::refunds::{provider_key, refund_key};
use super::{Service, wallet};
use crate::error::Fault;
use entity::ids::{PaymentId, RefundId};
use entity::payments::{PaymentMethod, PaymentState, RefundState, payment, refund};
use entity::wallet::EntryKind;
use std::collections::{HashMap, HashSet};
use wallet::model::NewPosting;
use wallet::service::{Drift, Posted, charge_key, return_key, returned, taken};

/// Payments that are looked at together: what the memory is bounded by.
const BATCH: u64 = 500;

impl Service {
    /// Compares payments and refunds with their postings, both ways: what was captured and paid back was posted so,
    /// and what was posted as a payment or a refund is one. Reads piece by piece; what does not agree is told to
    /// `report`. Answers how many payments were looked at.
    ///
    /// # Errors
    /// The database fails.
    pub async fn ledger_verify(
        &self,
        report: &mut (dyn FnMut(Drift) + Send),
    ) -> Result<u64, Fault> {
        let (mut after, mut count) = (None, 0);
        loop {
            let (payments, refunds) = self.payments_after(after).await?;
            let Some(last) = payments.last() else {
                break;
            };
            after = Some(last.id);
            count += payments.len() as u64;
            self.payments_verify(&payments, refunds, report).await?;
        }
        let mut after = None;
        loop {
            let entries = self.wallet.posted_after(after).await?;
            let Some((last, _)) = entries.last() else {
                return Ok(count);
            };
            after = Some(last.id);
            self.entries_verify(&entries, report).await?;
        }
    }

    async fn payments_after(
        &self,
        after: Option<PaymentId>,
    ) -> Result<(Vec<payment::Model>, Vec<refund::Model>), Fault> {
        self.db
            .read("payments.after", async |c| {
                let payments = store::payments_after(&*c, after, BATCH).await?;
                let ids: Vec<_> = payments.iter().map(|payment| payment.id).collect();
                Ok((payments, store::refunds_of_payments(&*c, &ids).await?))
            })
            .await
    }

    /// The ledger is read after the payments, so that what was captured before was posted before.
    async fn payments_verify(
        &self,
        payments: &[payment::Model],
        refunds: Vec<refund::Model>,
        report: &mut (dyn FnMut(Drift) + Send),
    ) -> Result<(), Fault> {
        let refunds_done = refunds
            .iter()
            .filter(|refund| refund.state == RefundState::Succeeded);
        let mut keys: Vec<String> = refunds_done
            .flat_map(|refund| [refund_key(refund.id), returned_key(refund.id)])
            .collect();
        let captured = payments
            .iter()
            .filter(|payment| payment.state == PaymentState::Captured);
        keys.extend(captured.flat_map(|payment| [capture_key(payment.id), taken_key(payment.id)]));
        let mut posted = HashMap::new();
        for chunk in keys.chunks(500) {
            for entry in self.wallet.posted_by_keys(chunk).await? {
                posted.insert(entry.0.operation_key.clone(), entry);
            }
        }
        let mut of: HashMap<PaymentId, Vec<refund::Model>> = HashMap::new();
        for refund in refunds {
            of.entry(refund.payment_id).or_default().push(refund);
        }
        for payment in payments {
            let refunds = of.remove(&payment.id).unwrap_or_default();
            for drift in payment_drift(payment, &refunds, &posted) {
                // What changed while it was read is looked at by the next run.
                let now = self.payment_by_id(payment.id).await?;
                if now.is_some_and(|now| now.version == payment.version) {
                    report(drift);
                }
            }
        }
        Ok(())
    }

    /// Payments are read after the entries, so that what was posted before was captured before.
    async fn entries_verify(
        &self,
        entries: &[Posted],
        report: &mut (dyn FnMut(Drift) + Send),
    ) -> Result<(), Fault> {
        let payments: Vec<PaymentId> = entries
            .iter()
            .filter_map(|(entry, _)| entry.payment_id)
            .collect();
        let refunds: Vec<RefundId> = entries
            .iter()
            .filter_map(|(entry, _)| entry.refund_id)
            .collect();
        let (captured, succeeded) = self
            .db
            .read("payments.of_entries", async |c| {
                Ok::<_, Fault>((
                    store::payments_by_ids(&*c, &payments).await?,
                    store::refunds_by_ids(&*c, &refunds).await?,
                ))
            })
            .await?;
        let mut keys: HashSet<String> = captured
            .iter()
            .filter(|payment| payment.state == PaymentState::Captured)
            .map(|payment| capture_key(payment.id))
            .collect();
        keys.extend(
            succeeded
                .iter()
                .filter(|refund| refund.state == RefundState::Succeeded)
                .map(|refund| refund_key(refund.id)),
        );
        for (entry, _) in entries {
            let is_ours = matches!(entry.kind, EntryKind::Payment | EntryKind::Refund)
                && (entry.payment_id.is_some() || entry.refund_id.is_some());
            if is_ours && !keys.contains(&entry.operation_key) {
                report(Drift(format!(
                    "entry {} ({}) is of no captured payment and no refund that succeeded",
                    entry.id, entry.operation_key
                )));
            }
        }
        Ok(())
    }
}

/// What is wrong with a payment and its refunds.
fn payment_drift(
    payment: &payment::Model,
    refunds: &[refund::Model],
    posted: &HashMap<String, Posted>,
) -> Vec<Drift> {
    let mut drift = Vec::new();
    let name = format!("payment {}", payment.id);
    let is_captured = payment.state == PaymentState::Captured;
    if is_captured != (payment.captured_minor > 0) {
        drift.push(Drift(format!(
            "{name} is {} with {} captured",
            payment.state, payment.captured_minor
        )));
    }
    let amounts = |states: &[RefundState]| -> i64 {
        let counted = refunds
            .iter()
            .filter(|refund| states.contains(&refund.state));
        counted.map(|refund| refund.amount_minor).sum()
    };
    let back = amounts(&[RefundState::Succeeded]);
    if back != payment.refunded_minor {
        drift.push(Drift(format!(
            "{name} has {} refunded, but its refunds sum to {back}",
            payment.refunded_minor
        )));
    }
    let claimed = back + amounts(&[RefundState::Pending, RefundState::Unknown]);
    if claimed != payment.refund_claimed_minor {
        drift.push(Drift(format!(
            "{name} has {} claimed by refunds, but they sum to {claimed}",
            payment.refund_claimed_minor
        )));
    }
    // What a wallet gave or got back for it is an entry of its own.
    let is_of_wallet = payment.method == PaymentMethod::Wallet;
    let charge = charge_of(payment);
    if is_captured {
        let expected = earned(&payment.currency, payment.captured_minor);
        drift.extend(posting_drift(
            &name,
            &capture_key(payment.id),
            expected,
            posted,
        ));
        if is_of_wallet {
            let expected = taken(&charge);
            drift.extend(posting_drift(
                &name,
                &taken_key(payment.id),
                expected,
                posted,
            ));
        }
    }
    for refund in refunds {
        if refund.state == RefundState::Succeeded {
            let (name, key) = (format!("refund {}", refund.id), refund_key(refund.id));
            let expected = earned(&refund.currency, -refund.amount_minor);
            drift.extend(posting_drift(&name, &key, expected, posted));
            if is_of_wallet {
                let (key, expected) = (
                    returned_key(refund.id),
                    returned(&charge, refund.amount_minor),
                );
                drift.extend(posting_drift(&name, &key, expected, posted));
            }
        }
    }
    drift
}

/// The ledger's key of what a wallet gave for a payment.
fn taken_key(id: PaymentId) -> String {
    charge_key(&id.to_string())
}

/// The ledger's key of what a wallet got back by a refund.
fn returned_key(id: RefundId) -> String {
    return_key(&provider_key(id))
}

/// What is wrong with an entry that has to have these postings.
fn posting_drift(
    name: &str,
    key: &str,
    expected: Vec<NewPosting>,
    posted: &HashMap<String, Posted>,
) -> Option<Drift> {
    let Some((_, postings)) = posted.get(key) else {
        return Some(Drift(format!("{name} was not posted ({key})")));
    };
    let expected: Vec<_> = expected
        .into_iter()
        .map(|posting| (posting.account.id(), posting.amount_minor))
        .collect();
    let found: Vec<_> = postings
        .iter()
        .map(|(posting, _)| (posting.account_id, posting.amount_minor))
        .collect();
    (expected != found).then(|| {
        Drift(format!(
            "{name} is to be posted as {expected:?} ({key}), but its postings are others: {found:?}"
        ))
    })
}
