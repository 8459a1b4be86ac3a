//! A small SMTP server that a test can stop, start, and tell what to answer.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The server, stopped when it is dropped.
pub(crate) struct SmtpServer {
    address: SocketAddr,
    desk: Arc<Desk>,
    listening: Option<JoinHandle<()>>,
}

/// What all its connections share.
struct Desk {
    /// What it says when somebody connects.
    greeting: Mutex<&'static str>,
    /// What it says of recipients; "250 yes" of all others.
    verdicts: Mutex<HashMap<&'static str, &'static str>>,
    mails: Mutex<Vec<String>>,
    connections: AtomicUsize,
    /// How long it takes over a mail.
    pace: Mutex<Duration>,
    /// Mails that it has and has not answered.
    in_hand: AtomicUsize,
}

impl SmtpServer {
    /// A server that takes everything.
    pub(crate) async fn start() -> Self {
        let mut server = Self::stopped().await;
        server.resume().await;
        server
    }

    /// One whose port nobody listens on yet.
    pub(crate) async fn stopped() -> Self {
        // The port was just given back, so nobody else asks for it.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            address: listener.local_addr().unwrap(),
            desk: Arc::new(Desk {
                greeting: Mutex::new("220 here"),
                verdicts: Mutex::default(),
                mails: Mutex::default(),
                connections: AtomicUsize::new(0),
                pace: Mutex::default(),
                in_hand: AtomicUsize::new(0),
            }),
            listening: None,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Listens on the port.
    pub(crate) async fn resume(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let desk = self.desk.clone();
        self.listening = Some(super::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                desk.connections.fetch_add(1, Ordering::SeqCst);
                super::spawn(converse(stream, desk.clone()));
            }
        }));
    }

    /// What it says from now on when somebody connects.
    pub(crate) fn greet(&self, greeting: &'static str) {
        *self.desk.greeting.lock().unwrap() = greeting;
    }

    /// How long it takes over each mail from now on.
    pub(crate) fn slow_down(&self, pace: Duration) {
        *self.desk.pace.lock().unwrap() = pace;
    }

    /// Mails that it has and has not answered.
    pub(crate) fn in_hand(&self) -> usize {
        self.desk.in_hand.load(Ordering::SeqCst)
    }

    /// What it says from now on of a recipient.
    pub(crate) fn judge(&self, recipient: &'static str, verdict: &'static str) {
        let mut verdicts = self.desk.verdicts.lock().unwrap();
        verdicts.insert(recipient, verdict);
    }

    /// The mails it took.
    pub(crate) fn mails(&self) -> Vec<String> {
        self.desk.mails.lock().unwrap().clone()
    }

    /// How often somebody connected.
    pub(crate) fn connections(&self) -> usize {
        self.desk.connections.load(Ordering::SeqCst)
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

async fn converse(stream: TcpStream, desk: Arc<Desk>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut say = async |text: &str| write.write_all(format!("{text}\r\n").as_bytes()).await;
    let greeting = *desk.greeting.lock().unwrap();
    let mut answered = say(greeting).await;
    if !greeting.starts_with("220") {
        return;
    }
    while let (Ok(()), Ok(Some(line))) = (answered, lines.next_line().await) {
        answered = match line.split_whitespace().next().unwrap_or_default() {
            "RCPT" => {
                let verdict = desk
                    .verdicts
                    .lock()
                    .unwrap()
                    .iter()
                    .find(|(recipient, _)| line.contains(**recipient))
                    .map_or("250 yes", |(_, verdict)| *verdict);
                say(verdict).await
            }
            "DATA" => {
                let mut mail = String::new();
                let mut said = say("354 go on").await;
                while let (Ok(()), Ok(Some(line))) = (&said, lines.next_line().await) {
                    if line == "." {
                        let pace = *desk.pace.lock().unwrap();
                        desk.in_hand.fetch_add(1, Ordering::SeqCst);
                        tokio::time::sleep(pace).await;
                        desk.in_hand.fetch_sub(1, Ordering::SeqCst);
                        desk.mails.lock().unwrap().push(std::mem::take(&mut mail));
                        said = say("250 taken").await;
                        break;
                    }
                    mail.push_str(&line);
                    mail.push('\n');
                }
                said
            }
            _ => say("250 yes").await,
        };
    }
}
