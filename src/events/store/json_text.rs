//! JSON of a row as text.

use sea_orm::sqlx::{Error, Row as _};
use sea_orm::{ColIdx, DbErr, QueryResult, RuntimeErr, TryGetError, TryGetable};
use serde_json::Value;

/// JSON in the form in which it was written: compact, and with the names of objects in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JsonText(String);

impl JsonText {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// MySQL keeps JSON in a form of its own and puts spaces and another order into what it returns; everything else
    /// returns what was written. A repeat has to be the same, whoever sends it.
    fn of(text: String) -> Result<Self, serde_json::Error> {
        let is_compact = !text.contains("\": ");
        if is_compact {
            return Ok(Self(text));
        }
        let value: Value = serde_json::from_str(&text)?;
        Ok(Self(value.to_string()))
    }
}

impl TryGetable for JsonText {
    /// Unchecked: sqlx gives JSON only to types that take it apart.
    fn try_get_by<I: ColIdx>(row: &QueryResult, column: I) -> Result<Self, TryGetError> {
        let text: Result<Option<String>, Error> = if let Some(row) = row.try_as_mysql_row() {
            row.try_get_unchecked(column.as_sqlx_mysql_index())
        } else if let Some(row) = row.try_as_sqlite_row() {
            row.try_get_unchecked(column.as_sqlx_sqlite_index())
        } else {
            return Err(DbErr::Type("JSON of an unknown engine".to_owned()).into());
        };
        let text = text.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))?;
        let text = text.ok_or_else(|| TryGetError::Null(format!("{column:?}")))?;
        Self::of(text).map_err(|error| DbErr::Json(error.to_string()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_stays_and_the_form_of_mysql_is_written_anew() {
        let written = r#"{"a":"x: y","b":[1,{"c":null}]}"#;
        assert_eq!(JsonText::of(written.to_owned()).unwrap().as_str(), written);
        let mysql = r#"{"b": [1, {"c": null}], "a": "x: y"}"#;
        assert_eq!(JsonText::of(mysql.to_owned()).unwrap().as_str(), written);
    }

    #[test]
    fn text_that_only_looks_like_the_form_of_mysql_stays_the_same_too() {
        let written = r#"{"a":"\"b\": c"}"#;
        assert_eq!(JsonText::of(written.to_owned()).unwrap().as_str(), written);
    }
}
