//! Background passes of orders.

use super::service::Service;
use crate::error::Fault;
use crate::workers::Progress;

/// Orders that one pass looks at.
const BATCH: u64 = 100;

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
