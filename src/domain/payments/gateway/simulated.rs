//! The rules of the simulated provider: what its test tokens do, and how a payment moves. Its memory is in
//! `super::super::simulator`.

use super::{Notice, Snapshot};
use chrono::{DateTime, Utc};
use entity::payments::simulated_gateway_payment::Model as Payment;
use entity::payments::{Behaviour, DeclineReason, GatewayState};
use serde::{Deserialize, Serialize};

/// Its name.
pub const NAME: &str = "simulated";

/// What a token makes the provider do; nothing when it does not know the token.
#[must_use]
pub fn behaviour(token: &str) -> Option<Behaviour> {
    Some(match token {
        "tok_ok" => Behaviour::Ok,
        "tok_declined" => Behaviour::Declined,
        "tok_insufficient" => Behaviour::Insufficient,
        "tok_slow" => Behaviour::Slow,
        "tok_fails_once" => Behaviour::FailsOnce,
        "tok_unknown" => Behaviour::Unknown,
        "tok_webhook_late" => Behaviour::WebhookLate,
        "tok_webhook_twice" => Behaviour::WebhookTwice,
        _ => return None,
    })
}

/// The state of a payment that is to be promised.
#[must_use]
pub fn decided(behaviour: Behaviour) -> GatewayState {
    match behaviour {
        Behaviour::Declined | Behaviour::Insufficient => GatewayState::Declined,
        _ => GatewayState::Authorized,
    }
}

/// What the provider tells of a payment.
#[must_use]
pub fn snapshot(payment: &Payment, now: DateTime<Utc>) -> Snapshot {
    if payment.settles_at.is_some_and(|at| at > now) && payment.state != GatewayState::Voided {
        return Snapshot::Processing;
    }
    match payment.state {
        GatewayState::Seen => Snapshot::NotFound,
        GatewayState::Authorized => Snapshot::Authorized,
        GatewayState::Captured => Snapshot::Captured,
        GatewayState::Voided => Snapshot::Voided,
        GatewayState::Declined => Snapshot::Declined(match payment.behaviour {
            Behaviour::Insufficient => DeclineReason::InsufficientFunds,
            _ => DeclineReason::CardDeclined,
        }),
    }
}

/// The body of a webhook.
#[derive(Debug, Deserialize, Serialize)]
struct Body {
    reference: String,
    event: String,
}

/// The body that tells of an event.
#[must_use]
pub fn body(notice: &Notice) -> Vec<u8> {
    let body = Body {
        reference: notice.reference.clone(),
        event: notice.event.clone(),
    };
    serde_json::to_vec(&body).unwrap_or_default()
}

/// What a body tells.
#[must_use]
pub fn notice(body: &[u8]) -> Option<Notice> {
    let body: Body = serde_json::from_slice(body).ok()?;
    Some(Notice {
        reference: body.reference,
        event: body.event,
    })
}
