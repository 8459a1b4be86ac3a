//! Rules of stock that need no database.

use chrono::{DateTime, Utc};
use entity::catalog::Availability;
use entity::ids::{OrderLineId, ReservationId, VariantId, WarehouseId};
use entity::inventory::{MovementReason, WarehouseStatus, reservation, warehouse};
use std::collections::BTreeMap;

/// Stock of a variant in an active warehouse, as an unlocked read saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Available {
    /// The variant.
    pub variant_id: VariantId,
    /// The warehouse.
    pub warehouse_id: WarehouseId,
    /// Units that can be reserved.
    pub units: i64,
}

/// Units of a variant that a line needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The variant.
    pub variant_id: VariantId,
    /// Units, 1 or more.
    pub units: i64,
}

/// Units of a need that one warehouse serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// Which need, by its place in the list.
    pub need: usize,
    /// The variant.
    pub variant_id: VariantId,
    /// The warehouse.
    pub warehouse_id: WarehouseId,
    /// Units, 1 or more.
    pub units: i64,
}

/// Why the units of an order are given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// Nobody paid in time; each reservation is published as expired.
    Expired,
    /// The order was cancelled.
    Cancelled,
    /// The order could not be completed.
    Failed,
}

/// Distributes needs over warehouses in the order of `stock` (priority first); a need may be split.
///
/// # Errors
/// The places of the needs that cannot be served in full, in order; nothing is then allocated.
pub fn allocate(needs: &[Need], stock: &[Available]) -> Result<Vec<Allocation>, Vec<usize>> {
    let mut left: Vec<Available> = stock.to_vec();
    let mut allocations = Vec::with_capacity(needs.len());
    let mut short = Vec::new();
    for (place, need) in needs.iter().enumerate() {
        let mut open = need.units;
        for row in left
            .iter_mut()
            .filter(|row| row.variant_id == need.variant_id && row.units > 0)
        {
            let units = open.min(row.units);
            if units == 0 {
                break;
            }
            row.units -= units;
            open -= units;
            let (variant_id, warehouse_id) = (row.variant_id, row.warehouse_id);
            allocations.push(Allocation {
                need: place,
                variant_id,
                warehouse_id,
                units,
            });
        }
        if open > 0 {
            short.push(place);
        }
    }
    if short.is_empty() {
        Ok(allocations)
    } else {
        Err(short)
    }
}

/// Units of a reservation that come back into its warehouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returning {
    /// The reservation by which they left.
    pub reservation_id: ReservationId,
    /// The variant.
    pub variant_id: VariantId,
    /// The warehouse.
    pub warehouse_id: WarehouseId,
    /// Units, 1 or more.
    pub units: i64,
}

/// Distributes what comes back of order lines over the reservations by which it left, in their order.
///
/// # Errors
/// The first line of which more comes back than is out.
pub fn returning(
    lines: &[(OrderLineId, i64)],
    out: &[reservation::Model],
) -> Result<Vec<Returning>, OrderLineId> {
    let mut back = Vec::new();
    for &(line, units) in lines {
        let mut open = units;
        for row in out.iter().filter(|row| row.order_line_id == line) {
            let units = open.min(row.quantity - row.returned);
            if units > 0 {
                open -= units;
                back.push(Returning {
                    reservation_id: row.id,
                    variant_id: row.variant_id,
                    warehouse_id: row.warehouse_id,
                    units,
                });
            }
        }
        if open > 0 {
            return Err(line);
        }
    }
    // Stock rows are locked in this order everywhere.
    back.sort_unstable_by_key(|row| (row.variant_id, row.warehouse_id));
    Ok(back)
}

/// A warehouse that staff makes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct NewWarehouse {
    /// Short name, unique; kept in capitals.
    pub code: String,
    /// Name.
    pub name: String,
    /// Smaller numbers are emptied first.
    pub priority: i32,
}

/// Changes of a warehouse; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WarehouseChange {
    /// Short name.
    pub code: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Priority.
    pub priority: Option<i32>,
    /// The version that the caller has seen.
    pub expected_version: Option<i32>,
}

impl WarehouseChange {
    /// The row with the change, at the same version.
    #[must_use]
    pub fn applied_to(&self, mut row: warehouse::Model) -> warehouse::Model {
        if let Some(code) = &self.code {
            row.code = warehouse_code(code);
        }
        if let Some(name) = &self.name {
            row.name = name.trim().to_owned();
        }
        if let Some(priority) = self.priority {
            row.priority = priority;
        }
        row
    }
}

/// A warehouse's code as it is stored: in capitals, so that two cannot differ in case alone.
#[must_use]
pub fn warehouse_code(text: &str) -> String {
    text.trim().to_ascii_uppercase()
}

/// Whether a text is a warehouse's code: ASCII letters, digits, hyphens and underscores.
#[must_use]
pub fn is_warehouse_code(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Which warehouses a list has; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WarehouseFilter {
    /// With one of these statuses; none if empty.
    pub statuses: Option<Vec<WarehouseStatus>>,
    /// With one of these codes, in capitals; none if empty.
    pub codes: Option<Vec<String>>,
}

/// What a list of warehouses is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarehouseSort {
    /// Those that are emptied first in front.
    Priority,
    /// By code.
    Code,
    /// By name, byte by byte.
    Name,
    /// By when they were made.
    CreatedAt,
}

