//! Prints every change of every order once, from Tradepost's topic of orders.
//!
//! Kafka delivers at least once: after a crash of Tradepost, of Kafka or of this program a record may come again. So each
//! change is applied only if its version is newer than the one known for its order. What is known is a file to which
//! each change is appended and synced; the offset is committed after that. Kill this program at any moment and start it
//! again: no change is lost, and none is applied twice.

use rdkafka::Message as _;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{CommitMode, Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _};
use std::collections::HashMap;
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Seek as _, Write as _};
use tokio::signal::unix::{SignalKind, signal};

/// What this program knows: the newest version of each order.
struct State {
    file: File,
    versions: HashMap<String, u64>,
}

impl State {
    /// Reads the file of an earlier run; a last line that a crash left unfinished is cut off.
    fn open(path: &str) -> std::io::Result<Self> {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)?;
        let mut versions = HashMap::new();
        let (mut lines, mut line, mut whole) = (BufReader::new(&file), String::new(), 0);
        while lines.read_line(&mut line)? > 0 && line.ends_with('\n') {
            whole += line.len() as u64;
            let mut words = line.split_whitespace();
            if let (Some(order), Some(Ok(version))) = (words.next(), words.next().map(str::parse)) {
                versions.insert(order.to_owned(), version);
            }
            line.clear();
        }
        file.set_len(whole)?;
        file.seek(std::io::SeekFrom::End(0))?;
        Ok(Self { file, versions })
    }

    /// Applies a change; false if it was applied before. A real consumer has its own effect here: a row, a stock level.
    fn apply(&mut self, order: &str, version: u64, change: &str) -> std::io::Result<bool> {
        if self
            .versions
            .get(order)
            .is_some_and(|known| *known >= version)
        {
            return Ok(false);
        }
        writeln!(self.file, "{order} {version} {change}")?;
        self.file.sync_data()?;
        self.versions.insert(order.to_owned(), version);
        Ok(true)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program of its own, which reads its own settings"
)]
fn setting(name: &str, standard: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| standard.to_owned())
}

fn header<'a>(message: &'a BorrowedMessage<'_>, name: &str) -> Option<&'a str> {
    let header = message
        .headers()?
        .iter()
        .find(|header| header.key == name)?;
    std::str::from_utf8(header.value?).ok()
}

fn handle(state: &mut State, message: &BorrowedMessage<'_>) -> Result<(), Box<dyn Error>> {
    let (Some(order), Some(version)) = (
        header(message, "ce_subject"),
        header(message, "ce_aggregateversion"),
    ) else {
        // Types and headers are added over time: what is not about a version of an order is passed over.
        return Ok(());
    };
    let body: serde_json::Value = serde_json::from_slice(message.payload().unwrap_or_default())?;
    let text = |pointer: &str| {
        body.pointer(pointer)
            .and_then(serde_json::Value::as_str)
            .unwrap_or("?")
    };
    let event = header(message, "ce_type").unwrap_or("?");
    let event = event
        .trim_start_matches("tradepost.")
        .trim_end_matches(".v1");
    let change = format!(
        "{} v{version} {event} {} {} {}",
        text("/number"),
        text("/status"),
        text("/total/amount"),
        text("/total/currencyCode")
    );
    if state.apply(order, version.parse()?, &change)? {
        println!("{change}");
    } else {
        let id = header(message, "ce_id").unwrap_or("?");
        eprintln!("{id} was applied before");
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut state = State::open(&setting("STATE_FILE", "orders.log"))?;
    let consumer: StreamConsumer = ClientConfig::new()
        .set(
            "bootstrap.servers",
            setting("KAFKA_BROKERS", "localhost:9092"),
        )
        .set("group.id", setting("GROUP_ID", "consumer-rust"))
        // A new group begins with the oldest record that is kept.
        .set("auto.offset.reset", "earliest")
        // An offset is committed when its change is applied, never before.
        .set("enable.auto.commit", "false")
        // After a crash the partitions wait this long for their reader (45 s by default).
        .set("session.timeout.ms", "10000")
        // The topic is made when Tradepost first reaches Kafka; it is looked for so often.
        .set("topic.metadata.refresh.interval.ms", "5000")
        .create()?;
    let topic = setting("ORDERS_TOPIC", "tradepost.orders.v1");
    consumer.subscribe(&[&topic])?;
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    loop {
        let received = tokio::select! {
            received = consumer.recv() => received,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        };
        match received {
            Ok(message) => {
                handle(&mut state, &message)?;
                consumer.commit_message(&message, CommitMode::Async)?;
            }
            Err(KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
            // The client connects again by itself.
            Err(error @ (KafkaError::MessageConsumption(_) | KafkaError::Global(_))) => {
                eprintln!("{error}");
            }
            Err(error) => return Err(error.into()),
        }
    }
    // What was not committed comes again and is known then.
    Ok(())
}
