//! Data from files. Like the command line this is a top layer: it calls the services of several domains and joins
//! what they do in one transaction.
//!
//! # `import products FILE.csv`
//!
//! UTF-8 (with or without a byte order mark), commas, a first line that names the columns in any order:
//!
//! | column | needed | holds |
//! | --- | --- | --- |
//! | `sku` | yes | 1 to 64 characters, compared without case; once in a file |
//! | `name` | yes | name of the product, 1 to 200 characters |
//! | `price` | yes | decimal with a point, 0 or more, not more decimals than the shop's currency has |
//! | `description` | | up to 10,000 characters |
//! | `categories` | | slugs separated by a vertical bar: all categories of the product; missing ones are made at the top of the tree |
//! | `status` | | `DRAFT`, `ACTIVE` or `ARCHIVED`; a new product is `ACTIVE` |
//! | `stock` | | units: only the *initial* stock, used when the variant has no stock in the warehouse yet |
//! | `warehouse` | | code of the warehouse of `stock`; else the first active one, made as `MAIN` when there is none |
//! | `external_reference` | | id of the product in the system it comes from, up to 64 characters |
//! | `product` | | slug of the product: rows with the same one are its variants |
//! | `variant` | | name of the variant, up to 120 characters |
//!
//! An empty cell is the same as a missing column: new things get their default, others keep what they have. A column
//! that is not in this table is an error, so that a slip of the pen does not go unnoticed; only `row` and `reason`
//! are skipped, so that a mended file of refused rows can be imported as it is.
//!
//! Rows are read as a stream and written in batches of one transaction each, so that memory does not grow with the
//! file but for an index of the SKUs seen (about 40 bytes each). A batch is all or nothing; an import that was
//! interrupted and runs again ends as if nothing had happened, because rows that are there already change nothing.
//!
//! # `import orders FILE.csv`
//!
//! Its columns stand in [`orders`]; docs/import.md tells people about both.
//!
//! **The next import** (of users): a folder like `orders` with its columns, that reads rows into batches and writes them
//! through its domain's service; `cell.rs`, `reader.rs`, `rejects.rs` and `progress.rs` serve it as they are.

mod cell;
mod columns;
mod digest;
pub mod orders;
pub mod products;
mod progress;
mod reader;
mod rejects;

/// Why a file cannot be imported at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It has not even a first line.
    #[error("the file is empty: its first line must name the columns")]
    Empty,
    /// The first line is not text.
    #[error("the first line is not UTF-8 text")]
    HeadingEncoding,
    /// A column that nothing is done with.
    #[error("the column `{0}` is not known; known ones are {1}")]
    UnknownColumn(String, String),
    /// A column twice.
    #[error("the column `{0}` is there twice")]
    RepeatedColumn(String),
    /// A column is missing that is needed.
    #[error("the column `{0}` is missing")]
    MissingColumn(&'static str),
    /// One row is larger than any row can be.
    #[error("the row {0} is longer than {1} bytes: is a quotation mark not closed?")]
    RowTooLong(u64, u64),
    /// No row says where it comes from, and nobody else does.
    #[error("say by --source which system the orders come from: there is no column `source`")]
    NoSource,
    /// A file that must be read twice is standard input.
    #[error("orders are read twice, so that they must be a file, not standard input")]
    NotAFile,
    /// The refused rows would be written over the file that is read.
    #[error("refused rows cannot be written into the file that is read")]
    SameFile,
}
