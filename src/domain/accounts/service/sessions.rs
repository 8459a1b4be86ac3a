//! Logging in, staying in, leaving.

use super::{Result, Service};
use crate::db::Tx;
use crate::domain::accounts::error::Error;
use crate::domain::accounts::model::{Session, SessionTokens, User, ViewerUser};
use crate::domain::accounts::store;
use crate::domain::accounts::tokens::RefreshSecret;
use crate::error::{Failure, Fault};
use crate::random;
use chrono::{DateTime, Utc};
use entity::accounts::{UserStatus, refresh_token, session};
use entity::ids::{RefreshTokenId, SessionId, UserId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Whether users of this status have sessions.
pub(super) fn may_log_in(status: UserStatus) -> bool {
    status == UserStatus::Active
}

/// A session that is about to be written: ids and secrets are made before the transaction, which may run twice.
pub(super) struct Opening {
    session_id: SessionId,
    refresh_token_id: RefreshTokenId,
    secret: RefreshSecret,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// How a refresh went.
enum Refreshed {
    Done(Session, User),
    /// The token was used before: the session is ended now.
    Reused(UserId),
}

impl Service {
    /// Logs in with e-mail or phone and password.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] in the same time for an unknown identifier, a wrong password and a disabled user;
    /// [`Error::Overloaded`].
    pub async fn session_create(&self, identifier: &str, password: &str) -> Result<SessionTokens> {
        match self.credentials(identifier, password).await? {
            Some(user) => self.session_open(user.id).await,
            None => Err(Error::InvalidCredentials.into()),
        }
    }

    /// Opens a session for a user whose password was checked.
    pub(super) async fn session_open(&self, user_id: UserId) -> Result<SessionTokens> {
        let opening = self.opening();
        let opening = &opening;
        let user = self
            .db
            .write("accounts.session_create", async |tx| {
                // Locked, so that nobody is disabled between this look and the session's first moment.
                let user = store::user_lock(&*tx, user_id).await?;
                let user = user.filter(|user| may_log_in(user.status));
                let user = user.ok_or(Error::InvalidCredentials)?;
                self.session_insert_in(&tx, opening, user_id).await?;
                Ok::<_, Failure<Error>>(User::from(user))
            })
            .await?;
        self.session_tokens(opening, user)
    }

    /// What a new session is made of.
    pub(super) fn opening(&self) -> Opening {
        let now = self.clock.now();
        Opening {
            session_id: self.clock.id(),
            refresh_token_id: self.clock.id(),
            secret: RefreshSecret::new(),
            now,
            expires_at: now + self.refresh_ttl,
        }
    }

    /// Writes a new session with its first refresh token.
    pub(super) async fn session_insert_in(
        &self,
        tx: &Tx,
        opening: &Opening,
        user_id: UserId,
    ) -> std::result::Result<(), Fault> {
        let session = session::Model {
            id: opening.session_id,
            user_id,
            created_at: opening.now,
            refreshed_at: opening.now,
            expires_at: opening.expires_at,
            revoked_at: None,
        };
        store::session_insert(&**tx, session).await?;
        store::refresh_token_insert(&**tx, opening.refresh_row(opening.session_id)).await
    }

    /// What a client gets of a session that was just opened.
    pub(super) fn session_tokens(&self, opening: &Opening, user: User) -> Result<SessionTokens> {
        let session = Session {
            id: opening.session_id,
            created_at: opening.now,
            expires_at: opening.expires_at,
            revoked_at: None,
        };
        self.tokens_of(opening, session, user)
    }

    fn tokens_of(&self, opening: &Opening, session: Session, user: User) -> Result<SessionTokens> {
        let (access_token, access_token_expires_at) = self.tokens.make(user.id, session.id)?;
        Ok(SessionTokens {
            access_token,
            access_token_expires_at,
            refresh_token: opening.secret.token.clone(),
            refresh_token_expires_at: opening.expires_at,
            session,
            user,
        })
    }

    /// Exchanges a refresh token for the next pair of tokens. A token that was used before ends its session, because
    /// one of its two users has stolen it; of requests that run at the same time one wins, the others are refused, and
    /// the session goes on.
    ///
    /// # Errors
    /// [`Error::TokenInvalid`].
    pub async fn session_refresh(&self, token: &str) -> Result<SessionTokens> {
        let hash = random::secret_hash(token);
        let began = self.clock.now();
        let turn = self.refreshes.begin(&hash);
        let (next, parallel) = (self.opening(), turn.joined);
        let (next, hash) = (&next, hash.as_str());
        let refreshed = self
            .db
            .write("accounts.session_refresh", async |tx| {
                self.refresh_in(&tx, hash, next, began, parallel).await
            })
            .await?;
        drop(turn);
        match refreshed {
            Refreshed::Done(session, user) => self.tokens_of(next, session, user),
            Refreshed::Reused(user_id) => {
                tracing::warn!(user.id = %user_id, "a used refresh token came again; its session was ended");
                self.viewer_changed(user_id);
                Err(Error::TokenInvalid.into())
            }
        }
    }

    async fn refresh_in(
        &self,
        tx: &Tx,
        hash: &str,
        next: &Opening,
        began: DateTime<Utc>,
        parallel: bool,
    ) -> Result<Refreshed> {
        let now = self.clock.now();
        let token = store::refresh_token_by_hash(&**tx, hash).await?;
        let token = token.ok_or(Error::TokenInvalid)?;
        let session = store::session_by_id(&**tx, token.session_id).await?;
        let session = session.ok_or(Error::TokenInvalid)?;
        if let Some(used_at) = token.used_at {
            // Whoever came before the winner had finished is no thief, or no quicker one.
            if parallel || began <= used_at {
                return Err(Error::TokenInvalid.into());
            }
            let ended = store::session_revoke(&**tx, session.user_id, session.id, now).await?;
            return if ended {
                Ok(Refreshed::Reused(session.user_id))
            } else {
                Err(Error::TokenInvalid.into())
            };
        }
        let user = store::user_by_id(&**tx, session.user_id).await?;
        let user = user.filter(|user| may_log_in(user.status));
        let user = user.ok_or(Error::TokenInvalid)?;
        // In this order: two requests at the same time meet at the token's row.
        if token.expires_at <= now
            || !store::refresh_token_use(&**tx, token.id, now).await?
            || !store::session_refreshed(&**tx, session.id, now, next.expires_at).await?
        {
            return Err(Error::TokenInvalid.into());
        }
        store::refresh_token_insert(&**tx, next.refresh_row(session.id)).await?;
        let session = Session {
            expires_at: next.expires_at,
            ..Session::from(session)
        };
        Ok(Refreshed::Done(session, user.into()))
    }

    /// Ends a session of the viewer: the one that asks, or another by its id. One that has ended stays as it is.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`] for a session that is not the viewer's.
    pub async fn session_revoke(
        &self,
        viewer: &ViewerUser,
        id: Option<SessionId>,
    ) -> Result<Session> {
        let (user_id, id) = (viewer.user_id, id.unwrap_or(viewer.session_id));
        let now = self.clock.now();
        let session = self
            .db
            .write("accounts.session_revoke", async |tx| {
                store::session_revoke(&*tx, user_id, id, now).await?;
                let session = store::session_of_user(&*tx, user_id, id).await?;
                Ok::<_, Failure<Error>>(session.ok_or(Error::SessionNotFound)?)
            })
            .await?;
        self.viewer_changed(user_id);
        Ok(session)
    }
}

impl Opening {
    fn refresh_row(&self, session_id: SessionId) -> refresh_token::Model {
        refresh_token::Model {
            id: self.refresh_token_id,
            session_id,
            token_hash: self.secret.hash.clone(),
            created_at: self.now,
            expires_at: self.expires_at,
            used_at: None,
        }
    }
}

/// Refreshes that run now in this process, by the hash of their token: tells requests at the same time from a used
/// token that comes again.
#[derive(Clone, Debug, Default)]
pub(super) struct Refreshes {
    running: Arc<Mutex<HashMap<String, usize>>>,
}

impl Refreshes {
    fn begin(&self, hash: &str) -> Turn {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let others = running.entry(hash.to_owned()).or_default();
        *others += 1;
        Turn {
            joined: *others > 1,
            hash: hash.to_owned(),
            refreshes: self.clone(),
        }
    }
}

/// A refresh that runs.
struct Turn {
    /// Another with the same token ran when it began.
    joined: bool,
    hash: String,
    refreshes: Refreshes,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let running = self.refreshes.running.lock();
        let mut running = running.unwrap_or_else(PoisonError::into_inner);
        if let Some(others) = running.get_mut(&self.hash) {
            *others -= 1;
            if *others == 0 {
                running.remove(&self.hash);
            }
        }
    }
}
