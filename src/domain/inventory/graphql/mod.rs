//! Inventory in the schema: for staff. The public sees `availability`.

use super::error::Error;
use super::loaders::{InventoryLoader, StockOfVariant, WarehouseKey};
use super::service::Adjustment;
use crate::app::App;
use crate::domain::catalog;
use crate::domain::catalog::graphql::ProductVariant;
use crate::error::{ErrorCode, Failure, Problem};
use crate::graphql::authorization::{Authorized, require, viewer};
use crate::graphql::connection::{Connection, PageArgs, list_cost};
use crate::graphql::error::ApiError;
use crate::graphql::idempotency::{self, told};
use crate::graphql::payload::{answer, payload};
use crate::graphql::scalars::{Time, id, int, mutation_id};
use crate::graphql::validate;
use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, ID, InputObject, Object};
use entity::accounts::Role;
use entity::ids::VariantId;
use entity::inventory::{stock, stock_movement, warehouse};
use validator::Validate;

/// Whether a warehouse sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::inventory::WarehouseStatus")]
pub enum WarehouseStatus {
    /// Its stock is sold.
    Active,
    /// Its stock is not sold and does not count as available.
    Inactive,
}

/// Why stock changed. New values may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::inventory::MovementReason")]
pub enum StockMovementReason {
    /// Goods came in.
    Received,
    /// A count found another number.
    Counted,
    /// Goods were damaged or lost.
    Damaged,
    /// Goods came back from a customer.
    Returned,
    /// Another correction by staff.
    Corrected,
    /// Goods of a paid order left the stock.
    Sold,
    /// Goods went from one warehouse to another.
    Transferred,
}

/// A place where stock is.
#[derive(Clone, Debug)]
pub struct Warehouse(warehouse::Model);

impl From<warehouse::Model> for Warehouse {
    fn from(row: warehouse::Model) -> Self {
        Self(row)
    }
}

/// A place where stock is.
#[Object]
impl Warehouse {
    /// Id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// Short name for people and files, unique.
    async fn code(&self) -> &str {
        &self.0.code
    }

    /// Name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether it sells.
    async fn status(&self) -> WarehouseStatus {
        self.0.status.into()
    }

    /// Smaller numbers are emptied first.
    async fn priority(&self) -> i32 {
        self.0.priority
    }

    /// Raised by each change.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// When it was made.
    async fn created_at(&self) -> Time {
        self.0.created_at.into()
    }

    /// When it changed last.
    async fn updated_at(&self) -> Time {
        self.0.updated_at.into()
    }
}

/// How much of a variant a warehouse has. Read from the database at each request, never from a cache.
#[derive(Clone, Debug)]
pub struct Stock(stock::Model);

/// How much of a variant a warehouse has. Read from the database at each request, never from a cache.
#[Object]
impl Stock {
    /// The variant.
    async fn variant(&self, ctx: &Context<'_>) -> Result<Option<ProductVariant>, ApiError> {
        catalog::graphql::variant(ctx, self.0.variant_id).await
    }

    /// The warehouse.
    async fn warehouse(&self, ctx: &Context<'_>) -> Result<Option<Warehouse>, ApiError> {
        let loader = ctx.data_unchecked::<DataLoader<InventoryLoader>>();
        Ok(loader
            .load_one(WarehouseKey(self.0.warehouse_id))
            .await?
            .map(Warehouse::from))
    }

    /// Units in the warehouse.
    async fn on_hand(&self) -> i32 {
        int(self.0.on_hand)
    }

    /// Units of these that are held for orders that are not paid.
    async fn reserved(&self) -> i32 {
        int(self.0.reserved)
    }

    /// Units that can be sold: on hand less reserved.
    async fn available(&self) -> i32 {
        int(self.0.on_hand - self.0.reserved)
    }

    /// When it changed last.
    async fn updated_at(&self) -> Time {
        self.0.updated_at.into()
    }
}

/// The stock rows of a variant, for `ProductVariant.stock`.
///
/// # Errors
/// The viewer is not staff, or a fault.
pub async fn stock_of_variant(
    ctx: &Context<'_>,
    variant_id: VariantId,
) -> Result<Vec<Stock>, ApiError> {
    require(ctx, Role::Staff)?;
    let loader = ctx.data_unchecked::<DataLoader<InventoryLoader>>();
    let rows = loader
        .load_one(StockOfVariant(variant_id))
        .await?
        .unwrap_or_default();
    Ok(rows.into_iter().map(Stock).collect())
}

/// A change of the units on hand.
#[derive(Clone, Debug)]
pub struct StockMovement(stock_movement::Model);

