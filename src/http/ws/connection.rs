//! One WebSocket, by the letter of `graphql-transport-ws`.
//!
//! The connection is a task, and so is each operation: while a client does not read, its operations wait between two
//! results, and its events in the bounded queues of the hub.

use super::message::{Close, Incoming, Outgoing, PROTOCOL, read};
use crate::cause::Cause;
use crate::domain::accounts::error::TokenRefusal;
use crate::graphql::engine::with_code;
use crate::graphql::request::RequestInfo;
use crate::http::State;
use crate::http::operation::{self, Said, Told};
use crate::http::parameters::Parameters;
use crate::http::prepare::Ready;
use crate::http::session::{Ended, Session};
use crate::http::streams::Place;
use async_graphql::ServerError;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

/// For the close frame, and once more for the client's answer to it.
const GOODBYE: Duration = Duration::from_secs(1);

/// A connection.
pub(super) struct Connection {
    state: State,
    info: RequestInfo,
    socket: WebSocket,
    place: Place,
    /// Operations that run, by the names the client gave them.
    operations: HashMap<String, Running>,
    /// How many were begun.
    begun: u64,
    /// What operations say: the sender is for new ones.
    told: (mpsc::Sender<Told>, mpsc::Receiver<Told>),
    /// When the client was heard last.
    heard: Instant,
}

/// An operation, which ends when this is dropped.
struct Running {
    number: u64,
    #[expect(dead_code, reason = "held for its Drop")]
    cancel: DropGuard,
}

impl Connection {
    pub(super) fn new(state: State, info: RequestInfo, socket: WebSocket, place: Place) -> Self {
        Self {
            state,
            info,
            socket,
            place,
            operations: HashMap::new(),
            begun: 0,
            told: mpsc::channel(1),
            heard: Instant::now(),
        }
    }

    /// Serves it until it ends.
    pub(super) async fn run(mut self) {
        let stopped = self.state.streams.stopped().clone();
        let close = tokio::select! {
            close = self.serve() => close,
            () = stopped.cancelled() => return,
        };
        // Operations that are left end before the goodbye.
        self.operations.clear();
        let Some(close) = close else {
            // The client's own goodbye is answered by the library, when it is asked for more.
            drop(tokio::time::timeout(GOODBYE, self.socket.recv()).await);
            return;
        };
        tracing::debug!(code = close.code, reason = close.reason, "closing");
        let code = close.code.to_string();
        let frame = CloseFrame {
            code: close.code,
            reason: close.reason.into(),
        };
        let goodbye = self.socket.send(Message::Close(Some(frame)));
        if let Ok(Ok(())) = tokio::time::timeout(GOODBYE, goodbye).await {
            metrics::counter!("tradepost_subscriptions_closed_total", "code" => code).increment(1);
            // Closed at once, with what the client sent meanwhile unread, the frame may not arrive.
            let answer = async { while let Some(Ok(_)) = self.socket.recv().await {} };
            if tokio::time::timeout(GOODBYE, answer).await.is_err() {
                tracing::debug!("the client does not take its leave");
            }
        }
    }

    /// Why it is closed; nothing when the client has closed it, or is gone.
    async fn serve(&mut self) -> Option<Close> {
        let spoken = self.socket.protocol().and_then(|name| name.to_str().ok());
        if spoken != Some(PROTOCOL) {
            return Some(Close::new(4406, "Subprotocol not acceptable"));
        }
        let served = async {
            let session = self.init().await?;
            self.operate(session).await
        };
        served.await.err().flatten()
    }

    /// Waits for `connection_init`, and answers it.
    async fn init(&mut self) -> Result<Session, Option<Close>> {
        let limits = self.state.streams.limits();
        let limit = Duration::from_millis(limits.init_timeout_ms);
        let draining = self.state.streams.draining().clone();
        let mut over = pin!(tokio::time::sleep(limit));
        let payload = loop {
            let message = tokio::select! {
                message = self.socket.recv() => message,
                () = over.as_mut() => {
                    return Err(Some(Close::new(4408, "Connection initialisation timeout")));
                }
                () = draining.cancelled() => return Err(Some(going_away())),
            };
            match self.read(message)? {
                Some(Incoming::Init(payload)) => break payload,
                Some(Incoming::Subscribe { .. }) => {
                    return Err(Some(Close::new(4401, "Unauthorized")));
                }
                Some(Incoming::Ping(payload)) => self.say(&Outgoing::Pong { payload }).await?,
                Some(Incoming::Pong | Incoming::Complete(_)) | None => {}
            }
        };
        let token = token(&payload).map_err(Some)?;
        let session = Session::open(&self.state.app, token)
            .await
            .map_err(|why| Some(close_of(why)))?;
        if !self.place.take_for(session.user_id()) {
            let reason = "You have too many connections already";
            return Err(Some(Close::new(1013, reason)));
        }
        self.say(&Outgoing::ConnectionAck).await?;
        Ok(session)
    }

