//! Reads a file off the async threads, in batches; a batch that nobody takes stops the reading.

use super::FileError;
use super::cells::{self, Reason};
use super::columns::Columns;
use super::seen::Seen;
use crate::domain::catalog::service::import::Row;
use crate::error::Fault;
use csv::{ByteRecord, ErrorKind, ReaderBuilder};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Rows of a batch: one transaction.
const BATCH_ROWS: usize = 500;
/// Bytes of the rows of a batch, so that a file of huge rows cannot fill the memory.
const BATCH_BYTES: u64 = 4 << 20;
/// Bytes of one row; the longest that could be taken has some 60,000.
const ROW_BYTES_MAX: u64 = 1 << 20;
/// Bytes read at once.
const BUFFER_BYTES: usize = 64 << 10;
/// Batches that wait to be written.
const BATCHES_WAITING: usize = 1;

/// A row as it stands in the file. The first line is row 1.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) number: u64,
    pub(super) record: ByteRecord,
}

/// The initial stock that a row gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stock {
    pub(super) units: Option<i64>,
    pub(super) warehouse: Option<String>,
}

/// Some rows of a file.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// All of them.
    pub(super) raw: Vec<Raw>,
    /// The places in `raw` of rows that are refused, and why.
    pub(super) refused: Vec<(usize, Reason)>,
    /// The places in `raw` of the others.
    pub(super) places: Vec<usize>,
    /// What the others say.
    pub(super) rows: Vec<Row>,
    /// Their stock.
    pub(super) stock: Vec<Stock>,
    bytes: u64,
}

/// Counts bytes, and ends reading in the midst of a row that is too long.
struct Counted {
    inner: Box<dyn Read + Send>,
    all: Arc<AtomicU64>,
    row: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // What is read ahead belongs to later rows, hence the buffer on top.
        if self.row.load(Ordering::Relaxed) > ROW_BYTES_MAX + BUFFER_BYTES as u64 {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let read = self.inner.read(buffer)?;
        self.all.fetch_add(read as u64, Ordering::Relaxed);
        self.row.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// An open file whose first line was read.
pub(super) struct Source {
    reader: csv::Reader<Counted>,
    row: Arc<AtomicU64>,
    pub(super) columns: Columns,
    /// Bytes read so far.
    pub(super) read: Arc<AtomicU64>,
    /// Bytes of the file, if it is one.
    pub(super) total: Option<u64>,
    name: String,
}

/// Opens a file, or standard input for `-`, and reads its first line.
pub(super) async fn open(path: &Path, rejects: &Path) -> Result<Source, Fault> {
    let (path, rejects) = (path.to_owned(), rejects.to_owned());
    off_thread(move || open_blocking(&path, &rejects)).await?
}

async fn off_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(f)
        .await
        .map_err(Fault::doing("reading the file"))
}

fn open_blocking(path: &Path, rejects: &Path) -> Result<Source, Fault> {
    let name = path.display().to_string();
    let doing = || format!("reading {name}");
    let (inner, total): (Box<dyn Read + Send>, _) = if path.as_os_str() == "-" {
        (Box::new(io::stdin()), None)
    } else {
        let file = File::open(path).map_err(Fault::doing(doing()))?;
        let total = file.metadata().map_err(Fault::doing(doing()))?.len();
        if let (Ok(one), Ok(other)) = (path.canonicalize(), rejects.canonicalize())
            && one == other
        {
            return Err(Fault::doing(doing())(FileError::SameFile));
        }
        (Box::new(file), Some(total))
    };
    let (read, row) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let counted = Counted {
        inner,
        all: Arc::clone(&read),
        row: Arc::clone(&row),
    };
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(BUFFER_BYTES)
        .from_reader(counted);
    let mut heading = ByteRecord::new();
    let found = reader
        .read_byte_record(&mut heading)
        .map_err(|error| broken(error, 1, &name))?;
    if !found {
        return Err(Fault::doing(doing())(FileError::Empty));
    }
    let columns = Columns::of(&heading).map_err(Fault::doing(doing()))?;
    Ok(Source {
        reader,
        row,
        columns,
        read,
        total,
        name,
    })
}

/// The fault of a row that could not be read.
fn broken(error: csv::Error, number: u64, name: &str) -> Fault {
    let doing = format!("reading {name}");
    match error.kind() {
        ErrorKind::Io(source) if source.kind() == io::ErrorKind::FileTooLarge => {
            Fault::doing(doing)(FileError::RowTooLong(number, ROW_BYTES_MAX))
        }
        _ => Fault::doing(format!("{doing} at row {number}"))(error),
    }
}

/// The batches of a file, read ahead.
pub(super) struct Batches {
    receiver: mpsc::Receiver<Batch>,
    thread: Option<JoinHandle<Result<(), Fault>>>,
}

impl Batches {
    /// The next one, or nothing at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Batch>, Fault> {
        if let Some(batch) = self.receiver.recv().await {
            return Ok(Some(batch));
        }
        if let Some(thread) = self.thread.take() {
            thread.await.map_err(Fault::doing("reading the file"))??;
        }
        Ok(None)
    }
}

impl Source {
    /// Begins to read.
    pub(super) fn batches(self, currency: &str) -> Batches {
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING);
        let currency = currency.to_owned();
        let thread = tokio::task::spawn_blocking(move || self.read(&currency, &sender));
        Batches {
            receiver,
            thread: Some(thread),
        }
    }

    fn read(mut self, currency: &str, sender: &mpsc::Sender<Batch>) -> Result<(), Fault> {
        let mut seen = Seen::default();
        let mut batch = Batch::default();
        let mut number = 1;
        loop {
            self.row.store(0, Ordering::Relaxed);
            number += 1;
            let mut record = ByteRecord::new();
            let found = self
                .reader
                .read_byte_record(&mut record)
                .map_err(|error| broken(error, number, &self.name))?;
            if !found {
                break;
            }
            let row = cells::parse(&self.columns, &record, currency)
                .and_then(|row| seen.row(number, &row).map(|()| row));
            batch.push(Raw { number, record }, row);
            if batch.raw.len() >= BATCH_ROWS || batch.bytes >= BATCH_BYTES {
                // The import ended with an error of its own when nobody listens any more.
                if sender.blocking_send(std::mem::take(&mut batch)).is_err() {
                    return Ok(());
                }
            }
        }
        if !batch.raw.is_empty() && sender.blocking_send(batch).is_err() {
            tracing::debug!("the last rows are not wanted any more");
        }
        Ok(())
    }
}

impl Batch {
    fn push(&mut self, raw: Raw, row: Result<cells::Row, Reason>) {
        let place = self.raw.len();
        self.bytes += raw.record.as_slice().len() as u64;
        self.raw.push(raw);
        match row {
            Ok(row) => {
                self.places.push(place);
                self.rows.push(row.catalog);
                self.stock.push(Stock {
                    units: row.stock,
                    warehouse: row.warehouse,
                });
            }
            Err(reason) => self.refused.push((place, reason)),
        }
    }
}
