//! Sends records to topics that the relay does not write to, for `events replay` and `events snapshot`.

#[cfg(feature = "kafka")]
use super::kafka_sender::KafkaSender;
use super::reader::Error;
use super::record::Record;
use crate::config::Config;
#[cfg(not(feature = "kafka"))]
use crate::error::Fault;

/// What a topic keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Everything for `events.retention_days`.
    Days,
    /// The newest record of each key, for good (`cleanup.policy=compact`).
    Newest,
}

/// Sends to Kafka and waits for its word.
pub struct Sender {
    #[cfg(feature = "kafka")]
    kafka: KafkaSender,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

#[cfg(feature = "kafka")]
impl Sender {
    /// A sender to the configured Kafka.
    ///
    /// # Errors
    /// The client cannot be made of the settings.
    pub fn new(config: &Config) -> Result<Self, Error> {
        Ok(Self {
            kafka: KafkaSender::new(config)?,
        })
    }

    /// Makes a topic that is not there. One that exists is left as it is.
    ///
    /// # Errors
    /// Kafka does not answer within seconds, or refuses.
    pub async fn topic_ensure(&mut self, topic: &str, keep: Keep) -> Result<(), Error> {
        self.kafka.topic_ensure(topic, keep).await
    }

    /// Sends records and waits until Kafka has all of them; those of one key arrive in their order.
    ///
    /// # Errors
    /// Kafka took none of them for half a minute, or refuses one: some may have arrived.
    pub async fn send(&self, records: &[Record]) -> Result<(), Error> {
        self.kafka.send(records).await
    }
}

#[cfg(not(feature = "kafka"))]
#[expect(
    clippy::unused_async,
    reason = "the form with Kafka waits for its answers"
)]
impl Sender {
    /// Refuses.
    ///
    /// # Errors
    /// The program was built without Kafka.
    pub fn new(_: &Config) -> Result<Self, Error> {
        let reason = "this program was built without the feature `kafka`";
        Err(Fault::Broken(reason.into()).into())
    }

    /// Does nothing: there is no sender.
    ///
    /// # Errors
    /// None.
    pub async fn topic_ensure(&mut self, _: &str, _: Keep) -> Result<(), Error> {
        Ok(())
    }

    /// Does nothing: there is no sender.
    ///
    /// # Errors
    /// None.
    pub async fn send(&self, _: &[Record]) -> Result<(), Error> {
        Ok(())
    }
}
