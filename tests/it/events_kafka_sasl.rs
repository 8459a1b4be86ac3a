//! A Kafka that wants TLS and a log-in: relay, topics and readers all get in, and nobody with a wrong password does.

use crate::events::{commit, event};
use crate::support::services::kafka_in_use;
use crate::support::{Profile, TestApp, need, profile};
use serde_json::{Value, json};
use tradepost::event_tools::{self, Tail};
use tradepost::events::broker;
use tradepost::health::State;

/// How the broker of the tests is reached by TLS.
fn settings(mechanism: &str, password: &str) -> Vec<(&'static str, Value)> {
    vec![
        (
            "kafka.brokers",
            json!(need("TRADEPOST_TEST_KAFKA_SASL_BROKERS")),
        ),
        ("kafka.security_protocol", json!("sasl_ssl")),
        ("kafka.sasl_mechanism", json!(mechanism)),
        ("kafka.sasl_username", json!("tradepost")),
        ("kafka.sasl_password", json!(password)),
        ("kafka.ca_file", json!(need("TRADEPOST_TEST_KAFKA_CA"))),
    ]
}

async fn events_go_and_are_read(mechanism: &str) {
    let test = TestApp::with(&settings(mechanism, "tradepost")).await;
    let app = &test.app;
    let order = app.clock().id();
    commit(app, vec![event(app, order, 1), event(app, order, 2)]).await;
    app.events().run_until_idle().await.unwrap();
    assert_eq!(app.events().measure().await.unwrap().pending, 0);
    let tail = Tail {
        from_beginning: true,
        json: true,
        ..Tail::default()
    };
    let mut text = Vec::new();
    event_tools::tail(app, &tail, &mut text).await.unwrap();
    assert_eq!(String::from_utf8(text).unwrap().lines().count(), 2);
    let health = broker::look(app.config());
    assert!(health.detail.contains("has all"), "{health:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_a_log_in_by_password() {
    if profile() != Profile::Services {
        return;
    }
    let _kafka = kafka_in_use().await;
    events_go_and_are_read("PLAIN").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_a_log_in_by_scram() {
    if profile() != Profile::Services {
        return;
    }
    let _kafka = kafka_in_use().await;
    let make = || {
        std::process::Command::new(need("TRADEPOST_TEST_SERVICES"))
            .args(["user", "tradepost", "tradepost"])
            .status()
    };
    let made = tokio::task::spawn_blocking(make).await.unwrap().unwrap();
    assert!(made.success());
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
        events_go_and_are_read(mechanism).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_events_wait() {
    if profile() != Profile::Services {
        return;
    }
    let _kafka = kafka_in_use().await;
    let test = TestApp::with(&settings("PLAIN", "wrong")).await;
    let app = &test.app;
    commit(app, vec![event(app, app.clock().id(), 1)]).await;
    app.events().run_until_idle().await.unwrap();
    let backlog = app.events().measure().await.unwrap();
    assert_eq!((backlog.pending, backlog.parked), (1, 0));
    let health = broker::look(app.config());
    assert_eq!(health.state, State::Degraded, "{health:?}");
}
