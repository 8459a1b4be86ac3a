//! The wallet as a payment provider: authorizing sets the amount aside, capturing takes it, calling off gives it back,
//! and a refund puts it into the wallet again. It knows whose wallet it is from the payment's row, so that nobody can
//! name another one's.

use super::gateway::{Answer, CallError, Charge, Notice, Provider, RefundSnapshot, Snapshot};
use super::store;
use crate::db::Db;
use crate::domain::wallet::service::{self as wallet, Charged};
use crate::error::{Failure, Fault};
use crate::money;
use entity::ids::PaymentId;
use entity::payments::DeclineReason;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use uuid::Uuid;

/// Its name.
pub const NAME: &str = "wallet";

/// Payments from wallets.
#[derive(Clone, Debug)]
pub struct FromWallet {
    db: Db,
    wallet: wallet::Service,
}

impl FromWallet {
    /// Made once by the service.
    #[must_use]
    pub fn new(db: Db, wallet: wallet::Service) -> Self {
        Self { db, wallet }
    }

    /// What a payment asks of its user's wallet.
    async fn charge(&self, reference: &str) -> Result<wallet::Charge, Fault> {
        let missing = || Fault::Broken(format!("payment {reference} is not there"));
        let id = Uuid::try_parse(reference).map_err(|_| missing())?;
        let payment = self
            .db
            .read("payments.charge", async |c| {
                Ok::<_, Fault>(store::payment_by_id(&*c, PaymentId(id)).await?)
            })
            .await?
            .ok_or_else(missing)?;
        Ok(charge_of(&payment))
    }
}

/// What a payment asks of its user's wallet.
#[must_use]
pub fn charge_of(payment: &entity::payments::payment::Model) -> wallet::Charge {
    wallet::Charge {
        reference: payment.id.to_string(),
        user_id: payment.user_id,
        order_id: payment.order_id,
        asset: payment.currency.clone(),
        amount_minor: payment.amount_minor,
    }
}

/// How a charge stands, in the words of providers.
fn snapshot(charged: Option<Charged>) -> Snapshot {
    match charged {
        None => Snapshot::NotFound,
        Some(Charged::Held) => Snapshot::Authorized,
        Some(Charged::Taken) => Snapshot::Captured,
        Some(Charged::CalledOff) => Snapshot::Voided,
        Some(Charged::Short) => Snapshot::Declined(DeclineReason::InsufficientFunds),
    }
}

impl Provider for FromWallet {
    fn name(&self) -> &'static str {
        NAME
    }

    fn accepts(&self, token: &str) -> bool {
        money::exponent(token).is_some()
    }

    fn authorize<'a>(&'a self, charge: Charge<'a>) -> BoxFuture<'a, Answer<Snapshot>> {
        async move {
            let charge = self.charge(charge.reference).await?;
            Ok(snapshot(Some(self.wallet.charge_hold(&charge).await?)))
        }
        .boxed()
    }

    fn capture<'a>(
        &'a self,
        reference: &'a str,
        _key: &'a str,
        _amount_minor: i64,
    ) -> BoxFuture<'a, Answer<Snapshot>> {
        async move {
            let charge = self.charge(reference).await?;
            Ok(snapshot(self.wallet.charge_take(&charge).await?))
        }
        .boxed()
    }

    fn void<'a>(&'a self, reference: &'a str, _key: &'a str) -> BoxFuture<'a, Answer<Snapshot>> {
        async move {
            let charge = self.charge(reference).await?;
            Ok(snapshot(Some(self.wallet.charge_call_off(&charge).await?)))
        }
        .boxed()
    }

    fn refund<'a>(
        &'a self,
        reference: &'a str,
        key: &'a str,
        amount_minor: i64,
    ) -> BoxFuture<'a, Answer<RefundSnapshot>> {
        async move {
            let charge = self.charge(reference).await?;
            match self.wallet.charge_return(&charge, key, amount_minor).await {
                Ok(()) => Ok(RefundSnapshot::Succeeded),
                Err(Failure::Fault(fault)) => Err(fault.into()),
                Err(Failure::Refused(_)) => Ok(RefundSnapshot::Failed(
                    "The wallet cannot hold more of this asset.".to_owned(),
                )),
            }
        }
        .boxed()
    }

    fn status<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Answer<Snapshot>> {
        async move {
            let charge = self.charge(reference).await?;
            Ok(snapshot(self.wallet.charge_find(&charge).await?))
        }
        .boxed()
    }

    fn refund_status<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Answer<RefundSnapshot>> {
        async move {
            let is_returned = self.wallet.charge_is_returned(key).await;
            Ok(match is_returned.map_err(CallError::from)? {
                true => RefundSnapshot::Succeeded,
                false => RefundSnapshot::NotFound,
            })
        }
        .boxed()
    }

    fn webhook(&self, _body: &[u8]) -> Option<Notice> {
        // A wallet decides at once, so it never has news.
        None
    }
}
