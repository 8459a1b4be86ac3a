//! Queries of transactions and of what users have.

use super::super::model::transactions::{Filter, Scope, Sort, Sorting};
use crate::db::insert_all;
use crate::db::keys::padded;
use crate::db::page::Keyset;
use chrono::{DateTime, Utc};
use entity::ids::{JournalEntryId, TransactionId, UserId};
use entity::wallet::{
    AccountKind, EntryKind, TransactionFailure, TransactionStatus, journal_entry, ledger_account,
    ledger_balance, posting, transaction,
};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Select,
};

/// Accounts that are a user's.
pub const OF_USERS: [AccountKind; 2] = [AccountKind::UserAvailable, AccountKind::UserHeld];

/// Entries that move nothing between a user and others.
const WITHIN: [EntryKind; 2] = [EntryKind::Hold, EntryKind::Release];

fn scoped(scope: Scope) -> Select<transaction::Entity> {
    match scope {
        Scope::Own(user_id) => {
            transaction::Entity::find().filter(transaction::COLUMN.user_id.eq(user_id))
        }
        Scope::All => transaction::Entity::find(),
    }
}

/// Transactions under a filter, as the start of a list.
#[must_use]
pub fn transactions(scope: Scope, filter: &Filter) -> Select<transaction::Entity> {
    let mut select = scoped(scope);
    if let Some(kinds) = &filter.kinds {
        select = select.filter(transaction::COLUMN.kind.is_in(kinds.iter().copied()));
    }
    if let Some(statuses) = &filter.statuses {
        select = select.filter(transaction::COLUMN.status.is_in(statuses.iter().copied()));
    }
    if let Some(assets) = &filter.assets {
        select = select.filter(transaction::COLUMN.asset.is_in(assets.clone()));
    }
    if let Some(user_id) = filter.user_id {
        select = select.filter(transaction::COLUMN.user_id.eq(user_id));
    }
    if let Some(order_id) = filter.order_id {
        select = select.filter(transaction::COLUMN.order_id.eq(order_id));
    }
    if let Some(from) = filter.created_from {
        select = select.filter(transaction::COLUMN.created_at.gte(from));
    }
    if let Some(to) = filter.created_to {
        select = select.filter(transaction::COLUMN.created_at.lte(to));
    }
    select
}

/// The columns of a list's order.
#[must_use]
pub const fn keyset(sorting: Sorting) -> Keyset<transaction::Entity> {
    let (name, column) = match sorting.sort {
        Sort::CreatedAt => ("CREATED_AT", transaction::Column::CreatedAt),
        Sort::Amount => ("AMOUNT", transaction::Column::AmountMinor),
    };
    Keyset {
        name,
        column,
        id: transaction::Column::Id,
        descending: sorting.descending,
    }
}

/// A transaction of the scope.
pub async fn transaction_by_id(
    c: &impl ConnectionTrait,
    scope: Scope,
    id: TransactionId,
) -> Result<Option<transaction::Model>, DbErr> {
    scoped(scope)
        .filter(transaction::COLUMN.id.eq(id))
        .one(c)
        .await
}

/// Transactions after one, in the order of their ids: for exports and checks, which read all of them in pieces.
pub async fn transactions_after(
    c: &impl ConnectionTrait,
    filter: &Filter,
    after: Option<TransactionId>,
    limit: u64,
) -> Result<Vec<transaction::Model>, DbErr> {
    let mut select = transactions(Scope::All, filter)
        .order_by_asc(transaction::COLUMN.id)
        .limit(limit);
    if let Some(after) = after {
        select = select.filter(transaction::COLUMN.id.gt(after));
    }
    select.all(c).await
}

/// Writes transactions.
pub async fn transactions_insert(
    c: &impl ConnectionTrait,
    rows: &[transaction::Model],
) -> Result<(), DbErr> {
    insert_all(c, rows.to_vec()).await
}

