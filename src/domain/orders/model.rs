//! Rules of orders that need no database.

use chrono::{DateTime, Utc};
use entity::ids::{ProductId, UserId};
use entity::orders::{OrderStatus, PaymentStatus, order_line};

/// The states that can follow a state.
///
/// A paid order that is cancelled is refunded in full; what was sent in part can only be refunded.
#[must_use]
pub const fn allowed(from: OrderStatus) -> &'static [OrderStatus] {
    use OrderStatus::{
        AwaitingPayment, Cancelled, Expired, Failed, Fulfilled, Paid, PartlyFulfilled, Pending,
    };
    match from {
        AwaitingPayment => &[Pending, Paid, Cancelled, Expired],
        Pending => &[AwaitingPayment, Paid, Cancelled, Failed],
        Paid => &[PartlyFulfilled, Fulfilled, Cancelled],
        PartlyFulfilled => &[Fulfilled],
        Fulfilled | Cancelled | Expired | Failed => &[],
    }
}

/// Whether a state can follow another.
#[must_use]
pub fn can_follow(from: OrderStatus, to: OrderStatus) -> bool {
    allowed(from).contains(&to)
}

/// Units and money of a line that refunds have claimed: those that are done and those that are under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    /// Units.
    pub units: i64,
    /// Of those, units of refunds that are under way.
    pub pending: i64,
    /// Minor units.
    pub amount_minor: i64,
}

/// What each line has of what is to be paid, in minor units: proportional to its total, rounded half up so that the
/// shares sum to `total_minor` exactly. Without adjustments of the order it is the line's own total.
#[must_use]
pub fn shares(total_minor: i64, lines: &[order_line::Model]) -> Vec<i64> {
    let subtotal: i128 = lines.iter().map(|line| i128::from(line.total_minor)).sum();
    let mut sum = 0_i128;
    let mut given = 0_i64;
    lines
        .iter()
        .map(|line| {
            sum += i128::from(line.total_minor);
            let share = part(total_minor, sum, subtotal) - given;
            given += share;
            share
        })
        .collect()
}

/// What goes back for further `units` of a line with a share of the total: after its last unit, exactly the share.
#[must_use]
pub fn refund_minor(share_minor: i64, quantity: i64, claimed: Claimed, units: i64) -> i64 {
    let units = i128::from(claimed.units) + i128::from(units);
    (part(share_minor, units, i128::from(quantity)) - claimed.amount_minor).max(0)
}

/// `amount × numerator / denominator`, rounded half up; nothing of nothing. Both are not negative.
fn part(amount_minor: i64, numerator: i128, denominator: i128) -> i64 {
    if denominator == 0 {
        return 0;
    }
    let rounded = (i128::from(amount_minor) * numerator * 2 + denominator) / (denominator * 2);
    i64::try_from(rounded).unwrap_or(amount_minor)
}

/// Units of a line that can still be sent: neither sent, nor refunded before, nor claimed by a refund under way.
#[must_use]
pub fn sendable(line: &order_line::Model, claimed: Claimed) -> i64 {
    (line.quantity - line.fulfilled - line.dropped - claimed.pending).max(0)
}

/// What kind of program a user agent is: `web` for browsers, `mobile` for those of phones, `api` for all others.
#[must_use]
pub fn platform(user_agent: Option<&str>) -> &'static str {
    let Some(agent) = user_agent else {
        return "api";
    };
    if !agent.starts_with("Mozilla/") {
        "api"
    } else if agent.contains("Mobile") || agent.contains("Android") {
        "mobile"
    } else {
        "web"
    }
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

/// Orders of one state, summed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sums {
    /// Their state.
    pub status: OrderStatus,
    /// The state of their payment.
    pub payment_status: PaymentStatus,
    /// How many.
    pub orders: i64,
    /// What they cost, in minor units.
    pub total_minor: i64,
    /// What was paid back of them, in minor units.
    pub refunded_minor: i64,
}

