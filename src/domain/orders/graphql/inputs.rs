//! The inputs of orders.

use super::super::model::{Filter, Sort, Sorting};
use super::super::service::{NewLine, NewOrder};
use super::types::OrderStatus;
use crate::config::Limits;
use crate::domain::catalog::model::VariantReference;
use crate::error::{ErrorCode, Problem};
use crate::graphql::error::ApiError;
use crate::graphql::scalars::{Decimal, Time, mutation_id, query_id};
use crate::graphql::validate;
use crate::money;
use async_graphql::{Enum, ID, InputObject, OneofObject};
use serde::Serialize;
use validator::Validate;

/// Something to buy: exactly one of productId, variantId and sku, and how many.
#[derive(Clone, Debug, InputObject, Serialize, Validate)]
pub struct OrderLineInput {
    /// A product that has a single variant.
    pub product_id: Option<ID>,
    /// A variant.
    pub variant_id: Option<ID>,
    /// A variant by its SKU, in any case.
    #[validate(length(min = 1, max = 64))]
    pub sku: Option<String>,
    /// Units, 1 or more.
    #[validate(range(min = 1))]
    pub quantity: i32,
}

/// An order. Prices are the shop's; the whole order is refused when one line is short.
#[derive(Clone, Debug, InputObject, Validate)]
pub struct OrderCreateInput {
    /// What to buy; 1 to 1,000 lines.
    #[validate(length(min = 1), nested)]
    pub lines: Vec<OrderLineInput>,
    /// Your own name for the order, unique among your orders, up to 48 characters: `order(by: {clientReference})`
    /// finds it.
    #[validate(length(min = 1, max = 48))]
    pub client_reference: Option<String>,
    /// A note for the shop, up to 1,000 characters.
    #[validate(length(max = 1000))]
    pub note: Option<String>,
}

impl OrderCreateInput {
    /// The order that is asked for.
    ///
    /// # Errors
    /// Every mistake in the input, with paths relative to it.
    pub fn read(self, limits: &Limits) -> Result<NewOrder, Vec<Problem>> {
        let mut problems = validate::check(&self).err().unwrap_or_default();
        if self.lines.len() > limits.order_lines {
            let message = format!("At most {} lines are allowed.", limits.order_lines);
            return Err(vec![Problem::new(ErrorCode::TooLong, message, &["lines"])]);
        }
        let lines = read_lines(&self.lines, limits, &mut problems);
        let lines = lines
            .into_iter()
            .map(|(reference, quantity)| NewLine {
                reference,
                quantity,
            })
            .collect();
        if problems.is_empty() {
            Ok(NewOrder {
                lines,
                client_reference: self.client_reference,
                note: self.note,
            })
        } else {
            Err(problems)
        }
    }
}

/// What lines name and how many; their mistakes are added to `problems`, with paths below `lines`.
pub fn read_lines(
    lines: &[OrderLineInput],
    limits: &Limits,
    problems: &mut Vec<Problem>,
) -> Vec<(VariantReference, i64)> {
    let mut read = Vec::with_capacity(lines.len());
    for (place, line) in lines.iter().enumerate() {
        let place = place.to_string();
        let quantity = i64::from(line.quantity);
        if quantity > limits.quantity_max {
            let message = format!("The number must be {} or less.", limits.quantity_max);
            problems.push(Problem::new(
                ErrorCode::OutOfRange,
                message,
                &["lines", &place, "quantity"],
            ));
        }
        match line.reference(&place) {
            Ok(reference) => read.push((reference, quantity)),
            Err(problem) => problems.push(problem),
        }
    }
    read
}

impl OrderLineInput {
    fn reference(&self, place: &str) -> Result<VariantReference, Problem> {
        match (&self.product_id, &self.variant_id, &self.sku) {
            (Some(id), None, None) => {
                mutation_id(id, &["lines", place, "productId"]).map(VariantReference::Product)
            }
            (None, Some(id), None) => {
                mutation_id(id, &["lines", place, "variantId"]).map(VariantReference::Variant)
            }
            (None, None, Some(sku)) => Ok(VariantReference::Sku(sku.clone())),
            _ => Err(Problem::new(
                ErrorCode::Invalid,
                "Give exactly one of productId, variantId and sku.",
                &["lines", place],
            )),
        }
    }
}