/// Completes a pending transaction; `false` when it is not pending any more.
pub async fn transaction_complete(
    c: &impl ConnectionTrait,
    id: TransactionId,
    entry_id: JournalEntryId,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let done = transaction::Entity::update_many()
        .col_expr(
            transaction::Column::Status,
            Expr::value(TransactionStatus::Completed.as_str()),
        )
        .col_expr(transaction::Column::EntryId, Expr::value(entry_id.0))
        .col_expr(
            transaction::Column::NextRunAt,
            Expr::value(Option::<DateTime<Utc>>::None),
        )
        .col_expr(transaction::Column::UpdatedAt, Expr::value(now))
        .col_expr(transaction::Column::CompletedAt, Expr::value(now))
        .filter(transaction::COLUMN.id.eq(id))
        .filter(transaction::COLUMN.status.eq(TransactionStatus::Pending))
        .exec(c)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Lets a pending transaction fail; `false` when it is not pending any more.
pub async fn transaction_fail(
    c: &impl ConnectionTrait,
    id: TransactionId,
    failure: TransactionFailure,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let done = transaction::Entity::update_many()
        .col_expr(
            transaction::Column::Status,
            Expr::value(TransactionStatus::Failed.as_str()),
        )
        .col_expr(transaction::Column::Failure, Expr::value(failure.as_str()))
        .col_expr(
            transaction::Column::NextRunAt,
            Expr::value(Option::<DateTime<Utc>>::None),
        )
        .col_expr(transaction::Column::UpdatedAt, Expr::value(now))
        .col_expr(transaction::Column::CompletedAt, Expr::value(now))
        .filter(transaction::COLUMN.id.eq(id))
        .filter(transaction::COLUMN.status.eq(TransactionStatus::Pending))
        .exec(c)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Says when a pending transaction is looked at again, unless somebody did meanwhile.
pub async fn transaction_later(
    c: &impl ConnectionTrait,
    id: TransactionId,
    tries: i32,
    next_run_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let done = transaction::Entity::update_many()
        .col_expr(transaction::Column::Tries, Expr::value(tries + 1))
        .col_expr(transaction::Column::NextRunAt, Expr::value(next_run_at))
        .col_expr(transaction::Column::UpdatedAt, Expr::value(now))
        .filter(transaction::COLUMN.id.eq(id))
        .filter(transaction::COLUMN.status.eq(TransactionStatus::Pending))
        .filter(transaction::COLUMN.tries.eq(tries))
        .exec(c)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Pending transactions whose provider is to be asked now.
pub async fn transactions_due(
    c: &impl ConnectionTrait,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<transaction::Model>, DbErr> {
    transaction::Entity::find()
        .filter(transaction::COLUMN.next_run_at.lte(now))
        .order_by_asc(transaction::COLUMN.next_run_at)
        .limit(limit)
        .all(c)
        .await
}

/// What a user has in an account.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct UserBalance {
    /// The user.
    pub user_id: UserId,
    /// Whether it can be spent or is set aside.
    pub kind: AccountKind,
    /// The asset's code.
    pub asset: String,
    /// Minor units.
    pub amount_minor: i64,
}

/// What these users have, in the order of assets.
pub async fn user_balances(
    c: &impl ConnectionTrait,
    users: &[UserId],
) -> Result<Vec<UserBalance>, DbErr> {
    let users: Vec<uuid::Uuid> = padded(users.iter().copied())
        .into_iter()
        .map(|id| id.0)
        .collect();
    let query = Query::select()
        .column((ledger_account::Entity, ledger_account::Column::UserId))
        .column((ledger_account::Entity, ledger_account::Column::Kind))
        .column((ledger_account::Entity, ledger_account::Column::Asset))
        .column((ledger_balance::Entity, ledger_balance::Column::AmountMinor))
        .from(ledger_account::Entity)
        .inner_join(
            ledger_balance::Entity,
            Expr::col((ledger_balance::Entity, ledger_balance::Column::AccountId))
                .equals((ledger_account::Entity, ledger_account::Column::Id)),
        )
        .and_where(Expr::col((ledger_account::Entity, ledger_account::Column::UserId)).is_in(users))
        .order_by(
            (ledger_account::Entity, ledger_account::Column::Asset),
            sea_orm::Order::Asc,
        )
        .order_by(
            (ledger_account::Entity, ledger_account::Column::Kind),
            sea_orm::Order::Asc,
        )
        .take();
    let rows = c.query_all(&query).await?;
    rows.iter()
        .map(|row| UserBalance::from_query_result(row, ""))
        .collect()
}

/// Entries that changed what a user has of an asset, as the start of a list.
#[must_use]
pub fn entries_of_user(
    accounts: &[entity::ids::LedgerAccountId],
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
) -> Select<journal_entry::Entity> {
    let ids: Vec<uuid::Uuid> = accounts.iter().map(|id| id.0).collect();
    let posted = Query::select()
        .column(posting::Column::EntryId)
        .from(posting::Entity)
        .and_where(Expr::col(posting::Column::AccountId).is_in(ids))
        .take();
    let mut select = journal_entry::Entity::find()
        .filter(Expr::col((journal_entry::Entity, journal_entry::Column::Id)).in_subquery(posted))
        .filter(journal_entry::COLUMN.kind.is_not_in(WITHIN));
    if let Some(from) = from {
        select = select.filter(journal_entry::COLUMN.created_at.gte(from));
    }
    if let Some(to) = to {
        select = select.filter(journal_entry::COLUMN.created_at.lte(to));
    }
    select
}

/// Entries by their ids.
pub async fn entries_by_ids(
    c: &impl ConnectionTrait,
    ids: &[JournalEntryId],
) -> Result<Vec<journal_entry::Model>, DbErr> {
    journal_entry::Entity::find()
        .filter(journal_entry::COLUMN.id.is_in(padded(ids.iter().copied())))
        .all(c)
        .await
}

/// Which of these entries are the entry of a transaction.
pub async fn entries_shown(
    c: &impl ConnectionTrait,
    ids: &[JournalEntryId],
) -> Result<Vec<JournalEntryId>, DbErr> {
    transaction::Entity::find()
        .select_only()
        .column(transaction::Column::EntryId)
        .filter(
            transaction::COLUMN
                .entry_id
                .is_in(padded(ids.iter().copied())),
        )
        .into_tuple()
        .all(c)
        .await
}

/// The order of a statement: first entry first.
pub const ENTRIES_BY_TIME: Keyset<journal_entry::Entity> = Keyset {
    name: "CREATED_AT",
    column: journal_entry::Column::CreatedAt,
    id: journal_entry::Column::Id,
    descending: false,
};

/// What was posted to accounts before a moment and until another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub struct OpeningClosing {
    /// Sum of what was posted before.
    pub opening_minor: i64,
    /// Sum of what was posted until the end, the end included.
    pub closing_minor: i64,
}

/// Sums of what was posted to accounts before `from` and until `to`, both seen by one statement.
pub async fn opening_closing(
    c: &impl ConnectionTrait,
    accounts: &[entity::ids::LedgerAccountId],
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<OpeningClosing, DbErr> {
    let integer = match c.get_database_backend() {
        sea_orm::DbBackend::Sqlite => "integer",
        _ => "signed",
    };
    let ids: Vec<uuid::Uuid> = accounts.iter().map(|id| id.0).collect();
    let created = || Expr::col((journal_entry::Entity, journal_entry::Column::CreatedAt));
    let amount = || Expr::col((posting::Entity, posting::Column::AmountMinor));
    let before = Expr::case(created().lt(from), amount()).finally(0);
    let sum = |expr: sea_orm::sea_query::SimpleExpr| {
        Func::coalesce([expr.sum(), Expr::val(0)]).cast_as(Alias::new(integer))
    };
    let query: SelectStatement = Query::select()
        .expr_as(sum(before.into()), Alias::new("opening_minor"))
        .expr_as(sum(amount()), Alias::new("closing_minor"))
        .from(posting::Entity)
        .inner_join(
            journal_entry::Entity,
            Expr::col((journal_entry::Entity, journal_entry::Column::Id))
                .equals((posting::Entity, posting::Column::EntryId)),
        )
        .and_where(Expr::col((posting::Entity, posting::Column::AccountId)).is_in(ids))
        .and_where(created().lte(to))
        .take();
    let row = c.query_one(&query).await?;
    row.map_or(
        Ok(OpeningClosing {
            opening_minor: 0,
            closing_minor: 0,
        }),
        |row| OpeningClosing::from_query_result(&row, ""),
    )
}
