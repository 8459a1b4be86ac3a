//! Rules of orders that need no database.

use entity::ids::UserId;
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
