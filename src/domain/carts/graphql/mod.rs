//! Carts in the schema.

mod mutation;
mod types;

pub use mutation::*;
pub use types::*;

use super::model::Owner;
use crate::app::App;
use crate::graphql::authorization::{Authorized, viewer};
use crate::graphql::error::ApiError;
use crate::random;
use async_graphql::{Context, Object};

/// Whose cart a request is about: the guest's whose token it has, else that of the user who asks; nobody's for a guest
/// without a token.
fn owner(ctx: &Context<'_>, cart_token: Option<&str>) -> Option<Owner> {
    match cart_token {
        Some(token) => Some(Owner::Guest(random::secret_hash(token))),
        None => viewer(ctx).user().map(|user| Owner::User(user.user_id)),
    }
}

/// Reads of carts.
#[derive(Clone, Copy, Debug, Default)]
pub struct CartsQuery;

#[Object]
impl CartsQuery {
    /// Your cart, or a guest's by its token; null when there is none.
    #[graphql(guard = "Authorized")]
    async fn cart(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The token that `cartLinesAdd` answered to a guest. Without it, the cart of the user who asks."
        )]
        cart_token: Option<String>,
    ) -> Result<Option<Cart>, ApiError> {
        let Some(owner) = owner(ctx, cart_token.as_deref()) else {
            return Ok(None);
        };
        let app = ctx.data_unchecked::<App>();
        let found = app.carts().cart_by(&owner).await?;
        let currency = app.config().shop.currency.as_str();
        Ok(found.map(|contents| Cart::new(contents, currency)))
    }
}
