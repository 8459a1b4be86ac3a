//! Pages of lists in SQL: one statement for the items and one for the totals, however many parents ask.
//!
//! A root list is the case of one parent; a list below a list (`categories { products }`) is the case of many, and
//! costs the same two statements.

use crate::error::Fault;
use crate::page::{BadCursor, Cursor, Page, PageRequest, SortValue, Window};
use chrono::DateTime;
use sea_orm::sea_query::{
    Expr, Func, IntoIden, Order, Query, SelectStatement, SimpleExpr, UnionType, Value,
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, ExprTrait, FromQueryResult,
    ModelTrait, QueryFilter, QueryTrait, Select,
};

/// Tells in the answer which parent a row belongs to.
const PARENT: &str = "page_parent";
/// The rank of a row in the answer, where the list has one.
const RANK: &str = "page_rank";

/// What a list is sorted by: a column without nulls, then the id.
#[derive(Clone, Copy, Debug)]
pub struct Keyset<E: EntityTrait> {
    /// Name of the sort in cursors, as `CREATED_AT`.
    pub name: &'static str,
    /// The column.
    pub column: E::Column,
    /// The id's column.
    pub id: E::Column,
    /// Greatest first.
    pub descending: bool,
}

/// A number that a list is sorted by before its keyset, the smallest first, and that no column of its table has: a
/// select that it joins brings it along. The keyset then goes by a text, upwards.
#[derive(Clone, Copy, Debug)]
pub struct Rank {
    /// Alias of the joined select.
    pub table: &'static str,
    /// The number's column there, as `i64`.
    pub column: &'static str,
}

/// Why a page could not be read.
#[derive(Debug)]
pub enum Error {
    /// The client's cursor is not one of this list.
    Cursor(BadCursor),
    /// The database failed.
    Fault(Fault),
}

