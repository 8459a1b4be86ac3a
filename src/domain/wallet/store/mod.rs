//! Every query of the ledger.

pub mod holds;
pub mod transactions;

use super::model::{Account, NewEntry, shard};
use crate::db::insert_all;
use crate::db::keys::padded;
use chrono::{DateTime, Utc};
use entity::ids::{JournalEntryId, LedgerAccountId};
use entity::wallet::{asset, journal_entry, ledger_account, ledger_balance, posting};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect,
};

/// All assets, in the order of their codes.
pub async fn assets(c: &impl ConnectionTrait) -> Result<Vec<asset::Model>, DbErr> {
    asset::Entity::find()
        .order_by_asc(asset::COLUMN.code)
        .all(c)
        .await
}

/// Writes entries and their postings.
pub async fn entries_insert(
    c: &impl ConnectionTrait,
    entries: &[NewEntry],
    number: i32,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    insert_all(
        c,
        entries.iter().map(|entry| entry_row(entry, now)).collect(),
    )
    .await?;
    let postings = entries.iter().flat_map(|entry| posting_rows(entry, number));
    insert_all(c, postings.collect()).await
}

fn entry_row(entry: &NewEntry, now: DateTime<Utc>) -> journal_entry::Model {
    journal_entry::Model {
        id: entry.id,
        operation_key: entry.operation_key.clone(),
        kind: entry.kind,
        user_id: entry.user_id,
        order_id: entry.order_id,
        payment_id: entry.payment_id,
        refund_id: entry.refund_id,
        description: entry.description.clone(),
        created_at: now,
    }
}

fn posting_rows(entry: &NewEntry, number: i32) -> impl Iterator<Item = posting::Model> {
    (0..)
        .zip(&entry.postings)
        .map(move |(position, new)| posting::Model {
            entry_id: entry.id,
            position,
            account_id: new.account.id(),
            shard: shard(&new.account, number),
            asset: new.account.asset.clone(),
            amount_minor: new.amount_minor,
        })
}

/// Which of these accounts are there.
pub async fn accounts_known(
    c: &impl ConnectionTrait,
    ids: &[LedgerAccountId],
) -> Result<Vec<LedgerAccountId>, DbErr> {
    ledger_account::Entity::find()
        .select_only()
        .column(ledger_account::Column::Id)
        .filter(ledger_account::COLUMN.id.is_in(padded(ids.iter().copied())))
        .into_tuple()
        .all(c)
        .await
}

/// Makes an account with the rows of its balance.
pub async fn account_insert(
    c: &impl ConnectionTrait,
    account: &Account,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let row = ledger_account::Model {
        id: account.id(),
        kind: account.kind,
        asset: account.asset.clone(),
        user_id: account.user_id,
        created_at: now,
    };
    ledger_account::Entity::insert(row.into_active_model())
        .exec_without_returning(c)
        .await?;
    let rows = (0..account.shards()).map(|shard| ledger_balance::Model {
        account_id: account.id(),
        shard,
        amount_minor: 0,
        least_minor: account.least_minor(),
        updated_at: now,
    });
    insert_all(c, rows.collect()).await
}

/// Adds to a balance row if it stays at its least amount or above, and within 64 bits; `false` when it would not.
///
/// The bound is computed here: a sum that does not fit is an error of MySQL and a float of SQLite.
pub async fn balance_add(
    c: &impl ConnectionTrait,
    account_id: LedgerAccountId,
    shard: i32,
    least_minor: Option<i64>,
    amount_minor: i64,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let amount = Expr::col(ledger_balance::Column::AmountMinor);
    let is_within = if amount_minor < 0 {
        let least = least_minor.unwrap_or(i64::MIN);
        amount.clone().gte(least.saturating_sub(amount_minor))
    } else {
        amount.clone().lte(i64::MAX - amount_minor)
    };
    let update = ledger_balance::Entity::update_many()
        .col_expr(
            ledger_balance::Column::AmountMinor,
            amount.add(amount_minor),
        )
        .col_expr(ledger_balance::Column::UpdatedAt, Expr::value(now))
        .filter(ledger_balance::COLUMN.account_id.eq(account_id))
        .filter(ledger_balance::COLUMN.shard.eq(shard))
        .filter(is_within);
    Ok(update.exec(c).await?.rows_affected == 1)
}

