//! The simulated provider: an outside system that happens to run in this process. It keeps its own books in its own
//! tables and transactions, so that it outlives a killed process and can be asked afterwards; and it knows nothing of
//! the payments of the program but what it was told.
//!
//! What its tokens do is in `gateway/simulated.rs`.

use super::gateway::simulated::{self, NAME};
use super::gateway::{Answer, CallError, Charge, Notice, Provider, RefundSnapshot, Snapshot};
use super::store::simulated as store;
use crate::clock::Clock;
use crate::config::Payments;
use crate::db::{Db, Tx, error};
use crate::error::Fault;
use chrono::{DateTime, TimeDelta, Utc};
use entity::payments::{
    Behaviour, GatewayState, ProviderOperation, simulated_gateway_operation as operation,
    simulated_gateway_payment as payment, simulated_gateway_webhook as webhook,
};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::time::Duration;

/// Webhooks that are sent at a time.
const WEBHOOKS: u64 = 100;

/// The simulated provider.
#[derive(Clone, Debug)]
pub struct Simulator {
    db: Db,
    clock: Clock,
    slow: Duration,
    settle: TimeDelta,
    webhook_late: TimeDelta,
}

/// A question, what for and with which key.
#[derive(Clone, Copy, Debug)]
struct Question<'a> {
    operation: ProviderOperation,
    reference: &'a str,
    key: &'a str,
    amount_minor: i64,
}

impl Simulator {
    /// Made once by the app.
    #[must_use]
    pub fn new(db: Db, clock: Clock, settings: &Payments) -> Self {
        Self {
            db,
            clock,
            slow: Duration::from_millis(settings.simulated_slow_ms),
            settle: TimeDelta::milliseconds(settings.simulated_settle_ms),
            webhook_late: TimeDelta::milliseconds(settings.simulated_webhook_late_ms),
        }
    }

    /// Webhooks that are due, each with its id.
    ///
    /// # Errors
    /// The database fails.
    pub async fn webhooks_due(&self) -> Result<Vec<(uuid::Uuid, Vec<u8>)>, Fault> {
        let now = self.clock.now();
        let rows = self
            .db
            .read("simulated_gateway.webhooks_due", async |c| {
                Ok::<_, Fault>(store::webhooks_due(&*c, now, WEBHOOKS).await?)
            })
            .await?;
        let body = |row: webhook::Model| {
            let notice = Notice {
                reference: row.reference,
                event: row.event,
            };
            (row.id, simulated::body(&notice))
        };
        Ok(rows.into_iter().map(body).collect())
    }

    /// Notes that a webhook was received.
    ///
    /// # Errors
    /// The database fails.
    pub async fn webhook_sent(&self, id: uuid::Uuid) -> Result<(), Fault> {
        self.db
            .write("simulated_gateway.webhook_sent", async |tx| {
                Ok(store::webhook_sent(&*tx, id).await?)
            })
            .await
    }

    async fn authorize(&self, charge: &Charge<'_>) -> Answer<Snapshot> {
        let Some(behaviour) = simulated::behaviour(charge.token.0) else {
            return Err(CallError::NotDone("the token is not known".to_owned()));
        };
        let question = Question {
            operation: ProviderOperation::Authorize,
            reference: charge.reference,
            key: charge.key,
            amount_minor: charge.amount_minor,
        };
        let currency = charge.currency;
        let authorize = || {
            self.db.write("simulated_gateway.authorize", async |tx| {
                self.authorize_in(&tx, question, behaviour, currency).await
            })
        };
        let done = match authorize().await {
            // Another question made the payment meanwhile: look at it.
            Err(fault) if is_duplicate(&fault) => authorize().await?,
            done => done?,
        };
        let Some((payment, is_new)) = done else {
            return Err(CallError::NotDone("try again".to_owned()));
        };
        if behaviour == Behaviour::Slow {
            tokio::time::sleep(self.slow).await;
        }
        if behaviour == Behaviour::Unknown && is_new {
            return Err(CallError::Unknown("the connection was lost".to_owned()));
        }
        Ok(simulated::snapshot(&payment, self.clock.now()))
    }

