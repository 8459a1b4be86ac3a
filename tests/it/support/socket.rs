//! A client of `graphql-transport-ws`, and members of a shop who subscribe.

use super::TestApp;
use super::http::Client;
use entity::accounts::Role;
use entity::ids::UserId;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// How long the other side may be silent: generous, since machines that run tests are busy.
const LIMIT: Duration = Duration::from_secs(60);
const PASSWORD: &str = "correct horse";

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: UserId,
    pub(crate) token: String,
}

impl TestApp {
    /// A user with a session.
    pub(crate) async fn member(&self, email: &str, role: Role) -> Member {
        let accounts = self.app.accounts();
        let user = accounts
            .user_create(email, "Somebody", PASSWORD, role)
            .await
            .unwrap();
        let tokens = accounts.session_create(email, PASSWORD).await.unwrap();
        Member {
            id: user.id,
            token: tokens.access_token,
        }
    }
}

impl Member {
    /// Asks a server by HTTP.
    pub(crate) fn client(&self, address: SocketAddr) -> Client {
        Client::of(address).with_token(&self.token)
    }
}

/// What a server says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Heard {
    /// A message.
    Message(Value),
    /// It closed the connection, with a code and a reason.
    Closed(u16, String),
    /// The connection broke.
    Broken,
}

/// A connection to `/graphql`.
pub(crate) struct Socket(WebSocketStream<TcpStream>);

/// The handshake of a client of the protocol.
pub(crate) fn handshake(address: SocketAddr) -> Request {
    let mut request = format!("ws://{address}/graphql")
        .into_client_request()
        .unwrap();
    let protocol = "graphql-transport-ws".parse().unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocol);
    request
}

impl Socket {
    /// A connection that has said nothing yet.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::with(address, handshake(address)).await.unwrap()
    }

    /// The same by another handshake.
    pub(crate) async fn with(address: SocketAddr, request: Request) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await.unwrap();
        let (socket, _) = client_async(request, stream).await?;
        Ok(Self(socket))
    }

    /// The same over a connection that was made before.
    pub(crate) async fn over(stream: TcpStream, address: SocketAddr) -> Self {
        let (socket, _) = client_async(handshake(address), stream).await.unwrap();
        Self(socket)
    }

    /// A connection that was acknowledged.
    pub(crate) async fn connect(address: SocketAddr, token: Option<&str>) -> Self {
        let mut socket = Self::open(address).await;
        assert_eq!(
            socket.init(token).await,
            message(json!({ "type": "connection_ack" }))
        );
        socket
    }

    /// Says who it is, and returns the answer.
    pub(crate) async fn init(&mut self, token: Option<&str>) -> Heard {
        let payload = token.map(|token| json!({ "authorization": format!("Bearer {token}") }));
        self.say(json!({ "type": "connection_init", "payload": payload }))
            .await;
        self.hear().await
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.send(Message::text(message.to_string())).await;
    }

    pub(crate) async fn send(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    pub(crate) async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.say(json!({ "type": "subscribe", "id": id, "payload": payload }))
            .await;
    }

    /// What is said next, pings apart, which are answered.
    pub(crate) async fn hear(&mut self) -> Heard {
        let next = async {
            loop {
                match self.hear_all().await {
                    Heard::Message(message) if message["type"] == "ping" => {
                        self.say(json!({ "type": "pong" })).await;
                    }
                    heard => return heard,
                }
            }
        };
        tokio::time::timeout(LIMIT, next)
            .await
            .expect("the server only pings")
    }

    /// What is said next.
    pub(crate) async fn hear_all(&mut self) -> Heard {
        let next = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => {
                        return Heard::Message(serde_json::from_str(&text).unwrap());
                    }
                    Some(Ok(Message::Close(Some(frame)))) => {
                        return Heard::Closed(frame.code.into(), frame.reason.to_string());
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(_)) | Some(Err(_)) | None => return Heard::Broken,
                }
            }
        };
        tokio::time::timeout(LIMIT, next)
            .await
            .expect("the server says nothing")
    }

    /// The next message, which is of this kind and operation; its payload.
    pub(crate) async fn expect(&mut self, kind: &str, id: &str) -> Value {
        match self.hear().await {
            Heard::Message(mut message) if message["type"] == kind && message["id"] == id => {
                message["payload"].take()
            }
            heard => panic!("{kind} of {id} was expected: {heard:?}"),
        }
    }

    /// The data of the next result of an operation.
    pub(crate) async fn data(&mut self, id: &str) -> Value {
        let mut payload = self.expect("next", id).await;
        assert!(payload.get("errors").is_none(), "{payload}");
        payload["data"].take()
    }

    /// The code and the reason of the error that ends an operation.
    pub(crate) async fn refused(&mut self, id: &str) -> (String, Option<String>) {
        let errors = self.expect("error", id).await;
        let extensions = &errors[0]["extensions"];
        let code = extensions["code"].as_str().unwrap().to_owned();
        assert!(extensions["requestId"].is_string(), "{errors}");
        (code, extensions["reason"].as_str().map(str::to_owned))
    }

    /// The code that it is closed with.
    pub(crate) async fn closed(&mut self) -> u16 {
        match self.hear().await {
            Heard::Closed(code, _) => code,
            heard => panic!("it should be closed: {heard:?}"),
        }
    }
}

pub(crate) fn message(message: Value) -> Heard {
    Heard::Message(message)
}
