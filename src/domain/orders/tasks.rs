//! Background passes of orders.

use super::service::Service;
use crate::error::{Fault, swallow};
use crate::workers::Progress;
use futures::future::join_all;

/// Orders that one pass looks at.
const BATCH: u64 = 100;
/// Checkouts that are driven at the same time, so that a slow provider does not keep the others waiting.
const AT_ONCE: usize = 8;

/// Expires unpaid orders whose reservation has ended, and gives their stock back. Each order is its own transaction,
/// and an order that changed meanwhile is left alone, so any number of replicas may run this at once.
///
/// # Errors
/// The database fails; the next pass goes on.
pub async fn expire_unpaid(orders: &Service) -> Result<Progress, Fault> {
    let expired = orders.orders_expired(BATCH).await?;
    let more = u64::try_from(expired.len()) == Ok(BATCH);
    for id in expired {
        orders.order_expire(id).await?;
    }
    Ok(if more { Progress::More } else { Progress::Idle })
}

/// Goes on with checkouts and refunds that a crash, a failure or an unknown payment left open. Any number of replicas
/// may run this at once.
///
/// # Errors
/// The database fails; the next pass goes on.
pub async fn checkouts_resume(orders: &Service) -> Result<Progress, Fault> {
    let open = orders.checkouts_open(BATCH).await?;
    let refunds = orders.refunds_due(BATCH).await?;
    let is_full = [open.len(), refunds.len()]
        .iter()
        .any(|&len| u64::try_from(len) == Ok(BATCH));
    let mut failed = false;
    // One that fails stays due; it must not keep the others waiting.
    for some in open.chunks(AT_ONCE) {
        let runs = join_all(some.iter().map(|id| orders.checkout_run(*id))).await;
        for run in runs {
            failed |= swallow(run, "going on with a checkout").is_none();
        }
    }
    for some in refunds.chunks(AT_ONCE) {
        let runs = join_all(some.iter().map(|id| orders.refund_run(*id))).await;
        for run in runs {
            failed |= swallow(run, "going on with a refund").is_none();
        }
    }
    Ok(if is_full && !failed {
        Progress::More
    } else {
        Progress::Idle
    })
}

/// Forgets where old orders came from: addresses, user agents and sessions are personal data.
///
/// # Errors
/// The database fails; the next pass goes on.
pub async fn requests_forget(orders: &Service) -> Result<Progress, Fault> {
    let forgotten = orders.requests_forget(BATCH).await?;
    Ok(if u64::try_from(forgotten) == Ok(BATCH) {
        Progress::More
    } else {
        Progress::Idle
    })
}
