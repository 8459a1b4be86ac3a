//! What a database error means: both engines' codes stand here and nowhere else.

use sea_orm::sqlx::{self, mysql::MySqlDatabaseError, sqlite::SqliteError};
use sea_orm::{DbErr, RuntimeErr};

/// The kinds of error that the program acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A unique index has the value already; the text names the index (MySQL) or its columns (SQLite).
    Unique(String),
    /// A row that others refer to, or a reference to a row that is not there.
    ForeignKey,
    /// A check of the table failed; the text names it.
    Check(String),
    /// Deadlock, lock timeout or busy: the whole transaction is worth another attempt.
    Retry,
    /// No connection could be had, or it broke.
    Unavailable,
    /// Anything else.
    Other,
}

/// Tells what an error means.
///
/// Codes: MySQL 1062 duplicate, 1451/1452 foreign key, 3819 (MariaDB 4025) check, 1213 deadlock, 1205 lock timeout;
/// SQLite's extended result codes (sqlite.org/rescode.html).
#[must_use]
pub fn kind(error: &DbErr) -> Kind {
    let source = match error {
        DbErr::ConnectionAcquire(_) => return Kind::Unavailable,
        DbErr::Exec(RuntimeErr::SqlxError(source))
        | DbErr::Query(RuntimeErr::SqlxError(source))
        | DbErr::Conn(RuntimeErr::SqlxError(source)) => source,
        _ => return Kind::Other,
    };
    match &**source {
        sqlx::Error::Database(database) => {
            if let Some(mysql) = database.try_downcast_ref::<MySqlDatabaseError>() {
                mysql_kind(mysql.number(), mysql.message())
            } else if let Some(sqlite) = database.try_downcast_ref::<SqliteError>() {
                sqlite_kind(
                    sqlx::error::DatabaseError::code(sqlite).as_deref(),
                    database.message(),
                )
            } else {
                Kind::Other
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::Tls(_) => Kind::Unavailable,
        _ => Kind::Other,
    }
}

fn mysql_kind(number: u16, message: &str) -> Kind {
    match number {
        1062 => Kind::Unique(after(message, "for key '", '\'')),
        1451 | 1452 => Kind::ForeignKey,
        3819 => Kind::Check(after(message, "constraint '", '\'')),
        4025 => Kind::Check(after(message, "CONSTRAINT `", '`')),
        1213 | 1205 => Kind::Retry,
        _ => Kind::Other,
    }
}

fn sqlite_kind(code: Option<&str>, message: &str) -> Kind {
    match code.and_then(|code| code.parse::<i32>().ok()) {
        Some(2067 | 1555) => Kind::Unique(after(message, "failed: ", '\0')),
        // A RESTRICT key is a trigger inside SQLite; the program itself has none.
        Some(787 | 1811) => Kind::ForeignKey,
        Some(275) => Kind::Check(after(message, "failed: ", '\0')),
        Some(code) if code & 0xff == 5 => Kind::Retry,
        _ => Kind::Other,
    }
}

/// The part of a message between `start` and `end`.
fn after(message: &str, start: &str, end: char) -> String {
    message
        .split_once(start)
        .map(|(_, rest)| rest.split(end).next().unwrap_or(rest).to_owned())
        .unwrap_or_default()
}

/// Whether the error is a duplicate in the unique index over `columns` (`table.column` each, joined by `, `),
/// which MySQL calls `index`. SQLite names columns, MySQL names the index, so a caller says both.
#[must_use]
pub fn is_duplicate(error: &DbErr, index: &str, columns: &str) -> bool {
    match kind(error) {
        // MySQL 8 puts the table before the index.
        Kind::Unique(found) => {
            found == columns || found == index || found.ends_with(&format!(".{index}"))
        }
        _ => false,
    }
}

/// Whether a row that is to be deleted is referred to, or one that is referred to is missing.
#[must_use]
pub fn is_foreign_key(error: &DbErr) -> bool {
    kind(error) == Kind::ForeignKey
}
