//! Messages between the replicas: what one of them changed, the others forget or look at.
//!
//! A message is a hint: whoever needs certainty has the database (leases, the outbox, the viewer cache's short life).
//! With Redis they go over the channel `<redis.prefix>:push`. When a replica cannot be sure to have received all of
//! them, it tells itself [`Message::Lost`]; when it cannot send them, it keeps them until it can, and if they become
//! too many, tells the others `Lost` instead.

use super::key::Tag;
use crate::config::Config;
use crate::error::{Fault, swallow};
use crate::health::Health;
use crate::workers::Workers;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, PushInfo, PushKind, RedisError, Value};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::{Notify, broadcast};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Messages that a slow receiver may be behind before it loses some.
const CAPACITY: usize = 1_024;
/// Different messages that wait for Redis; more of them become one [`Message::Lost`].
const QUEUE_MAX: usize = 1_024;
/// How often the connection is tried: a silent one is noticed after two of these.
const HEARTBEAT: Duration = Duration::from_millis(200);

/// How long the channel may be silent until what it keeps fresh is not trusted.
const SILENCE_MAX_US: u64 = 500_000;

/// What one replica tells the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Message {
    /// A user's role, status or sessions changed: forget the viewers of this user.
    ViewerChanged(Uuid),
    /// Rows were written to the outbox: the relay has work.
    OutboxWritten,
    /// These subjects were changed: forget what was made of them.
    CacheChanged {
        /// The subjects.
        tags: Vec<Tag>,
        /// When the change was made, in microseconds since 1970.
        at_us: i64,
    },
    /// An entry of the cache is there that somebody waits for; the number stands for its name.
    CacheFilled(u64),
    /// Messages may have been lost: forget everything that is kept fresh by them.
    Lost,
}

/// Sends and receives messages; cheap to clone.
#[derive(Clone, Debug)]
pub struct Push {
    local: broadcast::Sender<Message>,
    remote: Option<Arc<Remote>>,
}

impl Default for Push {
    /// Within this process only.
    fn default() -> Self {
        Self {
            local: broadcast::channel(CAPACITY).0,
            remote: None,
        }
    }
}

impl Push {
    /// Over Redis if `redis.url` is set, else within this process. Nothing connects before [`Push::start`].
    ///
    /// # Errors
    /// `redis.url` cannot be understood.
    pub fn new(config: &Config, process_id: Uuid) -> Result<Self, Fault> {
        let mut push = Self::default();
        let url = config.redis.url.expose();
        if !url.is_empty() {
            // Only the third version of the protocol brings messages and answers over one connection.
            let separator = if url.contains('?') { '&' } else { '?' };
            let client = Client::open(format!("{url}{separator}protocol=resp3"))
                .map_err(Fault::doing("reading redis.url"))?;
            push.remote = Some(Arc::new(Remote {
                client,
                address: config.redis.url.masked(),
                channel: format!("{}:push", config.redis.prefix),
                process_id,
                response_timeout: Duration::from_millis(config.redis.response_timeout_ms),
                connect_timeout: Duration::from_millis(config.redis.connect_timeout_ms),
                local: push.local.clone(),
                queue: Mutex::default(),
                queued: Notify::new(),
                subscribed: AtomicBool::new(false),
                origin: Instant::now(),
                beaten_us: AtomicU64::new(0),
                connected: AtomicBool::new(false),
            }));
        }
        Ok(push)
    }

    /// Tells everybody, this process included. Never waits.
    pub fn send(&self, message: Message) {
        if let Some(remote) = &self.remote {
            remote.enqueue(message.clone());
        }
        // An error means that nobody listens in this process.
        drop(self.local.send(message));
    }

    /// Tells the other processes only. Never waits.
    pub fn tell_others(&self, message: Message) {
        if let Some(remote) = &self.remote {
            remote.enqueue(message);
        }
    }

    /// Whether everything that other replicas tell arrives here: the channel was seen to work within the last half
    /// second. Without Redis there is nobody who could tell anything.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.remote
            .as_ref()
            .is_none_or(|remote| remote.is_current())
    }

    /// Receives what is told from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Message> {
        self.local.subscribe()
    }

    /// Connects to Redis and stays connected; without Redis nothing.
    pub fn start(&self, workers: &Workers) {
        let Some(remote) = &self.remote else {
            return;
        };
        let (sender, pushes) = unbounded_channel();
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(remote.response_timeout))
            .set_connection_timeout(Some(remote.connect_timeout))
            // The heartbeat is what tries again.
            .set_number_of_retries(0)
            .set_push_sender(sender)
            .set_automatic_resubscription();
        let manager = match ConnectionManager::new_lazy_with_config(remote.client.clone(), config) {
            Ok(manager) => manager,
            Err(error) => {
                swallow(Err::<(), _>(error), "making the Redis client");
                return;
            }
        };
        let (receiving, sending) = (Arc::clone(remote), Arc::clone(remote));
        let (stop, stop_sending) = (workers.stopping(), workers.stopping());
        workers.spawn(async move { receiving.receive(pushes, stop).await });
        workers.spawn(async move { sending.send(manager, stop_sending).await });
    }

    /// How the channel is, for `/readyz`.
    #[must_use]
    pub fn state(&self) -> Health {
        match &self.remote {
            None => Health::off("no Redis"),
            Some(remote) if remote.connected.load(Ordering::Relaxed) => {
                Health::ok(format!("Redis at {}", remote.address))
            }
            Some(remote) => {
                Health::degraded(format!("Redis at {} does not answer", remote.address))
            }
        }
    }
}

