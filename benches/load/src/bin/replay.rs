//! Replays a file of orders (the columns of `tradepost import orders`) against a server.
//!
//! `cargo run --release -p load --bin replay -- orders.csv --url http://localhost:8080/graphql --clients 32`

use clap::Parser;
use load::book;
use load::replay::{self, Live, Options};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Sends real orders as concurrent customers and reports rate, waits and errors.
#[derive(Debug, Parser)]
struct Arguments {
    /// The orders, in the columns of `tradepost import orders`.
    file: PathBuf,
    /// The GraphQL address.
    #[arg(long, default_value = "http://localhost:8080/graphql")]
    url: String,
    /// Customers that order at the same time.
    #[arg(long, default_value_t = 32)]
    clients: usize,
    /// How many times faster than in the file, as 3600 for an hour a second; else as fast as possible.
    #[arg(long)]
    speed: Option<f64>,
    /// Users that the customers are spread over; else one each, and each costs the server a password hash.
    #[arg(long)]
    accounts: Option<usize>,
    /// Only so many orders, the first ones.
    #[arg(long)]
    orders: Option<usize>,
    /// Seconds for which an order is tried.
    #[arg(long, default_value_t = 60)]
    patience: u64,
    /// Name of this run: the same orders under another name are other orders.
    #[arg(long, default_value = "replay")]
    run: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("replay: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether every order was acknowledged.
async fn run(arguments: Arguments) -> Result<bool, Box<dyn std::error::Error>> {
    let mut orders = book::read(&arguments.file)?;
    orders.truncate(arguments.orders.unwrap_or(usize::MAX));
    let options = Options {
        url: arguments.url,
        clients: arguments.clients.max(1),
        speed: arguments.speed.filter(|speed| *speed > 0.0),
        accounts: arguments.accounts,
        patience: Duration::from_secs(arguments.patience),
        run: arguments.run,
    };
    let live = Live::default();
    let total = orders.len();
    let report = tokio::select! {
        report = replay::run(&orders, &options, &live) => report?,
        () = tell(&live, total) => return Ok(false),
    };
    print!("{report}");
    Ok(report.refused.is_empty())
}

/// Says now and then how far it is; never ends.
async fn tell(live: &Live, total: usize) {
    let mut beat = tokio::time::interval(Duration::from_secs(5));
    beat.tick().await;
    loop {
        beat.tick().await;
        let done = live.acknowledged.load(Ordering::SeqCst);
        eprintln!("{done} of {total} orders acknowledged");
    }
}
