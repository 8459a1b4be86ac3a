//! Consumers as processes of their own, and their dead letters.

use super::Error;
use crate::app::App;
use crate::db::migrate::{self, Direction};
use crate::domain::notifications::tasks;
use crate::error::Fault;
use crate::events::consumer::Consumer;
use crate::{shutdown, telemetry};
use clap::{Args, Subcommand};
use std::io::Write as _;
use std::time::Duration;

/// What is consumed.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(super) enum Consume {
    /// Sends mails about orders until it is told to stop; `serve` and `worker` do so too where `notifications.enabled` says it.
    Notifications {
        #[command(flatten)]
        dead: Dead,
        /// With --dlq-list: one JSON object a line.
        #[arg(long, requires = "dlq_list")]
        json: bool,
    },
}

/// What is done with dead letters instead of consuming.
#[derive(Args, Clone, Copy, Debug)]
#[group(multiple = false)]
pub(super) struct Dead {
    /// Lists the events that could not be handled, with the reason.
    #[arg(long)]
    dlq_list: bool,
    /// Handles these events once more, after what was wrong was mended; those that fail again stay.
    #[arg(long)]
    dlq_replay: bool,
}

/// Consumes until told to stop, or looks after dead letters.
pub(super) async fn consume(app: &App, command: Consume) -> Result<(), Error> {
    let Consume::Notifications { dead, json } = command;
    migrate::run(app.db(), app.config(), Direction::Up).await?;
    let consumer = tasks::consumer(app.consumers())?;
    if dead.dlq_list {
        return Ok(list(&consumer, json).await?);
    }
    if dead.dlq_replay {
        return replay(app, &consumer).await;
    }
    telemetry::metrics()?;
    let stop = shutdown::on_signal(app.workers())?;
    app.consumers().start(app.workers());
    eprintln!("Tradepost sends mails about orders");
    tasks::consume(app.consumers(), app.notifications(), &stop).await?;
    let limit = Duration::from_millis(app.config().server.shutdown_limit_ms);
    if !app.workers().shut_down(limit).await {
        tracing::warn!("background work did not end within server.shutdown_limit_ms");
    }
    Ok(())
}

async fn list(consumer: &Consumer, json: bool) -> Result<(), Fault> {
    let mut out = std::io::stdout().lock();
    let mut failed = None;
    consumer
        .dead_letters(|letter| {
            let line = if json {
                letter.json().to_string()
            } else {
                letter.line()
            };
            failed = failed.take().or(writeln!(out, "{line}").err());
        })
        .await?;
    match failed {
        Some(error) => Err(Fault::doing("printing the dead letters")(error)),
        None => Ok(()),
    }
}

async fn replay(app: &App, consumer: &Consumer) -> Result<(), Error> {
    let notifications = app.notifications();
    let replayed = consumer
        .dead_letters_replay(|event| async move { notifications.event_mail(&event).await })
        .await?;
    println!(
        "{} dead letters are handled, {} failed again.",
        replayed.handled, replayed.dead
    );
    match replayed.waits_for {
        Some(reason) => Err(Error::Refused(format!("the rest stays as it is: {reason}"))),
        None if replayed.dead > 0 => Err(Error::Refused(
            "some failed again: --dlq-list tells why".to_owned(),
        )),
        None => Ok(()),
    }
}
