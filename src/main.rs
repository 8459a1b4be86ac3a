//! The binary: see `tradepost --help`.

use clap::Parser as _;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = tradepost::cli::Cli::parse();
    match Box::pin(tradepost::cli::run(cli)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tradepost: {}", tradepost::error::chain(&error));
            ExitCode::FAILURE
        }
    }
}
