//! Reads a file off the async threads, in batches; a batch that nobody takes stops the reading.

use super::FileError;
use super::columns::{Column, Columns};
use crate::error::Fault;
use csv::{ByteRecord, ErrorKind, ReaderBuilder};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Bytes of the rows of a batch, so that a file of huge rows cannot fill the memory.
pub(super) const BATCH_BYTES: u64 = 4 << 20;
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
    number: u64,
}

/// Opens a file, or standard input for `-`, and reads its first line.
pub(super) async fn open<C: Column>(path: &Path, rejects: &Path) -> Result<Source, Fault> {
    let (path, rejects) = (path.to_owned(), rejects.to_owned());
    off_thread(move || open_blocking::<C>(&path, &rejects)).await?
}

/// Runs what blocks beside the async threads.
pub(super) async fn off_thread<T: Send + 'static>(
    f: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(f)
        .await
        .map_err(Fault::doing("reading the file"))
}

fn open_blocking<C: Column>(path: &Path, rejects: &Path) -> Result<Source, Fault> {
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
    let columns = Columns::of::<C>(&heading).map_err(Fault::doing(doing()))?;
    Ok(Source {
        reader,
        row,
        columns,
        read,
        total,
        name,
        number: 1,
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
pub(super) struct Batches<B> {
    receiver: mpsc::Receiver<B>,
    thread: Option<JoinHandle<Result<(), Fault>>>,
}

impl<B> Batches<B> {
    /// The next one, or nothing at the end.
    pub(super) async fn next(&mut self) -> Result<Option<B>, Fault> {
        if let Some(batch) = self.receiver.recv().await {
            return Ok(Some(batch));
        }
        if let Some(thread) = self.thread.take() {
            thread.await.map_err(Fault::doing("reading the file"))??;
        }
        Ok(None)
    }
}

/// Where the reading thread puts its batches.
pub(super) struct Sink<B>(mpsc::Sender<B>);

impl<B> Sink<B> {
    /// Waits until the batch is taken. False when nobody listens any more: the import ended with an error of its own.
    pub(super) fn put(&self, batch: B) -> bool {
        self.0.blocking_send(batch).is_ok()
    }
}

impl Source {
    /// The next row, or nothing at the end.
    pub(super) fn row(&mut self) -> Result<Option<Raw>, Fault> {
        self.row.store(0, Ordering::Relaxed);
        self.number += 1;
        let mut record = ByteRecord::new();
        let found = self
            .reader
            .read_byte_record(&mut record)
            .map_err(|error| broken(error, self.number, &self.name))?;
        Ok(found.then_some(Raw {
            number: self.number,
            record,
        }))
    }

    /// Begins to read: `read` makes batches of the rows, on a thread of its own.
    pub(super) fn batches<B: Send + 'static>(
        self,
        read: impl FnOnce(Self, Sink<B>) -> Result<(), Fault> + Send + 'static,
    ) -> Batches<B> {
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING);
        Batches {
            receiver,
            thread: Some(tokio::task::spawn_blocking(move || {
                read(self, Sink(sender))
            })),
        }
    }
}
