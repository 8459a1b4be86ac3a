//! The columns of an orders file.

use crate::import::columns;

/// A column of an orders file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Order,
    OrderedAt,
    Sku,
    Quantity,
    UnitPrice,
    Name,
    CustomerReference,
    Currency,
    Source,
}

impl columns::Column for Column {
    const ALL: &'static [Self] = &[
        Self::Order,
        Self::OrderedAt,
        Self::Sku,
        Self::Quantity,
        Self::UnitPrice,
        Self::Name,
        Self::CustomerReference,
        Self::Currency,
        Self::Source,
    ];
    const NEEDED: &'static [Self] = &[
        Self::Order,
        Self::OrderedAt,
        Self::Sku,
        Self::Quantity,
        Self::UnitPrice,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::OrderedAt => "ordered_at",
            Self::Sku => "sku",
            Self::Quantity => "quantity",
            Self::UnitPrice => "unit_price",
            Self::Name => "name",
            Self::CustomerReference => "customer_reference",
            Self::Currency => "currency",
            Self::Source => "source",
        }
    }

    fn place(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::columns::Column as _;

    #[test]
    fn every_column_has_its_place_in_the_list() {
        for (place, column) in Column::ALL.iter().enumerate() {
            assert_eq!(column.place(), place);
        }
    }
}
