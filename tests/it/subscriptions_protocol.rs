//! `graphql-transport-ws` by its letter, with its close codes, and the limits of connections.

use crate::support::TestApp;
use crate::support::http::Running;
use crate::support::socket::{Heard, Member, Socket, handshake, message};
use crate::support::wait::eventually;
use chrono::TimeDelta;
use entity::accounts::{Role, UserStatus};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message};

const SHOP: &str = "query { shop { name } }";
const PRODUCTS: &str = "subscription { productUpdated { id } }";

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

    async fn guest(&self) -> Socket {
        Socket::connect(self.server.address, None).await
    }

    async fn connect(&self, member: &Member) -> Socket {
        Socket::connect(self.server.address, Some(&member.token)).await
    }
}

#[tokio::test]
async fn queries_mutations_and_mistakes_are_answered_as_the_protocol_says() {
    let shop = Shop::open(&[]).await;
    let mut socket = shop.connect(&shop.customer).await;

    socket.subscribe("1", SHOP, json!({})).await;
    assert_eq!(
        socket.data("1").await,
        json!({ "shop": { "name": "Tradepost" } })
    );
    socket.expect("complete", "1").await;

    // The name is free again.
    let mutation =
        "mutation($name: String!) { profileUpdate(input: { name: $name }) { user { name } } }";
    socket
        .subscribe("1", mutation, json!({ "name": "Ada" }))
        .await;
    let data = socket.data("1").await;
    assert_eq!(data["profileUpdate"]["user"]["name"], "Ada");
    socket.expect("complete", "1").await;

    // Found before anything is executed: `error`, and nothing after it.
    let deep = format!("{}{}", "{shop".repeat(50), "}".repeat(50));
    for (query, code) in [
        ("query { nothing }", "BAD_USER_INPUT"),
        ("query {", "BAD_USER_INPUT"),
        (deep.as_str(), "QUERY_TOO_COMPLEX"),
        (
            "subscription { productUpdated { id } b: productUpdated { id } }",
            "BAD_USER_INPUT",
        ),
    ] {
        socket.subscribe("2", query, json!({})).await;
        assert_eq!(
            socket.refused("2").await,
            (code.to_owned(), None),
            "{query}"
        );
    }
    // Executed, and failed in a field: a result.
    socket
        .subscribe("3", "query { warehouses { nodes { id } } }", json!({}))
        .await;
    let payload = socket.expect("next", "3").await;
    assert!(payload["data"]["warehouses"].is_null());
    assert_eq!(payload["errors"][0]["extensions"]["code"], "FORBIDDEN");
    socket.expect("complete", "3").await;

    // Pings are answered with what they carry; a client's complete is not echoed.
    socket
        .say(json!({ "type": "ping", "payload": { "n": 1 } }))
        .await;
    assert_eq!(
        socket.hear().await,
        message(json!({ "type": "pong", "payload": { "n": 1 } }))
    );
    socket.subscribe("4", PRODUCTS, json!({})).await;
    socket.say(json!({ "type": "complete", "id": "4" })).await;
    socket
        .say(json!({ "type": "complete", "id": "unknown" }))
        .await;
    socket.say(json!({ "type": "pong" })).await;
    socket.subscribe("4", SHOP, json!({})).await;
    socket.data("4").await;
    socket.expect("complete", "4").await;
    eventually("nobody subscribes any more", async || {
        (shop.test.app.hub().subscribers() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn each_breach_of_the_protocol_has_its_close_code() {
    let shop = Shop::open(&[
        ("subscriptions.init_timeout_ms", json!(300)),
        ("subscriptions.message_bytes_max", json!(2_000)),
    ])
    .await;
    let address = shop.server.address;

    let mut silent = Socket::open(address).await;
    assert_eq!(silent.closed().await, 4408);

    let mut early = Socket::open(address).await;
    early.subscribe("1", SHOP, json!({})).await;
    assert_eq!(early.closed().await, 4401);

    let mut twice = shop.guest().await;
    assert_eq!(
        twice.init(None).await,
        Heard::Closed(4429, "Too many initialisation requests".to_owned())
    );

    let mut same = shop.guest().await;
    same.subscribe("one", PRODUCTS, json!({})).await;
    same.subscribe("one", PRODUCTS, json!({})).await;
    assert_eq!(
        same.hear().await,
        Heard::Closed(4409, "Subscriber for one already exists".to_owned())
    );

    let wrong = [
        Message::text("{"),
        Message::text(r#"{"type":"start","id":"1"}"#),
        Message::text(r#"{"type":"subscribe","id":"1","payload":{"query":7}}"#),
        Message::binary(br#"{"type":"ping"}"#.to_vec()),
    ];
    for wrong in wrong {
        let mut socket = shop.guest().await;
        socket.send(wrong.clone()).await;
        assert_eq!(socket.closed().await, 4400, "{wrong}");
    }

    let mut large = shop.guest().await;
    let query = format!("query {{ shop {{ name }} }} # {}", "x".repeat(2_000));
    large.subscribe("1", &query, json!({})).await;
    assert_eq!(large.closed().await, 1009);

    for payload in [
        json!({ "authorization": "Bearer nonsense" }),
        json!({ "authorization": 7 }),
    ] {
        let mut socket = Socket::open(address).await;
        socket
            .say(json!({ "type": "connection_init", "payload": payload }))
            .await;
        assert_eq!(socket.closed().await, 4403, "{payload}");
    }
    // A bare token, under the name as headers write it.
    let mut bare = Socket::open(address).await;
    let payload = json!({ "Authorization": shop.customer.token });
    bare.say(json!({ "type": "connection_init", "payload": payload }))
        .await;
    assert_eq!(
        bare.hear().await,
        message(json!({ "type": "connection_ack" }))
    );
    bare.subscribe("1", "{ me { id } }", json!({})).await;
    assert_eq!(bare.data("1").await["me"]["id"], json!(shop.customer.id.0));
}

#[tokio::test]
async fn another_protocol_and_pages_of_strangers_are_refused() {
    let shop = Shop::open(&[("http.cors_origins", json!(["https://shop.example"]))]).await;
    let address = shop.server.address;

    let mut request = handshake(address);
    request.headers_mut().remove("sec-websocket-protocol");
    let mut none = Socket::with(address, request).await.unwrap();
    assert_eq!(none.closed().await, 4406);

    let with_origin = |origin: &str| {
        let mut request = handshake(address);
        request
            .headers_mut()
            .insert("origin", origin.parse().unwrap());
        request
    };
    let own = format!("http://{address}");
    for origin in [
        "https://shop.example",
        own.as_str(),
        "http://localhost:3000",
    ] {
        let socket = Socket::with(address, with_origin(origin)).await;
        assert!(socket.is_ok(), "{origin}");
    }
    for origin in [
        "https://evil.example",
        "null",
        "https://shop.example.evil.example",
    ] {
        match Socket::with(address, with_origin(origin)).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 403, "{origin}"),
            other => panic!("{origin}: {:?}", other.err()),
        }
    }
}

#[tokio::test]
async fn connections_and_operations_are_limited() {
    let shop = Shop::open(&[
        ("subscriptions.connections_max", json!(4)),
        ("subscriptions.connections_per_user_max", json!(2)),
        ("subscriptions.streams_per_connection_max", json!(2)),
    ])
    .await;
    let mut first = shop.connect(&shop.customer).await;
    let second = shop.connect(&shop.customer).await;
    let mut third = Socket::open(shop.server.address).await;
    let answer = third.init(Some(&shop.customer.token)).await;
    assert!(matches!(answer, Heard::Closed(1013, _)), "{answer:?}");
    drop(second);
    eventually("there is room for another one", async || {
        let mut socket = Socket::open(shop.server.address).await;
        let answer = socket.init(Some(&shop.customer.token)).await;
        (answer == message(json!({ "type": "connection_ack" }))).then_some(())
    })
    .await;

    for id in ["1", "2", "3"] {
        first.subscribe(id, PRODUCTS, json!({})).await;
    }
    let reason = Some("TOO_MANY_STREAMS".to_owned());
    assert_eq!(
        first.refused("3").await,
        ("RATE_LIMITED".to_owned(), reason)
    );
    first.say(json!({ "type": "complete", "id": "1" })).await;
    first.subscribe("3", SHOP, json!({})).await;
    first.data("3").await;

    let full = eventually("the server is full", async || {
        let mut guests = Vec::new();
        for _ in 0..4 {
            match Socket::with(shop.server.address, handshake(shop.server.address)).await {
                Ok(socket) => guests.push(socket),
                Err(Error::Http(response)) => return Some(response.status()),
                Err(error) => panic!("{error}"),
            }
        }
        None
    })
    .await;
    assert_eq!(full, 503);
}

#[tokio::test]
async fn a_client_that_does_not_answer_is_given_up() {
    let shop = Shop::open(&[("subscriptions.ping_interval_ms", json!(100))]).await;
    let mut answering = shop.guest().await;
    for _ in 0..5 {
        let heard = answering.hear_all().await;
        assert_eq!(heard, message(json!({ "type": "ping" })));
        answering.say(json!({ "type": "pong" })).await;
    }
    answering.subscribe("1", SHOP, json!({})).await;
    answering.data("1").await;

    // It reads nothing, so not even the WebSocket's own pings are answered.
    let silent = shop.guest().await;
    silent.silence(&shop).await;
}

impl Socket {
    async fn silence(mut self, shop: &Shop) {
        self.subscribe("1", PRODUCTS, json!({})).await;
        let hub = shop.test.app.hub();
        eventually("it subscribes", async || {
            (hub.subscribers() == 1).then_some(())
        })
        .await;
        eventually("it is given up", async || {
            (hub.subscribers() == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_session_that_ends_closes_its_connections() {
    let shop = Shop::open(&[("auth.access_token_ttl_s", json!(600))]).await;
    let accounts = shop.test.app.accounts();
    let subscribed = async |member: &Member| {
        let mut socket = shop.connect(member).await;
        socket
            .subscribe("1", "subscription { orderUpdated { id } }", json!({}))
            .await;
        socket
    };

    let mut revoked = subscribed(&shop.customer).await;
    let logout = "mutation { sessionRevoke { session { id } userErrors { code } } }";
    shop.customer
        .client(shop.server.address)
        .data(logout, json!({}))
        .await;
    assert_eq!(
        revoked.hear().await,
        Heard::Closed(4403, "Forbidden: the session has ended".to_owned())
    );
    let mut again = Socket::open(shop.server.address).await;
    let answer = again.init(Some(&shop.customer.token)).await;
    assert!(matches!(answer, Heard::Closed(4403, _)), "{answer:?}");

    let disabled = shop
        .test
        .member("disabled@example.org", Role::Customer)
        .await;
    let mut socket = subscribed(&disabled).await;
    let admin = shop.test.member("admin@example.org", Role::Admin).await;
    let admin = accounts.authenticate(&admin.token).await.unwrap();
    accounts
        .user_set_status(&admin, disabled.id, UserStatus::Disabled)
        .await
        .unwrap();
    assert_eq!(socket.closed().await, 4403);

    let promoted = shop
        .test
        .member("promoted@example.org", Role::Customer)
        .await;
    let mut socket = subscribed(&promoted).await;
    accounts
        .user_set_role(promoted.id, Role::Staff)
        .await
        .unwrap();
    assert_eq!(
        socket.closed().await,
        4403,
        "what it may see must be asked anew"
    );

    let expired = shop
        .test
        .member("expired@example.org", Role::Customer)
        .await;
    let (mut socket, mut guest) = (subscribed(&expired).await, shop.guest().await);
    shop.test.app.clock().advance(TimeDelta::seconds(601));
    assert_eq!(
        socket.hear().await,
        Heard::Closed(
            4401,
            "Unauthorized: the access token has expired".to_owned()
        )
    );
    let mut late = Socket::open(shop.server.address).await;
    let answer = late.init(Some(&expired.token)).await;
    assert!(matches!(answer, Heard::Closed(4401, _)), "{answer:?}");
    guest.subscribe("1", SHOP, json!({})).await;
    guest.data("1").await;
}

#[tokio::test]
async fn a_server_that_stops_says_so_and_waits_for_nobody() {
    let shop = Shop::open(&[]).await;
    let (mut member, mut guest) = (shop.connect(&shop.customer).await, shop.guest().await);
    let mut unready = Socket::open(shop.server.address).await;
    member.subscribe("1", PRODUCTS, json!({})).await;
    shop.server.stop.cancel();
    for socket in [&mut member, &mut guest, &mut unready] {
        assert_eq!(socket.closed().await, 1001);
    }
    let limit = std::time::Duration::from_secs(10);
    assert!(shop.test.app.workers().shut_down(limit).await);
}