/// A change of the units on hand.
#[Object]
impl StockMovement {
    /// Id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// The variant.
    async fn variant(&self, ctx: &Context<'_>) -> Result<Option<ProductVariant>, ApiError> {
        catalog::graphql::variant(ctx, self.0.variant_id).await
    }

    /// Units that came (positive) or went (negative).
    async fn delta(&self) -> i32 {
        int(self.0.delta)
    }

    /// Why.
    async fn reason(&self) -> StockMovementReason {
        self.0.reason.into()
    }

    /// What it belongs to, as an order's number or a file's name.
    async fn reference(&self) -> Option<&str> {
        self.0.reference.as_deref()
    }

    /// When.
    async fn created_at(&self) -> Time {
        self.0.created_at.into()
    }
}

/// A change of stock by hand.
#[derive(Clone, Debug, InputObject, Validate)]
pub struct StockAdjustInput {
    /// The variant.
    pub variant_id: ID,
    /// The warehouse.
    pub warehouse_id: ID,
    /// Units that came (positive) or went (negative); not 0. Reserved units cannot be taken.
    pub delta: i32,
    /// Why.
    pub reason: StockMovementReason,
    /// What it belongs to, as a delivery note's number, up to 64 characters.
    #[validate(length(min = 1, max = 64))]
    pub reference: Option<String>,
    /// Units that you believe to be on hand: with another number the answer is VERSION_STALE and nothing changes.
    pub expected_quantity: Option<i32>,
}

impl StockAdjustInput {
    fn read(self) -> Result<Adjustment, Vec<Problem>> {
        let mut problems = validate::check(&self).err().unwrap_or_default();
        if self.delta == 0 {
            problems.push(Problem::new(
                ErrorCode::OutOfRange,
                "The change is not 0.",
                &["delta"],
            ));
        }
        if matches!(
            self.reason,
            StockMovementReason::Sold | StockMovementReason::Transferred
        ) {
            let message = "Only orders sell, and transfers have a mutation of their own; choose another reason.";
            problems.push(Problem::new(ErrorCode::Invalid, message, &["reason"]));
        }
        let variant_id = mutation_id(&self.variant_id, &["variantId"]);
        let warehouse_id = mutation_id(&self.warehouse_id, &["warehouseId"]);
        match (variant_id, warehouse_id) {
            (Ok(variant_id), Ok(warehouse_id)) if problems.is_empty() => Ok(Adjustment {
                variant_id,
                warehouse_id,
                delta: i64::from(self.delta),
                reason: self.reason.into(),
                reference: self.reference,
                expected_quantity: self.expected_quantity.map(i64::from),
            }),
            (variant_id, warehouse_id) => {
                problems.extend(variant_id.err());
                problems.extend(warehouse_id.err());
                Err(problems)
            }
        }
    }
}

payload!(
    /// The answer of `stockAdjust`.
    StockAdjustPayload {
        /// The stock after the change.
        stock: Stock,
        /// The record of the change.
        movement: StockMovement,
    }
);

/// Reads of the inventory.
#[derive(Clone, Copy, Debug, Default)]
pub struct InventoryQuery;

#[Object]
impl InventoryQuery {
    /// The warehouses, those that are emptied first in front. Requires STAFF.
    #[graphql(
        guard = "Authorized",
        complexity = "list_cost(first, last, child_complexity)"
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
    ) -> Result<Option<Connection<Warehouse>>, ApiError> {
        let request = PageArgs {
            first,
            after,
            last,
            before,
            page,
        }
        .request(ctx)?;
        let found = ctx
            .data_unchecked::<App>()
            .inventory()
            .warehouses_page(&request)
            .await?;
        Ok(Some(Connection::new(&request, found.map(Warehouse::from))))
    }
}

/// Changes of the inventory.
#[derive(Clone, Copy, Debug, Default)]
pub struct InventoryMutation;

#[Object]
impl InventoryMutation {
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
        let user = viewer(ctx).user().ok_or(ApiError::Unauthenticated)?;
        let outcome = async {
            let refused = |problems: Vec<Problem>| {
                Failure::Refused(problems.into_iter().map(Error::Input).collect())
            };
            let adjustment = input.read().map_err(refused)?;
            let key = idempotency::key(
                ctx,
                user.user_id,
                "stockAdjust",
                idempotency_key,
                &adjustment,
            )?;
            let inventory = ctx.data_unchecked::<App>().inventory();
            let (movement, stock, replayed) = inventory
                .stock_adjust(Some(user.user_id), &adjustment, key)
                .await?;
            Ok::<_, Failure<Error>>(told(
                ctx,
                ((Stock(stock), StockMovement(movement)), replayed),
            ))
        };
        answer(outcome.await, &["input"])
    }
}
