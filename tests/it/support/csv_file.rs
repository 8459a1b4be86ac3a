//! Files to import.

use super::TestApp;
use std::path::{Path, PathBuf};
use tradepost::error::Fault;
use tradepost::import::products::{self, Report};

/// A row of the file of refused rows: its number, the reason, and its own cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) row: u64,
    pub(crate) reason: String,
    pub(crate) cells: Vec<Vec<u8>>,
}

impl TestApp {
    /// Writes a file into the test's folder.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Where imports of this test write refused rows.
    pub(crate) fn rejects(&self) -> PathBuf {
        self.dir.path().join("rejected.csv")
    }

    /// Imports a file.
    pub(crate) async fn import_file(&self, file: &Path, dry_run: bool) -> Result<Report, Fault> {
        products::run(&self.app, file, dry_run, &self.rejects()).await
    }

    /// Imports text.
    pub(crate) async fn import(&self, content: impl AsRef<[u8]>) -> Report {
        let file = self.file("products.csv", content);
        self.import_file(&file, false).await.unwrap()
    }

    /// Why a text cannot be imported at all.
    pub(crate) async fn import_error(&self, content: impl AsRef<[u8]>) -> String {
        let file = self.file("products.csv", content);
        let error = self.import_file(&file, false).await.unwrap_err();
        tradepost::error::chain(&error)
    }

    /// What the last import refused.
    pub(crate) fn refused(&self) -> Vec<Refused> {
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .from_path(self.rejects())
            .unwrap();
        let heading = reader.byte_headers().unwrap();
        assert_eq!([&heading[0], &heading[1]], [b"row".as_slice(), b"reason"]);
        reader
            .byte_records()
            .map(|record| {
                let record = record.unwrap();
                let mut cells = record.iter().map(<[u8]>::to_vec);
                let mut text = || String::from_utf8(cells.next().unwrap()).unwrap();
                Refused {
                    row: text().parse().unwrap(),
                    reason: text(),
                    cells: cells.collect(),
                }
            })
            .collect()
    }
}

/// Rows created, updated, unchanged and rejected; they are all rows.
pub(crate) fn counts(report: &Report) -> [u64; 4] {
    let counts = [
        report.created,
        report.updated,
        report.unchanged,
        report.rejected,
    ];
    assert_eq!(counts.iter().sum::<u64>(), report.rows, "{report:?}");
    counts
}
