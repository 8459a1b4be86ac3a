//! The inputs of the inventory.

use super::types::{StockMovementReason, WarehouseStatus};
use crate::domain::inventory::model::{
    self, MovementFilter, NewWarehouse, WarehouseChange, WarehouseSort, WarehouseSorting,
};
use crate::domain::inventory::service::{Adjustment, Transfer};
use crate::error::{ErrorCode, Problem};
use crate::graphql::connection::OrderDirection;
use crate::graphql::error::ApiError;
use crate::graphql::filter::{IdFilter, one_of};
use crate::graphql::scalars::{Time, mutation_id};
use crate::graphql::validate::{self, not_blank};
use async_graphql::{Enum, ID, InputObject};
use validator::{Validate, ValidationError};

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
    /// The change that is asked for.
    ///
    /// # Errors
    /// Every mistake in the input, with paths relative to it.
    pub fn read(self) -> Result<Adjustment, Vec<Problem>> {
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

/// Stock that goes from one warehouse to another.
#[derive(Clone, Debug, InputObject, Validate)]
pub struct StockTransferInput {
    /// Where the units are; active.
    pub from_warehouse_id: ID,
    /// Where they go; active, and another one.
    pub to_warehouse_id: ID,
    /// The variant.
    pub variant_id: ID,
    /// Units, 1 or more. Reserved units cannot be taken.
    #[validate(range(min = 1))]
    pub quantity: i32,
    /// What it belongs to, up to 64 characters; both movements have it. Left out, it is the id of the first movement.
    #[validate(length(min = 1, max = 64))]
    pub reference: Option<String>,
}

impl StockTransferInput {
    /// The transfer that is asked for.
    ///
    /// # Errors
    /// Every mistake in the input, with paths relative to it.
    pub fn read(self) -> Result<Transfer, Vec<Problem>> {
        let mut problems = validate::check(&self).err().unwrap_or_default();
        let from = mutation_id(&self.from_warehouse_id, &["fromWarehouseId"]);
        let to = mutation_id(&self.to_warehouse_id, &["toWarehouseId"]);
        let variant = mutation_id(&self.variant_id, &["variantId"]);
        match (from, to, variant) {
            (Ok(from_warehouse_id), Ok(to_warehouse_id), Ok(variant_id)) if problems.is_empty() => {
                Ok(Transfer {
                    variant_id,
                    from_warehouse_id,
                    to_warehouse_id,
                    quantity: i64::from(self.quantity),
                    reference: self.reference,
                })
            }
            (from, to, variant) => {
                problems.extend(from.err());
                problems.extend(to.err());
                problems.extend(variant.err());
                Err(problems)
            }
        }
    }
}

fn code_rule(text: &str) -> Result<(), ValidationError> {
    if text.trim().is_empty() {
        Err(ValidationError::new("required"))
    } else if model::is_warehouse_code(text) {
        Ok(())
    } else {
        let message = "A code has letters, digits, hyphens and underscores only.";
        Err(ValidationError::new("invalid").with_message(message.into()))
    }
}

/// A warehouse.
#[derive(Clone, Debug, InputObject, Validate)]
pub struct WarehouseCreateInput {
    /// Short name for people and files, 1 to 32 letters, digits, hyphens and underscores; kept in capitals, unique:
    /// `"NORTH"`.
    #[validate(length(max = 32), custom(function = "code_rule"))]
    pub code: String,
    /// Name, 1 to 120 characters.
    #[validate(length(max = 120), custom(function = "not_blank"))]
    pub name: String,
    /// Smaller numbers are emptied first.
    #[graphql(default)]
    pub priority: i32,
}

impl WarehouseCreateInput {
    /// The warehouse that is asked for.
    ///
    /// # Errors
    /// Every mistake in the input, with paths relative to it.
    pub fn read(self) -> Result<NewWarehouse, Vec<Problem>> {
        validate::check(&self)?;
        Ok(NewWarehouse {
            code: self.code,
            name: self.name,
            priority: self.priority,
        })
    }
}

/// Changes of a warehouse; what is left out stays.
#[derive(Clone, Debug, InputObject, Validate)]
pub struct WarehouseUpdateInput {
    /// Short name, as in `WarehouseCreateInput`.
    #[validate(length(max = 32), custom(function = "code_rule"))]
    pub code: Option<String>,
    /// Name, 1 to 120 characters.
    #[validate(length(max = 120), custom(function = "not_blank"))]
    pub name: Option<String>,
    /// Smaller numbers are emptied first.
    pub priority: Option<i32>,
    /// The `Warehouse.version` that was seen before: if the warehouse has changed since, nothing is done and the error
    /// is `VERSION_STALE`.
    #[validate(range(min = 1))]
    pub expected_version: Option<i32>,
}

impl WarehouseUpdateInput {
    /// The change that is asked for.
    ///
    /// # Errors
    /// Every mistake in the input, with paths relative to it.
    pub fn read(self) -> Result<WarehouseChange, Vec<Problem>> {
        validate::check(&self)?;
        Ok(WarehouseChange {
            code: self.code,
            name: self.name,
            priority: self.priority,
            expected_version: self.expected_version,
        })
    }
}

/// Chooses by status. All that is given must hold.
#[derive(Clone, Debug, Default, InputObject, Validate)]
pub struct WarehouseStatusFilter {
    /// Is this one: `ACTIVE`.
    pub eq: Option<WarehouseStatus>,
    /// Is one of these; an empty list matches nothing.
    #[graphql(name = "in")]
    #[validate(length(max = 100))]
    pub is_in: Option<Vec<WarehouseStatus>>,
}

/// Chooses by code, in any case. All that is given must hold.
#[derive(Clone, Debug, Default, InputObject, Validate)]
pub struct WarehouseCodeFilter {
    /// Is this one: `"MAIN"`.
    #[validate(length(max = 32))]
    pub eq: Option<String>,
    /// Is one of these; an empty list matches nothing.
    #[graphql(name = "in")]
    #[validate(length(max = 100))]
    pub is_in: Option<Vec<String>>,
}

/// Narrows a list of warehouses; all that is given must hold.
#[derive(Clone, Debug, Default, InputObject, Validate)]
pub struct WarehouseFilter {
    /// By status.
    #[validate(nested)]
    pub status: Option<WarehouseStatusFilter>,
    /// By code.
    #[validate(nested)]
    pub code: Option<WarehouseCodeFilter>,
}

impl From<WarehouseFilter> for model::WarehouseFilter {
    fn from(filter: WarehouseFilter) -> Self {
        let statuses = filter.status.and_then(|by| one_of(by.eq, by.is_in));
        let fold = |text: String| model::warehouse_code(&text);
        let codes = filter.code.and_then(|by| {
            let list = by.is_in.map(|all| all.into_iter().map(fold).collect());
            one_of(by.eq.map(fold), list)
        });
        Self {
            statuses: statuses.map(|all| all.into_iter().map(Into::into).collect()),
            codes,
        }
    }
}

/// What a list of warehouses is sorted by; equal values are sorted by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum WarehouseOrderField {
    /// Those that are emptied first in front.
    Priority,
    /// Code.
    Code,
    /// Name; capital letters come before small ones.
    Name,
    /// When they were made.
    CreatedAt,
}

