//! Use cases of accounts: this file who asks, `users.rs` who people are, `sessions.rs` how they log in, `addresses.rs`
//! where they live.

mod addresses;
mod sessions;
mod users;

use super::error::{Error, TokenRefusal};
use super::hashing::Hasher;
use super::model::{Identifier, Viewer};
use super::store;
use super::tokens::Tokens;
use super::viewer_cache::ViewerCache;
use crate::cache::push::{Message, Push};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::db::idempotency::Idempotency;
use crate::error::{Failure, Fault};
use crate::events::Events;
use crate::workers::Workers;
use chrono::TimeDelta;
use entity::ids::UserId;

pub use users::{ProfileChange, Registration};

/// The result of a use case.
pub type Result<T> = std::result::Result<T, Failure<Error>>;

/// Accounts.
#[derive(Clone, Debug)]
pub struct Service {
    db: Db,
    clock: Clock,
    push: Push,
    idempotency: Idempotency,
    events: Events,
    hasher: Hasher,
    tokens: Tokens,
    viewers: ViewerCache,
    refreshes: sessions::Refreshes,
    refresh_ttl: TimeDelta,
}

impl Service {
    /// Made once by the app. Reads the key of access tokens, or makes it at the first start, and begins to follow what
    /// other replicas tell of viewers.
    ///
    /// # Errors
    /// The key cannot be used.
    pub fn new(
        db: Db,
        clock: Clock,
        push: Push,
        idempotency: Idempotency,
        events: Events,
        config: &Config,
        workers: &Workers,
    ) -> std::result::Result<Self, Fault> {
        let auth = &config.auth;
        let viewers = ViewerCache::new(
            clock.clone(),
            auth.viewer_cache_ttl_s,
            auth.viewer_cache_max,
        );
        workers.spawn(viewers.clone().follow(push.subscribe(), workers.stopping()));
        Ok(Self {
            hasher: Hasher::new(
                auth.bcrypt_cost,
                auth.bcrypt_concurrency,
                auth.bcrypt_queue_max,
            ),
            tokens: Tokens::new(config, clock.clone())?,
            refresh_ttl: TimeDelta::days(auth.refresh_token_ttl_days),
            refreshes: sessions::Refreshes::default(),
            db,
            clock,
            push,
            idempotency,
            events,
            viewers,
        })
    }

    /// Who sends a request with this access token, now: a change of role, status or session since the token was made
    /// holds at once.
    ///
    /// # Errors
    /// Why the token is refused.
    pub async fn authenticate(
        &self,
        bearer: &str,
    ) -> std::result::Result<Viewer, Failure<TokenRefusal>> {
        let token = self.tokens.verify(bearer)?;
        let session_id = token.session_id;
        let load = || {
            self.db.read("accounts.session_state", async move |c| {
                Ok::<_, Fault>(store::session_state(&*c, session_id).await?)
            })
        };
        let state = self.viewers.get(session_id, load).await?;
        let state = state.ok_or(TokenRefusal::SessionRevoked)?;
        Ok(state.viewer(session_id, token.user_id, self.clock.now())?)
    }

    /// The public key of access tokens as the JSON of a JWK Set, for `/.well-known/jwks.json`.
    #[must_use]
    pub fn jwks(&self) -> &str {
        self.tokens.jwks()
    }

    /// Whether somebody could log in with these; for the check that no demo password works in production.
    ///
    /// # Errors
    /// The database fails, or too many passwords wait.
    pub async fn password_works(
        &self,
        identifier: &str,
        password: &str,
    ) -> std::result::Result<bool, Fault> {
        match self.credentials(identifier, password).await {
            Ok(found) => Ok(found.is_some()),
            Err(Failure::Fault(fault)) => Err(fault),
            Err(Failure::Refused(errors)) => Err(Fault::Broken(format!(
                "a password could not be checked: {errors:?}"
            ))),
        }
    }

    /// Whether there is no user yet.
    ///
    /// # Errors
    /// The database fails.
    pub async fn is_empty(&self) -> std::result::Result<bool, Fault> {
        self.db
            .read("accounts.is_empty", async |c| {
                Ok(store::users_none(&*c).await?)
            })
            .await
    }

    /// The active user with this identifier and password. Who is unknown, disabled or mistaken waits as long.
    async fn credentials(
        &self,
        identifier: &str,
        password: &str,
    ) -> Result<Option<entity::accounts::user::Model>> {
        let identifier = Identifier::parse(identifier);
        let identifier = &identifier;
        let user = self
            .db
            .read("accounts.user_by_identifier", async |c| {
                Ok::<_, Fault>(store::user_by_identifier(&*c, identifier).await?)
            })
            .await?;
        let hash = user.as_ref().map(|user| user.password_hash.as_str());
        let matches = self.hasher.verify(password, hash).await?;
        Ok(user.filter(|user| matches && sessions::may_log_in(user.status)))
    }

    /// Forgets what is remembered of a user, here before the answer and elsewhere by push.
    fn viewer_changed(&self, user_id: UserId) {
        self.viewers.forget(user_id);
        self.push.send(Message::ViewerChanged(user_id.into()));
    }
}
