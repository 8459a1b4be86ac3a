//! Migrations under a lock, so that several replicas may start together.

use super::{Db, Engine};
use crate::config::Config;
use crate::error::Fault;
use entity::platform::setting;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use migration::{Migrator, MigratorTrait};
use sea_orm::{ActiveValue::Set, DatabaseConnection, DbErr, EntityTrait, Statement};

/// How long a replica waits for another one that migrates, in seconds.
const LOCK_WAIT_S: u32 = 600;
/// The setting that holds the shop's currency.
pub const CURRENCY: &str = "shop.currency";

/// What a `migrate` command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Run everything that has not run.
    Up,
    /// Undo the last `n`.
    Down(u32),
    /// Drop everything and start anew.
    Fresh,
}

/// Migrations with whether they have run, in order.
pub type Status = Vec<(String, bool)>;

/// Changes the schema under the lock and fixes the shop's currency.
///
/// # Errors
/// The database fails, or the configured currency is not the one the shop was made with.
pub async fn run(db: &Db, config: &Config, direction: Direction) -> Result<(), Fault> {
    let connection = &db.inner.writer;
    // Boxed: the futures of the migrations nest too deep for callers to hold them by value.
    let change: BoxFuture<'_, Result<(), DbErr>> = match direction {
        Direction::Up => Migrator::up(connection, None).boxed(),
        Direction::Down(steps) => Migrator::down(connection, Some(steps)).boxed(),
        Direction::Fresh => Migrator::fresh(connection).boxed(),
    };
    locked(db, change).await?;
    if pending(connection).await? == 0 {
        fix_currency(connection, &config.shop.currency).await
    } else {
        Ok(())
    }
}

/// MySQL's named lock belongs to one connection, so it is taken in a pool of its own size of one by the statement
/// that runs first and last. SQLite has one writer.
async fn locked(db: &Db, change: BoxFuture<'_, Result<(), DbErr>>) -> Result<(), Fault> {
    if db.engine() == Engine::Sqlite {
        return Ok(change.await?);
    }
    let backend = db.inner.writer.get_database_backend();
    let pool = db.inner.writer.get_mysql_connection_pool();
    let mut holder = pool
        .acquire()
        .await
        .map_err(Fault::doing("connecting for the migration lock"))?;
    let take = format!("SELECT GET_LOCK(CONCAT('tradepost.migrate.', DATABASE()), {LOCK_WAIT_S})");
    let taken: Option<i64> = sea_orm::sqlx::query_scalar(sea_orm::sqlx::AssertSqlSafe(take))
        .fetch_one(&mut *holder)
        .await
        .map_err(Fault::doing("taking the migration lock"))?;
    if taken != Some(1) {
        return Err(Fault::Broken(
            "another replica has been migrating for too long".into(),
        ));
    }
    let result = change.await;
    let release = Statement::from_string(
        backend,
        "DO RELEASE_LOCK(CONCAT('tradepost.migrate.', DATABASE()))",
    );
    sea_orm::sqlx::query(sea_orm::sqlx::AssertSqlSafe(release.sql))
        .execute(&mut *holder)
        .await
        .map_err(Fault::doing("releasing the migration lock"))?;
    Ok(result?)
}

/// How many migrations have not run.
pub(super) async fn pending(connection: &DatabaseConnection) -> Result<usize, DbErr> {
    Ok(Migrator::get_pending_migrations_read_only(connection)
        .await?
        .len())
}

/// Every migration and whether it has run.
///
/// # Errors
/// The database fails.
pub async fn status(db: &Db) -> Result<Status, Fault> {
    let pending: Vec<String> = Migrator::get_pending_migrations_read_only(&db.inner.reader)
        .await?
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect();
    Ok(Migrator::migrations()
        .iter()
        .map(|migration| {
            (
                migration.name().to_owned(),
                !pending.contains(&migration.name().to_owned()),
            )
        })
        .collect())
}

/// The currency is written once, at the first migration; another one in the configuration is refused ever after.
async fn fix_currency(connection: &DatabaseConnection, configured: &str) -> Result<(), Fault> {
    let row = setting::ActiveModel {
        name: Set(CURRENCY.to_owned()),
        value: Set(configured.to_owned()),
    };
    let inserted = setting::Entity::insert(row)
        .exec_without_returning(connection)
        .await;
    match inserted {
        Ok(_) => return Ok(()),
        Err(error) if matches!(super::error::kind(&error), super::error::Kind::Unique(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let fixed = setting::Entity::find_by_id(CURRENCY)
        .one(connection)
        .await?
        .map(|row| row.value);
    match fixed {
        Some(fixed) if fixed != configured => Err(Fault::Broken(format!(
            "shop.currency is {configured}, but this shop was made in {fixed}; its currency cannot change"
        ))),
        _ => Ok(()),
    }
}
