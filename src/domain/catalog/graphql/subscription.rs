//! Subscriptions to products.

use super::product::Product;
use super::types::sees_all;
use crate::app::App;
use crate::graphql::authorization::Authorized;
use crate::graphql::error::ApiError;
use crate::graphql::scalars::query_id;
use async_graphql::{Context, ID, Result, Subscription};
use entity::catalog::ProductStatus;
use futures::stream::{BoxStream, StreamExt as _};

/// Subscriptions to products.
#[derive(Clone, Copy, Debug, Default)]
pub struct CatalogSubscription;

#[Subscription]
impl CatalogSubscription {
    /// A product each time it has changed, or what can be bought of it, as it is then; several changes in quick
    /// succession may be one. Drafts and archived ones are sent to staff only.
    #[graphql(guard = "Authorized")]
    async fn product_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which product; all if nothing is said.")] id: Option<ID>,
    ) -> Result<BoxStream<'static, Result<Product>>> {
        let id = id.as_ref().map(query_id).transpose()?;
        let sees_all = sees_all(ctx);
        let catalog = ctx.data_unchecked::<App>().catalog();
        let changes = catalog.products_follow(id).await.map_err(ApiError::from)?;
        let shown = changes.filter_map(move |change| async move {
            match change {
                Ok(detail) => {
                    let is_shown = sees_all || detail.product.status == ProductStatus::Active;
                    is_shown.then(|| Ok(detail.into()))
                }
                Err(ended) => Some(Err(ApiError::from(ended).into())),
            }
        });
        Ok(shown.boxed())
    }
}
