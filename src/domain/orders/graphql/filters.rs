//! How lists of orders are narrowed and sorted, and how one is named.

use super::super::model::{Filter, Sort, Sorting};
use super::types::OrderStatus;
use crate::graphql::error::ApiError;
use crate::graphql::scalars::{Decimal, Time, query_id};
use crate::money;
use async_graphql::{Enum, ID, InputObject, OneofObject};
use validator::Validate;

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
    /// Imported orders with this id in the system they come from.
    pub external_reference: Option<String>,
    /// Imported orders of the customer with this id in the system they come from.
    pub customer_reference: Option<String>,
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
            external_reference: self.external_reference,
            customer_reference: self.customer_reference,
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
    /// Their number, as text.
    Number,
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
            OrderOrderField::Number => Sort::Number,
        };
        Self {
            sort,
            descending: order.direction.is_descending(),
        }
    }
}