/// The order of a list of warehouses.
#[derive(Clone, Copy, Debug, InputObject, Validate)]
pub struct WarehouseOrder {
    /// The value.
    pub field: WarehouseOrderField,
    /// Smallest or greatest first.
    #[graphql(default_with = "OrderDirection::Asc")]
    pub direction: OrderDirection,
}

impl From<WarehouseOrder> for WarehouseSorting {
    fn from(order: WarehouseOrder) -> Self {
        let sort = match order.field {
            WarehouseOrderField::Priority => WarehouseSort::Priority,
            WarehouseOrderField::Code => WarehouseSort::Code,
            WarehouseOrderField::Name => WarehouseSort::Name,
            WarehouseOrderField::CreatedAt => WarehouseSort::CreatedAt,
        };
        Self {
            sort,
            descending: order.direction.is_descending(),
        }
    }
}

/// Chooses by reason. All that is given must hold.
#[derive(Clone, Debug, Default, InputObject, Validate)]
pub struct StockMovementReasonFilter {
    /// Is this one: `SOLD`.
    pub eq: Option<StockMovementReason>,
    /// Is one of these; an empty list matches nothing.
    #[graphql(name = "in")]
    #[validate(length(max = 100))]
    pub is_in: Option<Vec<StockMovementReason>>,
}

/// Narrows a list of movements; all that is given must hold.
#[derive(Clone, Debug, Default, InputObject, Validate)]
pub struct StockMovementFilter {
    /// By variant.
    #[validate(nested)]
    pub variant_id: Option<IdFilter>,
    /// By warehouse.
    #[validate(nested)]
    pub warehouse_id: Option<IdFilter>,
    /// By reason.
    #[validate(nested)]
    pub reason: Option<StockMovementReasonFilter>,
    /// With this reference, as an order's number: finds what an order took out and what came back.
    #[validate(length(max = 64))]
    pub reference: Option<String>,
    /// At or after this time.
    pub from: Option<Time>,
    /// At or before this time.
    pub to: Option<Time>,
}

impl StockMovementFilter {
    /// The filter in the terms of the store.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for what is not an id.
    pub fn read(self) -> Result<MovementFilter, ApiError> {
        let reasons = self.reason.and_then(|by| one_of(by.eq, by.is_in));
        Ok(MovementFilter {
            variants: match &self.variant_id {
                Some(filter) => filter.read()?,
                None => None,
            },
            warehouses: match &self.warehouse_id {
                Some(filter) => filter.read()?,
                None => None,
            },
            reasons: reasons.map(|all| all.into_iter().map(Into::into).collect()),
            reference: self.reference,
            from: self.from.map(|time| time.0),
            to: self.to.map(|time| time.0),
        })
    }
}

/// What a list of movements is sorted by; equal values are sorted by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum StockMovementOrderField {
    /// When they were made.
    CreatedAt,
}

/// The order of a list of movements.
#[derive(Clone, Copy, Debug, InputObject, Validate)]
pub struct StockMovementOrder {
    /// The value.
    pub field: StockMovementOrderField,
    /// Oldest or newest first.
    pub direction: OrderDirection,
}