/// What an account has, over all shards; nothing when there is no such account.
pub async fn balance_rows(
    c: &impl ConnectionTrait,
    account_id: LedgerAccountId,
) -> Result<Vec<i64>, DbErr> {
    ledger_balance::Entity::find()
        .select_only()
        .column(ledger_balance::Column::AmountMinor)
        .filter(ledger_balance::COLUMN.account_id.eq(account_id))
        .into_tuple()
        .all(c)
        .await
}

/// Entries after one, oldest first.
pub async fn entries_after(
    c: &impl ConnectionTrait,
    after: Option<JournalEntryId>,
    limit: u64,
) -> Result<Vec<journal_entry::Model>, DbErr> {
    let mut query = journal_entry::Entity::find()
        .order_by_asc(journal_entry::COLUMN.id)
        .limit(limit);
    if let Some(after) = after {
        query = query.filter(journal_entry::COLUMN.id.gt(after));
    }
    query.all(c).await
}

/// Entries by their operation keys.
pub async fn entries_by_keys(
    c: &impl ConnectionTrait,
    keys: &[String],
) -> Result<Vec<journal_entry::Model>, DbErr> {
    journal_entry::Entity::find()
        .filter(journal_entry::COLUMN.operation_key.is_in(keys.to_vec()))
        .all(c)
        .await
}

/// Postings of entries, each with its account, in order.
pub async fn postings_of(
    c: &impl ConnectionTrait,
    entries: &[JournalEntryId],
) -> Result<Vec<(posting::Model, ledger_account::Model)>, DbErr> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let rows = posting::Entity::find()
        .filter(
            posting::COLUMN
                .entry_id
                .is_in(padded(entries.iter().copied())),
        )
        .order_by_asc(posting::COLUMN.entry_id)
        .order_by_asc(posting::COLUMN.position)
        .all(c)
        .await?;
    let ids = padded(rows.iter().map(|row| row.account_id));
    let accounts: std::collections::HashMap<_, _> = ledger_account::Entity::find()
        .filter(ledger_account::COLUMN.id.is_in(ids))
        .all(c)
        .await?
        .into_iter()
        .map(|row| (row.id, row))
        .collect();
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let account = accounts.get(&row.account_id)?.clone();
            Some((row, account))
        })
        .collect())
}

/// A balance row beside the sum of its postings, both seen by one statement.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Recomputed {
    /// The account.
    pub account_id: LedgerAccountId,
    /// The shard.
    pub shard: i32,
    /// The balance row.
    pub amount_minor: i64,
    /// What it may not be below.
    pub least_minor: Option<i64>,
    /// The sum of the postings.
    pub posted_minor: i64,
}

/// Balance rows after one, each with the sum of its postings. One statement sees one moment, so that what is posted
/// meanwhile is no drift.
pub async fn balances_recomputed(
    c: &impl ConnectionTrait,
    after: Option<(LedgerAccountId, i32)>,
    limit: u64,
) -> Result<Vec<Recomputed>, DbErr> {
    let (b, p) = ("b", "p");
    let posted: SelectStatement = Query::select()
        .expr(Expr::col((p, posting::Column::AmountMinor)).sum())
        .from_as(posting::Entity, p)
        .and_where(
            Expr::col((p, posting::Column::AccountId))
                .equals((b, ledger_balance::Column::AccountId)),
        )
        .and_where(
            Expr::col((p, posting::Column::Shard)).equals((b, ledger_balance::Column::Shard)),
        )
        .take();
    let integer = match c.get_database_backend() {
        sea_orm::DbBackend::Sqlite => "integer",
        _ => "signed",
    };
    let posted = Func::coalesce([Expr::from(posted), Expr::val(0)]).cast_as(integer);
    let mut query = Query::select();
    for column in [
        ledger_balance::Column::AccountId,
        ledger_balance::Column::Shard,
        ledger_balance::Column::AmountMinor,
        ledger_balance::Column::LeastMinor,
    ] {
        query.column((b, column));
    }
    query
        .expr_as(posted, Alias::new("posted_minor"))
        .from_as(ledger_balance::Entity, b)
        .order_by((b, ledger_balance::Column::AccountId), sea_orm::Order::Asc)
        .order_by((b, ledger_balance::Column::Shard), sea_orm::Order::Asc)
        .limit(limit);
    if let Some((account_id, shard)) = after {
        let account = || Expr::col((b, ledger_balance::Column::AccountId));
        query.and_where(
            account().gt(account_id).or(account()
                .eq(account_id)
                .and(Expr::col((b, ledger_balance::Column::Shard)).gt(shard))),
        );
    }
    let rows = c.query_all(&query).await?;
    rows.iter()
        .map(|row| Recomputed::from_query_result(row, ""))
        .collect()
}
