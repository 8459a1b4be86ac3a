//! How the parts of this process are. A part that the shop cannot do without makes it unready when it is down; any
//! other only makes it degraded.

use crate::app::App;
use futures::future::BoxFuture;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a look at the parts is good: whoever asks more often gets the same answer, not the database.
const KEEP: Duration = Duration::from_millis(500);

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not configured.
    Off,
    /// As it should be.
    Ok,
    /// It does not work, or not fully; the shop goes on without it.
    Degraded,
    /// It does not work, and the shop cannot go on without it.
    Down,
}

/// One part of the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Its name, as in the configuration.
    pub name: &'static str,
    /// How it is.
    pub state: State,
    /// Why, for operators; without secrets.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub detail: &'static str,
}

impl Part {
    /// A part with nothing more to say.
    #[must_use]
    pub const fn new(name: &'static str, state: State) -> Self {
        Self {
            name,
            state,
            detail: "",
        }
    }

    /// The same with a reason.
    #[must_use]
    pub const fn because(self, detail: &'static str) -> Self {
        Self { detail, ..self }
    }
}

/// All parts at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The worst state of a part.
    pub state: State,
    /// Every part.
    pub parts: Vec<Part>,
}

/// Looks at a part.
type Look = fn(&App) -> BoxFuture<'_, Part>;

/// The parts, one line each.
const PARTS: &[Look] = &[
    |app| Box::pin(database(app)),
    |app| Box::pin(std::future::ready(redis(app))),
    |app| Box::pin(std::future::ready(kafka(app))),
    |app| Box::pin(std::future::ready(workers(app))),
];

async fn database(app: &App) -> Part {
    let part = |state| Part::new("database", state);
    match app.db().ready().await {
        Ok(true) => part(State::Ok),
        Ok(false) => part(State::Down).because("migrations are pending"),
        Err(fault) => {
            tracing::warn!(
                error = crate::error::chain(&fault),
                "the database is not ready"
            );
            part(State::Down).because("it does not answer")
        }
    }
}

// MERGE: `app.push().state()` tells once the push channel is there.
fn redis(app: &App) -> Part {
    let off = app.config().redis.url.expose().is_empty();
    Part::new("redis", if off { State::Off } else { State::Ok })
}

// MERGE: `app.events().state()` tells once the relay is there.
fn kafka(app: &App) -> Part {
    let off = app.config().kafka.brokers.is_empty();
    Part::new("kafka", if off { State::Off } else { State::Ok })
}

fn workers(app: &App) -> Part {
    let part = |state| Part::new("workers", state);
    if !app.config().server.workers {
        part(State::Off)
    } else if app.workers().stopping().is_cancelled() {
        part(State::Degraded).because("they are stopping")
    } else {
        part(State::Ok)
    }
}

/// Looks at the parts, not too often.
#[derive(Clone, Debug)]
pub struct Health {
    app: App,
    draining: CancellationToken,
    last: Arc<Mutex<Option<(Instant, Report)>>>,
}

impl Health {
    /// Health of `app`, which takes no new work once `draining` is cancelled.
    #[must_use]
    pub fn new(app: App, draining: CancellationToken) -> Self {
        Self {
            app,
            draining,
            last: Arc::default(),
        }
    }

    /// How everything is, at most half a second ago. Who asks at the same time waits for the same look.
    pub async fn report(&self) -> Report {
        let mut last = self.last.lock().await;
        let mut report = match &*last {
            Some((at, report)) if at.elapsed() < KEEP => report.clone(),
            _ => {
                let looks = PARTS.iter().map(|look| look(&self.app));
                let parts = futures::future::join_all(looks).await;
                let report = Report::of(parts);
                *last = Some((Instant::now(), report.clone()));
                report
            }
        };
        drop(last);
        if self.draining.is_cancelled() {
            let server = Part::new("server", State::Down).because("it is shutting down");
            report.parts.push(server);
            report.state = State::Down;
        }
        report
    }
}

impl Report {
    fn of(parts: Vec<Part>) -> Self {
        let worst = parts.iter().map(|part| part.state).max();
        Self {
            state: worst.unwrap_or(State::Ok).max(State::Ok),
            parts,
        }
    }

    /// Whether requests may be sent here.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state < State::Down
    }
}
