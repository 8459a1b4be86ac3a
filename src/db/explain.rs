//! How the database reads a statement.

use sea_orm::sea_query::SelectStatement;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

/// The steps in which the database would run a statement, a line each, as `EXPLAIN` tells them. On SQLite a line that
/// begins with `SCAN` and a table reads all of it; on MySQL one with `type=ALL` or `type=index` does.
///
/// # Errors
/// The database fails.
pub async fn explain(
    c: &impl ConnectionTrait,
    select: &SelectStatement,
) -> Result<Vec<String>, DbErr> {
    let backend = c.get_database_backend();
    let statement = backend.build(select);
    let explain = match backend {
        DbBackend::Sqlite => "EXPLAIN QUERY PLAN",
        // MySQL's own default is a tree in one cell.
        _ => "EXPLAIN FORMAT=TRADITIONAL",
    };
    let statement = Statement {
        sql: format!("{explain} {}", statement.sql),
        ..statement
    };
    let rows = c.query_all_raw(statement).await?;
    rows.iter()
        .map(|row| match backend {
            DbBackend::Sqlite => row.try_get("", "detail"),
            _ => mysql_line(row),
        })
        .collect()
}

fn mysql_line(row: &QueryResult) -> Result<String, DbErr> {
    let columns = ["table", "type", "key", "Extra"];
    let cells = columns.map(|column| {
        let cell: Option<String> = row.try_get("", column)?;
        Ok(format!("{column}={}", cell.unwrap_or_default()))
    });
    let cells: Result<Vec<String>, DbErr> = cells.into_iter().collect();
    Ok(cells?.join(" "))
}
