//! Changes of the inventory, for staff.

use super::{
    Stock, StockAdjustInput, StockMovement, StockTransferInput, Warehouse, WarehouseCreateInput,
    WarehouseStatus, WarehouseUpdateInput,
};
use crate::app::App;
use crate::domain::inventory::error::Error;
use crate::error::{Failure, Problem};
use crate::graphql::authorization::{Authorized, viewer};
use crate::graphql::error::ApiError;
use crate::graphql::idempotency::{self, told};
use crate::graphql::payload::{answer, payload};
use crate::graphql::scalars::mutation_id;
use async_graphql::{Context, ID, Object};
use entity::ids::{UserId, WarehouseId};

payload!(
    /// The answer of `stockAdjust`.
    StockAdjustPayload {
        /// The stock after the change.
        stock: Stock,
        /// The record of the change.
        movement: StockMovement,
    }
);

payload!(
    /// The answer of `stockTransfer`.
    StockTransferPayload {
        /// The records of the transfer: out of the first warehouse, into the second.
        movements: Vec<StockMovement>,
    }
);

payload!(
    /// The answer of `warehouseCreate`.
    WarehouseCreatePayload {
        /// The new warehouse.
        warehouse: Warehouse,
    }
);

payload!(
    /// The answer of `warehouseUpdate`.
    WarehouseUpdatePayload {
        /// The warehouse after the change.
        warehouse: Warehouse,
    }
);

payload!(
    /// The answer of `warehouseSetStatus`.
    WarehouseSetStatusPayload {
        /// The warehouse after the change.
        warehouse: Warehouse,
    }
);

fn inputs(problems: Vec<Problem>) -> Failure<Error> {
    Failure::Refused(problems.into_iter().map(Error::Input).collect())
}

fn own_id(id: &ID) -> Result<WarehouseId, Error> {
    mutation_id(id, &["id"]).map_err(Error::Input)
}

/// Who asks; the guard lets nobody through without a session.
fn actor(ctx: &Context<'_>) -> Result<UserId, ApiError> {
    let user = viewer(ctx).user().ok_or(ApiError::Unauthenticated)?;
    Ok(user.user_id)
}

/// Changes of the inventory.
#[derive(Clone, Copy, Debug, Default)]
pub struct InventoryMutation;

#[Object]
impl InventoryMutation {
    /// Makes a warehouse, active and empty. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn warehouse_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The warehouse.")] input: WarehouseCreateInput,
        #[graphql(
            desc = "1 to 255 characters of your choice: the same key again makes no second warehouse."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<WarehouseCreatePayload>, ApiError> {
        let user_id = actor(ctx)?;
        let inventory = ctx.data_unchecked::<App>().inventory();
        let outcome = async {
            let new = input.read().map_err(inputs)?;
            let key = idempotency::key(ctx, user_id, "warehouseCreate", idempotency_key, &new)?;
            inventory.warehouse_create(&new, key).await
        };
        answer(outcome.await.map(|done| told(ctx, done).into()), &["input"])
    }

    /// Changes a warehouse. Another priority holds for the next order; orders that were made keep what they hold.
    /// Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn warehouse_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The warehouse.")] id: ID,
        #[graphql(desc = "What changes.")] input: WarehouseUpdateInput,
    ) -> Result<Option<WarehouseUpdatePayload>, ApiError> {
        let inventory = ctx.data_unchecked::<App>().inventory();
        let outcome = async {
            let change = input.read().map_err(inputs)?;
            inventory.warehouse_update(own_id(&id)?, &change).await
        };
        answer(outcome.await.map(Warehouse::from), &["input"])
    }

    /// Switches a warehouse on or off. What an inactive one has is not sold and does not count as available; what orders
    /// hold in it stays theirs. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn warehouse_set_status(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The warehouse.")] id: ID,
        #[graphql(desc = "The new status: `INACTIVE`.")] status: WarehouseStatus,
        #[graphql(
            desc = "The `Warehouse.version` that was seen before: if the warehouse has changed since, nothing is done and the error is VERSION_STALE."
        )]
        expected_version: Option<i32>,
    ) -> Result<Option<WarehouseSetStatusPayload>, ApiError> {
        let inventory = ctx.data_unchecked::<App>().inventory();
        let outcome = async {
            inventory
                .warehouse_set_status(own_id(&id)?, status.into(), expected_version)
                .await
        };
        answer(outcome.await.map(Warehouse::from), &[])
    }

    /// Changes the stock of a variant in a warehouse by hand, with a reason. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn stock_adjust(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes and why.")] input: StockAdjustInput,
        #[graphql(
            desc = "1 to 255 characters of your choice: the same key again changes nothing more."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<StockAdjustPayload>, ApiError> {
        let user_id = actor(ctx)?;
        let inventory = ctx.data_unchecked::<App>().inventory();
        let outcome = async {
            let adjustment = input.read().map_err(inputs)?;
            let key = idempotency::key(ctx, user_id, "stockAdjust", idempotency_key, &adjustment)?;
            let done = inventory
                .stock_adjust(Some(user_id), &adjustment, key)
                .await;
            let (movement, stock, replayed) = done?;
            let shown = (Stock(stock), StockMovement(movement));
            Ok::<_, Failure<Error>>(told(ctx, (shown, replayed)))
        };
        answer(outcome.await, &["input"])
    }

    /// Moves stock between two active warehouses in one step. Reserved units stay where they are. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn stock_transfer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What goes where.")] input: StockTransferInput,
        #[graphql(
            desc = "1 to 255 characters of your choice: the same key again moves nothing more."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<StockTransferPayload>, ApiError> {
        let user_id = actor(ctx)?;
        let inventory = ctx.data_unchecked::<App>().inventory();
        let outcome = async {
            let transfer = input.read().map_err(inputs)?;
            let key = idempotency::key(ctx, user_id, "stockTransfer", idempotency_key, &transfer)?;
            let done = inventory.stock_transfer(Some(user_id), &transfer, key);
            let movements = told(ctx, done.await?).into_iter();
            Ok::<_, Failure<Error>>(movements.map(StockMovement).collect::<Vec<_>>())
        };
        answer(outcome.await, &["input"])
    }
}
