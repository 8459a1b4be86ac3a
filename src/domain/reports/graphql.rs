//! Reports in the schema: for staff.

use super::model::{self, Part, Period};
use crate::app::App;
use crate::domain::accounts::graphql::User;
use crate::domain::accounts::loaders::UserLoader;
use crate::domain::catalog;
use crate::domain::catalog::graphql::Product;
use crate::graphql::authorization::Authorized;
use crate::graphql::connection::{PageArgs, list_cost};
use crate::graphql::error::ApiError;
use crate::graphql::loading;
use crate::graphql::scalars::{Money, Time, int};
use crate::page::Window;
use async_graphql::{Context, Object};

/// Reads of reports.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReportsQuery;

#[Object]
impl ReportsQuery {
    /// What was sold in a period, live and imported orders together. An order counts from its payment on (PAID,
    /// PARTLY_FULFILLED, FULFILLED), when it was made; cancelled and expired ones do not. Revenue is what was sold less what
    /// was paid back since, on the day of the order. Requires STAFF.
    #[graphql(guard = "Authorized")]
    #[expect(
        clippy::unused_async,
        reason = "resolvers are async; its fields do the reading"
    )]
    async fn sales_statistics(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Orders made at or after; 30 days before `to` if nothing is said.")]
        from: Option<Time>,
        #[graphql(desc = "Orders made at or before; now if nothing is said.")] to: Option<Time>,
    ) -> Result<Option<SalesStatistics>, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let (from, to) = (from.map(|time| time.0), to.map(|time| time.0));
        let days_max = app.config().limits.report_days;
        let period = Period::new(from, to, app.clock().now(), days_max)
            .map_err(|error| ApiError::BadUserInput(error.to_string()))?;
        Ok(Some(SalesStatistics(period)))
    }
}

/// What was sold in a period. Each field is computed when it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct SalesStatistics(Period);

/// What was sold in a period. Each field is computed when it is asked for.
#[Object]
impl SalesStatistics {
    /// The begin of the period.
    async fn from(&self) -> Time {
        self.0.from.into()
    }

    /// The end of the period, included.
    async fn to(&self) -> Time {
        self.0.to.into()
    }

    /// All sales of the period.
    async fn total(&self, ctx: &Context<'_>) -> Result<Sales, ApiError> {
        Ok(Sales(reports(ctx).sales(self.0).await?))
    }

    /// Units of all lines, less those that were paid back.
    async fn unit_count(&self, ctx: &Context<'_>) -> Result<i32, ApiError> {
        Ok(int(reports(ctx).units(self.0).await?))
    }

    /// Each UTC day on which something was sold, first day first.
    #[graphql(complexity = "100 * child_complexity")]
    async fn days(&self, ctx: &Context<'_>) -> Result<Vec<DaySales>, ApiError> {
        let days = reports(ctx).days(self.0).await?;
        Ok(days.into_iter().map(DaySales).collect())
    }

    /// Products, those with the greatest revenue first.
    #[graphql(complexity = "list_cost(first, None, child_complexity)")]
    async fn products(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of a page, 1 to 100; 20 if nothing is said.")] first: Option<i32>,
        #[graphql(desc = "A page by number, from 1, with `first` items each.")] page: Option<i32>,
    ) -> Result<Vec<ProductSales>, ApiError> {
        let part = part(ctx, first, page)?;
        let products = reports(ctx).products(self.0, part).await?;
        Ok(products.into_iter().map(ProductSales).collect())
    }

    /// Customers, those with the greatest revenue first.
    #[graphql(complexity = "list_cost(first, None, child_complexity)")]
    async fn customers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of a page, 1 to 100; 20 if nothing is said.")] first: Option<i32>,
        #[graphql(desc = "A page by number, from 1, with `first` items each.")] page: Option<i32>,
    ) -> Result<Vec<CustomerSales>, ApiError> {
        let part = part(ctx, first, page)?;
        let customers = reports(ctx).customers(self.0, part).await?;
        Ok(customers.into_iter().map(CustomerSales).collect())
    }
}