/// A message on the wire, with who sent it: Redis sends it back to its sender too.
#[derive(Serialize, Deserialize)]
struct Envelope {
    from: Uuid,
    message: Message,
}

/// Messages that were not sent yet, each once.
#[derive(Debug, Default)]
struct Queue {
    messages: Vec<Message>,
    known: HashSet<Message>,
}

#[derive(Debug)]
struct Remote {
    client: Client,
    address: String,
    channel: String,
    process_id: Uuid,
    response_timeout: Duration,
    connect_timeout: Duration,
    local: broadcast::Sender<Message>,
    queue: Mutex<Queue>,
    queued: Notify,
    /// The server has confirmed the subscription on the connection of now.
    subscribed: AtomicBool,
    /// Subscribed, and the last heartbeat was answered.
    connected: AtomicBool,
    /// When this was made, and microseconds from then to the last heartbeat that was answered.
    origin: Instant,
    beaten_us: AtomicU64,
}

impl Remote {
    fn enqueue(&self, message: Message) {
        let mut queue = self.lock();
        if queue.messages.len() >= QUEUE_MAX {
            *queue = Queue::default();
            queue.messages.push(Message::Lost);
            queue.known.insert(Message::Lost);
        } else if queue.known.insert(message.clone()) {
            queue.messages.push(message);
        }
        drop(queue);
        self.queued.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears what the connection brings: messages, and that it broke or is subscribed again.
    async fn receive(&self, mut pushes: UnboundedReceiver<PushInfo>, stop: CancellationToken) {
        loop {
            let push = tokio::select! {
                push = pushes.recv() => push,
                () = stop.cancelled() => return,
            };
            let Some(push) = push else { return };
            match push.kind {
                PushKind::Message => self.deliver(&push.data),
                PushKind::Subscribe => {
                    self.subscribed.store(true, Ordering::Relaxed);
                    self.set_connected(true);
                }
                PushKind::Disconnection => {
                    self.subscribed.store(false, Ordering::Relaxed);
                    self.set_connected(false);
                }
                _ => {}
            }
        }
    }

    /// Connected, and not for too long: a process that was frozen learns of what it missed only after it goes on.
    fn is_current(&self) -> bool {
        let silent_us = self
            .elapsed_us()
            .saturating_sub(self.beaten_us.load(Ordering::Relaxed));
        silent_us < SILENCE_MAX_US && self.connected.load(Ordering::Relaxed)
    }

    fn elapsed_us(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn deliver(&self, data: &[Value]) {
        let Some(Value::BulkString(text)) = data.get(1) else {
            return;
        };
        let message = match serde_json::from_slice::<Envelope>(text) {
            Ok(envelope) if envelope.from == self.process_id => return,
            Ok(envelope) => envelope.message,
            // From a newer release: what it means is not known here, so the safe thing is done.
            Err(_) => Message::Lost,
        };
        drop(self.local.send(message));
    }

    /// On every change messages may have been lost: what is kept fresh by them is forgotten when the connection goes,
    /// and once more when it is back.
    fn set_connected(&self, connected: bool) {
        if connected {
            self.beaten_us.store(self.elapsed_us(), Ordering::Relaxed);
        }
        if self.connected.swap(connected, Ordering::Relaxed) != connected {
            if connected {
                tracing::info!(redis = self.address, "Redis answers");
            } else {
                tracing::warn!(redis = self.address, "Redis does not answer");
            }
            drop(self.local.send(Message::Lost));
        }
    }

    /// Sends what is queued and keeps the connection alive.
    async fn send(&self, mut manager: ConnectionManager, stop: CancellationToken) {
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.queued.notified(), if self.connected.load(Ordering::Relaxed) => {}
                _ = heartbeat.tick() => self.beat(&mut manager).await,
            }
            if self.connected.load(Ordering::Relaxed) {
                self.flush(&mut manager).await;
            }
        }
        self.flush(&mut manager).await;
    }

    /// Subscribes if that is not done, else asks whether the server is there; twice, since one answer may be late.
    async fn beat(&self, manager: &mut ConnectionManager) {
        for _ in 0..2 {
            let answer = if self.subscribed.load(Ordering::Relaxed) {
                // As good as PING, and `CLIENT LIST` shows whose connection it is, also after a reconnection.
                let mut command = redis::cmd("CLIENT");
                command.arg("SETNAME").arg(&self.channel);
                command.query_async::<()>(manager).await
            } else {
                manager.subscribe(&self.channel).await
            };
            match answer {
                // A new subscription says itself that it is there.
                Ok(()) if self.subscribed.load(Ordering::Relaxed) => {
                    return self.set_connected(true);
                }
                Ok(()) => return,
                Err(error) => tracing::debug!(%error, "no heartbeat from Redis"),
            }
        }
        self.set_connected(false);
    }

    /// Sends everything that is queued in one round trip. What could not be sent goes back into the queue: whether it
    /// was received is not known, and twice does no harm.
    async fn flush(&self, manager: &mut ConnectionManager) {
        let messages = std::mem::take(&mut *self.lock()).messages;
        if messages.is_empty() {
            return;
        }
        let mut pipe = redis::pipe();
        for message in &messages {
            let envelope = Envelope {
                from: self.process_id,
                message: message.clone(),
            };
            if let Some(text) = swallow(serde_json::to_vec(&envelope), "writing a message") {
                pipe.publish(&self.channel, text).ignore();
            }
        }
        let result: Result<(), RedisError> = pipe.query_async(manager).await;
        if let Err(error) = result {
            tracing::debug!(%error, "messages wait for Redis");
            for message in messages {
                self.enqueue(message);
            }
        }
    }
}
