//! How the parts of this process are. A part that the shop cannot do without makes it unready when it is down; any
//! other only makes it degraded.

use crate::app::App;
use crate::health::{Health, State};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a look at the parts is good: whoever asks more often gets the same answer, not the database.
const KEEP: Duration = Duration::from_millis(500);

/// One part of the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// How it is.
    #[serde(flatten)]
    pub health: Health,
}

/// All parts at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The worst state of a part.
    pub state: State,
    /// Every part.
    pub parts: Vec<Part>,
}

/// The parts, one line each.
async fn look(app: &App) -> Vec<Part> {
    let part = |name, health| Part { name, health };
    vec![
        part("database", database(app).await),
        part("redis", app.push().state()),
        part("cache", app.cache().state()),
        part("kafka", app.events().state()),
        part("workers", app.workers().state()),
    ]
}

async fn database(app: &App) -> Health {
    match app.db().ready().await {
        Ok(true) => Health::ok("it answers and is migrated"),
        Ok(false) => Health::down("migrations are pending"),
        Err(fault) => {
            tracing::warn!(
                error = crate::error::chain(&fault),
                "the database is not ready"
            );
            Health::down("it does not answer")
        }
    }
}

/// Looks at the parts, not too often.
#[derive(Clone, Debug)]
pub struct Checks {
    app: App,
    draining: CancellationToken,
    last: Arc<Mutex<Option<(Instant, Report)>>>,
}

impl Checks {
    /// Checks of `app`, which takes no new work once `draining` is cancelled.
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
                let report = Report::of(look(&self.app).await);
                *last = Some((Instant::now(), report.clone()));
                report
            }
        };
        drop(last);
        if self.draining.is_cancelled() {
            report.parts.push(Part {
                name: "server",
                health: Health::down("it is shutting down"),
            });
            report.state = State::Down;
        }
        report
    }
}

impl Report {
    fn of(parts: Vec<Part>) -> Self {
        let worst = parts.iter().map(|part| part.health.state).max();
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
