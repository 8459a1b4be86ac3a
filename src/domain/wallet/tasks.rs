//! Background passes of the wallet.

use super::service::Service;
use crate::error::Fault;
use crate::workers::Progress;

/// Carries on with deposits and withdrawals whose outcome is not known.
///
/// # Errors
/// The database fails.
pub async fn transfers_settle(wallet: &Service) -> Result<Progress, Fault> {
    wallet.transfers_settle().await
}

/// Gives back what was set aside for a time that is over.
///
/// # Errors
/// The database fails.
pub async fn holds_expire(wallet: &Service) -> Result<Progress, Fault> {
    wallet.holds_expire().await
}
