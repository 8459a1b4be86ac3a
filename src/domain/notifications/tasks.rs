//! The consumer that sends mails about orders.

use super::service::Service;
use crate::error::Fault;
use crate::events::consumer::{Consumer, Consumers};
use tokio_util::sync::CancellationToken;

/// The group's name: in leases, in Kafka and in the names of dead letters' topics.
pub const GROUP: &str = "notifications";

/// The consumer; it runs nothing yet.
///
/// # Errors
/// None in practice: the group's name and the stream are ours.
pub fn consumer(consumers: &Consumers) -> Result<Consumer, Fault> {
    Ok(consumers.consumer(GROUP, &["orders"])?.remembering())
}

/// Sends mails until `stop` is cancelled.
///
/// # Errors
/// As [`consumer`].
pub async fn consume(
    consumers: &Consumers,
    service: &Service,
    stop: &CancellationToken,
) -> Result<(), Fault> {
    let service = service.clone();
    consumer(consumers)?
        .run(stop, move |event| {
            let service = service.clone();
            async move { service.event_mail(&event).await }
        })
        .await;
    Ok(())
}
