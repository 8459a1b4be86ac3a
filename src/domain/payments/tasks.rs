//! Background passes of payments.

use super::service::Service;
use crate::error::{Fault, swallow};
use crate::workers::Progress;
use futures::future::join_all;

/// Payments, and refunds, that one pass looks at.
const BATCH: u64 = 100;
/// Of these at once, so that a provider that does not answer delays the others by seconds, not by minutes.
const TOGETHER: usize = 16;

/// Drives what is open and due: payments whose result is not known, those of a process that ended, and refunds. Several
/// replicas may run this at once; what two of them drive is done once.
///
/// # Errors
/// The database fails; the next pass goes on.
pub async fn drive_due(payments: &Service) -> Result<Progress, Fault> {
    let (due, refunds) = payments.due_now(BATCH).await?;
    let is_full = [due.len(), refunds.len()]
        .iter()
        .any(|&len| u64::try_from(len) == Ok(BATCH));
    let mut failed = false;
    // One that fails stays due; it must not keep the others waiting.
    for ids in due.chunks(TOGETHER) {
        for driven in join_all(ids.iter().map(|&id| payments.payment_drive(id))).await {
            failed |= swallow(driven, "driving a payment").is_none();
        }
    }
    for ids in refunds.chunks(TOGETHER) {
        for driven in join_all(ids.iter().map(|&id| payments.refund_drive(id))).await {
            failed |= swallow(driven, "driving a refund").is_none();
        }
    }
    Ok(if is_full && !failed {
        Progress::More
    } else {
        Progress::Idle
    })
}

/// Sends the webhooks of the simulated provider that are due.
///
/// # Errors
/// The database fails; the next pass goes on.
pub async fn simulated_webhooks(payments: &Service) -> Result<Progress, Fault> {
    payments.simulated_webhooks_send().await?;
    Ok(Progress::Idle)
}
