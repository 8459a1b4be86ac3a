//! Use cases of payments. A payment or refund is written in the caller's transaction and then driven: asked for, settled,
//! asked for again, as far as it goes now. What stays open is driven by the worker.

mod drive;
pub mod hook;
mod refunds;
mod shown;
mod turns;
mod verify;
mod webhooks;

pub use super::error::RefundExceedsCapture;
pub use super::model::{Method, NewPayment, NewRefund, Outcome, RefundOutcome};
pub use webhooks::WebhookError;

use super::error::Error;
use super::from_wallet::FromWallet;
use super::gateway::signature::Signer;
use super::gateway::{CallError, Provider};
use super::model;
use super::simulator::Simulator;
use super::store;
use super::tokens::Tokens;
use crate::clock::Clock;
use crate::config::Payments;
use crate::db::{Db, Tx};
use crate::domain::wallet;
use crate::error::{Failure, Fault};
use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::{OrderId, PaymentId, RefundId};
use entity::payments::{
    PaymentGoal, PaymentMethod, PaymentState, ProviderOperation, payment, payment_attempt, refund,
};
use hook::Hook;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use turns::Turns;

/// Payments.
#[derive(Clone, Debug)]
pub struct Service {
    db: Db,
    clock: Clock,
    wallet: wallet::service::Service,
    /// The first is the one that new payments by card use, the second takes them from wallets.
    providers: Vec<Arc<dyn Provider>>,
    simulator: Simulator,
    signer: Signer,
    tokens: Tokens,
    turns: Turns,
    hook: Hook,
    limits: Limits,
    /// Wakes this domain's worker.
    due: Arc<Notify>,
    /// Wakes whoever waits for payments.
    changed: Arc<Notify>,
}

/// Times of the settings.
#[derive(Clone, Copy, Debug)]
struct Limits {
    call: Duration,
    retry_least: TimeDelta,
    retry_most: TimeDelta,
}

impl Limits {
    /// After this time nobody can still be about to ask for something that was written down: two questions with their
    /// limit, and the transaction between them.
    fn in_flight(self) -> TimeDelta {
        TimeDelta::from_std(self.call * 2).unwrap_or(TimeDelta::MAX)
    }
}

impl Service {
    /// Made once by the app; `hook` does nothing outside of tests.
    #[must_use]
    pub fn new(
        db: Db,
        clock: Clock,
        wallet: wallet::service::Service,
        settings: &Payments,
        hook: Hook,
    ) -> Self {
        let simulator = Simulator::new(db.clone(), clock.clone(), settings);
        let window = TimeDelta::seconds(settings.webhook_tolerance_s);
        Self {
            providers: vec![
                Arc::new(simulator.clone()),
                Arc::new(FromWallet::new(db.clone(), wallet.clone())),
            ],
            db,
            clock,
            wallet,
            simulator,
            signer: Signer::new(&settings.webhook_secret, window),
            tokens: Tokens::new(),
            turns: Turns::default(),
            hook,
            limits: Limits {
                call: Duration::from_millis(settings.call_timeout_ms),
                retry_least: TimeDelta::milliseconds(settings.retry_least_ms),
                retry_most: TimeDelta::milliseconds(settings.retry_most_ms),
            },
            due: Arc::default(),
            changed: Arc::default(),
        }
    }

    /// Notified when a payment or a refund has changed its state: those who wait for one look again.
    #[must_use]
    pub fn changed(&self) -> Arc<Notify> {
        self.changed.clone()
    }

    /// Notified when there is work for [`super::tasks`].
    #[must_use]
    pub fn due(&self) -> Arc<Notify> {
        self.due.clone()
    }

    /// Signs webhooks as providers of this installation do.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Checks how somebody wants to pay in a currency, before anything is written.
    ///
    /// # Errors
    /// [`Error::TokenInvalid`], [`Error::CurrencyMismatch`].
    pub fn method_check(&self, method: &Method, currency: &str) -> Result<(), Error> {
        match method {
            Method::Card { token } if self.provider_of_new(method).accepts(token) => Ok(()),
            Method::Card { .. } => Err(Error::TokenInvalid),
            Method::Wallet { asset } if asset == currency => Ok(()),
            Method::Wallet { .. } => Err(Error::CurrencyMismatch {
                expected: currency.to_owned(),
            }),
        }
    }