    /// Runs what the client asks for.
    async fn operate(&mut self, session: Session) -> Result<(), Option<Close>> {
        let streams = self.state.streams.clone();
        let mut watch = session.watch(streams.changes());
        let interval = Duration::from_millis(streams.limits().ping_interval_ms);
        let mut pings = tokio::time::interval_at(Instant::now() + interval, interval);
        loop {
            tokio::select! {
                message = self.socket.recv() => if let Some(message) = self.read(message)? {
                    self.hear(message, &session).await?;
                },
                Some((number, said)) = self.told.1.recv() => self.tell(number, said, &session).await?,
                () = watch.due() => {
                    session.look_again().await.map_err(|why| Some(close_of(why)))?;
                }
                () = streams.draining().cancelled() => return Err(Some(going_away())),
                _ = pings.tick() => self.ping(interval).await?,
            }
        }
    }

    /// Reads what came, if it is a message of the protocol.
    fn read(
        &mut self,
        message: Option<Result<Message, axum::Error>>,
    ) -> Result<Option<Incoming>, Option<Close>> {
        let message = match message {
            None => return Err(None),
            Some(Err(error)) => {
                tracing::debug!(%error, "a frame cannot be read");
                return Err(Some(Close::new(1002, "The frame cannot be read")));
            }
            Some(Ok(message)) => message,
        };
        self.heard = Instant::now();
        match message {
            Message::Text(text) if text.len() > self.state.streams.limits().message_bytes_max => {
                Err(Some(Close::new(1009, "The message is too large")))
            }
            Message::Text(text) => read(&text)
                .map(Some)
                .map_err(|why| Some(Close::invalid(&why))),
            Message::Binary(_) => Err(Some(Close::invalid("It is binary"))),
            // The library answers pings.
            Message::Ping(_) | Message::Pong(_) => Ok(None),
            Message::Close(_) => Err(None),
        }
    }

    async fn hear(&mut self, message: Incoming, session: &Session) -> Result<(), Option<Close>> {
        match message {
            Incoming::Init(_) => Err(Some(Close::new(4429, "Too many initialisation requests"))),
            Incoming::Ping(payload) => self.say(&Outgoing::Pong { payload }).await,
            Incoming::Pong => Ok(()),
            Incoming::Subscribe { id, parameters } => {
                self.subscribe(id, *parameters, session).await
            }
            Incoming::Complete(id) => {
                self.operations.remove(&id);
                Ok(())
            }
        }
    }

    async fn subscribe(
        &mut self,
        id: String,
        parameters: Parameters,
        session: &Session,
    ) -> Result<(), Option<Close>> {
        if self.operations.contains_key(&id) {
            let reason = format!("Subscriber for {id} already exists");
            return Err(Some(Close::new(4409, reason)));
        }
        let most = self.state.streams.limits().streams_per_connection_max;
        if self.operations.len() >= most {
            let message =
                format!("At most {most} operations run at the same time on a connection.");
            let mut error = with_code(ServerError::new(message, None), "RATE_LIMITED");
            let extensions = error.extensions.get_or_insert_default();
            extensions.set("reason", "TOO_MANY_STREAMS");
            extensions.set("requestId", &*self.info.request_id);
            let payload = &[error][..];
            return self.say(&Outgoing::Error { id: &id, payload }).await;
        }
        let read = Ready::read(&self.state, parameters);
        let (state, info) = (self.state.clone(), self.info.clone());
        let cause = Cause::of_request(&info.request_id, None);
        let results = operation::run(state, info, session.clone(), read);
        self.begun += 1;
        let (number, cancel) = (self.begun, CancellationToken::new());
        let sender = self.told.0.clone();
        let streams = &self.state.streams;
        operation::spawn(streams, cause, number, results, sender, cancel.clone());
        let cancel = cancel.drop_guard();
        self.operations.insert(id, Running { number, cancel });
        Ok(())
    }

