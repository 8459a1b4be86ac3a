//! The topics: made when Kafka is first reachable, and looked at. One that exists is never changed.

use super::{Context, Reach, client, drop_aside, lock};
use crate::config::Config;
use crate::error::chain;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::metadata::Metadata;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a request for topics may take; the relay tries again.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The program's topics in a cluster.
pub(super) struct Topics {
    admin_config: ClientConfig,
    names: Vec<String>,
    partitions: i32,
    replication: i32,
    retention_ms: String,
    seen: Mutex<Option<Seen>>,
}

/// What was found when the cluster was last asked.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// Topics with other numbers of partitions than configured, in words.
    difference: Option<String>,
}

impl Topics {
    #[must_use]
    pub(super) fn new(config: &Config, names: Vec<String>) -> Self {
        let retention = Duration::from_secs(config.events.retention_days.unsigned_abs() * 86_400);
        Self {
            admin_config: client(config),
            names,
            partitions: config.kafka.partitions,
            replication: config.kafka.replication,
            retention_ms: retention.as_millis().to_string(),
            seen: Mutex::default(),
        }
    }

    /// Whether they were seen to exist.
    pub(super) fn are_known(&self) -> bool {
        lock(&self.seen).is_some()
    }

    /// What is not as configured.
    pub(super) fn difference(&self) -> Option<String> {
        lock(&self.seen).as_ref()?.difference.clone()
    }

    /// Makes those that are not there, and looks at all.
    ///
    /// # Errors
    /// Says for operators why it cannot.
    pub(super) async fn ensure(&self) -> Result<(), String> {
        let reach = Arc::new(Reach::default());
        let context = Context(Arc::clone(&reach));
        let admin: AdminClient<Context> = self
            .admin_config
            .create_with_context(context)
            .map_err(|error| error.to_string())?;
        let made = self.create(&admin).await;
        let found = match made {
            Ok(()) => look(admin).await,
            Err(reason) => {
                // Its end waits for a thread of the client.
                drop_aside(Some(admin));
                Err(reason)
            }
        };
        // Why it did not answer, if the client was told: a wrong password, a certificate that is not trusted.
        let found = found.map_err(|error| match reach.problem() {
            Some(problem) => format!("{error}: {problem}"),
            None => error,
        })?;
        let difference = difference(&found, &self.names, self.partitions);
        let mut seen = lock(&self.seen);
        let told = seen.as_ref().and_then(|seen| seen.difference.clone());
        if let Some(difference) = &difference
            && told.as_ref() != Some(difference)
        {
            tracing::warn!("{difference}; topics that exist are left as they are");
        }
        *seen = Some(Seen { difference });
        Ok(())
    }

    async fn create(&self, admin: &AdminClient<Context>) -> Result<(), String> {
        let new: Vec<NewTopic<'_>> = self
            .names
            .iter()
            .map(|topic| {
                let replication = TopicReplication::Fixed(self.replication);
                NewTopic::new(topic, self.partitions, replication)
                    .set("cleanup.policy", "delete")
                    .set("retention.ms", &self.retention_ms)
            })
            .collect();
        create(admin, &new, ADMIN_TIMEOUT).await
    }
}

/// Makes those topics that are not there.
///
/// # Errors
/// Says for operators why it cannot.
pub(in crate::events) async fn create<C: ClientContext>(
    admin: &AdminClient<C>,
    new: &[NewTopic<'_>],
    timeout: Duration,
) -> Result<(), String> {
    let options = AdminOptions::new()
        .request_timeout(Some(timeout))
        .operation_timeout(Some(timeout));
    let results = admin.create_topics(new, &options).await;
    for result in results.map_err(|error| chain(&error))? {
        use RDKafkaErrorCode as Code;
        match result {
            Ok(topic) => tracing::info!(topic, "made the Kafka topic"),
            Err((_, Code::TopicAlreadyExists)) => {}
            // Whoever runs the cluster makes the topics there.
            Err((
                topic,
                code @ (Code::TopicAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::PolicyViolation),
            )) => {
                tracing::warn!(topic, %code, "may not make the Kafka topic; it has to exist");
            }
            Err((topic, code)) => return Err(format!("making the topic {topic}: {code}")),
        }
    }
    Ok(())
}

/// Partitions of each topic that exists.
type Partitions = Vec<(String, usize)>;

/// Asks the cluster what it has, apart from the runtime's threads: the client blocks.
async fn look(admin: AdminClient<Context>) -> Result<Partitions, String> {
    let look = move || {
        let found = admin.inner().fetch_metadata(None, ADMIN_TIMEOUT);
        found.map(|metadata| partitions(&metadata))
    };
    match tokio::task::spawn_blocking(look).await {
        Ok(found) => found.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

fn partitions(metadata: &Metadata) -> Partitions {
    let topics = metadata.topics().iter();
    topics
        .map(|topic| (topic.name().to_owned(), topic.partitions().len()))
        .collect()
}

/// What is not as configured. A topic that was just made may not be listed yet.
pub(in crate::events) fn difference(
    found: &[(String, usize)],
    names: &[String],
    partitions: i32,
) -> Option<String> {
    let wanted = usize::try_from(partitions).unwrap_or_default();
    let others: Vec<String> = found
        .iter()
        .filter(|(name, count)| names.contains(name) && *count > 0 && *count != wanted)
        .map(|(name, count)| format!("{name} has {count}"))
        .collect();
    (!others.is_empty()).then(|| {
        format!(
            "partitions other than kafka.partitions = {partitions}: {}",
            others.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn tells_topics_with_other_partitions_than_configured() {
        let found = [
            ("orders", 3),
            ("catalog", 12),
            ("theirs", 1),
            ("accounts", 24),
            ("new", 0),
        ];
        let found = found.map(|(name, count)| (name.to_owned(), count));
        let names = ["orders", "catalog", "accounts", "new"].map(str::to_owned);
        assert_eq!(
            difference(&found, &names, 12).as_deref(),
            Some("partitions other than kafka.partitions = 12: orders has 3, accounts has 24")
        );
        assert_eq!(difference(&found[1..3], &names, 12), None);
    }
}
