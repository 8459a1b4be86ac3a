//! How fast the ledger posts, beside a bare SQL client that writes the same rows to the same kind of database.
//!
//! `cargo bench --bench ledger_speed` measures SQLite in a folder of its own; `cargo bench --bench ledger_speed --
//! mysql://…` an empty MySQL or MariaDB database. Transfers between 1,000 users, and transfers that all touch the shop's
//! one account of what it earned; five rounds that alternate with the comparator, rates are medians. Goals: 0.7 of the
//! bare client or better for both.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on ends where it stands"
)]

use chrono::{DateTime, Utc};
use entity::accounts::Role;
use entity::ids::{JournalEntryId, LedgerAccountId, UserId};
use entity::wallet::{AccountKind, EntryKind};
use futures::future::join_all;
use sea_orm::sqlx::mysql::{MySqlPool, MySqlPoolOptions};
use sea_orm::sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tradepost::app::App;
use tradepost::clock::Clock;
use tradepost::config::Config;
use tradepost::db::migrate::{self, Direction};
use tradepost::domain::wallet::model::{Account, NewEntry, NewPosting, changes};
use tradepost::random::between;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USERS: u64 = 1_000;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
/// Transfers that are under way at once.
const AT_ONCE: usize = 32;
/// What every user begins with: enough for all rounds.
const RICH: i64 = 1_000_000_000;
const ASSET: &str = "GBP";

/// Between whom money moves.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Users,
    OneMerchant,
}

fn posting(account: Account, amount_minor: i64) -> NewPosting {
    NewPosting {
        account,
        amount_minor,
    }
}

fn entry(app: &App, postings: Vec<NewPosting>) -> NewEntry {
    let id: JournalEntryId = app.clock().id();
    NewEntry {
        id,
        operation_key: format!("bench:{id}"),
        kind: EntryKind::Payment,
        user_id: None,
        order_id: None,
        payment_id: None,
        refund_id: None,
        description: "Benchmark".to_owned(),
        postings,
    }
}

fn user(users: &[UserId]) -> Account {
    let place = usize::try_from(between(0, USERS - 1)).unwrap();
    Account::of_user(AccountKind::UserAvailable, ASSET, users[place])
}

/// One transfer of a penny.
fn transfer(app: &App, users: &[UserId], shape: Shape) -> NewEntry {
    let from = user(users);
    let to = match shape {
        Shape::OneMerchant => Account::of_shop(AccountKind::MerchantRevenue, ASSET),
        Shape::Users => loop {
            let to = user(users);
            if to != from {
                break to;
            }
        },
    };
    entry(app, vec![posting(from, -1), posting(to, 1)])
}

async fn post(app: &App, entries: &[NewEntry]) {
    let wallet = app.wallet();
    let posted = app
        .db()
        .write("bench.post", async |tx| wallet.post_in(&tx, entries).await);
    posted.await.unwrap();
}

/// The statements of one transfer, written by hand: the entry, its postings, and the balances in their order.
macro_rules! bare {
    ($name:ident, $pool:ty, $begin:literal) => {
        async fn $name(pool: &$pool, entry: &NewEntry, number: i32, now: DateTime<Utc>) -> bool {
            use sea_orm::sqlx::{Executor as _, query};
            let mut connection = pool.acquire().await.unwrap();
            connection.execute($begin).await.unwrap();
            let id = entry.id.0.as_bytes().to_vec();
            let inserted = query("INSERT INTO journal_entries (id, operation_key, kind, description, created_at) VALUES (?, ?, ?, ?, ?)")
                .bind(id.clone())
                .bind(&entry.operation_key)
                .bind(entry.kind.as_str())
                .bind(&entry.description)
                .bind(now)
                .execute(&mut *connection);
            inserted.await.unwrap();
            let shard = |account: &Account| number.rem_euclid(account.shards());
            let [from, to] = [&entry.postings[0], &entry.postings[1]];
            let inserted = query("INSERT INTO postings (entry_id, position, account_id, shard, asset, amount_minor) VALUES (?, 0, ?, ?, ?, ?), (?, 1, ?, ?, ?, ?)")
                .bind(id.clone())
                .bind(from.account.id().0.as_bytes().to_vec())
                .bind(shard(&from.account))
                .bind(ASSET)
                .bind(from.amount_minor)
                .bind(id)
                .bind(to.account.id().0.as_bytes().to_vec())
                .bind(shard(&to.account))
                .bind(ASSET)
                .bind(to.amount_minor)
                .execute(&mut *connection);
            inserted.await.unwrap();
            let changes = changes(std::slice::from_ref(entry), number).unwrap();
            for ((LedgerAccountId(account), shard), (of, amount)) in changes {
                let least = of.least_minor().map_or(i64::MIN, |least| least - amount.min(0));
                let updated = query("UPDATE ledger_balances SET amount_minor = amount_minor + ?, updated_at = ? WHERE account_id = ? AND shard = ? AND amount_minor >= ?")
                    .bind(amount)
                    .bind(now)
                    .bind(account.as_bytes().to_vec())
                    .bind(shard)
                    .bind(least)
                    .execute(&mut *connection);
                match updated.await {
                    Ok(done) => assert_eq!(done.rows_affected(), 1),
                    // A deadlock: the whole transaction once more, as the program does it.
                    Err(_) => {
                        connection.execute("ROLLBACK").await.unwrap();
                        return false;
                    }
                }
            }
            connection.execute("COMMIT").await.unwrap();
            true
        }
    };
}

