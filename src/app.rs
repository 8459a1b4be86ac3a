//! The composition root: everything a process has, made once from the configuration.

use crate::cache::push::Push;
use crate::cache::{Cache, Faults};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::db::idempotency::Idempotency;
use crate::domain::{
    accounts, carts, catalog, inventory, notifications, orders, payments, reports, wallet,
};
use crate::error::{Fault, swallow};
use crate::events::consumer::Consumers;
use crate::events::hub::{self, Hub};
use crate::events::{Events, broker};
use crate::mail::Mailer;
use crate::workers::Workers;
use chrono::TimeDelta;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use uuid::Uuid;

/// How often unpaid orders are looked for whose reservation has ended.
const EXPIRE_PERIOD: Duration = Duration::from_secs(1);
/// How often deposits and withdrawals whose outcome is open are looked for, and holds whose time is over.
const WALLET_PERIOD: Duration = Duration::from_secs(1);
/// How often carts are looked for that nobody changed for long.
const CARTS_PERIOD: Duration = Duration::from_secs(600);
/// How often checkouts are looked for that a crash or an unknown payment left open.
const CHECKOUTS_PERIOD: Duration = Duration::from_millis(500);
/// How often it is looked where orders came from that has to be forgotten.
const FORGET_PERIOD: Duration = Duration::from_secs(3600);
/// How often open payments are looked for that nobody woke up for.
const PAYMENTS_PERIOD: Duration = Duration::from_millis(500);
/// How often old idempotency keys are removed.
const CLEAN_PERIOD: Duration = Duration::from_secs(60);

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
    cache: Cache,
    events: Events,
    consumers: Consumers,
    hub: Hub,
    idempotency: Idempotency,
    catalog: catalog::service::Service,
    inventory: inventory::service::Service,
    carts: carts::service::Service,
    orders: orders::service::Service,
    reports: reports::service::Service,
    payments: payments::service::Service,
    notifications: notifications::service::Service,
    wallet: wallet::service::Service,
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
        Self::with_faults(config, clock, Faults::default()).await
    }

    /// The same with what a test wants to go wrong in the cache.
    ///
    /// # Errors
    /// The database cannot be opened.
    pub async fn with_faults(config: Config, clock: Clock, faults: Faults) -> Result<Self, Fault> {
        let db = Db::open(&config).await?;
        let keep = TimeDelta::hours(config.limits.idempotency_hours);
        let idempotency = Idempotency::new(db.clone(), clock.clone(), keep);
        let process_id = clock.id();
        let push = Push::new(&config, process_id)?;
        let broker = broker::of(&config)?;
        let events = Events::new(&config, &db, &clock, &push, process_id, broker);
        let consumers = Consumers::new(&config, &db, &clock);
        let subjects = vec![
            catalog::service::subjects as hub::Rule,
            inventory::events::subjects,
            orders::events::subjects,
        ];
        let hub = Hub::new(&config, &db, &push, subjects);
        let workers = Workers::new();
        let cache = Cache::new(&config, &db, &clock, &push, &workers, faults)?;
        let accounts = accounts::service::Service::new(
            db.clone(),
            clock.clone(),
            push.clone(),
            idempotency.clone(),
            events.clone(),
            &config,
            &workers,
        )?;
        let catalog = catalog::service::Service::new(
            db.clone(),
            clock.clone(),
            idempotency.clone(),
            cache.clone(),
            events.clone(),
            hub.clone(),
            &config.shop.currency,
        );
        let inventory = inventory::service::Service::new(
            db.clone(),
            clock.clone(),
            idempotency.clone(),
            catalog.clone(),
            events.clone(),
            hub.clone(),
            config.shop.low_stock_threshold,
        );
        let wallet = wallet::service::Service::new(
            db.clone(),
            clock.clone(),
            idempotency.clone(),
            accounts.clone(),
            Arc::new(payments::funding::Cards::new(
                db.clone(),
                clock.clone(),
                &config.payments,
            )),
        );
        let carts = carts::service::Service::new(
            db.clone(),
            clock.clone(),
            idempotency.clone(),
            catalog.clone(),
            inventory.clone(),
            &config,
        );
        let payments = payments::service::Service::new(
            db.clone(),
            clock.clone(),
            wallet.clone(),
            &config.payments,
            payments::service::hook::Hook::of(&config),
        );
        let orders = orders::service::Service::new(
            db.clone(),
            clock.clone(),
            idempotency.clone(),
            events.clone(),
            orders::service::Neighbours {
                accounts: accounts.clone(),
                catalog: catalog.clone(),
                carts: carts.clone(),
                inventory: inventory.clone(),
                payments: payments.clone(),
                hub: hub.clone(),
            },
            &config,
            process_id,
        );
        let notifications = notifications::service::Service::new(
            clock.clone(),
            accounts.clone(),
            orders.clone(),
            Mailer::new(&config)?,
            &config,
        );
        let reports = reports::service::Service::new(db.clone());
        Ok(Self {
            parts: Arc::new(Parts {
                config,
                clock,
                db,
                push,
                cache,
                events,
                consumers,
                hub,
                idempotency,
                catalog,
                inventory,
                carts,
                orders,
                reports,
                payments,
                notifications,
                wallet,
                workers,
                accounts,
                process_id,
            }),
        })
    }

    /// Starts all background work of this process.
    pub fn start_workers(&self) {
        let workers = self.workers();
        self.events().start(workers);
        let orders = self.orders().clone();
        workers.every(
            "orders.expire",
            EXPIRE_PERIOD,
            Arc::new(Notify::new()),
            move || {
                let orders = orders.clone();
                async move { orders::tasks::expire_unpaid(&orders).await }
            },
        );
        let carts = self.carts().clone();
        workers.every(
            "carts.remove",
            CARTS_PERIOD,
            Arc::new(Notify::new()),
            move || {
                let carts = carts.clone();
                async move { carts::tasks::remove_abandoned(&carts).await }
            },
        );
        self.consumers().start(workers);
        if self.config().notifications_in_workers() {
            self.start_notifications();
        }
        self.start_payments();
        self.start_wallet();
        self.start_checkouts();
        let idempotency = self.idempotency().clone();
        workers.every(
            "idempotency.clean",
            CLEAN_PERIOD,
            Arc::new(Notify::new()),
            move || {
                let idempotency = idempotency.clone();
                async move { idempotency.clean().await }
            },
        );
    }

    fn start_notifications(&self) {
        let this = self.clone();
        let stop = self.workers().stopping();
        self.workers().spawn(async move {
            let consumed =
                notifications::tasks::consume(this.consumers(), this.notifications(), &stop);
            swallow(consumed.await, "sending mails about orders");
        });
    }

    fn start_wallet(&self) {
        let wallet = self.wallet().clone();
        self.workers().every(
            "wallet.settle",
            WALLET_PERIOD,
            Arc::new(Notify::new()),
            move || {
                let wallet = wallet.clone();
                async move { wallet::tasks::transfers_settle(&wallet).await }
            },
        );
        let wallet = self.wallet().clone();
        self.workers().every(
            "wallet.expire",
            WALLET_PERIOD,
            Arc::new(Notify::new()),
            move || {
                let wallet = wallet.clone();
                async move { wallet::tasks::holds_expire(&wallet).await }
            },
        );
    }

    fn start_checkouts(&self) {
        let orders = self.orders().clone();
        let wake = self.payments().changed();
        self.workers()
            .every("orders.checkouts", CHECKOUTS_PERIOD, wake, move || {
                let orders = orders.clone();
                async move { orders::tasks::checkouts_resume(&orders).await }
            });
        let orders = self.orders().clone();
        self.workers().every(
            "orders.forget",
            FORGET_PERIOD,
            Arc::new(Notify::new()),
            move || {
                let orders = orders.clone();
                async move { orders::tasks::requests_forget(&orders).await }
            },
        );
    }

    fn start_payments(&self) {
        let payments = self.payments().clone();
        let due = payments.due();
        self.workers()
            .every("payments.drive", PAYMENTS_PERIOD, due, move || {
                let payments = payments.clone();
                async move { payments::tasks::drive_due(&payments).await }
            });
        let payments = self.payments().clone();
        self.workers().every(
            "payments.simulated_webhooks",
            PAYMENTS_PERIOD,
            Arc::new(Notify::new()),
            move || {
                let payments = payments.clone();
                async move { payments::tasks::simulated_webhooks(&payments).await }
            },
        );
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

    /// What is remembered of the database.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.parts.cache
    }

    /// Events and their relay.
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.parts.events
    }

    /// Consumers of events.
    #[must_use]
    pub fn consumers(&self) -> &Consumers {
        &self.parts.consumers
    }

    /// Committed events, for subscribers.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.parts.hub
    }

    /// Idempotency keys.
    #[must_use]
    pub fn idempotency(&self) -> &Idempotency {
        &self.parts.idempotency
    }

    /// The catalogue.
    #[must_use]
    pub fn catalog(&self) -> &catalog::service::Service {
        &self.parts.catalog
    }

    /// The inventory.
    #[must_use]
    pub fn inventory(&self) -> &inventory::service::Service {
        &self.parts.inventory
    }

    /// Carts.
    #[must_use]
    pub fn carts(&self) -> &carts::service::Service {
        &self.parts.carts
    }

    /// Orders.
    #[must_use]
    pub fn orders(&self) -> &orders::service::Service {
        &self.parts.orders
    }

    /// Reports.
    #[must_use]
    pub fn reports(&self) -> &reports::service::Service {
        &self.parts.reports
    }

    /// Payments.
    #[must_use]
    pub fn payments(&self) -> &payments::service::Service {
        &self.parts.payments
    }

    /// Mails about orders.
    #[must_use]
    pub fn notifications(&self) -> &notifications::service::Service {
        &self.parts.notifications
    }

    /// The ledger.
    #[must_use]
    pub fn wallet(&self) -> &wallet::service::Service {
        &self.parts.wallet
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