/// What orders of a period sum to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// All orders.
    pub orders: i64,
    /// Those that wait for their payment, or whose payment is under way.
    pub open: i64,
    /// Those that are paid, whether sent or not.
    pub successful: i64,
    /// Those that were cancelled, expired or failed.
    pub failed: i64,
    /// What was paid for the orders, in minor units.
    pub paid_minor: i64,
    /// What was paid back, in minor units.
    pub refunded_minor: i64,
}

impl Summary {
    /// Sums up.
    #[must_use]
    pub fn of(sums: &[Sums]) -> Self {
        use PaymentStatus::{Paid, PartlyRefunded, Refunded};
        let mut summary = Self::default();
        for row in sums {
            summary.orders += row.orders;
            match row.status {
                OrderStatus::AwaitingPayment | OrderStatus::Pending => summary.open += row.orders,
                OrderStatus::Paid | OrderStatus::PartlyFulfilled | OrderStatus::Fulfilled => {
                    summary.successful += row.orders;
                }
                OrderStatus::Cancelled | OrderStatus::Expired | OrderStatus::Failed => {
                    summary.failed += row.orders;
                }
            }
            if matches!(row.payment_status, Paid | PartlyRefunded | Refunded) {
                summary.paid_minor = summary.paid_minor.saturating_add(row.total_minor);
            }
            summary.refunded_minor = summary.refunded_minor.saturating_add(row.refunded_minor);
        }
        summary
    }
}

/// What a list of orders is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sort {
    /// When they were made.
    CreatedAt,
    /// What is to be paid.
    Total,
    /// Their number.
    Number,
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
    use entity::ids::{OrderId, OrderLineId, VariantId};
    use uuid::Uuid;

    fn line(quantity: i64, total_minor: i64) -> order_line::Model {
        order_line::Model {
            id: OrderLineId(Uuid::nil()),
            order_id: OrderId(Uuid::nil()),
            position: 0,
            product_id: ProductId(Uuid::nil()),
            variant_id: VariantId(Uuid::nil()),
            sku: String::new(),
            name: String::new(),
            quantity,
            unit_price_minor: total_minor / quantity,
            total_minor,
            fulfilled: 0,
            refunded: 0,
            dropped: 0,
            restocked: 0,
        }
    }

    #[test]
    fn refunds_of_all_units_in_any_pieces_sum_to_what_was_paid() {
        // Totals that differ from the sum of the lines are those of adjustments: 100 off, 7 more, all off.
        for total in [1_000, 900, 1_007, 1, 0] {
            let lines = [line(3, 300), line(7, 693), line(1, 7)];
            let shares = shares(total, &lines);
            assert_eq!(shares.iter().sum::<i64>(), total);
            for pieces in [1, 2, 3] {
                let mut back = 0;
                for (line, share) in lines.iter().zip(&shares) {
                    let mut claimed = Claimed::default();
                    while claimed.units < line.quantity {
                        let units = pieces.min(line.quantity - claimed.units);
                        let amount = refund_minor(*share, line.quantity, claimed, units);
                        claimed.units += units;
                        claimed.amount_minor += amount;
                    }
                    assert_eq!(claimed.amount_minor, *share);
                    back += claimed.amount_minor;
                }
                assert_eq!(back, total, "in pieces of {pieces}");
            }
        }
    }

    #[test]
    fn half_a_minor_unit_is_rounded_up_and_the_rest_follows() {
        let first = refund_minor(101, 2, Claimed::default(), 1);
        let claimed = Claimed {
            units: 1,
            pending: 0,
            amount_minor: first,
        };
        assert_eq!((first, refund_minor(101, 2, claimed, 1)), (51, 50));
    }

    #[test]
    fn what_is_sent_dropped_or_claimed_cannot_be_sent() {
        let mut sent = line(10, 100);
        (sent.fulfilled, sent.dropped) = (3, 2);
        let claimed = Claimed {
            pending: 4,
            ..Claimed::default()
        };
        assert_eq!(sendable(&sent, claimed), 1);
    }

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
