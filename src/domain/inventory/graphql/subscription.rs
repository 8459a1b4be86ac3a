//! Subscriptions to stock.

use super::Stock;
use crate::app::App;
use crate::graphql::authorization::Authorized;
use crate::graphql::error::ApiError;
use crate::graphql::scalars::query_id;
use async_graphql::{Context, ID, Result, Subscription};
use futures::stream::{BoxStream, StreamExt as _};

/// Subscriptions to stock.
#[derive(Clone, Copy, Debug, Default)]
pub struct InventorySubscription;

#[Subscription]
impl InventorySubscription {
    /// The stock of a variant in a warehouse each time its numbers have changed, as they are then: by hand, by orders
    /// that reserve units, give them back or take them out, and by transfers. Several changes in quick succession may be
    /// one. Without `variantId`, the first change of a variant sends all its warehouses. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn stock_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which variant; all if nothing is said.")] variant_id: Option<ID>,
    ) -> Result<BoxStream<'static, Result<Stock>>> {
        let variant_id = variant_id.as_ref().map(query_id).transpose()?;
        let inventory = ctx.data_unchecked::<App>().inventory();
        let changes = inventory
            .stock_follow(variant_id)
            .await
            .map_err(ApiError::from)?;
        let shown = changes.map(|change| Ok(Stock(change.map_err(ApiError::from)?)));
        Ok(shown.boxed())
    }
}