/// The order of a list of warehouses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WarehouseSorting {
    /// The value.
    pub sort: WarehouseSort,
    /// Greatest first.
    pub descending: bool,
}

/// Which movements a list has; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MovementFilter {
    /// Of one of these variants; none if empty.
    pub variants: Option<Vec<VariantId>>,
    /// In one of these warehouses; none if empty.
    pub warehouses: Option<Vec<WarehouseId>>,
    /// For one of these reasons; none if empty.
    pub reasons: Option<Vec<MovementReason>>,
    /// With this reference.
    pub reference: Option<String>,
    /// At or after.
    pub from: Option<DateTime<Utc>>,
    /// At or before.
    pub to: Option<DateTime<Utc>>,
}

/// A variant in a warehouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The variant.
    pub variant_id: VariantId,
    /// The warehouse.
    pub warehouse_id: WarehouseId,
}

/// What the stock row of a place says, and what it is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The place.
    pub place: Place,
    /// Units on hand as the stock row says; 0 without a row.
    pub on_hand: i64,
    /// Sum of the movements.
    pub moved: i64,
    /// Units reserved as the stock row says; 0 without a row.
    pub reserved: i64,
    /// Sum of the active reservations.
    pub held: i64,
}

impl Drift {
    const fn new(place: Place) -> Self {
        Self {
            place,
            on_hand: 0,
            moved: 0,
            reserved: 0,
            held: 0,
        }
    }

    /// Whether the row is not what it is made of, or cannot be.
    #[must_use]
    pub const fn is_wrong(&self) -> bool {
        self.on_hand != self.moved
            || self.reserved != self.held
            || self.reserved < 0
            || self.reserved > self.on_hand
    }
}

impl std::fmt::Display for Drift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Place {
            variant_id,
            warehouse_id,
        } = self.place;
        write!(
            f,
            "variant {variant_id} in warehouse {warehouse_id}: on hand {}, movements {}; reserved {}, held {}",
            self.on_hand, self.moved, self.reserved, self.held
        )
    }
}

/// Joins what the stock rows (on hand, reserved), the movements and the active reservations say of places.
#[must_use]
pub fn joined(
    stock: Vec<(Place, i64, i64)>,
    moved: Vec<(Place, i64)>,
    held: Vec<(Place, i64)>,
) -> Vec<Drift> {
    let mut places: BTreeMap<Place, Drift> = BTreeMap::new();
    let mut at = |place: Place, set: &dyn Fn(&mut Drift)| {
        set(places.entry(place).or_insert_with(|| Drift::new(place)));
    };
    for (place, on_hand, reserved) in stock {
        at(place, &|drift| {
            drift.on_hand = on_hand;
            drift.reserved = reserved;
        });
    }
    for (place, units) in moved {
        at(place, &|drift| drift.moved = units);
    }
    for (place, units) in held {
        at(place, &|drift| drift.held = units);
    }
    places.into_values().collect()
}

/// What the public is told of `available` units.
#[must_use]
pub const fn availability(available: i64, low_stock_threshold: i64) -> Availability {
    if available <= 0 {
        Availability::OutOfStock
    } else if available <= low_stock_threshold {
        Availability::LowStock
    } else {
        Availability::InStock
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn variant(n: u128) -> VariantId {
        VariantId(Uuid::from_u128(n))
    }

    fn row(v: u128, w: u128, units: i64) -> Available {
        Available {
            variant_id: variant(v),
            warehouse_id: WarehouseId(Uuid::from_u128(w)),
            units,
        }
    }

    #[test]
    fn a_need_is_split_over_warehouses_in_their_order() {
        let stock = [row(1, 10, 3), row(1, 11, 5)];
        let needs = [
            Need {
                variant_id: variant(1),
                units: 4,
            },
            Need {
                variant_id: variant(1),
                units: 4,
            },
        ];
        let units: Vec<_> = allocate(&needs, &stock)
            .unwrap()
            .iter()
            .map(|a| (a.need, a.units))
            .collect();
        assert_eq!(units, [(0, 3), (0, 1), (1, 4)]);
    }

    #[test]
    fn all_needs_that_are_short_are_named() {
        let needs = [1, 2, 3].map(|v| Need {
            variant_id: variant(v),
            units: 2,
        });
        assert_eq!(
            allocate(&needs, &[row(2, 10, 2), row(3, 10, 1)]),
            Err(vec![0, 2])
        );
    }

    #[test]
    fn availability_changes_at_zero_and_behind_the_threshold() {
        let seen: Vec<_> = [-1, 0, 1, 5, 6]
            .map(|units| availability(units, 5))
            .to_vec();
        use Availability::{InStock, LowStock, OutOfStock};
        assert_eq!(seen, [OutOfStock, OutOfStock, LowStock, LowStock, InStock]);
    }
}
