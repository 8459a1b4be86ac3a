//! Which column of a file is which.

use super::FileError;
use csv::ByteRecord;

/// Columns of the rejects file that are skipped when it is imported again.
pub(super) const SKIPPED: [&str; 2] = ["row", "reason"];

/// The columns of one kind of file.
pub(super) trait Column: Copy + Sized + 'static {
    /// All of them, each at its [`place`](Column::place).
    const ALL: &'static [Self];
    /// Those that must be there.
    const NEEDED: &'static [Self];

    /// Its name in the first line.
    fn name(self) -> &'static str;

    /// Its place in [`Column::ALL`].
    fn place(self) -> usize;
}

/// The first line of a file.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    /// Names as they are written, those of [`SKIPPED`] too.
    pub(super) names: Vec<String>,
    /// Where each column of [`Column::ALL`] is.
    places: Vec<Option<usize>>,
}

impl Columns {
    /// Reads the first line.
    pub(super) fn of<C: Column>(heading: &ByteRecord) -> Result<Self, FileError> {
        let mut names = Vec::with_capacity(heading.len());
        let mut places = vec![None; C::ALL.len()];
        for (place, cell) in heading.iter().enumerate() {
            let name = std::str::from_utf8(cell).map_err(|_| FileError::HeadingEncoding)?;
            // The mark would else be part of the first name.
            let name = name.trim_start_matches('\u{feff}').trim().to_lowercase();
            if names.contains(&name) {
                return Err(FileError::RepeatedColumn(name));
            }
            let column = C::ALL.iter().position(|column| column.name() == name);
            match column {
                Some(column) => places[column] = Some(place),
                None if SKIPPED.contains(&name.as_str()) => {}
                None => {
                    let known: Vec<_> = C::ALL.iter().map(|column| column.name()).collect();
                    let known = known.join(", ");
                    return Err(FileError::UnknownColumn(name, known));
                }
            }
            names.push(name);
        }
        if names.iter().all(String::is_empty) {
            return Err(FileError::Empty);
        }
        let columns = Self { names, places };
        match C::NEEDED
            .iter()
            .find(|column| columns.place(**column).is_none())
        {
            Some(column) => Err(FileError::MissingColumn(column.name())),
            None => Ok(columns),
        }
    }

    /// Where a column is, if it is there.
    pub(super) fn place(&self, column: impl Column) -> Option<usize> {
        self.places.get(column.place()).copied().flatten()
    }

    /// Whether the cell at a place is to be skipped.
    pub(super) fn is_skipped(&self, place: usize) -> bool {
        self.names
            .get(place)
            .is_some_and(|name| SKIPPED.contains(&name.as_str()))
    }
}
