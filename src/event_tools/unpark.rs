//! `events unpark`: events that were set aside go again.

use super::Error;
use crate::app::App;
use entity::ids::EventId;

/// Lets one event that was set aside go again, or all of them, and wakes the relay. Returns how many there were.
///
/// # Errors
/// The event was not set aside, or the database fails.
pub async fn unpark(app: &App, event: Option<EventId>) -> Result<u64, Error> {
    let unparked = app.events().unpark(event).await?;
    match event {
        Some(event) if unparked == 0 => Err(Error::NotParked(event.0)),
        _ => Ok(unparked),
    }
}
