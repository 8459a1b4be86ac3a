//! Numbers for people: `ORD-2026-000001`, from blocks of 1,000 that a process fetches in their own transaction.
//!
//! Numbers of two replicas come in no order, and a process that ends leaves a gap; both are allowed.

use super::store;
use crate::clock::Clock;
use crate::db::{Db, error};
use crate::error::Fault;
use chrono::Datelike as _;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Numbers fetched at a time.
const BLOCK: i64 = 1_000;

/// The numbers that this process may give out.
#[derive(Clone, Debug)]
pub struct Numbers {
    db: Db,
    clock: Clock,
    prefix: &'static str,
    block: Arc<Mutex<Block>>,
}

#[derive(Debug, Default)]
struct Block {
    year: i32,
    next: i64,
    end: i64,
}

impl Numbers {
    /// Numbers that begin with `prefix`.
    #[must_use]
    pub fn new(db: Db, clock: Clock, prefix: &'static str) -> Self {
        Self {
            db,
            clock,
            prefix,
            block: Arc::default(),
        }
    }

    /// The next number of the clock's UTC year.
    ///
    /// # Errors
    /// The database fails while a block is fetched.
    pub async fn next(&self) -> Result<String, Fault> {
        let year = self.clock.now().year();
        let mut block = self.block.lock().await;
        if block.year != year || block.next >= block.end {
            let series = format!("{}-{year}", self.prefix);
            let next = self.block(&series, BLOCK).await?;
            *block = Block {
                year,
                next,
                end: next + BLOCK,
            };
        }
        let number = block.next;
        block.next += 1;
        Ok(format!("{}-{year}-{number:06}", self.prefix))
    }

    /// So many numbers of any year, for orders that were made elsewhere in that year.
    ///
    /// # Errors
    /// The database fails.
    pub async fn of_year(&self, year: i32, count: usize) -> Result<Vec<String>, Fault> {
        let series = format!("{}-{year}", self.prefix);
        let size = i64::try_from(count).unwrap_or(i64::MAX);
        let first = self.block(&series, size).await?;
        let numbers = first..first.saturating_add(size);
        Ok(numbers
            .map(|number| format!("{series}-{number:06}"))
            .collect())
    }

    async fn block(&self, series: &str, size: i64) -> Result<i64, Fault> {
        match self.take(series, size).await {
            // Another replica wrote the year's first row in the same moment: now it is there.
            Err(Fault::Db(error))
                if error::is_duplicate(&error, "PRIMARY", "number_blocks.series") =>
            {
                self.take(series, size).await
            }
            taken => taken,
        }
    }

    async fn take(&self, series: &str, size: i64) -> Result<i64, Fault> {
        self.db
            .write("orders.number_block", async |tx| {
                Ok(store::number_block_take(&*tx, series, size).await?)
            })
            .await
    }
}
