//! Waiting for what happens elsewhere.

use std::time::Duration;

/// How long anything may take before the test fails: generous, since machines that run tests are busy.
const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until `condition` gives a value, and returns it.
pub(crate) async fn eventually<T>(what: &str, condition: impl AsyncFnMut() -> Option<T>) -> T {
    within(LIMIT, what, condition).await
}

/// The same with another limit, where being quick is what the test is about.
pub(crate) async fn within<T>(
    limit: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "it did not happen in {limit:?}: {what}"
        );
        tokio::time::sleep(PAUSE).await;
    }
}
