//! The real invoices of `../shared/data`, which are not part of the project.

#[path = "../../../examples/online-retail/convert.rs"]
pub(crate) mod convert;

use super::env;
use std::fs::File;
use std::path::{Path, PathBuf};

const INVOICES: &str = "shared/data/online-retail-h1.csv.gz";

/// The invoices, if they are there: beside the project, or beside the folder of its worktrees.
///
/// # Panics
/// They are missing and `TRADEPOST_CI` is set: there a test must not pass without having run.
pub(crate) fn invoices(test: &str) -> Option<PathBuf> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = project
        .ancestors()
        .skip(1)
        .map(|folder| folder.join(INVOICES))
        .find(|path| path.exists());
    if found.is_none() {
        assert!(
            env("TRADEPOST_CI").is_none(),
            "{test} needs ../{INVOICES}, which is not there"
        );
        eprintln!("{test} DID NOT RUN: there is no ../{INVOICES}");
    }
    found
}

/// The catalogue that the example makes of them, as a file in `folder`.
pub(crate) fn catalogue(invoices: &Path, folder: &Path) -> (PathBuf, convert::Summary) {
    let path = folder.join("products.csv");
    let input = convert::open(invoices).unwrap();
    let summary = convert::catalogue(input, File::create(&path).unwrap()).unwrap();
    (path, summary)
}

/// The orders that the example makes of them, and the lines that are no sales, as files in `folder`.
pub(crate) fn orders(invoices: &Path, folder: &Path) -> (PathBuf, PathBuf, convert::OrdersSummary) {
    let (sold, others) = (folder.join("orders.csv"), folder.join("not-a-sale.csv"));
    let input = convert::open(invoices).unwrap();
    let summary = convert::orders(
        input,
        File::create(&sold).unwrap(),
        File::create(&others).unwrap(),
    )
    .unwrap();
    (sold, others, summary)
}
