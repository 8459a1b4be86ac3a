//! Rules of accounts that need no database.

use entity::accounts::Role;
use entity::ids::{SessionId, UserId};

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// Nobody that we know.
    Guest,
    /// A user with a session.
    User(ViewerUser),
}

/// A user with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewerUser {
    /// The user.
    pub user_id: UserId,
    /// The session.
    pub session_id: SessionId,
    /// The user's role now, not when the token was made.
    pub role: Role,
}

impl Viewer {
    /// The user, if it is one.
    #[must_use]
    pub const fn user(&self) -> Option<&ViewerUser> {
        match self {
            Self::Guest => None,
            Self::User(user) => Some(user),
        }
    }

    /// Whether the viewer has at least this role.
    #[must_use]
    pub fn is(&self, least: Role) -> bool {
        self.user().is_some_and(|user| user.role >= least)
    }
}
