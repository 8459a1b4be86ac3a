//! `tradepost doctor`: looks at every configured part, says what is wrong, and how to mend it.

use super::Error;
use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::chain;
use crate::health::{Health, State};
use crate::mail::Mailer;
use std::time::Duration;
use tokio::time::Instant;

/// Beyond the time limits of Redis: how long its parts may take to be in use.
const SETTLE: Duration = Duration::from_secs(2);
/// Pause between two looks at a part that is not in use yet.
const LOOK: Duration = Duration::from_millis(20);

/// What was found of one part.
struct Finding {
    part: &'static str,
    health: Health,
    /// What an operator does about it, when it is not well.
    remedy: &'static str,
}

impl Finding {
    const fn new(part: &'static str, health: Health, remedy: &'static str) -> Self {
        Self {
            part,
            health,
            remedy,
        }
    }

    const fn is_well(&self) -> bool {
        matches!(self.health.state, State::Ok | State::Off)
    }

    fn print(&self) {
        let state = format!("{:?}", self.health.state).to_lowercase();
        println!("{state:<9} {:<9} {}", self.part, self.health.detail);
        if !self.is_well() {
            println!("          to mend: {}", self.remedy);
        }
    }
}

/// Looks at every part, one after the other, and prints what was found.
///
/// # Errors
/// A part is not well.
pub(super) async fn run(config: Config) -> Result<(), Error> {
    let mail = mail(&config).await;
    let mut findings = Vec::new();
    match App::new(config, Clock::system()).await {
        Ok(app) => {
            findings.extend(parts(&app).await);
            app.close().await;
        }
        Err(fault) => findings.push(Finding::new(
            "program",
            Health::down(chain(&fault)),
            "see the setting that is named; `tradepost config` prints all of them",
        )),
    }
    findings.push(mail);
    for finding in &findings {
        finding.print();
    }
    let unwell: Vec<&str> = findings
        .iter()
        .filter(|finding| !finding.is_well())
        .map(|finding| finding.part)
        .collect();
    if unwell.is_empty() {
        return Ok(());
    }
    Err(Error::Refused(format!("not well: {}", unwell.join(", "))))
}

async fn parts(app: &App) -> Vec<Finding> {
    app.push().start(app.workers());
    app.cache().start();
    let config = app.config();
    let patience = SETTLE
        + Duration::from_millis(config.redis.connect_timeout_ms + config.redis.response_timeout_ms);
    let database = database(app).await;
    let push = settled(patience, || app.push().state()).await;
    let cache = match database.health.state {
        State::Ok => cache(app, patience).await,
        _ => Health::off("not looked at without the database"),
    };
    let events = match database.health.state {
        State::Ok => backlog(app).await,
        _ => Health::off("not looked at without the database"),
    };
    vec![
        database,
        Finding::new(
            "redis",
            push,
            "start Redis, or see REDIS_URL; without it replicas on MySQL remember nothing",
        ),
        Finding::new(
            "cache",
            cache,
            "it mends itself once Redis answers; if changes keep waiting, see the log for `told to Redis`",
        ),
        Finding::new(
            "kafka",
            crate::events::broker::look(config),
            "start Kafka, or see KAFKA_BROKERS; events wait in the database meanwhile",
        ),
        Finding::new(
            "events",
            events,
            "see `tradepost events list --parked`, and whether a worker runs",
        ),
    ]
}

async fn database(app: &App) -> Finding {
    let engine = app.db().engine();
    match app.db().ready().await {
        Ok(true) => Finding::new(
            "database",
            Health::ok(format!("{engine:?} answers and is migrated")),
            "",
        ),
        Ok(false) => Finding::new(
            "database",
            Health::down(format!("{engine:?} answers, and migrations are pending")),
            "`tradepost migrate up`",
        ),
        Err(fault) => Finding::new(
            "database",
            Health::down(chain(&fault)),
            "start the database, or see DATABASE_URL",
        ),
    }
}

/// Mode, bounds, and how many changes Redis has not been told.
async fn cache(app: &App, patience: Duration) -> Health {
    let health = settled(patience, || app.cache().state()).await;
    let waiting = match app.cache().changes_pending().await {
        Ok(waiting) => waiting,
        Err(fault) => return Health::down(chain(&fault)),
    };
    let settings = &app.config().cache;
    Health {
        detail: format!(
            "{}; {waiting} changes wait to be told; a process remembers up to {} MiB, and {} MiB of whole answers",
            health.detail,
            settings.memory_bytes_max >> 20,
            if settings.responses {
                settings.response_bytes_max >> 20
            } else {
                0
            },
        ),
        ..health
    }
}

async fn backlog(app: &App) -> Health {
    let backlog = match app.events().measure().await {
        Ok(backlog) => backlog,
        Err(fault) => return Health::down(chain(&fault)),
    };
    let age = backlog
        .oldest
        .map_or(0, |oldest| (app.clock().now() - oldest).num_seconds());
    let detail = format!(
        "{} wait, the oldest for {age} s; {} are set aside",
        backlog.pending, backlog.parked
    );
    if backlog.parked > 0 {
        Health::degraded(detail)
    } else {
        Health::ok(detail)
    }
}

async fn mail(config: &Config) -> Finding {
    let health = match Mailer::new(config) {
        Ok(mailer) => mailer.health().await,
        Err(fault) => Health::down(chain(&fault)),
    };
    Finding::new("mail", health, "see SMTP_URL and the section [mail]")
}

/// The state of a part that connects in the background, once it is well or the time is over.
async fn settled(patience: Duration, state: impl Fn() -> Health) -> Health {
    let began = Instant::now();
    loop {
        let now = state();
        if matches!(now.state, State::Ok | State::Off) || began.elapsed() > patience {
            return now;
        }
        tokio::time::sleep(LOOK).await;
    }
}
