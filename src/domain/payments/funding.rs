//! The payment provider as wallets see it: deposits from cards, and withdrawals to them.
//!
//! The simulated provider keeps both in its one book of payments, where a withdrawal is promised and then carried out
//! like a charge. Its keys begin with what the transfer is, so that they never meet those of payments.

use super::gateway::{Answer, Charge, Provider, Snapshot, Token};
use super::simulator::Simulator;
use crate::clock::Clock;
use crate::config::Payments;
use crate::db::Db;
use crate::domain::wallet::gateway::{Funding, Moved, Transfer};
use entity::payments::DeclineReason;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

/// Questions of one drive: authorize twice, capture twice, and one to spare.
const QUESTIONS_MAX: usize = 5;

/// Deposits and withdrawals through a payment provider.
#[derive(Clone, Debug)]
pub struct Cards {
    provider: Arc<dyn Provider>,
    call_timeout: Duration,
}

impl Cards {
    /// Made once by the app.
    #[must_use]
    pub fn new(db: Db, clock: Clock, settings: &Payments) -> Self {
        Self {
            provider: Arc::new(Simulator::new(db, clock, settings)),
            call_timeout: Duration::from_millis(settings.call_timeout_ms),
        }
    }

    /// A question within its limit; nothing when it brought nothing.
    async fn ask(&self, question: BoxFuture<'_, Answer<Snapshot>>) -> Option<Snapshot> {
        match tokio::time::timeout(self.call_timeout, question).await {
            Ok(Ok(snapshot)) => Some(snapshot),
            Ok(Err(error)) => {
                tracing::info!(?error, "a transfer is not settled yet");
                None
            }
            Err(_) => None,
        }
    }

    async fn authorize(&self, transfer: Transfer<'_>, token: &str) -> Option<Snapshot> {
        let key = format!("{}:authorize", transfer.reference);
        let question = self.provider.authorize(Charge {
            reference: transfer.reference,
            key: &key,
            token: Token(token),
            amount_minor: transfer.amount_minor,
            currency: transfer.asset,
        });
        self.ask(question).await
    }

    /// Goes on from how a transfer stands until it is decided or nothing more is known.
    async fn carry_on(&self, transfer: Transfer<'_>, mut seen: Snapshot) -> Moved {
        for _ in 0..QUESTIONS_MAX {
            let (reference, amount) = (transfer.reference, transfer.amount_minor);
            let asked = match seen {
                Snapshot::Captured => return Moved::Done,
                Snapshot::Declined(DeclineReason::InsufficientFunds) => {
                    return Moved::InsufficientFunds;
                }
                Snapshot::Declined(DeclineReason::Abandoned) | Snapshot::Voided => {
                    return Moved::CalledOff;
                }
                Snapshot::Declined(_) => return Moved::Declined,
                Snapshot::Processing => return Moved::Open,
                Snapshot::Authorized => {
                    let key = format!("{reference}:capture");
                    self.ask(self.provider.capture(reference, &key, amount))
                        .await
                }
                Snapshot::NotFound => {
                    let key = format!("{reference}:void");
                    self.ask(self.provider.void(reference, &key)).await
                }
            };
            match asked {
                Some(snapshot) => seen = snapshot,
                None => return Moved::Open,
            }
        }
        Moved::Open
    }
}

impl Funding for Cards {
    fn accepts(&self, token: &str) -> bool {
        self.provider.accepts(token)
    }

    fn transfer<'a>(&'a self, transfer: Transfer<'a>, token: &'a str) -> BoxFuture<'a, Moved> {
        async move {
            let mut seen = self.authorize(transfer, token).await;
            if seen.is_none() {
                // What certainly was not done is asked for once more; what may have been done, the provider knows.
                seen = self.authorize(transfer, token).await;
            }
            match seen {
                Some(seen) => self.carry_on(transfer, seen).await,
                None => Moved::Open,
            }
        }
        .boxed()
    }

    fn settle<'a>(&'a self, transfer: Transfer<'a>) -> BoxFuture<'a, Moved> {
        async move {
            match self.ask(self.provider.status(transfer.reference)).await {
                Some(seen) => self.carry_on(transfer, seen).await,
                None => Moved::Open,
            }
        }
        .boxed()
    }
}