bare!(bare_sqlite, SqlitePool, "BEGIN IMMEDIATE");
bare!(bare_mysql, MySqlPool, "BEGIN");

/// The comparator's connections.
enum Bare {
    Sqlite(SqlitePool),
    MySql(MySqlPool),
}

impl Bare {
    async fn open(app: &App) -> Self {
        use sea_orm::sqlx::Executor as _;
        let url = app.config().database_url();
        if url.starts_with("sqlite") {
            let pool = SqlitePoolOptions::new().max_connections(1);
            let pool = pool.after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute("PRAGMA synchronous = FULL").await?;
                    connection.execute("PRAGMA foreign_keys = ON").await?;
                    connection.execute("PRAGMA busy_timeout = 5000").await?;
                    Ok(())
                })
            });
            return Self::Sqlite(pool.connect(&url).await.unwrap());
        }
        let pool = MySqlPoolOptions::new().max_connections(app.config().database.connections);
        let pool = pool.after_connect(|connection, _| {
            Box::pin(async move {
                let level = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
                connection.execute(level).await?;
                Ok(())
            })
        });
        Self::MySql(pool.connect(&url).await.unwrap())
    }

    async fn post(&self, entry: &NewEntry, now: DateTime<Utc>) {
        let number = i32::try_from(between(0, u64::from(u16::MAX))).unwrap();
        loop {
            let done = match self {
                Self::Sqlite(pool) => bare_sqlite(pool, entry, number, now).await,
                Self::MySql(pool) => bare_mysql(pool, entry, number, now).await,
            };
            if done {
                return;
            }
        }
    }
}

/// Transfers a second.
async fn round(app: &App, bare: Option<&Bare>, users: &[UserId], shape: Shape) -> f64 {
    let (began, count) = (Instant::now(), AtomicU64::new(0));
    join_all((0..AT_ONCE).map(|_| async {
        while began.elapsed() < ROUND {
            let entry = transfer(app, users, shape);
            match bare {
                Some(bare) => bare.post(&entry, app.clock().now()).await,
                None => post(app, std::slice::from_ref(&entry)).await,
            }
            count.fetch_add(1, Ordering::Relaxed);
        }
    }))
    .await;
    count.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// An app with users who have money.
async fn open(folder: &std::path::Path) -> (App, Vec<UserId>) {
    let mut settings = vec![
        ("server.env", json!("development")),
        ("server.data_dir", json!(folder.to_str().unwrap())),
        ("auth.bcrypt_cost", json!(4)),
    ];
    if let Some(url) = std::env::args().find(|argument| argument.starts_with("mysql://")) {
        settings.push(("database.url", json!(url)));
    }
    let config = Config::with(settings).unwrap();
    let app = App::new(config, Clock::system()).await.unwrap();
    migrate::run(app.db(), app.config(), Direction::Up)
        .await
        .unwrap();
    let mut users = Vec::new();
    for number in 0..USERS {
        let email = format!("bench-{number}@example.com");
        let made =
            app.accounts()
                .user_create(&email, "Bench", "a long password 42", Role::Customer);
        users.push(made.await.unwrap().id);
    }
    for some in users.chunks(50) {
        let entries: Vec<_> = some
            .iter()
            .map(|&user| {
                let to = Account::of_user(AccountKind::UserAvailable, ASSET, user);
                let from = Account::of_shop(AccountKind::External, ASSET);
                entry(&app, vec![posting(from, -RICH), posting(to, RICH)])
            })
            .collect();
        post(&app, &entries).await;
    }
    // The merchant's account is made by its first posting, which is not what is measured.
    post(&app, &[transfer(&app, &users, Shape::OneMerchant)]).await;
    (app, users)
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let (app, users) = open(folder.path()).await;
    let bare = Bare::open(&app).await;
    println!("| transfers                    | tradepost/s | bare SQL/s | ratio | goal |");
    println!("| ---------------------------- | ----------- | ---------- | ----- | ---- |");
    for (shape, name) in [
        (Shape::Users, "between 1,000 users"),
        (Shape::OneMerchant, "to one merchant account"),
    ] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(round(&app, None, &users, shape).await);
            theirs.push(round(&app, Some(&bare), &users, shape).await);
        }
        let (ours, theirs) = (median(ours), median(theirs));
        let ratio = ours / theirs;
        println!("| {name:28} | {ours:11.0} | {theirs:10.0} | {ratio:5.2} | 0.70 |");
    }
    let mut drifts = 0;
    app.wallet()
        .verify(&mut |drift| {
            println!("{drift}");
            drifts += 1;
        })
        .await
        .unwrap();
    assert_eq!(drifts, 0, "the ledger does not add up");
}