impl From<BadCursor> for Error {
    fn from(error: BadCursor) -> Self {
        Self::Cursor(error)
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        Self::Fault(Fault::Db(error))
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl<E: EntityTrait> Keyset<E> {
    fn sort(&self) -> String {
        format!(
            "{}:{}",
            self.name,
            if self.descending { "DESC" } else { "ASC" }
        )
    }

    fn cursor(&self, model: &E::Model, rank: Option<i64>) -> Result<String, DbErr> {
        let value = match model.get(self.column) {
            Value::String(Some(text)) => match rank {
                Some(rank) => SortValue::Ranked(rank, text),
                None => SortValue::Text(text),
            },
            Value::BigInt(Some(number)) => SortValue::Int(number),
            Value::Int(Some(number)) => SortValue::Int(i64::from(number)),
            Value::ChronoDateTimeUtc(Some(time)) => SortValue::Time(time.timestamp_micros()),
            other => {
                return Err(DbErr::Custom(format!(
                    "a list cannot be sorted by {other:?}"
                )));
            }
        };
        let Value::Uuid(Some(id)) = model.get(self.id) else {
            return Err(DbErr::Custom(
                "a list's last sort column is its id".to_owned(),
            ));
        };
        Ok(Cursor {
            sort: self.sort(),
            value,
            id,
        }
        .encode())
    }

    /// The condition for the rows behind a cursor in the direction of reading.
    fn behind(
        &self,
        rank: Option<Rank>,
        cursor: &Cursor,
        ascending: bool,
    ) -> Result<Condition, BadCursor> {
        let value: Value = match &cursor.value {
            SortValue::Int(number) => (*number).into(),
            SortValue::Text(text) | SortValue::Ranked(_, text) => text.clone().into(),
            SortValue::Time(us) => DateTime::from_timestamp_micros(*us)
                .ok_or(BadCursor)?
                .into(),
        };
        let (column, id) = (
            Expr::col(self.column.as_column_ref()),
            Expr::col(self.id.as_column_ref()),
        );
        let last = Expr::value(cursor.id);
        // The first condition alone lets the database begin in the index where the last page ended; with nothing but an OR
        // it would read all that was shown before.
        let (here, beyond, next) = if ascending {
            (
                column.clone().gte(value.clone()),
                column.gt(value),
                id.gt(last),
            )
        } else {
            (
                column.clone().lte(value.clone()),
                column.lt(value),
                id.lt(last),
            )
        };
        let condition = Condition::all()
            .add(here)
            .add(Condition::any().add(beyond).add(next));
        match (rank, &cursor.value) {
            (None, SortValue::Ranked(..)) => Err(BadCursor),
            (None, _) => Ok(condition),
            (Some(rank), SortValue::Ranked(last, _)) => {
                let rank = Expr::col((rank.table, rank.column));
                let beyond = if ascending {
                    rank.clone().gt(*last)
                } else {
                    rank.clone().lt(*last)
                };
                let equal = Condition::all().add(rank.eq(*last)).add(condition);
                Ok(Condition::any().add(beyond).add(equal))
            }
            (Some(_), _) => Err(BadCursor),
        }
    }
}

/// A row with its rank, where the list has one.
type Row<E> = (<E as EntityTrait>::Model, Option<i64>);

/// How one request is read: its limit has one more than asked for, to see whether more follow.
struct Plan {
    rank: Option<Rank>,
    ascending: bool,
    backwards: bool,
    cursor: Option<Cursor>,
    offset: u64,
    limit: u64,
}

impl Plan {
    fn of<E: EntityTrait>(
        keyset: &Keyset<E>,
        rank: Option<Rank>,
        request: &PageRequest,
    ) -> Result<Self, BadCursor> {
        let decode = |text: &Option<String>| {
            text.as_deref()
                .map(|text| Cursor::decode(text, &keyset.sort()))
                .transpose()
        };
        let (backwards, cursor, offset) = match &request.window {
            Window::First { after } => (false, decode(after)?, 0),
            Window::Last { before } => (true, decode(before)?, 0),
            Window::Number { page } => (
                false,
                None,
                u64::from(page.saturating_sub(1)) * u64::from(request.limit),
            ),
        };
        Ok(Self {
            rank,
            ascending: keyset.descending == backwards,
            backwards,
            cursor,
            offset,
            limit: u64::from(request.limit) + 1,
        })
    }
}

/// Reads a page of one list.
///
/// # Errors
/// [`Error::Cursor`] for a cursor of another list.
pub async fn fetch<E>(
    c: &impl ConnectionTrait,
    select: Select<E>,
    keyset: &Keyset<E>,
    request: &PageRequest,
) -> Result<Page<E::Model>, Error>
where
    E: EntityTrait,
{
    let mut pages = fetch_many(c, vec![select], keyset, request).await?;
    Ok(pages
        .pop()
        .unwrap_or_else(|| Page::empty(request.with_total)))
}

/// Reads the same page of several lists: one page for each select, in their order.
///
/// # Errors
/// [`Error::Cursor`] for a cursor of another list.
pub async fn fetch_many<E>(
    c: &impl ConnectionTrait,
    selects: Vec<Select<E>>,
    keyset: &Keyset<E>,
    request: &PageRequest,
) -> Result<Vec<Page<E::Model>>, Error>
where
    E: EntityTrait,
{
    fetch_ranked(c, selects, keyset, None, request).await
}

/// The same of lists that are sorted by a rank first; each select joins what `rank` names.
///
/// # Errors
/// [`Error::Cursor`] for a cursor of another list.
pub async fn fetch_ranked<E>(
    c: &impl ConnectionTrait,
    selects: Vec<Select<E>>,
    keyset: &Keyset<E>,
    rank: Option<Rank>,
    request: &PageRequest,
) -> Result<Vec<Page<E::Model>>, Error>
where
    E: EntityTrait,
{
    let plan = Plan::of(keyset, rank, request)?;
    let parents = selects.len();
    let totals = if request.with_total {
        Some(totals(c, &selects).await?)
    } else {
        None
    };
    let parts = selects
        .into_iter()
        .enumerate()
        .map(|(parent, select)| part(select, keyset, &plan, parent))
        .collect::<Result<Vec<_>, _>>()?;
    let mut rows: Vec<Vec<Row<E>>> = (0..parents).map(|_| Vec::new()).collect();
    if let Some(statement) = union_all(parts) {
        for row in c.query_all(&statement).await? {
            let parent: i32 = row.try_get("", PARENT)?;
            let model = E::Model::from_query_result(&row, "")?;
            let rank = rank.map(|_| row.try_get("", RANK)).transpose()?;
            if let Some(list) = usize::try_from(parent)
                .ok()
                .and_then(|parent| rows.get_mut(parent))
            {
                list.push((model, rank));
            }
        }
    }
    rows.into_iter()
        .enumerate()
        .map(|(parent, rows)| {
            let total = totals
                .as_ref()
                .map(|totals| totals.get(parent).copied().unwrap_or(0));
            Ok(assemble(rows, keyset, request, &plan, total)?)
        })
        .collect()
}

/// The statement for a page of one list, for those who ask the database how it reads it.
///
/// # Errors
/// A cursor of another list.
pub fn statement<E: EntityTrait>(
    select: Select<E>,
    keyset: &Keyset<E>,
    rank: Option<Rank>,
    request: &PageRequest,
) -> Result<SelectStatement, BadCursor> {
    part(select, keyset, &Plan::of(keyset, rank, request)?, 0)
}

/// One parent's rows as a select of its own.
fn part<E: EntityTrait>(
    mut select: Select<E>,
    keyset: &Keyset<E>,
    plan: &Plan,
    parent: usize,
) -> Result<SelectStatement, BadCursor> {
    if let Some(cursor) = &plan.cursor {
        select = select.filter(keyset.behind(plan.rank, cursor, plan.ascending)?);
    }
    let order = if plan.ascending {
        Order::Asc
    } else {
        Order::Desc
    };
    let mut query = select.into_query();
    if let Some(rank) = plan.rank {
        query
            .expr_as(Expr::col((rank.table, rank.column)), RANK)
            .order_by((rank.table, rank.column), order.clone());
    }
    query
        .expr_as(Expr::val(i32::try_from(parent).unwrap_or(i32::MAX)), PARENT)
        .order_by(keyset.column.as_column_ref(), order.clone())
        .order_by(keyset.id.as_column_ref(), order)
        .limit(plan.limit);
    if plan.offset > 0 {
        query.offset(plan.offset);
    }
    Ok(query)
}

/// Joins the parts into one statement. Each keeps its own order; it stands in a subquery because SQLite allows
/// ORDER BY and LIMIT only there.
fn union_all(parts: Vec<SelectStatement>) -> Option<SelectStatement> {
    if parts.len() <= 1 {
        return parts.into_iter().next();
    }
    let mut wrapped = parts.into_iter().enumerate().map(|(number, part)| {
        Query::select()
            .expr(Expr::cust("*"))
            .from_subquery(part, format!("part_{number}").into_iden())
            .take()
    });
    let mut first = wrapped.next()?;
    for next in wrapped {
        first.union(UnionType::All, next);
    }
    Some(first)
}

/// How many items each list has.
async fn totals<E: EntityTrait>(
    c: &impl ConnectionTrait,
    selects: &[Select<E>],
) -> Result<Vec<u64>, DbErr> {
    let parts = selects
        .iter()
        .enumerate()
        .map(|(parent, select)| {
            let mut inner = select.clone().into_query();
            inner.clear_selects().expr_as(Expr::val(1), "one");
            Query::select()
                .expr_as(Expr::val(i32::try_from(parent).unwrap_or(i32::MAX)), PARENT)
                .expr_as(SimpleExpr::from(Func::count(Expr::col("one"))), "total")
                .from_subquery(inner, format!("count_{parent}").into_iden())
                .take()
        })
        .collect();
    let mut totals = vec![0; selects.len()];
    if let Some(statement) = union_all(parts) {
        for row in c.query_all(&statement).await? {
            let parent: i32 = row.try_get("", PARENT)?;
            let total: i64 = row.try_get("", "total")?;
            if let Some(slot) = usize::try_from(parent)
                .ok()
                .and_then(|parent| totals.get_mut(parent))
            {
                *slot = u64::try_from(total).unwrap_or(0);
            }
        }
    }
    Ok(totals)
}

fn assemble<E: EntityTrait>(
    mut rows: Vec<Row<E>>,
    keyset: &Keyset<E>,
    request: &PageRequest,
    plan: &Plan,
    total: Option<u64>,
) -> Result<Page<E::Model>, DbErr> {
    let more = rows.len() as u64 == plan.limit;
    if more {
        rows.pop();
    }
    if plan.backwards {
        rows.reverse();
    }
    let beyond = plan.cursor.is_some() || plan.offset > 0;
    let (has_next, has_previous) = if plan.backwards {
        (beyond, more)
    } else {
        (more, beyond)
    };
    let items = rows
        .into_iter()
        .map(|(row, rank)| keyset.cursor(&row, rank).map(|cursor| (row, cursor)))
        .collect::<Result<_, _>>()?;
    let total = if request.with_total { total } else { None };
    Ok(Page {
        items,
        has_next,
        has_previous,
        total,
    })
}
