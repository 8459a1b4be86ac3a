//! What callers of accounts can do wrong.

use super::model::{ADDRESSES_MAX, Flaw};
use crate::error::{ErrorCode, Problem, Refusal};

/// What callers of accounts can do wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A rule of idempotency or of the input.
    Input(Problem),
    /// A value breaks a rule of the model.
    Field(&'static str, Flaw),
    /// Somebody has this e-mail.
    EmailTaken,
    /// Somebody has this phone.
    PhoneTaken,
    /// No active user has this identifier and password.
    InvalidCredentials,
    /// The refresh token is unknown, used, expired or of an ended session.
    TokenInvalid,
    /// Too many passwords wait to be checked.
    Overloaded,
    /// No user has this id.
    UserNotFound,
    /// The viewer has no session with this id.
    SessionNotFound,
    /// The viewer has no address with this id.
    AddressNotFound,
    /// The viewer has as many addresses as fit into the book.
    TooManyAddresses,
    /// The address changed since `expectedVersion`.
    AddressStale {
        /// The version now.
        version: i32,
    },
    /// The user changed since `expectedVersion`.
    VersionStale {
        /// The version now.
        version: i32,
    },
    /// The last active admin would be gone.
    LastAdmin,
    /// Only admins may do this to an admin.
    AdminOnly,
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Input(problem)
    }
}

impl Refusal for Error {
    fn problem(&self) -> Problem {
        let (code, message, path): (_, _, &[&str]) = match self {
            Self::Input(problem) => return problem.clone(),
            Self::Field(field, flaw) => return Problem::new(flaw.code, flaw.message, &[field]),
            Self::EmailTaken => (
                ErrorCode::AlreadyExists,
                "Another user has this e-mail address.",
                &["email"],
            ),
            Self::PhoneTaken => (
                ErrorCode::AlreadyExists,
                "Another user has this phone number.",
                &["phone"],
            ),
            Self::InvalidCredentials => (
                ErrorCode::InvalidCredentials,
                "No user has this e-mail address or phone number and this password.",
                &[],
            ),
            Self::TokenInvalid => (
                ErrorCode::TokenInvalid,
                "This refresh token cannot be used; log in again.",
                &["refreshToken"],
            ),
            Self::Overloaded => {
                let message = "Too many people log in at the moment; try again soon.";
                return Problem::new(ErrorCode::Overloaded, message, &[]).retryable();
            }
            Self::UserNotFound => (ErrorCode::NotFound, "No user has this id.", &["id"]),
            Self::SessionNotFound => (
                ErrorCode::NotFound,
                "You have no session with this id.",
                &["id"],
            ),
            Self::AddressNotFound => (
                ErrorCode::NotFound,
                "You have no address with this id.",
                &["id"],
            ),
            Self::TooManyAddresses => {
                let message = format!("You have {ADDRESSES_MAX} addresses, and more do not fit.");
                return Problem::new(ErrorCode::TooLong, message, &[]);
            }
            Self::AddressStale { version } => {
                let message = format!("The address changed meanwhile: its version is {version}.");
                return Problem::new(ErrorCode::VersionStale, message, &["expectedVersion"]);
            }
            Self::VersionStale { version } => {
                let message = format!("The user changed meanwhile: its version is {version}.");
                return Problem::new(ErrorCode::VersionStale, message, &["expectedVersion"]);
            }
            Self::LastAdmin => (
                ErrorCode::InvalidTransition,
                "The last active admin stays one; make somebody else admin first.",
                &[],
            ),
            Self::AdminOnly => (
                ErrorCode::InvalidTransition,
                "Only admins may change admins.",
                &[],
            ),
        };
        Problem::new(code, message, path)
    }
}

/// Why a request with an access token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRefusal {
    /// It was good once: get a new one with the refresh token.
    Expired,
    /// It was not made here.
    Invalid,
    /// Its session was ended, or its user was disabled.
    SessionRevoked,
}

impl TokenRefusal {
    /// The `extensions.reason` of the answer.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Expired => "TOKEN_EXPIRED",
            Self::Invalid => "TOKEN_INVALID",
            Self::SessionRevoked => "SESSION_REVOKED",
        }
    }

    /// A sentence for people.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Expired => "The access token has expired: get a new one with sessionRefresh.",
            Self::Invalid => {
                "The access token is not valid: send `Authorization: Bearer <accessToken>`, or nothing."
            }
            Self::SessionRevoked => "The session of this access token has ended: log in again.",
        }
    }
}

impl Refusal for TokenRefusal {
    fn problem(&self) -> Problem {
        Problem::new(ErrorCode::TokenInvalid, self.message(), &[])
    }
}
