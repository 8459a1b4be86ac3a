//! Commands that do one thing and end.

use super::{Error, Export, Import, Migrate, User};
use crate::app::App;
use crate::config::Config;
use crate::db::migrate::{self, Direction};
use crate::domain::wallet::service::Drift;
use crate::error::{Failure, Fault, Refusal};
use crate::{export, import, seed};
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// What `health` reads of an answer at most.
const HEALTH_BYTES: u64 = 64;

/// A use case's refusal as one sentence.
fn refused<E: Refusal>(failure: Failure<E>) -> Error {
    match failure {
        Failure::Fault(fault) => Error::Fault(fault),
        Failure::Refused(errors) => {
            let sentences =
                errors
                    .iter()
                    .map(Refusal::problem)
                    .map(|problem| match problem.path.as_slice() {
                        [] => problem.message,
                        path => format!("{}: {}", path.join("."), problem.message),
                    });
            Error::Refused(sentences.collect::<Vec<_>>().join("; "))
        }
    }
}

fn destroys(app: &App, said: bool) -> Result<(), Error> {
    if app.config().production() && !said {
        return Err(Error::Refused(
            "this is production: say --yes-destroy if you mean it".to_owned(),
        ));
    }
    Ok(())
}

pub(super) async fn migrate(app: &App, command: Migrate) -> Result<(), Error> {
    let direction = match command {
        Migrate::Up => Direction::Up,
        Migrate::Down { steps } => Direction::Down(steps),
        Migrate::Fresh { yes_destroy } => {
            destroys(app, yes_destroy)?;
            Direction::Fresh
        }
        Migrate::Status => {
            for (name, done) in migrate::status(app.db()).await? {
                println!("{} {name}", if done { "done   " } else { "pending" });
            }
            return Ok(());
        }
    };
    app.db().claim()?;
    migrate::run(app.db(), app.config(), direction).await?;
    Ok(())
}

pub(super) async fn seed(app: &App, yes_destroy: bool) -> Result<(), Error> {
    destroys(app, yes_destroy)?;
    migrate::run(app.db(), app.config(), Direction::Up).await?;
    if !seed::is_empty(app).await? {
        return Err(Error::Refused(
            "the shop is not empty: `tradepost migrate fresh` empties it".to_owned(),
        ));
    }
    seed::run(app).await?;
    println!("The demo shop is there.");
    Ok(())
}

pub(super) async fn catalog_rebuild_search(app: &App) -> Result<(), Error> {
    let told =
        |done: u64| tracing::info!(products = done, "the words of products are written anew");
    let products = app.catalog().search_rebuild(told).await?;
    println!("{products} products are found by their words again.");
    Ok(())
}

pub(super) async fn user(app: &App, command: User) -> Result<(), Error> {
    match command {
        User::Create { email, name, role } => {
            let mut password = String::new();
            std::io::stdin()
                .read_to_string(&mut password)
                .map_err(Fault::doing("reading the password"))?;
            let password = password.trim_end_matches(['\r', '\n']);
            let name = name.unwrap_or_else(|| email.clone());
            let create = app.accounts().user_create(&email, &name, password, role);
            let user = create.await.map_err(refused)?;
            println!("{} {} {}", user.id, user.email, user.role);
        }
        User::Promote { email, role } => {
            let user = app
                .accounts()
                .user_promote(&email, role)
                .await
                .map_err(refused)?;
            println!("{} {} {}", user.id, user.email, user.role);
        }
    }
    Ok(())
}

pub(super) async fn stock_verify(app: &App) -> Result<(), Error> {
    let verified = app
        .inventory()
        .stock_verify(|drift| println!("{drift}"))
        .await?;
    println!("{} places were recomputed.", verified.places);
    match verified.drifts {
        0 => Ok(()),
        drifts => Err(Error::Refused(format!(
            "the stock does not add up in {drifts} places"
        ))),
    }
}

pub(super) async fn ledger_verify(app: &App) -> Result<(), Error> {
    let mut drifts = 0_u64;
    let mut report = |drift: Drift| {
        drifts += 1;
        println!("{drift}");
    };
    let verified = app.wallet().verify(&mut report).await?;
    let payments = app.payments().ledger_verify(&mut report).await?;
    println!(
        "{} entries, {} balances and {payments} payments were recomputed.",
        verified.entries, verified.balances
    );
    println!(
        "{} transactions and {} balances of what is set aside were compared.",
        verified.transactions, verified.held
    );
    if drifts == 0 {
        return Ok(());
    }
    Err(Error::Refused(format!(
        "the ledger does not add up in {drifts} places"
    )))
}

pub(super) async fn import(app: &App, command: Import) -> Result<(), Error> {
    migrate::run(app.db(), app.config(), Direction::Up).await?;
    match command {
        Import::Products {
            file,
            dry_run,
            rejects,
        } => {
            let report = import::products::run(app, &file, dry_run, &rejects).await?;
            println!("{report}");
        }
        Import::Orders {
            file,
            source,
            timezone,
            dry_run,
            whole_orders,
            rejects,
        } => {
            let options = import::orders::Options {
                source,
                zone: timezone,
                dry_run,
                whole_orders,
                rejects,
            };
            let report = import::orders::run(app, &file, &options).await?;
            println!("{report}");
        }
    }
    Ok(())
}

pub(super) async fn export(app: &App, command: Export) -> Result<(), Error> {
    // What was written is said on the other stream: the rows may go to standard output.
    match command {
        Export::Products { file } => {
            let report = export::products::run(app, &file).await?;
            eprintln!("{} rows", report.rows);
            if report.archived > 0 {
                eprintln!(
                    "{} variants that were taken out of sale are left out",
                    report.archived
                );
            }
        }
        Export::Orders { file, source } => {
            let report = export::orders::run(app, &file, source.as_deref()).await?;
            eprintln!("{} orders in {} rows", report.orders, report.rows);
        }
        Export::Transactions {
            file,
            user,
            asset,
            from,
            to,
        } => {
            let wanted = export::transactions::Wanted {
                user_id: user.map(Into::into),
                asset,
                from,
                to,
            };
            let rows = export::transactions::run(app, &file, &wanted).await?;
            eprintln!("{rows} transactions");
        }
    }
    Ok(())
}

/// Asks `/readyz` of the server on this machine.
pub(super) async fn health(config: &Config) -> Result<(), Error> {
    let mut address: SocketAddr = config.server.address;
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let doing = || format!("asking {address}");
    let mut stream = tokio::net::TcpStream::connect(address)
        .await
        .map_err(Fault::doing(doing()))?;
    let request = "GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream
        .write_all(request.as_bytes())
        .await
        .map_err(Fault::doing(doing()))?;
    let mut head = Vec::new();
    stream
        .take(HEALTH_BYTES)
        .read_to_end(&mut head)
        .await
        .map_err(Fault::doing(doing()))?;
    let status = String::from_utf8_lossy(&head)
        .split_whitespace()
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    if status == "200" {
        Ok(())
    } else {
        Err(Error::Refused(format!("{address} is not ready: {status}")))
    }
}
