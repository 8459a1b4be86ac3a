//! Pages of lists: keyset cursors, or page numbers for people who ask for them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The form of cursors; another form is refused with a clear error.
const VERSION: u8 = 1;

/// A value that a list is sorted by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SortValue {
    /// A number.
    #[serde(rename = "i")]
    Int(i64),
    /// A text.
    #[serde(rename = "s")]
    Text(String),
    /// A time in microseconds since 1970.
    #[serde(rename = "t")]
    Time(i64),
    /// A rank, and the text that decides between equal ranks.
    #[serde(rename = "r")]
    Ranked(i64, String),
}

/// The place of an item in a sorted list: opaque to clients, validated as input that nobody trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// What the list was sorted by.
    pub sort: String,
    /// The item's value of it.
    pub value: SortValue,
    /// The item's id, which decides between equal values.
    pub id: Uuid,
}

/// A text that is not a cursor of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("This is not a cursor of this list.")]
pub struct BadCursor;

impl Cursor {
    /// The text that clients get.
    #[must_use]
    pub fn encode(&self) -> String {
        let parts = serde_json::json!([VERSION, self.sort, self.value, self.id]);
        URL_SAFE_NO_PAD.encode(parts.to_string())
    }

    /// Reads a client's text.
    ///
    /// # Errors
    /// [`BadCursor`] for anything that [`Cursor::encode`] did not make for the same sort.
    pub fn decode(text: &str, sort: &str) -> Result<Self, BadCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCursor)?;
        let (version, found, value, id): (u8, String, SortValue, Uuid) =
            serde_json::from_slice(&bytes).map_err(|_| BadCursor)?;
        if version != VERSION || found != sort {
            return Err(BadCursor);
        }
        Ok(Self {
            sort: found,
            value,
            id,
        })
    }
}

/// Which part of a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// The first items, or the first after a cursor.
    First {
        /// Text of the cursor.
        after: Option<String>,
    },
    /// The last items, or the last before a cursor.
    Last {
        /// Text of the cursor.
        before: Option<String>,
    },
    /// A page by number, from 1.
    Number {
        /// The number.
        page: u32,
    },
}

/// A request for a part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageRequest {
    /// Which part.
    pub window: Window,
    /// Items, 1 to `limits.page_size_max`.
    pub limit: u32,
    /// Whether all items are counted.
    pub with_total: bool,
}

impl PageRequest {
    /// The first items of a list.
    #[must_use]
    pub const fn first(limit: u32) -> Self {
        Self {
            window: Window::First { after: None },
            limit,
            with_total: false,
        }
    }
}

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The items, each with its cursor.
    pub items: Vec<(T, String)>,
    /// Whether items follow.
    pub has_next: bool,
    /// Whether items precede.
    pub has_previous: bool,
    /// All items of the list, when asked for.
    pub total: Option<u64>,
}

impl<T> Page<T> {
    /// A page without items.
    #[must_use]
    pub const fn empty(with_total: bool) -> Self {
        Self {
            items: Vec::new(),
            has_next: false,
            has_previous: false,
            total: if with_total { Some(0) } else { None },
        }
    }

    /// The same page of other items.
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self
                .items
                .into_iter()
                .map(|(item, cursor)| (f(item), cursor))
                .collect(),
            has_next: self.has_next,
            has_previous: self.has_previous,
            total: self.total,
        }
    }

    /// The items alone.
    #[must_use]
    pub fn into_items(self) -> Vec<T> {
        self.items.into_iter().map(|(item, _)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_only_for_its_own_sort() {
        let cursor = Cursor {
            sort: "NAME:ASC".into(),
            value: SortValue::Text("Tea".into()),
            id: Uuid::nil(),
        };
        assert_eq!(
            Cursor::decode(&cursor.encode(), "NAME:ASC"),
            Ok(cursor.clone())
        );
        assert_eq!(
            Cursor::decode(&cursor.encode(), "NAME:DESC"),
            Err(BadCursor)
        );
        for junk in ["", "x", "WzFd", "AAAA", "🙂"] {
            assert_eq!(Cursor::decode(junk, "NAME:ASC"), Err(BadCursor));
        }
    }
}
