//! What orders need of carts: read one, plan the order, and make it the order in that order's transaction.

use super::Service;
use crate::db::Tx;
use crate::domain::carts::model::{CheckoutCart, Owner};
use crate::domain::carts::store;
use crate::error::Fault;
use entity::carts::{cart, cart_line};
use entity::ids::{OrderId, UserId};

/// The cart was changed or ordered since it was read: roll back, read it again and plan anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CartChanged;

fn checkout(user_id: UserId, cart: &cart::Model, lines: &[cart_line::Model]) -> CheckoutCart {
    CheckoutCart {
        id: cart.id,
        user_id,
        version: cart.version,
        lines: lines
            .iter()
            .map(|line| (line.variant_id, line.quantity))
            .collect(),
    }
}

impl Service {
    /// The user's open cart, unlocked, as the plan of an order reads it; nothing when there is none.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(name = "carts.for_checkout", skip_all)]
    pub async fn cart_for_checkout(&self, user_id: UserId) -> Result<Option<CheckoutCart>, Fault> {
        self.db
            .read("carts.for_checkout", async |c| {
                let Some(cart) = store::cart_find(&*c, &Owner::User(user_id)).await? else {
                    return Ok(None);
                };
                let lines = store::lines_of_cart(&*c, cart.id).await?;
                Ok(Some(checkout(user_id, &cart, &lines)))
            })
            .await
    }

    /// Makes a cart the order, in the order's own transaction, if it is still as it was read: one conditional update,
    /// so that of two checkouts one happens, and a line that is added meanwhile is either in the order or in the next
    /// cart.
    ///
    /// # Errors
    /// The database fails. `Ok(Err(CartChanged))`: roll back, read the cart again and plan anew.
    pub async fn cart_convert_in(
        &self,
        tx: &Tx,
        cart: &CheckoutCart,
        order_id: OrderId,
    ) -> Result<Result<(), CartChanged>, Fault> {
        let now = self.clock.now();
        let converted =
            store::cart_convert(&**tx, cart.id, cart.user_id, cart.version, order_id, now).await?;
        Ok(if converted { Ok(()) } else { Err(CartChanged) })
    }
}
