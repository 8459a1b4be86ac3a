//! Orders, their events and the topic agree: what a test of orders may say at its end.

use super::TestApp;
use super::wait::eventually;
use tradepost::event_tools;
use tradepost::event_tools::verify::{Problem, Verified, Verify};

impl TestApp {
    /// Publishes what waits, unless another process does, and fails unless `events verify --settled` finds nothing wrong.
    /// On the services profile the caller sees to it that Kafka runs (`kafka_in_use`).
    pub(crate) async fn events_agree(&self) -> Verified {
        eventually("all events are published", async || {
            self.app.events().run_until_idle().await.unwrap();
            let backlog = self.app.events().measure().await.unwrap();
            (backlog.pending == 0).then_some(())
        })
        .await;
        let options = Verify {
            since: None,
            is_settled: true,
        };
        let (verified, problems) = self.events_verify(&options).await;
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        verified
    }

    /// What `events verify` compares, and what it finds wrong.
    pub(crate) async fn events_verify(&self, options: &Verify) -> (Verified, Vec<String>) {
        let mut problems = Vec::new();
        let report = |problem: &Problem| problems.push(problem.to_string());
        let verified = event_tools::verify(&self.app, options, report)
            .await
            .unwrap();
        assert_eq!(verified.problems, problems.len() as u64);
        (verified, problems)
    }
}
