//! The columns of a products file.

use crate::import::columns;

/// A column of a products file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Sku,
    Name,
    Price,
    Description,
    Categories,
    Status,
    Stock,
    Warehouse,
    ExternalReference,
    Product,
    Variant,
}

impl columns::Column for Column {
    const ALL: &'static [Self] = &[
        Self::Sku,
        Self::Name,
        Self::Price,
        Self::Description,
        Self::Categories,
        Self::Status,
        Self::Stock,
        Self::Warehouse,
        Self::ExternalReference,
        Self::Product,
        Self::Variant,
    ];
    const NEEDED: &'static [Self] = &[Self::Sku, Self::Name, Self::Price];

    fn name(self) -> &'static str {
        match self {
            Self::Sku => "sku",
            Self::Name => "name",
            Self::Price => "price",
            Self::Description => "description",
            Self::Categories => "categories",
            Self::Status => "status",
            Self::Stock => "stock",
            Self::Warehouse => "warehouse",
            Self::ExternalReference => "external_reference",
            Self::Product => "product",
            Self::Variant => "variant",
        }
    }

    fn place(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::FileError;
    use crate::import::columns::{Column as _, Columns};
    use csv::ByteRecord;

    fn columns(names: &[&str]) -> Result<Columns, FileError> {
        Columns::of::<Column>(&ByteRecord::from(names.to_vec()))
    }

    #[test]
    fn columns_stand_in_any_order_and_unknown_ones_are_named() {
        let found = columns(&["\u{feff}price", " Name ", "SKU", "reason"]).unwrap();
        assert_eq!(found.place(Column::Sku), Some(2));
        assert_eq!(found.place(Column::Price), Some(0));
        assert_eq!(found.place(Column::Stock), None);
        assert!(found.is_skipped(3) && !found.is_skipped(0));
        let error = columns(&["sku", "name", "price", "colour"]).unwrap_err();
        assert!(matches!(error, FileError::UnknownColumn(name, _) if name == "colour"));
        assert_eq!(
            columns(&["sku", "price"]).unwrap_err(),
            FileError::MissingColumn("name")
        );
        assert_eq!(columns(&[]).unwrap_err(), FileError::Empty);
        let twice = columns(&["sku", "sku"]).unwrap_err();
        assert_eq!(twice, FileError::RepeatedColumn("sku".to_owned()));
    }

    #[test]
    fn every_column_has_its_place_in_the_list() {
        for (place, column) in Column::ALL.iter().enumerate() {
            assert_eq!(*column as usize, place);
        }
    }
}
