//! The composition root: everything a process has, made once from the configuration.

use crate::cache::push::Push;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::db::idempotency::Idempotency;
use crate::domain::accounts;
use crate::error::Fault;
use crate::workers::Workers;
use chrono::TimeDelta;
use std::sync::Arc;
use uuid::Uuid;

/// Everything a process has; cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    parts: Arc<Parts>,
}

#[derive(Debug)]
struct Parts {
    config: Config,
    clock: Clock,
    db: Db,
    push: Push,
    idempotency: Idempotency,
    workers: Workers,
    accounts: accounts::service::Service,
    /// Names this process in leases.
    process_id: Uuid,
}

impl App {
    /// Opens the database and makes the services; no worker runs yet and nothing is migrated.
    ///
    /// # Errors
    /// The database cannot be opened.
    pub async fn new(config: Config, clock: Clock) -> Result<Self, Fault> {
        let db = Db::open(&config).await?;
        let keep = TimeDelta::hours(config.limits.idempotency_hours);
        let idempotency = Idempotency::new(db.clone(), clock.clone(), keep);
        let push = Push::default();
        let process_id = clock.id();
        let workers = Workers::new();
        let accounts = accounts::service::Service::new(
            db.clone(),
            clock.clone(),
            push.clone(),
            idempotency.clone(),
            &config,
            &workers,
        )?;
        Ok(Self {
            parts: Arc::new(Parts {
                config,
                clock,
                db,
                push,
                idempotency,
                workers,
                accounts,
                process_id,
            }),
        })
    }

    /// Settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.parts.config
    }

    /// Time and ids.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.parts.clock
    }

    /// The database.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.parts.db
    }

    /// Messages between replicas.
    #[must_use]
    pub fn push(&self) -> &Push {
        &self.parts.push
    }

    /// Idempotency keys.
    #[must_use]
    pub fn idempotency(&self) -> &Idempotency {
        &self.parts.idempotency
    }

    /// Background work.
    #[must_use]
    pub fn workers(&self) -> &Workers {
        &self.parts.workers
    }

    /// Users and sessions.
    #[must_use]
    pub fn accounts(&self) -> &accounts::service::Service {
        &self.parts.accounts
    }

    /// The id of this process in leases.
    #[must_use]
    pub fn process_id(&self) -> Uuid {
        self.parts.process_id
    }
}
