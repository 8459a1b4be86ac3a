//! `import products`: the catalogue and its initial stock from a file. The columns stand in the [module](super).

mod batch;
mod cells;
mod columns;
mod seen;

use self::batch::Batch;
use self::cells::Stock;
use self::columns::Column;
use super::progress::Progress;
use super::reader;
use super::rejects::Rejects;
use crate::app::App;
use crate::db::Tx;
use crate::db::error::{Kind, kind};
use crate::domain::catalog::service::import::{Change, Earlier, Refusal};
use crate::domain::inventory::service::import::MAIN;
use crate::error::Fault;
use entity::ids::{VariantId, WarehouseId};
use entity::inventory::WarehouseStatus;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How often a batch is planned anew when somebody else changed the catalogue in between.
const RACES: u32 = 5;
/// Characters of a movement's reference.
const REFERENCE_MAX: usize = 64;

/// What an import did, or would do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Rows of the file without its first line.
    pub rows: u64,
    /// Rows that added a variant.
    pub created: u64,
    /// Rows that changed something.
    pub updated: u64,
    /// Rows that say what is there already.
    pub unchanged: u64,
    /// Rows that were refused; the rejects file names them.
    pub rejected: u64,
    /// How long it took.
    pub seconds: f64,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// The file of refused rows.
    pub rejects: PathBuf,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            rows,
            created,
            updated,
            unchanged,
            rejected,
            seconds,
            ..
        } = self;
        write!(
            f,
            "{rows} rows in {seconds:.2} s: {created} created, {updated} updated, {unchanged} unchanged, {rejected} rejected"
        )?;
        if *rejected > 0 {
            write!(f, " (see {})", self.rejects.display())?;
        }
        if self.dry_run {
            write!(f, "; a dry run: nothing was written")?;
        }
        Ok(())
    }
}

/// Imports a file of products, or `-`, standard input. With `dry_run` everything is checked and nothing but the file of
/// refused rows is written.
///
/// # Errors
/// The file cannot be read or is not such a file at all, the file of refused rows cannot be written, or the database
/// fails; the batches before that stay, and the same import may run again.
#[tracing::instrument(name = "import.products", skip_all)]
pub async fn run(
    app: &App,
    file: &Path,
    dry_run: bool,
    rejects_file: &Path,
) -> Result<Report, Fault> {
    let started = Instant::now();
    let source = reader::open::<Column>(file, rejects_file).await?;
    let mut rejects = Rejects::create(rejects_file, source.columns.clone()).await?;
    let mut progress = Progress::new(source.read.clone(), source.total);
    let currency = app.catalog().currency().to_owned();
    let mut batches = source.batches(move |source, sink| batch::read(source, &currency, &sink));
    let mut import = Import::new(app, file, dry_run).await?;
    let mut report = Report {
        dry_run,
        rejects: rejects_file.to_owned(),
        ..Report::default()
    };
    while let Some(mut batch) = batches.next().await? {
        import.batch(&mut batch, &mut report).await?;
        rejects.write(&batch.raw, &mut batch.refused).await?;
        report.rows += batch.raw.len() as u64;
        report.rejected += batch.refused.len() as u64;
        progress.rows(report.rows, report.rejected);
    }
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

/// Where stock can go.
struct Warehouses {
    by_code: HashMap<String, WarehouseId>,
    default: Option<WarehouseId>,
    /// The one that is made when it is needed, because the shop has none.
    missing: Option<WarehouseId>,
}

impl Warehouses {
    async fn read(app: &App) -> Result<Self, Fault> {
        let rows = app.inventory().warehouses_all().await?;
        let default = rows
            .iter()
            .find(|row| row.status == WarehouseStatus::Active);
        let mut warehouses = Self {
            default: default.map(|row| row.id),
            by_code: rows.into_iter().map(|row| (row.code, row.id)).collect(),
            missing: None,
        };
        if warehouses.default.is_none() && !warehouses.by_code.contains_key(MAIN) {
            let id = app.clock().id();
            warehouses.by_code.insert(MAIN.to_owned(), id);
            warehouses.default = Some(id);
            warehouses.missing = Some(id);
        }
        Ok(warehouses)
    }
}

/// One import while it runs.
struct Import<'a> {
    app: &'a App,
    dry_run: bool,
    warehouses: Warehouses,
    /// What a dry run would have written.
    earlier: Earlier,
    /// What movements of stock refer to.
    reference: String,
}

/// Units with which the stock of a variant begins.
#[derive(Clone, Copy, Debug)]
struct Begin {
    row: usize,
    variant_id: VariantId,
    warehouse_id: WarehouseId,
    units: i64,
}

