//! Reads of orders.

use super::super::loaders::{BatchError, OrdersBelow, OrdersLoader};
use super::super::model::{Filter, Parent, Scope, Sorting};
use super::super::service::OrderReference;
use super::{Order, OrderBy, OrderFilter, OrderOrder, OrderSummary};
use crate::app::App;
use crate::graphql::authorization::{Authorized, viewer};
use crate::graphql::connection::{Connection, PageArgs, list_cost};
use crate::graphql::error::ApiError;
use crate::graphql::loading;
use crate::graphql::scalars::{Time, query_id};
use async_graphql::{Context, ID, Object};
use entity::accounts::Role;
use entity::ids::UserId;

/// Reads of orders.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrdersQuery;

#[Object]
impl OrdersQuery {
    /// An order of yours; staff find everybody's. Requires CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn order(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which order: by id, number or your own reference.")] by: OrderBy,
    ) -> Result<Option<Order>, ApiError> {
        let (user_id, scope) = scope(ctx)?;
        let reference = match by {
            OrderBy::Id(id) => OrderReference::Id(query_id(&id)?),
            OrderBy::Number(number) => OrderReference::Number(number),
            OrderBy::ClientReference(reference) => {
                OrderReference::ClientReference(user_id, reference)
            }
        };
        let orders = ctx.data_unchecked::<App>().orders();
        Ok(orders.order_by(scope, &reference).await?.map(Order::from))
    }

    /// Your orders, newest first; staff see everybody's. Requires CUSTOMER.
    #[graphql(
        guard = "Authorized",
        complexity = "list_cost(first, last, child_complexity)"
    )]
    #[expect(
        clippy::too_many_arguments,
        reason = "every list takes these arguments"
    )]
    async fn orders(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items from the start, 1 to 100; 20 if nothing is said.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Begin after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
        #[graphql(desc = "A page by number, from 1, with `first` items each.")] page: Option<i32>,
        #[graphql(desc = "Narrows the list; all that is given must hold.")] filter: Option<
            OrderFilter,
        >,
        #[graphql(desc = "The order of the list; newest first if nothing is said.")]
        order_by: Option<OrderOrder>,
    ) -> Result<Option<Connection<Order>>, ApiError> {
        let (_, scope) = scope(ctx)?;
        let app = ctx.data_unchecked::<App>();
        let request = PageArgs {
            first,
            after,
            last,
            before,
            page,
        }
        .request(ctx)?;
        let filter = filter
            .unwrap_or_default()
            .read(&app.config().shop.currency)?;
        let sorting = order_by.map(Sorting::from).unwrap_or_default();
        let found = app
            .orders()
            .orders_page(scope, &filter, sorting, &request)
            .await?;
        Ok(Some(Connection::new(&request, found.map(Order::from))))
    }

    /// What your orders sum to; staff see everybody's, or those of one user. Requires CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn order_summary(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Orders of this user; for staff, who see all orders.")] user_id: Option<
            ID,
        >,
        #[graphql(desc = "Made at or after.")] from: Option<Time>,
        #[graphql(desc = "Made at or before.")] to: Option<Time>,
    ) -> Result<Option<OrderSummary>, ApiError> {
        let (_, scope) = scope(ctx)?;
        let app = ctx.data_unchecked::<App>();
        let filter = Filter {
            user_id: user_id.as_ref().map(query_id).transpose()?,
            created_from: from.map(|time| time.0),
            created_to: to.map(|time| time.0),
            ..Filter::default()
        };
        let summary = app.orders().order_summary(scope, &filter).await?;
        let currency = &app.config().shop.currency;
        Ok(Some(OrderSummary::new(&summary, currency)))
    }
}

/// The viewer and whose orders the viewer may see.
pub(super) fn scope(ctx: &Context<'_>) -> Result<(UserId, Scope), ApiError> {
    let user = viewer(ctx).user().ok_or(ApiError::Unauthenticated)?;
    let scope = if user.role >= Role::Staff {
        Scope::All
    } else {
        Scope::Own(user.user_id)
    };
    Ok((user.user_id, scope))
}

/// The orders below a product or a user, batched over all parents of the request.
///
/// # Errors
/// Bad arguments, or a fault.
pub async fn orders_below(
    ctx: &Context<'_>,
    parent: Parent,
    args: PageArgs,
    filter: Option<OrderFilter>,
    order_by: Option<OrderOrder>,
) -> Result<Connection<Order>, ApiError> {
    let request = args.request(ctx)?;
    let filter = filter
        .unwrap_or_default()
        .read(&ctx.data_unchecked::<App>().config().shop.currency)?;
    let sorting = order_by.map(Sorting::from).unwrap_or_default();
    let key = OrdersBelow {
        parent,
        filter,
        sorting,
        request: request.clone(),
    };
    let found = loading::of::<OrdersLoader>(ctx).load_one(key).await?;
    let found = found.unwrap_or_else(|| crate::page::Page::empty(request.with_total));
    Ok(Connection::new(&request, found.map(Order::from)))
}

impl From<BatchError> for ApiError {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Cursor(error) => error.into(),
            BatchError::Fault(fault) => fault.into(),
        }
    }
}
