//! Inventory in the schema: for staff. The public sees `availability`.

mod inputs;
mod mutation;
mod subscription;
mod types;

pub use inputs::*;
pub use mutation::*;
pub use subscription::*;
pub use types::*;

use super::model::{WarehouseSort, WarehouseSorting};
use crate::app::App;
use crate::graphql::authorization::Authorized;
use crate::graphql::connection::{Connection, PageArgs, list_cost};
use crate::graphql::error::ApiError;
use crate::graphql::scalars::query_id;
use crate::graphql::validate;
use async_graphql::{Context, ID, Object};

/// Reads of the inventory.
#[derive(Clone, Copy, Debug, Default)]
pub struct InventoryQuery;

#[Object]
impl InventoryQuery {
    /// A warehouse, or null. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn warehouse(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the warehouse.")] id: ID,
    ) -> Result<Option<Warehouse>, ApiError> {
        let inventory = ctx.data_unchecked::<App>().inventory();
        let row = inventory.warehouse_by_id(query_id(&id)?).await?;
        Ok(row.map(Warehouse::from))
    }

    /// The warehouses, those that are emptied first in front unless `orderBy` says else. Requires STAFF.
    #[graphql(
        guard = "Authorized",
        complexity = "list_cost(first, last, child_complexity)"
    )]
    #[expect(
        clippy::too_many_arguments,
        reason = "every list takes these arguments"
    )]
    async fn warehouses(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items from the start, 1 to 100; 20 if nothing is said.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Begin after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
        #[graphql(desc = "A page by number, from 1, with `first` items each.")] page: Option<i32>,
        #[graphql(desc = "Which warehouses: `{status: {eq: ACTIVE}}`.")] filter: Option<
            WarehouseFilter,
        >,
        #[graphql(desc = "In which order: `{field: CODE, direction: ASC}`.")] order_by: Option<
            WarehouseOrder,
        >,
    ) -> Result<Option<Connection<Warehouse>>, ApiError> {
        let request = PageArgs {
            first,
            after,
            last,
            before,
            page,
        }
        .request(ctx)?;
        let filter = filter.unwrap_or_default();
        validate::check_query(&filter)?;
        let sorting = order_by.map_or(
            WarehouseSorting {
                sort: WarehouseSort::Priority,
                descending: false,
            },
            Into::into,
        );
        let inventory = ctx.data_unchecked::<App>().inventory();
        let found = inventory
            .warehouses_page(&filter.into(), sorting, &request)
            .await?;
        Ok(Some(Connection::new(&request, found.map(Warehouse::from))))
    }

    /// What changed the stock, newest first unless `orderBy` says else. Requires STAFF.
    #[graphql(
        guard = "Authorized",
        complexity = "list_cost(first, last, child_complexity)"
    )]
    #[expect(
        clippy::too_many_arguments,
        reason = "every list takes these arguments"
    )]
    async fn stock_movements(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items from the start, 1 to 100; 20 if nothing is said.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Begin after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
        #[graphql(desc = "A page by number, from 1, with `first` items each.")] page: Option<i32>,
        #[graphql(desc = "Which movements: `{reason: {eq: SOLD}}`.")] filter: Option<
            StockMovementFilter,
        >,
        #[graphql(desc = "In which order: `{field: CREATED_AT, direction: ASC}`.")]
        order_by: Option<StockMovementOrder>,
    ) -> Result<Option<Connection<StockMovement>>, ApiError> {
        let request = PageArgs {
            first,
            after,
            last,
            before,
            page,
        }
        .request(ctx)?;
        let filter = filter.unwrap_or_default();
        validate::check_query(&filter)?;
        let descending = order_by.is_none_or(|order| order.direction.is_descending());
        let inventory = ctx.data_unchecked::<App>().inventory();
        let found = inventory
            .movements_page(&filter.read()?, descending, &request)
            .await?;
        Ok(Some(Connection::new(
            &request,
            found.map(StockMovement::from),
        )))
    }
}
