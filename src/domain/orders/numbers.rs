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
            let series = series.as_str();
            let next = match self.take(series).await {
                // Another replica wrote the year's first row in the same moment: now it is there.
                Err(Fault::Db(error))
                    if error::is_duplicate(&error, "PRIMARY", "number_blocks.series") =>
                {
                    self.take(series).await?
                }
                taken => taken?,
            };
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

    async fn take(&self, series: &str) -> Result<i64, Fault> {
        self.db
            .write("orders.number_block", async |tx| {
                Ok(store::number_block_take(&*tx, series, BLOCK).await?)
            })
            .await
    }
}
