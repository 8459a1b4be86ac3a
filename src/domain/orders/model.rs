//! Rules of orders that need no database.

use chrono::{DateTime, Utc};
use entity::ids::{ProductId, UserId};
use entity::orders::OrderStatus;

/// The states that can follow a state.
///
/// A paid order cannot be cancelled yet: that needs the refund, which comes with payments.
#[must_use]
pub const fn allowed(from: OrderStatus) -> &'static [OrderStatus] {
    use OrderStatus::{
        AwaitingPayment, Cancelled, Expired, Failed, Fulfilled, Paid, PartlyFulfilled, Pending,
    };
    match from {
        AwaitingPayment => &[Pending, Paid, Cancelled, Expired],
        Pending => &[AwaitingPayment, Paid, Cancelled, Failed],
        Paid => &[PartlyFulfilled, Fulfilled],
        PartlyFulfilled => &[Fulfilled],
        Fulfilled | Cancelled | Expired | Failed => &[],
    }
}

/// Whether a state can follow another.
#[must_use]
pub fn can_follow(from: OrderStatus, to: OrderStatus) -> bool {
    allowed(from).contains(&to)
}

/// Whose orders a caller may see and change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Those of one user.
    Own(UserId),
    /// All of them: staff.
    All,
}

/// Whose list of orders is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Parent {
    /// Orders of a user.
    User(UserId),
    /// Orders with a line of a product.
    Product(ProductId),
}

/// What a list of orders is narrowed to; all that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// One of these states; an empty list matches nothing.
    pub statuses: Option<Vec<OrderStatus>>,
    /// Orders of this user.
    pub user_id: Option<UserId>,
    /// Orders with a line of this product.
    pub product_id: Option<ProductId>,
    /// With this number.
    pub number: Option<String>,
    /// With this client reference.
    pub client_reference: Option<String>,
    /// With this id in the system it was imported from.
    pub external_reference: Option<String>,
    /// Of the customer with this id in the system it was imported from.
    pub customer_reference: Option<String>,
    /// Made at or after.
    pub created_from: Option<DateTime<Utc>>,
    /// Made at or before.
    pub created_to: Option<DateTime<Utc>>,
    /// Total at least.
    pub total_from_minor: Option<i64>,
    /// Total at most.
    pub total_to_minor: Option<i64>,
}

/// What a list of orders is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sort {
    /// When they were made.
    CreatedAt,
    /// What is to be paid.
    Total,
}

/// A list's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sorting {
    /// The value.
    pub sort: Sort,
    /// Greatest first.
    pub descending: bool,
}

impl Default for Sorting {
    fn default() -> Self {
        Self {
            sort: Sort::CreatedAt,
            descending: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_states_have_no_successor_and_all_others_have_one() {
        for state in OrderStatus::ALL {
            let is_final = matches!(
                state,
                OrderStatus::Fulfilled
                    | OrderStatus::Cancelled
                    | OrderStatus::Expired
                    | OrderStatus::Failed
            );
            assert_eq!(allowed(*state).is_empty(), is_final, "{state}");
            assert!(
                !can_follow(*state, *state),
                "{state} must not follow itself"
            );
        }
    }
}
