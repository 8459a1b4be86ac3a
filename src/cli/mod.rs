//! The command line: every command is a thin shell over a service.

mod commands;
mod doctor;
mod events;
mod serve;

use crate::app::App;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::error::Fault;
use crate::graphql::schema;
use crate::telemetry;
use clap::{Parser, Subcommand};
use entity::accounts::Role;
use std::path::PathBuf;

/// A commerce backend in one binary. Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "tradepost", version, about)]
pub struct Cli {
    /// Configuration file (TOML); else `tradepost.toml` in this folder if it is there.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves GraphQL and runs the background work; migrates first, and fills an empty shop with demo data in
    /// development.
    Serve {
        /// Leaves the background work to other processes.
        #[arg(long)]
        no_workers: bool,
    },
    /// Runs the background work alone.
    Worker,
    /// Changes the database's schema.
    Migrate {
        #[command(subcommand)]
        command: Migrate,
    },
    /// Fills an empty database with the demo shop.
    Seed {
        /// Said in production, where the demo log-ins are a way in.
        #[arg(long)]
        yes_destroy: bool,
    },
    /// Prints the GraphQL schema.
    Schema,
    /// Prints the effective settings as TOML, with secrets masked.
    Config,
    /// Manages users.
    User {
        #[command(subcommand)]
        command: User,
    },
    /// Looks at events, and repairs what is sent of them.
    Events {
        #[command(subcommand)]
        command: events::Events,
    },
    /// Looks at the stock.
    Stock {
        #[command(subcommand)]
        command: Stock,
    },
    /// Looks at the ledger.
    Ledger {
        #[command(subcommand)]
        command: Ledger,
    },
    /// Brings data in.
    Import {
        #[command(subcommand)]
        command: Import,
    },
    /// Writes data out; products and orders in the columns that `import` reads.
    Export {
        #[command(subcommand)]
        command: Export,
    },
    /// Tends the catalogue.
    Catalog {
        #[command(subcommand)]
        command: Catalog,
    },
    /// Asks the server on this machine whether it is ready, for health checks of containers.
    Health,
    /// Looks at every configured part, and says what is wrong and how to mend it. Fails when something is.
    Doctor,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Migrate {
    /// Runs what has not run.
    Up,
    /// Undoes the last changes.
    Down {
        /// How many.
        #[arg(default_value_t = 1)]
        steps: u32,
    },
    /// Tells what has run.
    Status,
    /// Drops everything and starts anew.
    Fresh {
        /// Said in production, where this destroys the shop.
        #[arg(long)]
        yes_destroy: bool,
    },
}

#[derive(Debug, Subcommand)]
enum User {
    /// Adds a user; the password is read from standard input.
    Create {
        /// E-mail.
        email: String,
        /// Name; the e-mail if nothing is said.
        #[arg(long)]
        name: Option<String>,
        /// Role: customer, staff or admin.
        #[arg(long, default_value = "customer", value_parser = role)]
        role: Role,
    },
    /// Gives a user a role.
    Promote {
        /// E-mail.
        email: String,
        /// Role: customer, staff or admin.
        #[arg(value_parser = role)]
        role: Role,
    },
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Catalog {
    /// Writes anew the words that products are found by, when the notes of a release say so; the shop stays open.
    RebuildSearch,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Stock {
    /// Recomputes what is on hand from the movements and what is reserved from the active reservations; prints what does
    /// not agree, and fails then.
    Verify,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Ledger {
    /// Recomputes every balance from the postings, and compares payments and refunds with theirs; prints what does not
    /// agree, and fails then.
    Verify,
}

#[derive(Debug, Subcommand)]
enum Import {
    /// Products from a CSV file; docs/import.md lists the columns.
    Products {
        /// The file; `-` for standard input.
        file: PathBuf,
        /// Checks everything and writes nothing.
        #[arg(long)]
        dry_run: bool,
        /// Where refused rows go, with their number and the reason.
        #[arg(long, default_value = "rejected.csv")]
        rejects: PathBuf,
    },
    /// Orders of another system from a CSV file; docs/import.md lists the columns.
    Orders {
        /// The file; it is read twice.
        file: PathBuf,
        /// The system they come from; with the order's id there it says which order it is.
        #[arg(long)]
        source: Option<String>,
        /// The zone of times that do not say their own, as Europe/London.
        #[arg(long, default_value = "UTC", value_parser = zone)]
        timezone: chrono_tz::Tz,
        /// Checks everything and writes nothing.
        #[arg(long)]
        dry_run: bool,
        /// Refuses a whole order when one of its rows is refused.
        #[arg(long)]
        whole_orders: bool,
        /// Where refused rows go, with their number and the reason.
        #[arg(long, default_value = "rejected.csv")]
        rejects: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum Export {
    /// Products with their stock.
    Products {
        /// The file; `-` for standard output.
        #[arg(default_value = "-")]
        file: PathBuf,
    },
    /// Orders that were sold, those of this shop and imported ones.
    Orders {
        /// The file; `-` for standard output.
        #[arg(default_value = "-")]
        file: PathBuf,
        /// Only orders of this source; `tradepost` for those of this shop.
        #[arg(long)]
        source: Option<String>,
    },
    /// Transactions as CSV, in the order in which they were made.
    Transactions {
        /// The file; `-` for standard output.
        #[arg(default_value = "-")]
        file: PathBuf,
        /// Only those of this user.
        #[arg(long)]
        user: Option<uuid::Uuid>,
        /// Only those in this asset, as GBP.
        #[arg(long)]
        asset: Option<String>,
        /// Only those made on this UTC day or later, as 2026-11-01.
        #[arg(long)]
        from: Option<chrono::NaiveDate>,
        /// Only those made on this UTC day or earlier.
        #[arg(long)]
        to: Option<chrono::NaiveDate>,
    },
}

fn role(text: &str) -> Result<Role, String> {
    Role::ALL
        .iter()
        .copied()
        .find(|role| role.as_str().eq_ignore_ascii_case(text))
        .ok_or_else(|| "customer, staff or admin".to_owned())
}

fn zone(text: &str) -> Result<chrono_tz::Tz, String> {
    text.parse()
        .map_err(|_| "a zone of the IANA data base, as Europe/London or UTC".to_owned())
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// Ours.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// What was asked for cannot be done.
    #[error("{0}")]
    Refused(String),
}

/// Runs a command.
///
/// # Errors
/// What the command says.
pub async fn run(cli: Cli) -> Result<(), Error> {
    let command = cli.command.unwrap_or(Command::Serve { no_workers: false });
    if matches!(command, Command::Schema) {
        print!("{}", schema::sdl());
        return Ok(());
    }
    let config = Config::load(cli.config.as_deref())?;
    if matches!(command, Command::Config) {
        print!(
            "{}",
            config
                .to_toml()
                .map_err(Fault::doing("writing the settings"))?
        );
        return Ok(());
    }
    telemetry::init(&config.log)?;
    match command {
        Command::Serve { no_workers } => return Box::pin(serve::serve(config, no_workers)).await,
        Command::Worker => return Box::pin(serve::worker(config)).await,
        Command::Health => return commands::health(&config).await,
        Command::Doctor => return Box::pin(doctor::run(config)).await,
        _ => {}
    }
    let app = App::new(config, Clock::system()).await?;
    let done = Box::pin(with_app(&app, command)).await;
    app.close().await;
    done
}

async fn with_app(app: &App, command: Command) -> Result<(), Error> {
    match command {
        Command::Migrate { command } => commands::migrate(app, command).await,
        Command::Seed { yes_destroy } => commands::seed(app, yes_destroy).await,
        Command::User { command } => commands::user(app, command).await,
        Command::Events { command } => events::run(app, command).await,
        Command::Stock {
            command: Stock::Verify,
        } => commands::stock_verify(app).await,
        Command::Ledger {
            command: Ledger::Verify,
        } => commands::ledger_verify(app).await,
        Command::Import { command } => commands::import(app, command).await,
        Command::Export { command } => commands::export(app, command).await,
        Command::Catalog {
            command: Catalog::RebuildSearch,
        } => commands::catalog_rebuild_search(app).await,
        Command::Serve { .. }
        | Command::Worker
        | Command::Schema
        | Command::Config
        | Command::Health
        | Command::Doctor => Ok(()),
    }
}
