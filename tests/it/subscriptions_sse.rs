//! GraphQL over server-sent events, each operation on a request of its own.

use crate::support::TestApp;
use crate::support::http::{Client, Running};
use crate::support::socket::Member;
use crate::support::wait::eventually;
use entity::accounts::Role;
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

struct Shop {
    test: TestApp,
    server: Running,
    customer: Member,
}

impl Shop {
    async fn open(changes: &[(&'static str, Value)]) -> Self {
        let test = TestApp::with(changes).await;
        let server = test.serve().await;
        let customer = test.member("customer@example.org", Role::Customer).await;
        Self {
            test,
            server,
            customer,
        }
    }

    fn client(&self) -> Client {
        self.customer.client(self.server.address)
    }
}

/// An event stream.
struct Events {
    response: reqwest::Response,
    text: String,
}

async fn ask(client: &Client, body: Value) -> reqwest::Response {
    client
        .raw(Method::POST, "/graphql")
        .header("accept", "text/event-stream")
        .json(&body)
        .send()
        .await
        .unwrap()
}

impl Events {
    async fn open(client: &Client, body: Value) -> Self {
        Self::of(ask(client, body).await)
    }

    fn of(response: reqwest::Response) -> Self {
        assert_eq!(response.status(), 200);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "text/event-stream");
        assert_eq!(header("cache-control"), "no-cache, no-transform");
        assert_eq!(header("x-accel-buffering"), "no");
        Self {
            response,
            text: String::new(),
        }
    }

    /// Name and data of the next event; comments have no name.
    async fn block(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let mut lines = block.lines();
                    lines
                        .find_map(|line| line.strip_prefix(name))
                        .unwrap_or_default()
                };
                let data = serde_json::from_str(field("data: ")).unwrap_or_default();
                let event = (field("event: ").to_owned(), data);
                self.text = rest.to_owned();
                return Some(event);
            }
            let chunk = tokio::time::timeout(LIMIT, self.response.chunk())
                .await
                .expect("the server says nothing")
                .unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn next(&mut self) -> (String, Value) {
        loop {
            let event = self.block().await.expect("the stream has ended");
            if !event.0.is_empty() {
                return event;
            }
        }
    }

    /// The last event, and the end.
    async fn complete(&mut self) {
        assert_eq!(self.next().await, ("complete".to_owned(), Value::Null));
        assert_eq!(self.block().await, None);
    }
}

#[tokio::test]
async fn each_operation_is_a_stream_that_completes() {
    let shop = Shop::open(&[]).await;
    let client = shop.client();
    let mut query = Events::open(&client, json!({ "query": "{ me { email } }" })).await;
    let (name, result) = query.next().await;
    assert_eq!(name, "next");
    assert_eq!(
        result,
        json!({ "data": { "me": { "email": "customer@example.org" } } })
    );
    query.complete().await;

    for (body, code) in [
        (json!({ "query": "{ nothing }" }), "BAD_USER_INPUT"),
        (json!({ "query": "{" }), "BAD_USER_INPUT"),
        (
            json!({ "query": "subscription { stockUpdated { onHand } }" }),
            "FORBIDDEN",
        ),
    ] {
        let mut refused = Events::open(&client, body.clone()).await;
        let (_, result) = refused.next().await;
        let error = &result["errors"][0];
        assert_eq!(error["extensions"]["code"], code, "{body}: {result}");
        refused.complete().await;
    }

    // What cannot be read, and who is not let in, have a status.
    assert_eq!(ask(&client, json!({})).await.status(), 400);
    let stranger = client.with_token("nonsense");
    assert_eq!(
        ask(&stranger, json!({ "query": "{ me { id } }" }))
            .await
            .status(),
        401
    );
    let get = |path: &str| {
        let request = client.raw(Method::GET, path);
        request.header("accept", "text/event-stream").send()
    };
    let mutation = get("/graphql?query=mutation%7BsessionRevoke%7Bsession%7Bid%7D%7D%7D").await;
    assert_eq!(mutation.unwrap().status(), 405);
    let mut by_get = Events::of(get("/graphql?query=%7Bshop%7Bname%7D%7D").await.unwrap());
    assert_eq!(by_get.next().await.1["data"]["shop"]["name"], "Tradepost");
    by_get.complete().await;

    // Who can read JSON too is answered with JSON.
    let both = client
        .raw(Method::POST, "/graphql")
        .header(
            "accept",
            "application/graphql-response+json, text/event-stream",
        )
        .json(&json!({ "query": "{ shop { name } }" }));
    let (status, _, body) = crate::support::http::answer(both).await;
    assert_eq!(
        (status.as_u16(), &body["data"]["shop"]["name"]),
        (200, &json!("Tradepost"))
    );
}

#[tokio::test]
async fn a_subscription_is_a_stream_until_its_session_ends() {
    let shop = Shop::open(&[("subscriptions.ping_interval_ms", json!(100))]).await;
    let client = shop.client();
    let warehouse = shop.test.warehouse("MAIN", 0).await;
    shop.test.product("TEA", 495, warehouse, 20).await;
    let subscription = json!({ "query": "subscription { orderUpdated { version status } }" });
    let mut events = Events::open(&client, subscription.clone()).await;
    assert_eq!(
        events.block().await,
        Some((String::new(), Value::Null)),
        "a comment at once"
    );
    eventually("it subscribes", async || {
        (shop.test.app.hub().subscribers() == 1).then_some(())
    })
    .await;
    let create = "mutation { orderCreate(input: { lines: [{ sku: \"tea\", quantity: 1 }] }) {
      order { id } userErrors { code } } }";
    client.data(create, json!({})).await;
    let (_, result) = events.next().await;
    assert_eq!(
        result["data"]["orderUpdated"],
        json!({ "version": 1, "status": "AWAITING_PAYMENT" })
    );
    // Comments keep it alive past the life of an idle connection.
    for _ in 0..5 {
        assert_eq!(events.block().await, Some((String::new(), Value::Null)));
    }
    let logout = "mutation { sessionRevoke { session { id } userErrors { code } } }";
    client.data(logout, json!({})).await;
    let (_, result) = events.next().await;
    let extensions = &result["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "UNAUTHENTICATED", "{result}");
    assert_eq!(extensions["reason"], "SESSION_REVOKED");
    events.complete().await;
}

#[tokio::test]
async fn streams_are_counted_outlive_idle_connections_and_end_with_the_server() {
    let shop = Shop::open(&[
        ("subscriptions.connections_per_user_max", json!(2)),
        ("subscriptions.ping_interval_ms", json!(100)),
        ("http.header_read_timeout_ms", json!(300)),
    ])
    .await;
    let client = shop.client();
    let subscription = json!({ "query": "subscription { productUpdated { id } }" });
    let mut first = Events::open(&client, subscription.clone()).await;
    let second = Events::open(&client, subscription.clone()).await;
    let third = ask(&client, subscription.clone()).await;
    assert_eq!(third.status(), 429);
    drop(second);
    let again = eventually("there is room again", async || {
        let response = ask(&client, subscription.clone()).await;
        (response.status() == 200).then_some(response)
    })
    .await;
    drop(again);
    // Twenty comments are two seconds: several times what an idle connection may live.
    for _ in 0..20 {
        assert!(first.block().await.is_some());
    }
    shop.server.stop.cancel();
    first.complete().await;
}
