//! Serving, and what a person needs to see when it starts.

use super::Error;
use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Engine;
use crate::db::migrate::{self, Direction};
use crate::error::Fault;
use crate::graphql::schema;
use crate::http::Server;
use crate::{seed, shutdown, telemetry};
use std::time::Duration;

/// Serves until told to stop.
pub(super) async fn serve(config: Config, no_workers: bool) -> Result<(), Error> {
    telemetry::metrics()?;
    let app = prepare(config).await?;
    let server = Server::bind(app.clone(), schema::build(&app)).await?;
    let stop = shutdown::on_signal(app.workers())?;
    let with_workers = app.config().server.workers && !no_workers;
    if with_workers {
        app.start_workers();
    }
    eprintln!("{}", banner(&app, &server, with_workers));
    server.serve(stop).await;
    finish(&app).await;
    Ok(())
}

/// Runs the background work until told to stop.
pub(super) async fn worker(config: Config) -> Result<(), Error> {
    telemetry::metrics()?;
    let app = prepare(config).await?;
    let stop = shutdown::on_signal(app.workers())?;
    app.start_workers();
    eprintln!(
        "Tradepost works in the background on {}",
        describe_database(&app)
    );
    stop.cancelled().await;
    finish(&app).await;
    Ok(())
}

/// Opens everything, migrates, and fills an empty development shop.
async fn prepare(config: Config) -> Result<App, Error> {
    let app = App::new(config, Clock::system()).await?;
    app.db().claim()?;
    app.push().start(app.workers());
    migrate::run(app.db(), app.config(), Direction::Up).await?;
    app.cache().start();
    if app.config().production() {
        seed::refuse_demo_passwords(&app).await?;
    } else {
        seed::fill_if_empty(&app).await?;
    }
    Ok(app)
}

async fn finish(app: &App) {
    let limit = Duration::from_millis(app.config().server.shutdown_limit_ms);
    if !app.workers().shut_down(limit).await {
        tracing::warn!("background work did not end within server.shutdown_limit_ms");
    }
    app.close().await;
}

fn describe_database(app: &App) -> String {
    match app.db().engine() {
        Engine::Sqlite => format!(
            "SQLite ({})",
            app.config().database_url().trim_start_matches("sqlite://")
        ),
        Engine::MySql => format!("MySQL ({})", app.config().database.url.masked()),
    }
}

/// Who sends mails about orders, and where to.
fn describe_mails(app: &App, with_workers: bool) -> String {
    let config = app.config();
    if !with_workers || !config.notifications_in_workers() {
        return "elsewhere (tradepost consume notifications)".to_owned();
    }
    let server = config.mail.smtp_url.masked();
    if server.is_empty() {
        format!("files in {}", config.mail_folder().display())
    } else {
        server
    }
}

/// Where it is, who can log in, and what each part runs on.
fn banner(app: &App, server: &Server, with_workers: bool) -> String {
    let config = app.config();
    let address = server.local_addr();
    let or = |text: String, none: &str| {
        if text.is_empty() {
            none.to_owned()
        } else {
            text
        }
    };
    let mut lines = vec![
        format!(
            "Tradepost {} ({})",
            env!("CARGO_PKG_VERSION"),
            if config.production() {
                "production"
            } else {
                "development"
            }
        ),
        format!("  GraphQL   http://{address}/graphql"),
    ];
    if config.http.graphiql.is_on(!config.production()) {
        lines.push(format!("  GraphiQL  http://{address}/"));
    }
    if let Some(admin) = server.admin_addr() {
        lines.push(format!("  Metrics   http://{admin}/metrics"));
    }
    lines.push(format!("  Database  {}", describe_database(app)));
    lines.push(format!(
        "  Cache     {}",
        or(config.redis.url.masked(), "in process")
    ));
    lines.push(format!(
        "  Events    {}",
        or(
            config.kafka.brokers.clone(),
            "embedded (tradepost events tail)"
        )
    ));
    lines.push(format!(
        "  Workers   {}",
        if with_workers {
            "in this process"
        } else {
            "elsewhere"
        }
    ));
    lines.push(format!("  Mails     {}", describe_mails(app, with_workers)));
    if !config.production() {
        lines.push("  Log-ins   (demo data)".to_owned());
        for user in seed::USERS {
            lines.push(format!("            {} / {}", user.email, user.password));
        }
    }
    lines.join("\n")
}

impl App {
    /// Closes what the process holds; failures matter to nobody any more.
    pub async fn close(&self) {
        crate::error::swallow(
            self.db().close().await.map_err(Fault::Db),
            "closing the database",
        );
    }
}