    /// Tells what an operation has to say, as long as the session stands.
    async fn tell(
        &mut self,
        number: u64,
        said: Said,
        session: &Session,
    ) -> Result<(), Option<Close>> {
        let mut running = self.operations.iter();
        let Some((id, _)) = running.find(|(_, running)| running.number == number) else {
            // The client wants no more of it.
            return Ok(());
        };
        let id = id.clone();
        let id = id.as_str();
        match said {
            Said::Next(text) => {
                session.check().await.map_err(|why| Some(close_of(why)))?;
                let Some(payload) = raw(&text) else {
                    return Err(Some(Close::new(1011, "Something went wrong on our side")));
                };
                self.say(&Outgoing::Next { id, payload }).await
            }
            Said::Error(errors) => {
                self.operations.remove(id);
                let payload = errors.as_slice();
                self.say(&Outgoing::Error { id, payload }).await
            }
            Said::Complete => {
                self.operations.remove(id);
                self.say(&Outgoing::Complete { id }).await
            }
        }
    }

    /// Asks whether the client is there, twice: programs in browsers see only the messages of the protocol, and every
    /// client answers a WebSocket's own ping.
    async fn ping(&mut self, interval: Duration) -> Result<(), Option<Close>> {
        if self.heard.elapsed() > interval * 2 {
            metrics::counter!("tradepost_subscriptions_dropped_total", "reason" => "gone")
                .increment(1);
            return Err(None);
        }
        self.send(Message::Ping(Bytes::new())).await?;
        self.say(&Outgoing::Ping).await
    }

    async fn say(&mut self, message: &Outgoing<'_>) -> Result<(), Option<Close>> {
        match serde_json::to_string(message) {
            Ok(text) => self.send(Message::Text(text.into())).await,
            Err(error) => {
                tracing::error!(%error, "a message cannot be written as JSON");
                Err(Some(Close::new(1011, "Something went wrong on our side")))
            }
        }
    }

    async fn send(&mut self, message: Message) -> Result<(), Option<Close>> {
        let limit = Duration::from_millis(self.state.streams.limits().send_timeout_ms);
        match tokio::time::timeout(limit, self.socket.send(message)).await {
            Ok(sent) => sent.map_err(|_| None),
            Err(_) => {
                metrics::counter!("tradepost_subscriptions_dropped_total", "reason" => "gone")
                    .increment(1);
                Err(Some(Close::new(1013, "You do not read what you are sent")))
            }
        }
    }
}

fn raw(text: &[u8]) -> Option<&RawValue> {
    let text = std::str::from_utf8(text).ok()?;
    serde_json::from_str(text).ok()
}

/// The token of `connection_init`, as `Bearer <token>` or bare; nothing for guests.
fn token(payload: &Map<String, Value>) -> Result<Option<&str>, Close> {
    let found = payload
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    match found {
        None | Some((_, Value::Null)) => Ok(None),
        Some((_, Value::String(text))) => {
            let bearer = text
                .split_once(' ')
                .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            Ok(Some(
                bearer.map_or(text.as_str(), |(_, token)| token).trim(),
            ))
        }
        Some(_) => Err(Close::new(4403, "Forbidden: authorization is not a string")),
    }
}

fn close_of(why: Ended) -> Close {
    match why {
        Ended::Refused(TokenRefusal::Expired) => {
            Close::new(4401, "Unauthorized: the access token has expired")
        }
        Ended::Refused(TokenRefusal::Invalid) => {
            Close::new(4403, "Forbidden: the access token is not valid")
        }
        Ended::Refused(TokenRefusal::SessionRevoked) => {
            Close::new(4403, "Forbidden: the session has ended")
        }
        Ended::RoleChanged => Close::new(4403, "Forbidden: your role has changed, connect again"),
        Ended::Unknown => Close::new(1013, "It cannot be told who you are; try again soon"),
    }
}

fn going_away() -> Close {
    Close::new(1001, "The server is stopping; connect again")
}