impl<'a> Import<'a> {
    async fn new(app: &'a App, file: &Path, dry_run: bool) -> Result<Self, Fault> {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self {
            app,
            dry_run,
            warehouses: Warehouses::read(app).await?,
            earlier: Earlier::default(),
            reference: format!("import {name}")
                .chars()
                .take(REFERENCE_MAX)
                .collect(),
        })
    }

    /// Writes a batch; rows that the shop refuses join those that were refused before.
    async fn batch(&mut self, batch: &mut Batch, report: &mut Report) -> Result<(), Fault> {
        self.refuse_warehouses(batch);
        if batch.rows.is_empty() {
            return Ok(());
        }
        let results = self.write(batch).await?;
        for (index, result) in results.into_iter().enumerate() {
            if let Ok(change) = result
                && self.dry_run
            {
                self.earlier.planned(&batch.rows[index], change);
            }
            match result {
                Ok(Change::Created) => report.created += 1,
                Ok(Change::Updated) => report.updated += 1,
                Ok(Change::Unchanged) => report.unchanged += 1,
                Err(refusal) => batch
                    .refused
                    .push((batch.places[index], refusal.to_string())),
            }
        }
        Ok(())
    }

    /// Takes out the rows whose stock has nowhere to go.
    fn refuse_warehouses(&self, batch: &mut Batch) {
        let reason = |stock: &Stock| match &stock.warehouse {
            Some(code) if !self.warehouses.by_code.contains_key(code) => {
                Some("warehouse is not the code of one".to_owned())
            }
            None if stock.units.is_some() && self.warehouses.default.is_none() => Some(
                "stock has no active warehouse to go to: name one in the column warehouse"
                    .to_owned(),
            ),
            _ => None,
        };
        for index in (0..batch.rows.len()).rev() {
            if let Some(reason) = batch.stock[index].iter().find_map(reason) {
                batch.rows.remove(index);
                batch.stock.remove(index);
                batch.refused.push((batch.places.remove(index), reason));
            }
        }
    }

    /// Runs a batch's transaction. Staff or another import may take a SKU or slug between its reads and its writes;
    /// then it runs again and sees what they did.
    async fn write(&mut self, batch: &Batch) -> Result<Vec<Result<Change, Refusal>>, Fault> {
        let mut race = 1;
        loop {
            let this = &*self;
            let done = this.app.db().write("import.products", async |tx| {
                this.write_in(&tx, batch).await
            });
            match done.await {
                Err(Fault::Db(error)) if race < RACES && is_race(&kind(&error)) => {
                    race += 1;
                    self.warehouses = Warehouses::read(self.app).await?;
                }
                Err(fault) => return Err(fault),
                Ok((results, made)) => {
                    if made {
                        self.warehouses.missing = None;
                    }
                    return Ok(results);
                }
            }
        }
    }

    /// Plans a batch and writes it. Tells what became of its rows, and whether the missing warehouse was made.
    async fn write_in(
        &self,
        tx: &Tx,
        batch: &Batch,
    ) -> Result<(Vec<Result<Change, Refusal>>, bool), Fault> {
        let (catalog, inventory) = (self.app.catalog(), self.app.inventory());
        let plan = catalog
            .import_plan_in(tx, &batch.rows, &self.earlier)
            .await?;
        let begins = self.stock_plan_in(tx, batch, &plan.rows).await?;
        let mut results: Vec<Result<Change, Refusal>> = plan
            .rows
            .iter()
            .cloned()
            .map(|row| row.map(|(_, change)| change))
            .collect();
        for begin in &begins {
            let change = &mut results[begin.row];
            if *change == Ok(Change::Unchanged) {
                *change = Ok(Change::Updated);
            }
        }
        if self.dry_run {
            return Ok((results, false));
        }
        catalog.import_apply_in(tx, &plan).await?;
        let missing = self
            .warehouses
            .missing
            .filter(|id| begins.iter().any(|b| b.warehouse_id == *id));
        if let Some(id) = missing {
            inventory.warehouse_main_in(tx, id).await?;
        }
        let mut units: BTreeMap<WarehouseId, Vec<(VariantId, i64)>> = BTreeMap::new();
        for begin in begins {
            units
                .entry(begin.warehouse_id)
                .or_default()
                .push((begin.variant_id, begin.units));
        }
        for (warehouse_id, units) in units {
            inventory
                .stock_begin_many_in(tx, warehouse_id, &units, &self.reference)
                .await?;
        }
        Ok((results, missing.is_some()))
    }

    /// Where stock goes.
    fn warehouse(&self, stock: &Stock) -> Option<WarehouseId> {
        match &stock.warehouse {
            Some(code) => self.warehouses.by_code.get(code).copied(),
            None => self.warehouses.default,
        }
    }

    /// The stock that rows give and that the variants do not have yet.
    async fn stock_plan_in(
        &self,
        tx: &Tx,
        batch: &Batch,
        planned: &[Result<(VariantId, Change), Refusal>],
    ) -> Result<Vec<Begin>, Fault> {
        let mut begins = Vec::new();
        let mut existing = Vec::new();
        for (row, (planned, stock)) in planned.iter().zip(&batch.stock).enumerate() {
            let Ok((variant_id, change)) = planned else {
                continue;
            };
            let count = begins.len();
            begins.extend(stock.iter().filter_map(|stock| {
                Some(Begin {
                    row,
                    variant_id: *variant_id,
                    warehouse_id: self.warehouse(stock)?,
                    units: stock.units?,
                })
            }));
            if *change != Change::Created && begins.len() > count {
                existing.push(*variant_id);
            }
        }
        if !existing.is_empty() {
            let known = self.app.inventory().stock_known_in(tx, &existing).await?;
            begins.retain(|begin| !known.contains(&(begin.variant_id, begin.warehouse_id)));
        }
        Ok(begins)
    }
}

/// Whether a transaction failed because somebody else was faster.
fn is_race(kind: &Kind) -> bool {
    matches!(kind, Kind::Unique(_) | Kind::ForeignKey)
}