/// Names an order; exactly one field.
#[derive(Clone, Debug, OneofObject)]
pub enum OrderBy {
    /// By id.
    Id(ID),
    /// By number, as `ORD-2026-000001`.
    Number(String),
    /// By your own name for it; finds your own orders only.
    ClientReference(String),
}

/// States to match; all that is given must hold.
#[derive(Clone, Debug, Default, InputObject, Validate)]
pub struct OrderStatusFilter {
    /// Exactly this state.
    pub eq: Option<OrderStatus>,
    /// One of these; an empty list matches nothing.
    pub r#in: Option<Vec<OrderStatus>>,
}

/// A period; both ends are included.
#[derive(Clone, Debug, Default, InputObject, Validate)]
pub struct OrderTimeFilter {
    /// At or after.
    pub gte: Option<Time>,
    /// At or before.
    pub lte: Option<Time>,
}

/// A range of totals in the shop's currency; both ends are included.
#[derive(Clone, Debug, Default, InputObject, Validate)]
pub struct OrderTotalFilter {
    /// At least.
    pub gte: Option<Decimal>,
    /// At most.
    pub lte: Option<Decimal>,
}

/// Narrows a list of orders; all that is given must hold.
#[derive(Clone, Debug, Default, InputObject, Validate)]
pub struct OrderFilter {
    /// By state.
    pub status: Option<OrderStatusFilter>,
    /// Orders of this user; for staff, who see all orders.
    pub user_id: Option<ID>,
    /// Orders with a line of this product.
    pub product_id: Option<ID>,
    /// With this number.
    pub number: Option<String>,
    /// With this client reference.
    pub client_reference: Option<String>,
    /// By when they were made.
    pub created_at: Option<OrderTimeFilter>,
    /// By what is to be paid.
    pub total: Option<OrderTotalFilter>,
}

impl OrderFilter {
    /// The filter in the terms of the store.
    ///
    /// # Errors
    /// An id that is none, or a total with too many decimals.
    pub fn read(self, currency: &str) -> Result<Filter, ApiError> {
        let status = self.status.unwrap_or_default();
        let statuses = match (status.eq, status.r#in) {
            (None, None) => None,
            (Some(eq), None) => Some(vec![eq]),
            (None, Some(list)) => Some(list),
            (Some(eq), Some(list)) => {
                Some(list.into_iter().filter(|status| *status == eq).collect())
            }
        };
        let created_at = self.created_at.unwrap_or_default();
        let total = self.total.unwrap_or_default();
        let minor = |amount: Option<Decimal>| {
            amount
                .map(|amount| money::to_minor(amount.0, currency))
                .transpose()
                .map_err(|error| ApiError::BadUserInput(error.to_string()))
        };
        Ok(Filter {
            statuses: statuses
                .map(|list: Vec<OrderStatus>| list.into_iter().map(Into::into).collect()),
            user_id: self.user_id.as_ref().map(query_id).transpose()?,
            product_id: self.product_id.as_ref().map(query_id).transpose()?,
            number: self.number,
            client_reference: self.client_reference,
            created_from: created_at.gte.map(|time| time.0),
            created_to: created_at.lte.map(|time| time.0),
            total_from_minor: minor(total.gte)?,
            total_to_minor: minor(total.lte)?,
        })
    }
}

/// What a list of orders is sorted by; equal values are sorted by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum OrderOrderField {
    /// When they were made.
    CreatedAt,
    /// What is to be paid.
    Total,
}

/// The order of a list of orders.
#[derive(Clone, Copy, Debug, InputObject, Validate)]
pub struct OrderOrder {
    /// The value.
    pub field: OrderOrderField,
    /// Smallest or greatest first.
    pub direction: crate::graphql::connection::OrderDirection,
}

impl From<OrderOrder> for Sorting {
    fn from(order: OrderOrder) -> Self {
        let sort = match order.field {
            OrderOrderField::CreatedAt => Sort::CreatedAt,
            OrderOrderField::Total => Sort::Total,
        };
        Self {
            sort,
            descending: order.direction.is_descending(),
        }
    }
}
