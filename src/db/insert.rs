//! Inserts of many rows.

use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, Iterable as _,
};

/// Bound values of one statement: SQLite takes 32,766 and MySQL 65,535.
const VALUES_MAX: usize = 30_000;
/// Rows of one statement: more of them save nothing, and a statement should not hold the writer for long.
const ROWS_MAX: usize = 1_000;

/// Writes rows with as few statements as both engines take; none for no rows.
///
/// # Errors
/// The database refuses a row. Rows of earlier statements are then written, so it runs in a transaction.
pub async fn insert_all<M, A>(c: &impl ConnectionTrait, rows: Vec<M>) -> Result<(), DbErr>
where
    M: IntoActiveModel<A> + Send,
    A: ActiveModelTrait + Send,
{
    let columns = <A::Entity as EntityTrait>::Column::iter().count().max(1);
    let size = ROWS_MAX.min(VALUES_MAX / columns).max(1);
    let mut rows = rows.into_iter().map(IntoActiveModel::into_active_model);
    loop {
        let chunk: Vec<A> = rows.by_ref().take(size).collect();
        if chunk.is_empty() {
            return Ok(());
        }
        A::Entity::insert_many(chunk)
            .exec_without_returning(c)
            .await?;
    }
}