    /// The payment after the question and whether this question made it; nothing when it failed for the first time.
    async fn authorize_in(
        &self,
        tx: &Tx,
        question: Question<'_>,
        behaviour: Behaviour,
        currency: &str,
    ) -> Result<Option<(payment::Model, bool)>, Fault> {
        let now = self.clock.now();
        let found = store::payment_lock(&**tx, question.reference).await?;
        let (mut row, is_known) = match found {
            Some(row) if row.state == GatewayState::Seen => (row, true),
            Some(row) => return Ok(Some((row, false))),
            None => (self.row(question, behaviour, currency, now), false),
        };
        if behaviour == Behaviour::FailsOnce && !is_known {
            store::payment_insert(&**tx, row).await?;
            return Ok(None);
        }
        row.state = simulated::decided(behaviour);
        row.settles_at = match behaviour {
            Behaviour::Unknown | Behaviour::WebhookTwice => Some(now + self.settle),
            Behaviour::WebhookLate => Some(now + self.webhook_late),
            _ => None,
        };
        if is_known {
            store::payment_update(&**tx, &row).await?;
        } else {
            store::payment_insert(&**tx, row.clone()).await?;
        }
        self.note_in(tx, question, now).await?;
        let webhooks = match behaviour {
            Behaviour::WebhookLate => 1,
            Behaviour::WebhookTwice => 2,
            _ => 0,
        };
        let webhooks: Vec<_> = (0..webhooks)
            .map(|_| webhook::Model {
                id: self.clock.id(),
                reference: row.reference.clone(),
                event: "payment.authorized".to_owned(),
                due_at: row.settles_at,
                created_at: now,
            })
            .collect();
        store::webhooks_insert(&**tx, webhooks).await?;
        Ok(Some((row, true)))
    }

    fn row(
        &self,
        question: Question<'_>,
        behaviour: Behaviour,
        currency: &str,
        now: DateTime<Utc>,
    ) -> payment::Model {
        payment::Model {
            reference: question.reference.to_owned(),
            behaviour,
            amount_minor: question.amount_minor,
            currency: currency.to_owned(),
            state: GatewayState::Seen,
            settles_at: None,
            captured_minor: 0,
            refunded_minor: 0,
            created_at: now,
            updated_at: now,
        }
    }

    async fn note_in(
        &self,
        tx: &Tx,
        question: Question<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), Fault> {
        let row = operation::Model {
            idempotency_key: question.key.to_owned(),
            reference: question.reference.to_owned(),
            operation: question.operation,
            amount_minor: question.amount_minor,
            created_at: now,
        };
        Ok(store::operation_insert(&**tx, row).await?)
    }

    async fn capture(&self, question: Question<'_>) -> Answer<Snapshot> {
        let done = self.db.write("simulated_gateway.capture", async |tx| {
            let Some(mut row) = store::payment_lock(&*tx, question.reference).await? else {
                return Ok(Snapshot::NotFound);
            };
            let now = self.clock.now();
            let is_promised = simulated::snapshot(&row, now) == Snapshot::Authorized;
            if is_promised && question.amount_minor == row.amount_minor {
                row.state = GatewayState::Captured;
                row.captured_minor = row.amount_minor;
                row.updated_at = now;
                store::payment_update(&*tx, &row).await?;
                self.note_in(&tx, question, now).await?;
            }
            Ok::<_, Fault>(simulated::snapshot(&row, now))
        });
        Ok(done.await?)
    }

    async fn void(&self, question: Question<'_>) -> Answer<Snapshot> {
        let void = || {
            self.db.write("simulated_gateway.void", async |tx| {
                self.void_in(&tx, question).await
            })
        };
        match void().await {
            Err(fault) if is_duplicate(&fault) => Ok(void().await?),
            done => Ok(done?),
        }
    }

