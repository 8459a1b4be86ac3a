//! From an event to its mail.

use super::model::{self, Facts, Kind, Line};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::accounts;
use crate::domain::accounts::model::User;
use crate::domain::orders;
use crate::domain::orders::service::Told;
use crate::error::chain;
use crate::events::consumer::{Event, Setback};
use crate::mail::{Error, Mail, Mailer};
use crate::money;
use chrono::TimeDelta;
use entity::ids::{OrderId, OrderLineId};
use entity::orders::OrderStatus;
use serde::Deserialize;

/// Notifications.
#[derive(Clone, Debug)]
pub struct Service {
    clock: Clock,
    accounts: accounts::service::Service,
    orders: orders::service::Service,
    mailer: Mailer,
    shop: String,
    age_max: TimeDelta,
}

/// What is read of an event's body: everything else is asked of the database.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    order_id: OrderId,
    version: i32,
}

impl Service {
    /// Made once by the app.
    #[must_use]
    pub fn new(
        clock: Clock,
        accounts: accounts::service::Service,
        orders: orders::service::Service,
        mailer: Mailer,
        config: &Config,
    ) -> Self {
        Self {
            clock,
            accounts,
            orders,
            mailer,
            shop: config.shop.name.clone(),
            age_max: TimeDelta::hours(config.notifications.age_max_hours),
        }
    }

    /// Sends the mail that an event causes, if it causes one.
    ///
    /// # Errors
    /// The mail server or the database is away, the server wants the mail later, or it can never be sent.
    #[tracing::instrument(name = "notifications.event_mail", skip_all, fields(event.id = %event.id))]
    pub async fn event_mail(&self, event: &Event) -> Result<(), Setback> {
        let Some(kind) = Kind::of_event(&event.event_type) else {
            return Ok(());
        };
        let body: Body = event.body()?;
        if self.clock.now() - event.time > self.age_max {
            skipped("old");
            return Ok(());
        }
        let told = self
            .orders
            .order_told(body.order_id, body.version, event.time)
            .await?
            .ok_or_else(|| {
                Setback::Dead(format!(
                    "there is no version {} of order {}",
                    body.version, body.order_id
                ))
            })?;
        let Some(user_id) = told.order.user_id else {
            skipped("no user");
            return Ok(());
        };
        let user = self.accounts.user_by_id(user_id).await?;
        let Some(user) = user.filter(|user| !user.email.is_empty()) else {
            skipped("no address");
            return Ok(());
        };
        let letter = model::letter(&facts(kind, &self.shop, &user, &told))
            .map_err(|error| Setback::Dead(format!("the template fails: {}", chain(&*error))))?;
        let mail = Mail {
            name: event.id.to_string(),
            to: user.email,
            to_name: user.name,
            subject: letter.subject,
            text: letter.text,
            html: letter.html,
        };
        self.mailer.send(&mail).await.map_err(setback)?;
        metrics::counter!("tradepost_notifications_sent_total", "kind" => kind.as_str())
            .increment(1);
        Ok(())
    }
}

/// Notes that an event causes no mail.
fn skipped(why: &'static str) {
    metrics::counter!("tradepost_notifications_skipped_total", "reason" => why).increment(1);
}

/// A server that is away is waited for; one that answers decides about the mail.
fn setback(error: Error) -> Setback {
    let reason = chain(&error);
    match error {
        Error::Unavailable(_) => Setback::Wait(reason),
        Error::Later(_) => Setback::Retry(reason),
        Error::Refused(_) => Setback::Dead(reason),
    }
}

fn facts(kind: Kind, shop: &str, user: &User, told: &Told) -> Facts {
    let order = &told.order;
    let amount = |minor: i64| {
        format!(
            "{} {}",
            money::to_decimal(minor, &order.currency),
            order.currency
        )
    };
    let waits = order.status == OrderStatus::AwaitingPayment;
    let held_until = order.reservation_expires_at.filter(|_| waits);
    let tracking = told.parcel.as_ref().map(|(parcel, _)| {
        let parts = [
            &parcel.carrier,
            &parcel.tracking_number,
            &parcel.tracking_url,
        ];
        let known: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        known.join(" ")
    });
    let (lines, total) = match (kind, &told.parcel, &told.refund) {
        (Kind::Fulfilled, Some((_, pieces)), _) => {
            let pieces = pieces
                .iter()
                .map(|row| (row.order_line_id, row.quantity, None));
            (some_lines(told, pieces), None)
        }
        (Kind::Refunded, _, Some((refund, pieces))) => {
            let piece_amount = |minor| Some(amount(minor));
            let pieces = pieces.iter().map(|row| {
                (
                    row.order_line_id,
                    row.quantity,
                    piece_amount(row.amount_minor),
                )
            });
            (some_lines(told, pieces), Some(amount(refund.amount_minor)))
        }
        _ => {
            let all = told
                .lines
                .iter()
                .map(|line| (line.id, line.quantity, Some(amount(line.total_minor))));
            (some_lines(told, all), Some(amount(order.total_minor)))
        }
    };
    Facts {
        kind,
        shop: shop.to_owned(),
        name: user.name.clone(),
        number: order.number.clone(),
        lines,
        total,
        held_until: held_until.map(|at| at.format("%Y-%m-%d %H:%M UTC").to_string()),
        reason: told.change.reason.clone(),
        tracking: tracking.filter(|text| !text.is_empty()),
        is_part: told.change.to_status == OrderStatus::PartlyFulfilled,
        is_paid: order.paid_at.is_some(),
    }
}

/// Lines of the order by their ids, in their places, each with its units and amount.
fn some_lines(
    told: &Told,
    pieces: impl Iterator<Item = (OrderLineId, i64, Option<String>)>,
) -> Vec<Line> {
    let pieces: Vec<_> = pieces.collect();
    let of_line = |line: &entity::orders::order_line::Model| {
        let (_, quantity, total) = pieces.iter().find(|(id, ..)| *id == line.id)?;
        Some(Line {
            name: line.name.clone(),
            quantity: *quantity,
            total: total.clone(),
        })
    };
    told.lines.iter().filter_map(of_line).collect()
}
