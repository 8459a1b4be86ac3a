//! One event of each type, as the contract shows them: a customer who becomes staff.

use super::{AccountBody, NewEvent, REGISTERED, Role, Time, UPDATED, UserStatus, Word, published};
use crate::events::contract::sample::{USER, at};

fn first() -> AccountBody {
    AccountBody {
        user_id: USER,
        version: 1,
        role: Word(Role::Customer),
        status: Word(UserStatus::Active),
        changed: Vec::new(),
        created_at: Time(at(0)),
        updated_at: Time(at(0)),
    }
}

pub(super) fn registered() -> NewEvent {
    published(REGISTERED, &first())
}

pub(super) fn updated() -> NewEvent {
    let body = AccountBody {
        version: 2,
        role: Word(Role::Staff),
        changed: vec!["role"],
        updated_at: Time(at(3_600)),
        ..first()
    };
    published(UPDATED, &body)
}
