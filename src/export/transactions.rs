//! `export transactions`: what happened to users' money, piece by piece, so that the memory does not grow with it.

use super::output::Output;
use crate::app::App;
use crate::clock;
use crate::domain::wallet::model::transactions::Filter;
use crate::error::Fault;
use crate::money;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use entity::ids::UserId;
use entity::wallet::transaction;
use std::path::Path;

const COLUMNS: [&str; 13] = [
    "id",
    "created_at",
    "completed_at",
    "user_id",
    "kind",
    "status",
    "asset",
    "amount",
    "description",
    "order_id",
    "payment_id",
    "refund_id",
    "trade_order_id",
];

/// Which transactions are written; all that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Those of this user.
    pub user_id: Option<UserId>,
    /// Those in this asset.
    pub asset: Option<String>,
    /// Those made on this UTC day or later.
    pub from: Option<NaiveDate>,
    /// Those made on this UTC day or earlier.
    pub to: Option<NaiveDate>,
}

impl Wanted {
    fn filter(&self) -> Filter {
        let begin = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
        let end = |day: NaiveDate| {
            let next = day.succ_opt().map(begin);
            next.map(|next| next - TimeDelta::microseconds(1))
        };
        Filter {
            user_id: self.user_id,
            assets: self.asset.clone().map(|asset| vec![asset]),
            created_from: self.from.map(begin),
            created_to: self.to.and_then(end),
            ..Filter::default()
        }
    }
}

/// Writes transactions to a file, or to standard output for `-`, in the order of their ids, which is that of their
/// making. Answers how many.
///
/// # Errors
/// The file cannot be written, or the database fails.
#[tracing::instrument(name = "export.transactions", skip_all)]
pub async fn run(app: &App, file: &Path, wanted: &Wanted) -> Result<u64, Fault> {
    let mut output = Output::begin(file, &COLUMNS).await?;
    let filter = wanted.filter();
    let (mut after, mut count) = (None, 0);
    loop {
        let rows = app.wallet().transactions_after(&filter, after).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.id);
        count += rows.len() as u64;
        output.rows(rows.iter().map(cells)).await?;
    }
    output.end().await?;
    Ok(count)
}

fn cells(row: &transaction::Model) -> [String; 13] {
    let time = |time: DateTime<Utc>| clock::to_text(time);
    let or_empty = |id: Option<uuid::Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    [
        row.id.to_string(),
        time(row.created_at),
        row.completed_at.map(time).unwrap_or_default(),
        row.user_id.to_string(),
        row.kind.to_string(),
        row.status.to_string(),
        row.asset.clone(),
        money::to_decimal(row.amount_minor, &row.asset).to_string(),
        row.description.clone(),
        or_empty(row.order_id.map(|id| id.0)),
        or_empty(row.payment_id.map(|id| id.0)),
        or_empty(row.refund_id.map(|id| id.0)),
        or_empty(row.trade_order_id.map(|id| id.0)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_day_is_in_the_export() {
        let day = NaiveDate::from_ymd_opt(2026, 11, 21);
        let wanted = Wanted {
            from: day,
            to: day,
            ..Wanted::default()
        };
        let filter = wanted.filter();
        let text = |time: Option<DateTime<Utc>>| time.map(clock::to_text).unwrap();
        assert_eq!(text(filter.created_from), "2026-11-21T00:00:00.000000Z");
        assert_eq!(text(filter.created_to), "2026-11-21T23:59:59.999999Z");
    }
}
