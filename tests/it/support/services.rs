//! Stopping and starting the services of the test run.

use super::need;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

static KAFKA: RwLock<()> = RwLock::const_new(());

/// For tests that use Kafka: nobody stops it while the guard lives.
pub(crate) async fn kafka_in_use() -> RwLockReadGuard<'static, ()> {
    KAFKA.read().await
}

/// For tests that stop Kafka: nobody else uses it while the guard lives.
pub(crate) async fn kafka_alone() -> RwLockWriteGuard<'static, ()> {
    KAFKA.write().await
}

/// Runs `scripts/services COMMAND NAME` and waits for it.
pub(crate) async fn services(command: &'static str, name: &'static str) {
    let script = need("TRADEPOST_TEST_SERVICES");
    let run = move || {
        std::process::Command::new(script)
            .args([command, name])
            .status()
    };
    let status = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    assert!(status.success(), "services {command} {name}: {status}");
}
