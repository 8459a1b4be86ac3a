//! What accounts publish, keyed by user. No personal data: a change names the fields that changed, not what is in them.

mod sample;

use super::model::User;
use crate::events::contract::EventType;
use crate::events::contract::values::{Time, Word};
use crate::events::outbox::NewEvent;
use entity::accounts::{Role, UserStatus};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

/// The aggregate's name in the outbox.
pub const AGGREGATE: &str = "user";
/// A user is new.
pub const REGISTERED: &str = "tradepost.account.registered.v1";
/// A user is another one than before.
pub const UPDATED: &str = "tradepost.account.updated.v1";

/// What accounts publish: each change that raises the version of the user writes one.
#[rustfmt::skip]
pub const TYPES: &[EventType] = &[
    EventType::of::<AccountBody>(REGISTERED, AGGREGATE, "Somebody registered, or an operator made a user.", sample::registered),
    EventType::of::<AccountBody>(UPDATED, AGGREGATE, "The profile, the role or the status of a user changed; `changed` says which fields.", sample::updated),
];

/// The body of every event of accounts: the user after the change, without personal data.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountBody {
    /// The user.
    pub user_id: Uuid,
    /// Its version: raised by each change.
    pub version: i32,
    /// What the user may do.
    pub role: Word<Role>,
    /// Whether the user may log in.
    pub status: Word<UserStatus>,
    /// Names of the fields that changed, as `name`, `phone`, `role` and `status`; only in updates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<&'static str>,
    /// When the user registered.
    pub created_at: Time,
    /// When this change was made.
    pub updated_at: Time,
}

/// A user is new.
#[must_use]
pub fn registered(user: &User) -> NewEvent {
    published(REGISTERED, &body(user, Vec::new()))
}

/// A user is another one than before; nothing for one that is the same.
#[must_use]
pub fn updated(before: &User, after: &User) -> Option<NewEvent> {
    let fields = [
        ("name", before.name != after.name),
        ("phone", before.phone != after.phone),
        ("role", before.role != after.role),
        ("status", before.status != after.status),
    ];
    let is_changed = |(name, is): (&'static str, bool)| is.then_some(name);
    let changed: Vec<_> = fields.into_iter().filter_map(is_changed).collect();
    (!changed.is_empty()).then(|| published(UPDATED, &body(after, changed)))
}

fn body(user: &User, changed: Vec<&'static str>) -> AccountBody {
    AccountBody {
        user_id: user.id.0,
        version: user.version,
        role: Word(user.role),
        status: Word(user.status),
        changed,
        created_at: Time(user.created_at),
        updated_at: Time(user.updated_at),
    }
}

fn published(event_type: &'static str, body: &AccountBody) -> NewEvent {
    NewEvent {
        aggregate_type: AGGREGATE,
        aggregate_id: body.user_id,
        aggregate_version: None,
        event_type,
        payload: serde_json::json!(body),
        created_at: body.updated_at.0,
    }
}
