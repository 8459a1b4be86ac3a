//! `import orders`: the history of another system. One row is one line of an order.
//!
//! | column | needed | holds |
//! | --- | --- | --- |
//! | `order` | yes | id of the order in that system, 1 to 64 characters; the rows of an order stand together |
//! | `ordered_at` | yes | with an offset (`2011-06-30T20:08:00Z`), or local time of `--timezone`; the earliest row is the order's date |
//! | `sku` | yes | a variant of the catalogue, in any case |
//! | `quantity` | yes | units, 1 or more |
//! | `unit_price` | yes | decimal, not more decimals than the shop's currency has |
//! | `name` | | name in that line; else the catalogue's |
//! | `customer_reference` | | id of the customer in that system; the same in all rows of an order, or empty |
//! | `currency` | | the shop's, if it is said |
//! | `source` | | the system; else `--source` |
//!
//! The file is read twice: first to see that the rows of each order stand together, then to write. What is there already
//! is found by (source, order) and compared, so that an interrupted import goes on where it stopped.

mod batch;
mod columns;
mod groups;
mod row;

use self::batch::Batch;
use self::columns::Column;
use self::groups::Groups;
use self::row::Rules;
use super::FileError;
use super::columns::Columns;
use super::progress::Progress;
use super::reader;
use super::rejects::Rejects;
use crate::app::App;
use crate::domain::orders::service::import::{Change, Mode, Outcome};
use crate::error::Fault;
use crate::money;
use chrono::TimeDelta;
use chrono_tz::Tz;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// How an import is done.
#[derive(Clone, Debug)]
pub struct Options {
    /// The system of rows that do not name one.
    pub source: Option<String>,
    /// The zone of times that do not name one.
    pub zone: Tz,
    /// Writes nothing but the file of refused rows.
    pub dry_run: bool,
    /// Refuses an order as a whole when one of its rows is refused.
    pub whole_orders: bool,
    /// The file of refused rows.
    pub rejects: PathBuf,
}

/// What an import did, or would do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Rows of the file without its first line.
    pub rows: u64,
    /// Rows that became lines of new orders.
    pub imported: u64,
    /// Rows that say what is there already.
    pub unchanged: u64,
    /// Rows that were refused; the rejects file names them.
    pub rejected: u64,
    /// New orders.
    pub orders_created: u64,
    /// Orders that are there already.
    pub orders_unchanged: u64,
    /// Orders of which nothing was taken, or that are there with other content.
    pub orders_refused: u64,
    /// Sum of the new orders in minor units.
    pub total_minor: i64,
    /// Its currency.
    pub currency: String,
    /// How long it took.
    pub seconds: f64,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// The file of refused rows.
    pub rejects: PathBuf,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let total = money::to_decimal(self.total_minor, &self.currency);
        let Self {
            rows,
            imported,
            unchanged,
            rejected,
            orders_created,
            orders_unchanged,
            orders_refused,
            currency,
            seconds,
            ..
        } = self;
        write!(
            f,
            "{rows} rows in {seconds:.2} s: {imported} imported, {unchanged} unchanged, {rejected} rejected"
        )?;
        if *rejected > 0 {
            write!(f, " (see {})", self.rejects.display())?;
        }
        write!(
            f,
            "; orders: {orders_created} created of {total} {currency}, {orders_unchanged} unchanged, {orders_refused} refused"
        )?;
        if self.dry_run {
            write!(f, "; a dry run: nothing was written")?;
        }
        Ok(())
    }
}

/// Imports a file of orders.
///
/// # Errors
/// The file cannot be read or is not such a file at all, the file of refused rows cannot be written, or the database
/// fails; the batches before that stay, and the same import may run again.
#[tracing::instrument(name = "import.orders", skip_all)]
pub async fn run(app: &App, file: &Path, options: &Options) -> Result<Report, Fault> {
    let started = Instant::now();
    if file.as_os_str() == "-" {
        return Err(Fault::doing("reading orders")(FileError::NotAFile));
    }
    let rules = Rules {
        source: options.source.clone(),
        zone: options.zone,
        currency: app.catalog().currency().to_owned(),
        // Clocks of other systems may be ahead, and a day's difference is no slip of the pen.
        latest: app.clock().now() + TimeDelta::days(1),
    };
    let groups = look(file, options, &rules).await?;
    let source = reader::open::<Column>(file, &options.rejects).await?;
    let mut rejects = Rejects::create(&options.rejects, source.columns.clone()).await?;
    let mut progress = Progress::new(source.read.clone(), source.total);
    let mut report = Report {
        currency: rules.currency.clone(),
        dry_run: options.dry_run,
        rejects: options.rejects.clone(),
        ..Report::default()
    };
    let whole = options.whole_orders;
    let mut batches =
        source.batches(move |source, sink| batch::read(source, &rules, &groups, whole, &sink));
    let mode = Mode {
        dry_run: options.dry_run,
        whole_orders: whole,
    };
    while let Some(mut batch) = batches.next().await? {
        let outcomes = app.orders().orders_import(&batch.orders, mode).await?;
        report.add(&mut batch, outcomes);
        rejects.write(&batch.raw, &mut batch.refused).await?;
        progress.rows(report.rows, report.rejected);
    }
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

/// The first look at the file.
async fn look(file: &Path, options: &Options, rules: &Rules) -> Result<Arc<Groups>, Fault> {
    let source = reader::open::<Column>(file, &options.rejects).await?;
    if rules.source.is_none() && !names_source(&source.columns) {
        return Err(Fault::doing(format!("reading {}", file.display()))(
            FileError::NoSource,
        ));
    }
    let rules = rules.clone();
    let groups = reader::off_thread(move || Groups::of(source, &rules)).await??;
    Ok(Arc::new(groups))
}

fn names_source(columns: &Columns) -> bool {
    columns.place(Column::Source).is_some()
}

impl Report {
    /// Counts what became of a batch; refused lines join the rows that were refused before.
    fn add(&mut self, batch: &mut Batch, outcomes: Vec<Outcome>) {
        for (places, outcome) in batch.places.iter().zip(outcomes) {
            let taken = (places.len() - outcome.refused.len()) as u64;
            match outcome.change {
                Change::Created { total_minor } => {
                    self.imported += taken;
                    self.orders_created += 1;
                    self.total_minor = self.total_minor.saturating_add(total_minor);
                }
                Change::Unchanged => {
                    self.unchanged += taken;
                    self.orders_unchanged += 1;
                }
                Change::Refused => {
                    self.unchanged += taken;
                    self.orders_refused += 1;
                }
            }
            let refused = outcome.refused.into_iter();
            batch
                .refused
                .extend(refused.map(|(line, reason)| (places[line], reason.to_string())));
        }
        self.rows += batch.raw.len() as u64;
        self.rejected += batch.refused.len() as u64;
    }
}
