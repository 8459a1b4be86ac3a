//! Subscriptions to orders.

use super::super::model::Scope;
use super::super::service::{Changes, Followed, Unfollowed};
use super::{Order, OrderFilter};
use crate::app::App;
use crate::graphql::authorization::Authorized;
use crate::graphql::error::ApiError;
use crate::graphql::scalars::query_id;
use async_graphql::{Context, ID, Result, Subscription};
use futures::stream::{BoxStream, StreamExt as _};

/// Subscriptions to orders.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrdersSubscription;

#[Subscription]
impl OrdersSubscription {
    /// Every change of an order of yours, in order, each version once; staff may follow everybody's. Without `id`: the
    /// changes of all your orders. State, payment status, amounts, quantities and history are those after the change,
    /// all else is as it is now. Requires CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn order_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which order; all of yours if nothing is said.")] id: Option<ID>,
        #[graphql(
            desc = "The version you know, as `version` of the last change or of a query: what came after it is sent first. Needs `id`."
        )]
        after_version: Option<i32>,
    ) -> Result<BoxStream<'static, Result<Order>>> {
        let (user_id, scope) = super::query::scope(ctx)?;
        let (scope, followed) = match id {
            Some(id) => {
                let id = query_id(&id)?;
                (scope, Followed::One { id, after_version })
            }
            None if after_version.is_some() => {
                let message = "afterVersion needs id: each order has versions of its own.";
                return Err(ApiError::BadUserInput(message.to_owned()).into());
            }
            None => (Scope::Own(user_id), Followed::OfUser(user_id)),
        };
        let orders = ctx.data_unchecked::<App>().orders();
        Ok(shown(orders.orders_follow(scope, followed).await?))
    }

    /// Every change of everybody's orders, from now on; the versions of each order come in order. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn orders_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Only orders that are like this after the change; all that is given must hold."
        )]
        filter: Option<OrderFilter>,
    ) -> Result<BoxStream<'static, Result<Order>>> {
        let app = ctx.data_unchecked::<App>();
        let filter = filter
            .unwrap_or_default()
            .read(&app.config().shop.currency)?;
        let followed = Followed::All(Box::new(filter));
        Ok(shown(
            app.orders().orders_follow(Scope::All, followed).await?,
        ))
    }
}

fn shown(changes: Changes) -> BoxStream<'static, Result<Order>> {
    let shown = changes.map(|change| Ok(Order::from(change?)));
    shown.boxed()
}

impl From<Unfollowed> for ApiError {
    fn from(why: Unfollowed) -> Self {
        match why {
            Unfollowed::NotFound => Self::because(
                "BAD_USER_INPUT",
                "NOT_FOUND",
                "There is no order with this id that you may see.",
            ),
            Unfollowed::Ahead { version } => Self::because(
                "BAD_USER_INPUT",
                "VERSION_AHEAD",
                format!("The order is at version {version}: afterVersion cannot be greater."),
            ),
            Unfollowed::TooOld { after } => Self::because(
                "BAD_USER_INPUT",
                "VERSION_TOO_OLD",
                format!(
                    "Changes after version {after} are not kept any more: query the order, and subscribe after its version."
                ),
            ),
            Unfollowed::Ended(ended) => ended.into(),
        }
    }
}

impl From<Unfollowed> for async_graphql::Error {
    fn from(why: Unfollowed) -> Self {
        ApiError::from(why).into()
    }
}
