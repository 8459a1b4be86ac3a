//! Use cases of reports.

use super::model::{CustomerSales, DaySales, Part, Period, ProductSales, Sales};
use super::store;
use crate::db::Db;
use crate::error::Fault;

/// Reports.
#[derive(Clone, Debug)]
pub struct Service {
    db: Db,
}

impl Service {
    /// Made once by the app.
    #[must_use]
    pub const fn new(db: Db) -> Self {
        Self { db }
    }

    /// All sales of a period.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(name = "reports.sales", skip_all)]
    pub async fn sales(&self, period: Period) -> Result<Sales, Fault> {
        let statement = store::sales(self.db.engine(), period);
        self.db
            .read("reports.sales", async |c| {
                Ok(store::sales_one(&*c, &statement).await?)
            })
            .await
    }

    /// Units sold in a period.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(name = "reports.units", skip_all)]
    pub async fn units(&self, period: Period) -> Result<i64, Fault> {
        let statement = store::units(self.db.engine(), period);
        self.db
            .read("reports.units", async |c| {
                Ok(store::units_one(&*c, &statement).await?)
            })
            .await
    }

    /// Sales of each UTC day on which something was sold, first day first.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(name = "reports.days", skip_all)]
    pub async fn days(&self, period: Period) -> Result<Vec<DaySales>, Fault> {
        let statement = store::days(self.db.engine(), period);
        self.db
            .read("reports.days", async |c| {
                Ok(store::days_all(&*c, &statement).await?)
            })
            .await
    }

    /// Sales of products, greatest revenue first.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(name = "reports.products", skip_all)]
    pub async fn products(&self, period: Period, part: Part) -> Result<Vec<ProductSales>, Fault> {
        let statement = store::products(self.db.engine(), period, part);
        self.db
            .read("reports.products", async |c| {
                Ok(store::products_all(&*c, &statement).await?)
            })
            .await
    }

    /// Sales to customers, greatest revenue first.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(name = "reports.customers", skip_all)]
    pub async fn customers(&self, period: Period, part: Part) -> Result<Vec<CustomerSales>, Fault> {
        let statement = store::customers(self.db.engine(), period, part);
        self.db
            .read("reports.customers", async |c| {
                Ok(store::customers_all(&*c, &statement).await?)
            })
            .await
    }
}
