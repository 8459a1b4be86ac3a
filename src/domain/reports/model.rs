//! Rules of reports that need no database.

use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::{ProductId, UserId};
use entity::orders::OrderStatus;

/// The states in which an order is a sale.
pub const SOLD: [OrderStatus; 3] = [
    OrderStatus::Paid,
    OrderStatus::PartlyFulfilled,
    OrderStatus::Fulfilled,
];
/// The period of a report that does not name its begin, in days.
const DEFAULT_DAYS: i64 = 30;

/// A period; both ends are included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// At or after.
    pub from: DateTime<Utc>,
    /// At or before.
    pub to: DateTime<Utc>,
}

/// Why a period is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// It ends before it begins.
    #[error("to must not be before from.")]
    Backwards,
    /// It is too long.
    #[error("from and to are at most {0} days apart.")]
    TooLong(i64),
}

impl Period {
    /// The period that is asked for; without an end it ends now, without a begin it takes 30 days.
    ///
    /// # Errors
    /// It ends before it begins, or has more than `days_max` days.
    pub fn new(
        from: Option<DateTime<Utc>>,
        to: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
        days_max: i64,
    ) -> Result<Self, PeriodError> {
        let to = to.unwrap_or(now);
        let default = || TimeDelta::days(DEFAULT_DAYS.min(days_max));
        let from = from.unwrap_or_else(|| to - default());
        if to < from {
            return Err(PeriodError::Backwards);
        }
        if to - from > TimeDelta::days(days_max) {
            return Err(PeriodError::TooLong(days_max));
        }
        Ok(Self { from, to })
    }
}

/// What was sold in a period, or in a part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sales {
    /// Orders.
    pub orders: i64,
    /// Sum of their totals in minor units.
    pub revenue_minor: i64,
}

/// What was sold on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaySales {
    /// The UTC day, as `2011-06-30`.
    pub day: String,
    /// What was sold.
    pub sales: Sales,
}

/// What was sold of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductSales {
    /// The product.
    pub product_id: ProductId,
    /// Orders with it.
    pub orders: i64,
    /// Units.
    pub units: i64,
    /// Sum of its lines in minor units.
    pub revenue_minor: i64,
}

/// What was sold to a customer: a user of this shop, or a customer of the system that orders were imported from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerSales {
    /// The system, for imported orders.
    pub source: Option<String>,
    /// The customer's id there.
    pub customer_reference: Option<String>,
    /// The user, for orders of this shop.
    pub user_id: Option<UserId>,
    /// What was sold.
    pub sales: Sales,
}

/// A part of a list by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Items that are skipped.
    pub offset: u64,
    /// Items at most.
    pub limit: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> DateTime<Utc> {
        format!("{text}T00:00:00Z").parse().unwrap()
    }

    #[test]
    fn periods_have_an_end_and_a_limit() {
        let now = day("2026-11-21");
        let period = |from: Option<&str>, to: Option<&str>| {
            Period::new(from.map(day), to.map(day), now, 100)
        };
        let last = period(None, None).unwrap();
        assert_eq!((last.from, last.to), (day("2026-10-22"), now));
        let to = period(None, Some("2011-06-30")).unwrap();
        assert_eq!(to.from, day("2011-05-31"));
        let whole = period(Some("2026-08-13"), None).unwrap();
        assert_eq!(whole.to, now);
        assert_eq!(
            period(Some("2026-08-12"), None),
            Err(PeriodError::TooLong(100))
        );
        assert_eq!(
            period(Some("2026-11-22"), None),
            Err(PeriodError::Backwards)
        );
        assert!(
            period(Some("2026-11-21"), Some("2026-11-21")).is_ok(),
            "one moment"
        );
    }
}