    /// Writes a payment and its first attempt in the caller's transaction, PENDING. Its token is remembered in this
    /// process: drive it here, soon after the commit.
    ///
    /// # Errors
    /// The database fails, also when the amount is not more than 0.
    pub async fn payment_insert_in(&self, tx: &Tx, new: &NewPayment) -> Result<(), Fault> {
        let now = self.clock.now();
        let (token, masked_token) = new.method.token();
        let row = payment::Model {
            id: new.id,
            order_id: new.order_id,
            user_id: new.user_id,
            provider: self.provider_of_new(&new.method).name().to_owned(),
            method: match new.method {
                Method::Card { .. } => PaymentMethod::Card,
                Method::Wallet { .. } => PaymentMethod::Wallet,
            },
            masked_token,
            amount_minor: new.amount_minor,
            currency: new.currency.clone(),
            state: PaymentState::Pending,
            goal: PaymentGoal::Capture,
            return_reason: None,
            decline_reason: None,
            captured_minor: 0,
            refund_claimed_minor: 0,
            refunded_minor: 0,
            tries: 0,
            next_run_at: Some(now + self.limits.in_flight()),
            version: 1,
            created_at: now,
            updated_at: now,
            captured_at: None,
            transaction_id: new.purchase,
        };
        let attempt = self.attempt(&row, None, ProviderOperation::Authorize, row.amount_minor);
        self.tokens.put(new.id, token, attempt.id);
        self.purchase_begin_in(tx, &row).await?;
        store::payment_insert(&**tx, row).await?;
        Ok(store::attempt_insert(&**tx, attempt).await?)
    }

    /// A question that is about to be asked.
    fn attempt(
        &self,
        payment: &payment::Model,
        refund_id: Option<RefundId>,
        operation: ProviderOperation,
        amount_minor: i64,
    ) -> payment_attempt::Model {
        let id = refund_id.map_or(payment.id.0, |id| id.0);
        payment_attempt::Model {
            id: self.clock.id(),
            payment_id: payment.id,
            refund_id,
            operation,
            provider_key: format!("{id}:{}", operation.as_str().to_lowercase()),
            amount_minor,
            asked_at: self.clock.now(),
            answered_at: None,
            result: None,
            detail: None,
            next_run_at: None,
        }
    }

    fn provider_of_new(&self, method: &Method) -> &Arc<dyn Provider> {
        // `new` gives both.
        match method {
            Method::Card { .. } => &self.providers[0],
            Method::Wallet { .. } => &self.providers[1],
        }
    }

    fn provider(&self, name: &str) -> Result<&Arc<dyn Provider>, Fault> {
        self.provider_find(name)
            .ok_or_else(|| Fault::Broken(format!("there is no payment provider {name}")))
    }

    fn provider_find(&self, name: &str) -> Option<&Arc<dyn Provider>> {
        self.providers
            .iter()
            .find(|provider| provider.name() == name)
    }

    /// Asks within the limit of a question.
    async fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, CallError>> + Send,
    ) -> Result<T, CallError> {
        match tokio::time::timeout(self.limits.call, question).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::Unknown("no answer in time".to_owned())),
        }
    }

    fn retry_at(&self, tries: i32) -> DateTime<Utc> {
        let Limits {
            retry_least,
            retry_most,
            ..
        } = self.limits;
        model::retry_at(self.clock.now(), tries, retry_least, retry_most)
    }

    /// A payment.
    ///
    /// # Errors
    /// The database fails.
    pub async fn payment_by_id(&self, id: PaymentId) -> Result<Option<payment::Model>, Fault> {
        self.db
            .read("payments.by_id", async |c| {
                Ok(store::payment_by_id(&*c, id).await?)
            })
            .await
    }

    async fn payment_read(&self, id: PaymentId) -> Result<payment::Model, Fault> {
        self.payment_by_id(id)
            .await?
            .ok_or_else(|| Fault::Broken(format!("payment {id} is not there")))
    }

    /// Payments of orders, oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn payments_of(&self, orders: &[OrderId]) -> Result<Vec<payment::Model>, Fault> {
        self.db
            .read("payments.of_orders", async |c| {
                Ok(store::payments_of_orders(&*c, orders).await?)
            })
            .await
    }

    /// Refunds of orders, oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn refunds_of(&self, orders: &[OrderId]) -> Result<Vec<refund::Model>, Fault> {
        self.db
            .read("payments.refunds_of_orders", async |c| {
                Ok(store::refunds_of_orders(&*c, orders).await?)
            })
            .await
    }

    /// Payments and refunds that the worker has to look at.
    pub(in crate::domain::payments) async fn due_now(
        &self,
        limit: u64,
    ) -> Result<(Vec<PaymentId>, Vec<RefundId>), Fault> {
        let now = self.clock.now();
        self.db
            .read("payments.due", async |c| {
                Ok((
                    store::payments_due(&*c, now, limit).await?,
                    store::refunds_due(&*c, now, limit).await?,
                ))
            })
            .await
    }
}

/// What the ledger says to postings that touch no user's account can only be ours.
fn posted(result: Result<(), Failure<wallet::error::Error>>) -> Result<(), Fault> {
    result.map_err(|failure| match failure {
        Failure::Fault(fault) => fault,
        Failure::Refused(errors) => Fault::Broken(format!("the ledger refused: {errors:?}")),
    })
}