    async fn void_in(&self, tx: &Tx, question: Question<'_>) -> Result<Snapshot, Fault> {
        let now = self.clock.now();
        let mut row = match store::payment_lock(&**tx, question.reference).await? {
            Some(row) => row,
            // So that the question that may still be on its way finds it called off.
            None => {
                let row = self.row(question, Behaviour::Ok, "", now);
                store::payment_insert(&**tx, row.clone()).await?;
                row
            }
        };
        if matches!(row.state, GatewayState::Seen | GatewayState::Authorized) {
            row.state = GatewayState::Voided;
            row.updated_at = now;
            store::payment_update(&**tx, &row).await?;
            self.note_in(tx, question, now).await?;
        }
        Ok(simulated::snapshot(&row, now))
    }

    async fn refund(&self, question: Question<'_>) -> Answer<RefundSnapshot> {
        let done = self.db.write("simulated_gateway.refund", async |tx| {
            // The key's row is the first statement, so that of two parallel questions with a key one waits here.
            match self.note_in(&tx, question, self.clock.now()).await {
                Ok(()) => {}
                Err(fault) if is_duplicate(&fault) => return Ok(()),
                Err(fault) => return Err(fault),
            }
            let now = self.clock.now();
            let (reference, amount) = (question.reference, question.amount_minor);
            if store::payment_refund(&*tx, reference, amount, now).await? {
                Ok(())
            } else {
                Err(Fault::Broken(NOT_REFUNDABLE.to_owned()))
            }
        });
        match done.await {
            Ok(()) => Ok(RefundSnapshot::Succeeded),
            Err(Fault::Broken(reason)) if reason == NOT_REFUNDABLE => {
                Ok(RefundSnapshot::Failed(reason))
            }
            Err(fault) => Err(fault.into()),
        }
    }
}

/// What it says when a payment cannot be paid back by as much.
const NOT_REFUNDABLE: &str = "the refunds would exceed what was taken";

/// Whether a row was there already.
fn is_duplicate(fault: &Fault) -> bool {
    matches!(fault, Fault::Db(source) if matches!(error::kind(source), error::Kind::Unique(_)))
}

impl Provider for Simulator {
    fn name(&self) -> &'static str {
        NAME
    }

    fn accepts(&self, token: &str) -> bool {
        simulated::behaviour(token).is_some()
    }

    fn authorize<'a>(&'a self, charge: Charge<'a>) -> BoxFuture<'a, Answer<Snapshot>> {
        async move { Self::authorize(self, &charge).await }.boxed()
    }

    fn capture<'a>(
        &'a self,
        reference: &'a str,
        key: &'a str,
        amount_minor: i64,
    ) -> BoxFuture<'a, Answer<Snapshot>> {
        let operation = ProviderOperation::Capture;
        Self::capture(
            self,
            Question {
                operation,
                reference,
                key,
                amount_minor,
            },
        )
        .boxed()
    }

    fn void<'a>(&'a self, reference: &'a str, key: &'a str) -> BoxFuture<'a, Answer<Snapshot>> {
        let operation = ProviderOperation::Void;
        Self::void(
            self,
            Question {
                operation,
                reference,
                key,
                amount_minor: 0,
            },
        )
        .boxed()
    }

    fn refund<'a>(
        &'a self,
        reference: &'a str,
        key: &'a str,
        amount_minor: i64,
    ) -> BoxFuture<'a, Answer<RefundSnapshot>> {
        let operation = ProviderOperation::Refund;
        Self::refund(
            self,
            Question {
                operation,
                reference,
                key,
                amount_minor,
            },
        )
        .boxed()
    }

    fn status<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Answer<Snapshot>> {
        let read = self.db.read("simulated_gateway.status", async move |c| {
            let row = store::payment_find(&*c, reference).await?;
            let now = self.clock.now();
            Ok::<_, Fault>(row.map_or(Snapshot::NotFound, |row| simulated::snapshot(&row, now)))
        });
        async move { Ok(read.await?) }.boxed()
    }

    fn refund_status<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Answer<RefundSnapshot>> {
        let read = self
            .db
            .read("simulated_gateway.refund_status", async move |c| {
                let done = store::operation_find(&*c, key).await?;
                Ok::<_, Fault>(done.map_or(RefundSnapshot::NotFound, |_| RefundSnapshot::Succeeded))
            });
        async move { Ok(read.await?) }.boxed()
    }

    fn webhook(&self, body: &[u8]) -> Option<Notice> {
        simulated::notice(body)
    }
}
