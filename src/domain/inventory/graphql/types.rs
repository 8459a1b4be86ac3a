//! The types of the inventory.

use crate::domain::accounts::graphql::User;
use crate::domain::accounts::loaders::UserLoader;
use crate::domain::catalog;
use crate::domain::catalog::graphql::ProductVariant;
use crate::domain::inventory::loaders::{InventoryLoader, StockOfVariant, WarehouseKey};
use crate::graphql::authorization::require;
use crate::graphql::error::ApiError;
use crate::graphql::loading;
use crate::graphql::scalars::{Time, id, int};
use async_graphql::{Context, Enum, ID, Object};
use entity::accounts::Role;
use entity::ids::{VariantId, WarehouseId};
use entity::inventory::{stock, stock_movement, warehouse};

/// Whether a warehouse sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, serde::Serialize)]
#[graphql(remote = "entity::inventory::WarehouseStatus")]
pub enum WarehouseStatus {
    /// Its stock is sold.
    Active,
    /// Its stock is not sold and does not count as available.
    Inactive,
}

/// Why stock changed. New values may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, serde::Serialize)]
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
pub struct Warehouse(pub(super) warehouse::Model);

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

    /// Raised by each change; give it as `expectedVersion` to change only what you have seen.
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
pub struct Stock(pub(super) stock::Model);

/// How much of a variant a warehouse has. Read from the database at each request, never from a cache.
#[Object]
impl Stock {
    /// The variant.
    async fn variant(&self, ctx: &Context<'_>) -> Result<Option<ProductVariant>, ApiError> {
        catalog::graphql::variant(ctx, self.0.variant_id).await
    }

    /// The warehouse.
    async fn warehouse(&self, ctx: &Context<'_>) -> Result<Option<Warehouse>, ApiError> {
        warehouse_of(ctx, self.0.warehouse_id).await
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

async fn warehouse_of(ctx: &Context<'_>, id: WarehouseId) -> Result<Option<Warehouse>, ApiError> {
    let loader = loading::of::<InventoryLoader>(ctx);
    let row = loader.load_one(WarehouseKey(id)).await?;
    Ok(row.map(Warehouse::from))
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
    let loader = loading::of::<InventoryLoader>(ctx);
    let rows = loader
        .load_one(StockOfVariant(variant_id))
        .await?
        .unwrap_or_default();
    Ok(rows.into_iter().map(Stock).collect())
}

/// A change of the units on hand. Movements are never changed or deleted: their sum is the stock.
#[derive(Clone, Debug)]
pub struct StockMovement(pub(super) stock_movement::Model);

impl From<stock_movement::Model> for StockMovement {
    fn from(row: stock_movement::Model) -> Self {
        Self(row)
    }
}

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

    /// The warehouse.
    async fn warehouse(&self, ctx: &Context<'_>) -> Result<Option<Warehouse>, ApiError> {
        warehouse_of(ctx, self.0.warehouse_id).await
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

    /// Who did it; null when nobody's hand did, as for an import.
    async fn actor(&self, ctx: &Context<'_>) -> Result<Option<User>, ApiError> {
        let Some(id) = self.0.actor_id else {
            return Ok(None);
        };
        let loader = loading::of::<UserLoader>(ctx);
        Ok(loader.load_one(id).await?.map(User::from))
    }

    /// When.
    async fn created_at(&self) -> Time {
        self.0.created_at.into()
    }
}
