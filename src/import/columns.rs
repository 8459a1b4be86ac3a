//! Which column of a file is which.

use super::FileError;
use csv::ByteRecord;

/// Columns of the rejects file that are skipped when it is imported again.
pub(super) const SKIPPED: [&str; 2] = ["row", "reason"];

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

impl Column {
    pub(super) const ALL: [Self; 11] = [
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
    const NEEDED: [Self; 3] = [Self::Sku, Self::Name, Self::Price];

    /// Its name in the first line.
    pub(super) const fn name(self) -> &'static str {
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
}

/// The first line of a file.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    /// Names as they are written, those of [`SKIPPED`] too.
    pub(super) names: Vec<String>,
    /// Where each column of [`Column::ALL`] is.
    places: [Option<usize>; Column::ALL.len()],
}

impl Columns {
    /// Reads the first line.
    pub(super) fn of(heading: &ByteRecord) -> Result<Self, FileError> {
        let mut names = Vec::with_capacity(heading.len());
        let mut places = [None; Column::ALL.len()];
        for (place, cell) in heading.iter().enumerate() {
            let name = std::str::from_utf8(cell).map_err(|_| FileError::HeadingEncoding)?;
            // The mark would else be part of the first name.
            let name = name.trim_start_matches('\u{feff}').trim().to_lowercase();
            if names.contains(&name) {
                return Err(FileError::RepeatedColumn(name));
            }
            let column = Column::ALL.iter().position(|column| column.name() == name);
            match column {
                Some(column) => places[column] = Some(place),
                None if SKIPPED.contains(&name.as_str()) => {}
                None => {
                    let known = Column::ALL.map(Column::name).join(", ");
                    return Err(FileError::UnknownColumn(name, known));
                }
            }
            names.push(name);
        }
        if names.iter().all(String::is_empty) {
            return Err(FileError::Empty);
        }
        let columns = Self { names, places };
        match Column::NEEDED
            .iter()
            .find(|column| columns.place(**column).is_none())
        {
            Some(column) => Err(FileError::MissingColumn(column.name())),
            None => Ok(columns),
        }
    }

    /// Where a column is, if it is there.
    pub(super) const fn place(&self, column: Column) -> Option<usize> {
        self.places[column as usize]
    }

    /// Whether the cell at a place is to be skipped.
    pub(super) fn is_skipped(&self, place: usize) -> bool {
        self.names
            .get(place)
            .is_some_and(|name| SKIPPED.contains(&name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Result<Columns, FileError> {
        Columns::of(&ByteRecord::from(names.to_vec()))
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
