//! How the parts of the program are, as `/readyz` shows them.

use serde::Serialize;

/// Whether a part does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not configured, or not run by this process.
    Off,
    /// It works.
    Ok,
    /// It does not work; the rest of the program does, and it recovers by itself.
    Degraded,
    /// It does not work, and the program cannot answer without it.
    Down,
}

/// The state of a part and what there is to say about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Whether it works.
    pub state: State,
    /// For operators: what it runs on, or what is wrong. Holds no secrets.
    pub detail: String,
}

impl Health {
    /// Not configured, or not run by this process.
    #[must_use]
    pub fn off(detail: impl Into<String>) -> Self {
        Self {
            state: State::Off,
            detail: detail.into(),
        }
    }

    /// It works.
    #[must_use]
    pub fn ok(detail: impl Into<String>) -> Self {
        Self {
            state: State::Ok,
            detail: detail.into(),
        }
    }

    /// It does not work.
    #[must_use]
    pub fn degraded(detail: impl Into<String>) -> Self {
        Self {
            state: State::Degraded,
            detail: detail.into(),
        }
    }

    /// It does not work, and nothing goes without it.
    #[must_use]
    pub fn down(detail: impl Into<String>) -> Self {
        Self {
            state: State::Down,
            detail: detail.into(),
        }
    }
}
