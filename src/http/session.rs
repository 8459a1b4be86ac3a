//! Who a WebSocket or an event stream belongs to. It is looked at again for each event, and whenever somebody's role,
//! status or sessions change.

use super::answer::Refused;
use super::auth;
use crate::app::App;
use crate::domain::accounts::error::TokenRefusal;
use crate::domain::accounts::model::Viewer;
use crate::error::{Failure, chain};
use entity::ids::UserId;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Interval;

/// How often a session is looked at when nothing is heard: a token that expires is noticed this late at most.
const LOOK: Duration = Duration::from_secs(1);

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The token is not good any more.
    Refused(TokenRefusal),
    /// The user has another role now: what was allowed must be asked for again.
    RoleChanged,
    /// It cannot be told now.
    Unknown,
}

impl Ended {
    /// The error that tells it.
    pub(super) fn refused(self) -> Refused {
        match self {
            Self::Refused(why) => auth::refuse(why),
            Self::RoleChanged => Refused::new(
                http::StatusCode::FORBIDDEN,
                "FORBIDDEN",
                "Your role has changed: subscribe again.",
            ),
            Self::Unknown => {
                Refused::unavailable("It cannot be told at the moment who you are; try again soon.")
            }
        }
    }
}

/// The viewer of a connection.
#[derive(Clone, Debug)]
pub(super) struct Session {
    app: App,
    /// Nothing for guests.
    token: Option<Arc<str>>,
    viewer: Viewer,
}

impl Session {
    /// Of the holder of a token, or a guest's.
    ///
    /// # Errors
    /// Why the token is refused.
    pub(super) async fn open(app: &App, token: Option<&str>) -> Result<Self, Ended> {
        let mut session = Self {
            app: app.clone(),
            token: token.map(Arc::from),
            viewer: Viewer::Guest,
        };
        session.viewer = session.look().await?;
        Ok(session)
    }

    /// Of the sender of a request.
    ///
    /// # Errors
    /// The token is refused.
    pub(super) async fn of_headers(app: &App, headers: &HeaderMap) -> Result<Self, Refused> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let token = match (values.next(), values.next()) {
            (None, _) => None,
            (Some(value), None) => {
                Some(auth::bearer(value).ok_or_else(|| auth::refuse(TokenRefusal::Invalid))?)
            }
            (Some(_), Some(_)) => return Err(auth::refuse(TokenRefusal::Invalid)),
        };
        Self::open(app, token).await.map_err(Ended::refused)
    }

    pub(super) fn viewer(&self) -> Viewer {
        self.viewer
    }

    /// The user, unless it is a guest.
    pub(super) fn user_id(&self) -> Option<UserId> {
        self.viewer.user().map(|user| user.user_id)
    }

    async fn look(&self) -> Result<Viewer, Ended> {
        let Some(token) = &self.token else {
            return Ok(Viewer::Guest);
        };
        match self.app.accounts().authenticate(token).await {
            Ok(viewer) => Ok(viewer),
            Err(Failure::Refused(why)) => Err(Ended::Refused(
                why.into_iter().next().unwrap_or(TokenRefusal::Invalid),
            )),
            Err(Failure::Fault(fault)) => {
                tracing::warn!(error = chain(&fault), "a session cannot be looked at");
                Err(Ended::Unknown)
            }
        }
    }

    /// Whether it still is what it was when it was opened.
    ///
    /// # Errors
    /// Why it is over.
    pub(super) async fn check(&self) -> Result<(), Ended> {
        if self.look().await? == self.viewer {
            Ok(())
        } else {
            Err(Ended::RoleChanged)
        }
    }

    /// Tells when to look at it again; `changes` tells whose role, status or sessions changed, or that somebody's may have.
    pub(super) fn watch(&self, changes: broadcast::Receiver<Option<UserId>>) -> Watch {
        Watch {
            own: self.user_id(),
            changes,
            looks: tokio::time::interval(LOOK),
        }
    }

    /// Looks at it when that is due.
    ///
    /// # Errors
    /// Why it is over. What cannot be told now is asked again; no event is sent meanwhile.
    pub(super) async fn look_again(&self) -> Result<(), Ended> {
        match self.check().await {
            Err(Ended::Unknown) => Ok(()),
            looked => looked,
        }
    }
}

/// When a session is to be looked at. Waiting for it does no work that others could wait for.
#[derive(Debug)]
pub(super) struct Watch {
    own: Option<UserId>,
    changes: broadcast::Receiver<Option<UserId>>,
    looks: Interval,
}

impl Watch {
    /// Waits until it is time to look; never for guests.
    pub(super) async fn due(&mut self) {
        let Some(own) = self.own else {
            return std::future::pending().await;
        };
        loop {
            tokio::select! {
                _ = self.looks.tick() => return,
                changed = self.changes.recv() => match changed {
                    Ok(Some(user_id)) if user_id != own => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => return,
                    // Nobody tells any more: the process stops.
                    Err(RecvError::Closed) => {
                        self.looks.tick().await;
                        return;
                    }
                },
            }
        }
    }
}
