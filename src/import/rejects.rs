//! The file of refused rows: their number, the reason, and the cells as they are, be they broken.

use super::cell::Reason;
use super::columns::Columns;
use super::reader::Raw;
use crate::error::Fault;
use csv::{Writer, WriterBuilder};
use std::path::Path;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

/// The file of refused rows; only the first line stands in it when there is none.
pub(super) struct Rejects {
    file: File,
    columns: Columns,
    doing: String,
}

impl Rejects {
    /// Begins the file anew.
    pub(super) async fn create(path: &Path, columns: Columns) -> Result<Self, Fault> {
        let doing = format!("writing refused rows to {}", path.display());
        let file = File::create(path)
            .await
            .map_err(Fault::doing(doing.clone()))?;
        let mut rejects = Self {
            file,
            columns,
            doing,
        };
        let mut writer = rejects.writer();
        let names = rejects.columns.names.iter().enumerate();
        let own = names.filter(|(place, _)| !rejects.columns.is_skipped(*place));
        let heading = super::columns::SKIPPED
            .into_iter()
            .chain(own.map(|(_, name)| name.as_str()));
        writer
            .write_record(heading)
            .map_err(Fault::doing(rejects.doing.clone()))?;
        rejects.append(writer).await?;
        Ok(rejects)
    }

    /// Writes the refused rows of a batch, given by their places in it, in the order of the file.
    pub(super) async fn write(
        &mut self,
        rows: &[Raw],
        refused: &mut [(usize, Reason)],
    ) -> Result<(), Fault> {
        if refused.is_empty() {
            return Ok(());
        }
        refused.sort_unstable_by_key(|(place, _)| *place);
        let mut writer = self.writer();
        for (place, reason) in refused.iter() {
            let raw = &rows[*place];
            let number = raw.number.to_string();
            let cells = raw.record.iter().enumerate();
            let cells = cells.filter(|(place, _)| !self.columns.is_skipped(*place));
            let record = [number.as_bytes(), reason.as_bytes()]
                .into_iter()
                .chain(cells.map(|(_, cell)| cell));
            writer
                .write_record(record)
                .map_err(Fault::doing(self.doing.clone()))?;
        }
        self.append(writer).await
    }

    /// A writer into memory: the file itself is written off the async threads.
    fn writer(&self) -> Writer<Vec<u8>> {
        // A row with another number of columns is kept as it is.
        WriterBuilder::new().flexible(true).from_writer(Vec::new())
    }

    async fn append(&mut self, writer: Writer<Vec<u8>>) -> Result<(), Fault> {
        let doing = || self.doing.clone();
        let bytes = writer
            .into_inner()
            .map_err(|error| Fault::doing(doing())(error.into_error()))?;
        self.file
            .write_all(&bytes)
            .await
            .map_err(Fault::doing(doing()))?;
        // Flushed at once: an interrupted import still tells what it refused.
        self.file.flush().await.map_err(Fault::doing(doing()))
    }
}
