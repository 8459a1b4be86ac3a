//! Makes the files that `tradepost import` reads from real invoices: see README.md beside this file.
//!
//! `cargo run --example online-retail -- INVOICES.csv[.gz] [PRODUCTS.csv [ORDERS.csv NOT-A-SALE.csv]]`; without the
//! second file the catalogue goes to standard output.

mod convert;

use convert::{Error, OrdersSummary, Summary};
use std::error::Error as _;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&Path> = arguments.iter().map(Path::new).collect();
    let done = match arguments.as_slice() {
        [input] => catalogue(input, std::io::stdout().lock()),
        [input, products] => create(products).and_then(|file| catalogue(input, file)),
        [input, products, sold, others] => create(products)
            .and_then(|file| catalogue(input, file))
            .and_then(|()| orders(input, sold, others)),
        _ => {
            eprintln!(
                "usage: online-retail INVOICES.csv[.gz] [PRODUCTS.csv [ORDERS.csv NOT-A-SALE.csv]]"
            );
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
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

fn create(path: &Path) -> Result<File, Error> {
    Ok(File::create(path)?)
}

fn catalogue(input: &Path, output: impl Write) -> Result<(), Error> {
    let Summary {
        sales,
        products,
        units,
    } = convert::catalogue(convert::open(input)?, output)?;
    eprintln!("{products} products from {sales} sales of {units} units");
    Ok(())
}

fn orders(input: &Path, sold: &Path, others: &Path) -> Result<(), Error> {
    let OrdersSummary {
        lines,
        sales,
        others,
    } = convert::orders(convert::open(input)?, create(sold)?, create(others)?)?;
    eprintln!("{lines} lines: {sales} sales, {others} that are none");
    Ok(())
}
