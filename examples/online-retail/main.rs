//! Makes the file that `tradepost import products` reads from real invoices: see README.md beside this file.
//!
//! `cargo run --example online-retail -- INVOICES.csv[.gz] [PRODUCTS.csv]`; without the second file the catalogue goes
//! to standard output.

mod convert;

use convert::{Error, Summary};
use std::error::Error as _;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.as_slice() {
        [input] => run(Path::new(input), std::io::stdout().lock()),
        [input, output] => File::create(output)
            .map_err(Error::from)
            .and_then(|file| run(Path::new(input), file)),
        _ => {
            eprintln!("usage: online-retail INVOICES.csv[.gz] [PRODUCTS.csv]");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(Summary {
            sales,
            products,
            units,
        }) => {
            eprintln!("{products} products from {sales} sales of {units} units");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let source = error
                .source()
                .map(|source| format!(": {source}"))
                .unwrap_or_default();
            eprintln!("online-retail: {error}{source}");
            ExitCode::FAILURE
        }
    }
}

fn run(input: &Path, output: impl Write) -> Result<Summary, Error> {
    convert::catalogue(convert::open(input)?, output)
}
