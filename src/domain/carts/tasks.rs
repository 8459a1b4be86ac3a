//! Background passes of carts.

use super::service::Service;
use crate::error::Fault;
use crate::workers::Progress;

/// Removes carts that nobody changed for `shop.cart_days`, in small pieces. Any number of replicas may run this at
/// once: a cart that is changed meanwhile stays.
///
/// # Errors
/// The database fails; the next pass goes on.
pub async fn remove_abandoned(carts: &Service) -> Result<Progress, Fault> {
    carts.carts_remove_abandoned().await
}
