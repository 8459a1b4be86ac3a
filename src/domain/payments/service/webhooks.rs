//! Webhooks: a provider says that there is news of a payment.

use super::super::gateway::signature::Distrust;
use super::super::store;
use super::Service;
use crate::error::{Fault, swallow};
use entity::ids::PaymentId;
use uuid::Uuid;

/// Why a webhook is not taken.
#[derive(Debug)]
pub enum WebhookError {
    /// There is no provider of this name.
    UnknownProvider,
    /// Its signature is not to be believed.
    Distrusted(Distrust),
    /// Its body is not one of this provider.
    Unreadable,
    /// Ours; the provider sends it again.
    Fault(Fault),
}

impl From<Fault> for WebhookError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Service {
    /// Takes a webhook: has the worker drive the payment that it names, now. What it says is not believed but asked, so
    /// that one that comes twice, late, or before our own answer does no harm; one for a payment that is at its end, or
    /// that is not known, does nothing.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub async fn webhook(
        &self,
        provider: &str,
        signature: Option<&str>,
        body: &[u8],
    ) -> Result<(), WebhookError> {
        let provider = self
            .provider_find(provider)
            .ok_or(WebhookError::UnknownProvider)?;
        self.signer
            .check(signature.unwrap_or_default(), body, self.clock.now())
            .map_err(WebhookError::Distrusted)?;
        let notice = provider.webhook(body).ok_or(WebhookError::Unreadable)?;
        let Ok(id) = Uuid::try_parse(&notice.reference) else {
            return Ok(());
        };
        let now = self.clock.now();
        let is_open = self
            .db
            .write("payments.nudge", async |tx| {
                Ok::<_, Fault>(store::payment_nudge(&*tx, PaymentId(id), now).await?)
            })
            .await?;
        tracing::info!(payment.id = %id, event = notice.event, is_open, "a payment provider has news");
        if is_open {
            self.due.notify_one();
        }
        Ok(())
    }

    /// Sends the simulated provider's webhooks that are due, signed, to where real ones arrive. Answers how many.
    pub(in crate::domain::payments) async fn simulated_webhooks_send(
        &self,
    ) -> Result<usize, Fault> {
        let due = self.simulator.webhooks_due().await?;
        for (id, body) in &due {
            let signature = self.signer.sign(body, self.clock.now());
            let name = super::super::gateway::simulated::NAME;
            match self.webhook(name, Some(&signature), body).await {
                Ok(()) => self.simulator.webhook_sent(*id).await?,
                Err(WebhookError::Fault(fault)) => return Err(fault),
                Err(refused) => {
                    let fault = Fault::Broken(format!("our own webhook was refused: {refused:?}"));
                    swallow(Err::<(), _>(fault), "sending a simulated webhook");
                    self.simulator.webhook_sent(*id).await?;
                }
            }
        }
        Ok(due.len())
    }
}
