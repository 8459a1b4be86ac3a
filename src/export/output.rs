//! The file that an export writes, or standard output.

use crate::error::Fault;
use csv::WriterBuilder;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

/// What is added to the name of a file while it is written.
const PART: &str = ".part";

/// A CSV file that is being written. It gets its name at the end, so that half a file is never taken for a whole one.
pub(super) struct Output {
    target: Target,
    doing: String,
}

enum Target {
    Stdout,
    /// A file, its name until the end, and its name.
    File(File, PathBuf, PathBuf),
}

impl Output {
    /// Begins a file, or standard output for `-`, with the names of the columns.
    pub(super) async fn begin(path: &Path, columns: &[&str]) -> Result<Self, Fault> {
        let doing = format!("writing {}", path.display());
        let target = if path.as_os_str() == "-" {
            Target::Stdout
        } else {
            let mut part = path.as_os_str().to_owned();
            part.push(PART);
            let part = PathBuf::from(part);
            let file = File::create(&part)
                .await
                .map_err(Fault::doing(doing.clone()))?;
            Target::File(file, part, path.to_owned())
        };
        let mut output = Self { target, doing };
        output.rows(std::iter::once(columns)).await?;
        Ok(output)
    }

    /// Writes rows.
    pub(super) async fn rows<R>(&mut self, rows: impl Iterator<Item = R>) -> Result<(), Fault>
    where
        R: IntoIterator,
        R::Item: AsRef<[u8]>,
    {
        let doing = || self.doing.clone();
        // Into memory first: the file itself is written off the async threads.
        let mut writer = WriterBuilder::new().from_writer(Vec::new());
        for row in rows {
            writer.write_record(row).map_err(Fault::doing(doing()))?;
        }
        let bytes = writer
            .into_inner()
            .map_err(|error| Fault::doing(doing())(error.into_error()))?;
        let written = match &mut self.target {
            Target::Stdout => tokio::task::spawn_blocking(move || {
                let mut out = std::io::stdout().lock();
                out.write_all(&bytes).and_then(|()| out.flush())
            })
            .await
            .map_err(Fault::doing(self.doing.clone()))?,
            Target::File(file, ..) => file.write_all(&bytes).await,
        };
        written.map_err(Fault::doing(self.doing.clone()))
    }

    /// Ends the file.
    pub(super) async fn end(self) -> Result<(), Fault> {
        let Target::File(mut file, part, path) = self.target else {
            return Ok(());
        };
        let doing = || self.doing.clone();
        file.flush().await.map_err(Fault::doing(doing()))?;
        tokio::fs::rename(part, path)
            .await
            .map_err(Fault::doing(doing()))
    }
}
