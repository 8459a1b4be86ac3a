//! Changes of orders.

use super::query::scope;
use super::{Order, OrderCreateInput};
use crate::app::App;
use crate::domain::orders::error::Error;
use crate::graphql::authorization::Authorized;
use crate::graphql::error::ApiError;
use crate::graphql::idempotency::{self, told};
use crate::graphql::payload::{answer, payload};
use crate::graphql::scalars::mutation_id;
use crate::graphql::validate;
use async_graphql::{Context, ID, Object};
use entity::ids::OrderId;
use validator::Validate;

payload!(
    /// The answer of `orderCreate`.
    OrderCreatePayload {
        /// The order, with its stock reserved.
        order: Order,
    }
);

payload!(
    /// The answer of `orderCancel`.
    OrderCancelPayload {
        /// The cancelled order.
        order: Order,
    }
);

payload!(
    /// The answer of `orderMarkPaid`.
    OrderMarkPaidPayload {
        /// The paid order.
        order: Order,
    }
);

/// Changes of orders.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrdersMutation;

#[Object]
impl OrdersMutation {
    /// Orders something: computes its price, reserves its stock for a while and publishes `order.created`. All or
    /// nothing: when a line is short, every short line is named and nothing is reserved. Requires CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn order_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to buy.")] input: OrderCreateInput,
        #[graphql(
            desc = "1 to 255 characters of your choice: the same key again makes no second order."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<OrderCreatePayload>, ApiError> {
        let (user_id, _) = scope(ctx)?;
        let app = ctx.data_unchecked::<App>();
        let outcome = async {
            let new = input.read(&app.config().limits).map_err(Error::inputs)?;
            let key = idempotency::key(ctx, user_id, "orderCreate", idempotency_key, &new)?;
            app.orders().order_create(user_id, &new, key).await
        };
        answer(outcome.await.map(|done| told(ctx, done).into()), &["input"])
    }

    /// Cancels an order that is not paid and gives its stock back. Customers cancel their own, staff everybody's.
    /// Requires CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn order_cancel(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order.")] id: ID,
        #[graphql(desc = "Why, up to 200 characters.")] reason: Option<String>,
        #[graphql(
            desc = "1 to 255 characters of your choice: the same key again answers the same."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<OrderCancelPayload>, ApiError> {
        let (user_id, scope) = scope(ctx)?;
        let app = ctx.data_unchecked::<App>();
        let outcome = async {
            let input = OrderCancelInput { reason };
            validate::check(&input).map_err(Error::inputs)?;
            let id: OrderId = mutation_id(&id, &["id"]).map_err(Error::Input)?;
            let key = idempotency::key(
                ctx,
                user_id,
                "orderCancel",
                idempotency_key,
                &(id, &input.reason),
            )?;
            app.orders()
                .order_cancel(scope, user_id, id, input.reason.as_deref(), key)
                .await
        };
        answer(outcome.await.map(|done| told(ctx, done).into()), &[])
    }

    /// Marks an order as paid outside of the shop, as by bank transfer: its units leave the stock. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn order_mark_paid(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order.")] id: ID,
        #[graphql(
            desc = "1 to 255 characters of your choice: the same key again answers the same."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<OrderMarkPaidPayload>, ApiError> {
        let (user_id, _) = scope(ctx)?;
        let app = ctx.data_unchecked::<App>();
        let outcome = async {
            let id: OrderId = mutation_id(&id, &["id"]).map_err(Error::Input)?;
            let key = idempotency::key(ctx, user_id, "orderMarkPaid", idempotency_key, &id)?;
            app.orders().order_mark_paid(user_id, id, key).await
        };
        answer(outcome.await.map(|done| told(ctx, done).into()), &[])
    }
}

/// The rules of `orderCancel`'s arguments.
#[derive(Debug, Validate)]
struct OrderCancelInput {
    #[validate(length(max = 200))]
    reason: Option<String>,
}
