//! Settings: `config/default.toml` < file < environment, validated together before anything starts.
//!
//! This is the only place that reads the environment. A new setting is a field of its section with a default,
//! a unit in its name and a line of meaning in `config/default.toml`.

mod checkout;
mod consumer;
mod kafka;
mod payments;
mod secret;
mod sections;
mod subscriptions;

use figment::providers::{Env, Format, Serialized, Toml};
use figment::{Figment, Profile};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

pub use checkout::Checkout;
pub use consumer::{Consumer, Notifications};
pub use kafka::{Compression, Kafka, SecurityProtocol};
pub use payments::Payments;
pub use secret::Secret;
pub use sections::*;
pub use subscriptions::Subscriptions;

const DEFAULT: &str = include_str!("../../config/default.toml");
const FILE: &str = "tradepost.toml";

/// All settings.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where and how the program runs.
    pub server: Server,
    /// Logs.
    pub log: Log,
    /// What the shop is.
    pub shop: Shop,
    /// How orders are brought to their end.
    pub checkout: Checkout,
    /// How orders are paid.
    pub payments: Payments,
    /// SQLite or MySQL.
    pub database: Database,
    /// Redis.
    pub redis: Redis,
    /// What is remembered.
    pub cache: Cache,
    /// Kafka.
    pub kafka: Kafka,
    /// Events and their relay.
    pub events: Events,
    /// How events are consumed.
    pub consumer: Consumer,
    /// Mails about orders.
    pub notifications: Notifications,
    /// Mail.
    pub mail: Mail,
    /// Tokens and passwords.
    pub auth: Auth,
    /// HTTP.
    pub http: Http,
    /// Limits of subscriptions.
    pub subscriptions: Subscriptions,
    /// What a request may ask for.
    pub limits: Limits,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A key is unknown, missing or of the wrong type.
    #[error("{0}")]
    Shape(Box<figment::Error>),
    /// Values that are not allowed, each with its key.
    #[error("the configuration is not usable:\n{}", .0.iter().map(|p| format!("  {p}")).collect::<Vec<_>>().join("\n"))]
    Values(Vec<String>),
    /// The file that was asked for is not there.
    #[error("the configuration file {0} does not exist")]
    NoFile(PathBuf),
}

impl Config {
    /// Reads the default, the file (`tradepost.toml` if none is named and it exists) and the environment.
    ///
    /// # Errors
    /// Names every key that is unknown, of the wrong type or out of its range.
    pub fn load(file: Option<&Path>) -> Result<Self, Error> {
        let mut layers = Figment::from(Toml::string(DEFAULT));
        match file {
            Some(path) if !path.exists() => return Err(Error::NoFile(path.to_path_buf())),
            Some(path) => layers = layers.merge(Toml::file_exact(path)),
            None if Path::new(FILE).exists() => layers = layers.merge(Toml::file_exact(FILE)),
            None => {}
        }
        Self::finish(layers.merge(environment()).merge(short_names()))
    }

    /// The defaults with changes given as `section.key` and value; nothing is read from outside. For tests and tools.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn with<T: Serialize>(
        changes: impl IntoIterator<Item = (&'static str, T)>,
    ) -> Result<Self, Error> {
        let layers = Figment::from(Toml::string(DEFAULT));
        let layers = changes.into_iter().fold(layers, |layers, (key, value)| {
            layers.merge(Serialized::default(key, value))
        });
        Self::finish(layers)
    }

    fn finish(layers: Figment) -> Result<Self, Error> {
        let config: Self = layers
            .select(Profile::Default)
            .extract()
            .map_err(|error| Error::Shape(Box::new(error)))?;
        let problems = config.problems();
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(Error::Values(problems))
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        self.server.check(&mut problems);
        self.shop.check(&mut problems);
        self.checkout.check(&mut problems);
        self.payments.check(&mut problems);
        self.database.check(&mut problems);
        self.cache.check(&mut problems);
        self.kafka.check(&mut problems);
        self.events.check(&mut problems);
        self.consumer.check(&mut problems);
        self.notifications.check(&mut problems);
        self.mail.check(&mut problems);
        self.auth.check(&mut problems);
        self.http.check(&mut problems);
        self.subscriptions.check(&mut problems);
        self.limits.check(&mut problems);
        if self.production() && self.auth.key_file.is_empty() {
            problems.push("auth.key_file: production needs a key file (docs/operations.md says how to make one)".into());
        }
        problems
    }

    /// Whether this is production: said by `server.env`, else when the database is MySQL.
    #[must_use]
    pub fn production(&self) -> bool {
        match self.server.env {
            Environment::Auto => self.database.is_mysql(),
            Environment::Production => true,
            Environment::Development => false,
        }
    }

    /// Seconds for which an access token is good.
    #[must_use]
    pub fn access_token_ttl_s(&self) -> i64 {
        match (self.auth.access_token_ttl_s, self.production()) {
            (0, true) => 900,
            (0, false) => 43_200,
            (seconds, _) => seconds,
        }
    }

    /// The database's address, with SQLite's file put into the data folder when none is given.
    #[must_use]
    pub fn database_url(&self) -> String {
        let url = self.database.url.expose();
        if url.is_empty() {
            format!(
                "sqlite://{}",
                Path::new(&self.server.data_dir)
                    .join("tradepost.db")
                    .display()
            )
        } else {
            url.to_owned()
        }
    }

    /// Whether `serve` and `worker` send mails about orders: said by `notifications.enabled`, else when the log is the
    /// embedded one. With Kafka, `consume notifications` is a process of its own.
    #[must_use]
    pub fn notifications_in_workers(&self) -> bool {
        self.notifications
            .enabled
            .is_on(self.kafka.brokers.is_empty())
    }

    /// Where mails are written when there is no server.
    #[must_use]
    pub fn mail_folder(&self) -> PathBuf {
        if self.mail.folder.is_empty() {
            Path::new(&self.server.data_dir).join("mail")
        } else {
            PathBuf::from(&self.mail.folder)
        }
    }

    /// The effective settings as TOML, with secrets masked.
    ///
    /// # Errors
    /// None in practice: every section can be written as TOML.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }
}

/// Environment variables of the form `TRADEPOST_<SECTION>__<KEY>`; others that begin alike are not settings.
fn environment() -> Env {
    Env::prefixed("TRADEPOST_")
        .filter(|key| key.as_str().contains("__"))
        .split("__")
}

/// The short names that every platform's add-ons set.
fn short_names() -> Env {
    Env::raw()
        .only(&["DATABASE_URL", "REDIS_URL", "KAFKA_BROKERS", "SMTP_URL"])
        .map(|key| match key.as_str().to_ascii_uppercase().as_str() {
            "DATABASE_URL" => "database.url".into(),
            "REDIS_URL" => "redis.url".into(),
            "SMTP_URL" => "mail.smtp_url".into(),
            _ => "kafka.brokers".into(),
        })
        .split(".")
}