fn reports<'a>(ctx: &'a Context<'_>) -> &'a super::service::Service {
    ctx.data_unchecked::<App>().reports()
}

/// A part of a ranking by number: a ranking has no cursors, since every sale moves its items.
fn part(ctx: &Context<'_>, first: Option<i32>, page: Option<i32>) -> Result<Part, ApiError> {
    let page = Some(page.unwrap_or(1));
    let args = PageArgs {
        first,
        page,
        ..PageArgs::default()
    };
    let request = args.request(ctx)?;
    let limit = u64::from(request.limit);
    let offset = match request.window {
        Window::Number { page } => u64::from(page.saturating_sub(1)) * limit,
        _ => 0,
    };
    Ok(Part { offset, limit })
}

fn money(ctx: &Context<'_>, minor: i64) -> Money {
    Money::new(minor, &ctx.data_unchecked::<App>().config().shop.currency)
}

/// Orders and what they brought in.
#[derive(Clone, Copy, Debug)]
pub struct Sales(model::Sales);

/// Orders and what they brought in.
#[Object]
impl Sales {
    /// Orders.
    async fn order_count(&self) -> i32 {
        int(self.0.orders)
    }

    /// Sum of their totals, less what was paid back.
    async fn revenue(&self, ctx: &Context<'_>) -> Money {
        money(ctx, self.0.revenue_minor)
    }
}

/// What was sold on a day.
#[derive(Clone, Debug)]
pub struct DaySales(model::DaySales);

/// What was sold on a day.
#[Object]
impl DaySales {
    /// The UTC day, as `2011-06-30`.
    async fn day(&self) -> &str {
        &self.0.day
    }

    /// Orders.
    async fn order_count(&self) -> i32 {
        int(self.0.sales.orders)
    }

    /// Sum of their totals, less what was paid back.
    async fn revenue(&self, ctx: &Context<'_>) -> Money {
        money(ctx, self.0.sales.revenue_minor)
    }
}

/// What was sold of a product.
#[derive(Clone, Copy, Debug)]
pub struct ProductSales(model::ProductSales);

/// What was sold of a product.
#[Object]
impl ProductSales {
    /// The product.
    async fn product(&self, ctx: &Context<'_>) -> Result<Option<Product>, ApiError> {
        catalog::graphql::product(ctx, self.0.product_id).await
    }

    /// Orders with it.
    async fn order_count(&self) -> i32 {
        int(self.0.orders)
    }

    /// Units, less those that were paid back.
    async fn unit_count(&self) -> i32 {
        int(self.0.units)
    }

    /// Sum of its lines, less what was paid back.
    async fn revenue(&self, ctx: &Context<'_>) -> Money {
        money(ctx, self.0.revenue_minor)
    }
}

/// What was sold to a customer: a user of this shop, or a customer of the system that orders were imported from.
/// Imported orders without a customer stand together, with neither.
#[derive(Clone, Debug)]
pub struct CustomerSales(model::CustomerSales);

/// What was sold to a customer: a user of this shop, or a customer of the system that orders were imported from.
/// Imported orders without a customer stand together, with neither.
#[Object]
impl CustomerSales {
    /// The system that the customer's orders were imported from.
    async fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }

    /// The customer's id in that system.
    async fn customer_reference(&self) -> Option<&str> {
        self.0.customer_reference.as_deref()
    }

    /// The user of this shop.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>, ApiError> {
        let Some(user_id) = self.0.user_id else {
            return Ok(None);
        };
        let loader = loading::of::<UserLoader>(ctx);
        Ok(loader.load_one(user_id).await?.map(User::from))
    }

    /// Orders.
    async fn order_count(&self) -> i32 {
        int(self.0.sales.orders)
    }

    /// Sum of their totals, less what was paid back.
    async fn revenue(&self, ctx: &Context<'_>) -> Money {
        money(ctx, self.0.sales.revenue_minor)
    }
}
