//! What samples are made of: the same ids and the same moment everywhere, so that they tell one story.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// 2025-11-19T23:03:43.617123Z, in microseconds.
const BEGAN: i64 = 1_763_593_423_617_123;

/// An id of this number.
#[must_use]
pub const fn id(number: u16) -> Uuid {
    Uuid::from_u128(0x019a_9e5c_0a00_7000_8000_0000_0000_0000 | number as u128)
}

/// So many seconds after the beginning.
#[must_use]
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(BEGAN).unwrap_or_default() + TimeDelta::seconds(seconds)
}

/// The order.
pub const ORDER: Uuid = id(1);
/// Who ordered.
pub const USER: Uuid = id(2);
/// The line of the order.
pub const LINE: Uuid = id(4);
/// The product.
pub const PRODUCT: Uuid = id(5);
/// Its variant.
pub const VARIANT: Uuid = id(6);
/// The category that it stands in.
pub const CATEGORY: Uuid = id(7);
/// The category above that.
pub const PARENT: Uuid = id(8);
/// Where its stock is.
pub const WAREHOUSE: Uuid = id(9);
/// Where some of it goes.
pub const OTHER_WAREHOUSE: Uuid = id(10);
