//! GraphQL over HTTP: every status and media type.

use crate::support::TestApp;
use serde_json::json;

#[tokio::test]
async fn a_query_is_answered() {
    let test = TestApp::new().await;
    let client = test.serve().await;
    let client = client.client();
    let data = client.data("{ shop { name } }", json!({})).await;
    assert_eq!(data, json!({"shop": {"name": "Tradepost"}}));
}
