//! What belongs to an order beside its lines: parcels, notes, where it came from; and what orders sum to.

use super::super::loaders::Parcel;
use super::super::model::Summary;
use super::types::user_by_id;
use crate::domain::accounts::graphql::User;
use crate::graphql::error::ApiError;
use crate::graphql::scalars::{Money, Time, id, int};
use async_graphql::{Context, ID, Object, SimpleObject};
use entity::orders::{order_note, order_request};

/// A parcel: what was sent together.
#[derive(Clone, Debug, SimpleObject)]
pub struct OrderFulfillment {
    /// Id.
    pub id: ID,
    /// What is in it.
    pub lines: Vec<OrderFulfillmentLine>,
    /// Who carries it.
    pub carrier: Option<String>,
    /// The carrier's number of it.
    pub tracking_number: Option<String>,
    /// Where it can be followed.
    pub tracking_url: Option<String>,
    /// When it was sent.
    pub created_at: Time,
}

/// Units of a line in a parcel.
#[derive(Clone, Debug, SimpleObject)]
pub struct OrderFulfillmentLine {
    /// The order's line.
    pub line_id: ID,
    /// Units.
    pub quantity: i32,
}

impl From<Parcel> for OrderFulfillment {
    fn from(Parcel(row, lines): Parcel) -> Self {
        let line = |line: entity::orders::order_fulfillment_line::Model| OrderFulfillmentLine {
            line_id: id(line.order_line_id),
            quantity: int(line.quantity),
        };
        Self {
            id: id(row.id),
            lines: lines.into_iter().map(line).collect(),
            carrier: row.carrier,
            tracking_number: row.tracking_number,
            tracking_url: row.tracking_url,
            created_at: row.created_at.into(),
        }
    }
}

/// What staff wrote about an order.
#[derive(Clone, Debug)]
pub struct OrderNote(order_note::Model);

impl From<order_note::Model> for OrderNote {
    fn from(row: order_note::Model) -> Self {
        Self(row)
    }
}

/// What staff wrote about an order.
#[Object]
impl OrderNote {
    /// Id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// Text.
    async fn text(&self) -> &str {
        &self.0.text
    }

    /// Who wrote it.
    async fn author(&self, ctx: &Context<'_>) -> Result<Option<User>, ApiError> {
        user_by_id(ctx, Some(self.0.author_id)).await
    }

    /// When.
    async fn created_at(&self) -> Time {
        self.0.created_at.into()
    }
}

/// Where the request for an order came from.
#[derive(Clone, Debug, SimpleObject)]
pub struct OrderRequest {
    /// The address of the client's end of the connection.
    pub ip_address: Option<String>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// What kind of program asked: `web`, `mobile` or `api`.
    pub platform: String,
    /// The version of the API, as `v1`.
    pub api_version: String,
    /// The session.
    pub session_id: Option<ID>,
}

impl From<order_request::Model> for OrderRequest {
    fn from(row: order_request::Model) -> Self {
        Self {
            ip_address: row.ip,
            user_agent: row.user_agent,
            platform: row.platform,
            api_version: row.api_version,
            session_id: row.session_id.map(id),
        }
    }
}

/// What orders sum to.
#[derive(Clone, Debug, SimpleObject)]
pub struct OrderSummary {
    /// All orders.
    pub total_orders: i32,
    /// Those that wait for their payment, or whose payment is under way.
    pub open_orders: i32,
    /// Those that are paid, whether they were sent or not.
    pub successful_orders: i32,
    /// Those that were cancelled, expired or failed.
    pub failed_orders: i32,
    /// What was paid for them.
    pub total_paid: Money,
    /// What was paid back.
    pub total_refunded: Money,
}

impl OrderSummary {
    /// A summary in the shop's currency.
    #[must_use]
    pub fn new(summary: &Summary, currency: &str) -> Self {
        Self {
            total_orders: int(summary.orders),
            open_orders: int(summary.open),
            successful_orders: int(summary.successful),
            failed_orders: int(summary.failed),
            total_paid: Money::new(summary.paid_minor, currency),
            total_refunded: Money::new(summary.refunded_minor, currency),
        }
    }
}
