//! Rules of stock that need no database.

use entity::catalog::Availability;
use entity::ids::{OrderLineId, ReservationId, VariantId, WarehouseId};
use entity::inventory::reservation;

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
