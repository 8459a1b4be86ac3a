//! What happens to a guest's cart after the log-in.

use super::{RACES, Result, Service};
use crate::db::{Tx, error};
use crate::domain::carts::error::Error;
use crate::domain::carts::model::{self, Contents, Owner};
use crate::domain::carts::store;
use crate::error::{Failure, Fault};
use crate::random;
use chrono::{DateTime, Utc};
use entity::carts::{CartStatus, cart};
use entity::ids::UserId;

/// How a merge ended.
enum Merged {
    /// The user's cart has the lines, by this request or by an earlier one.
    Done,
    /// Another request made the user's cart meanwhile.
    Raced,
}

impl Service {
    /// Puts a guest's cart into the user's; without an open one it becomes the user's. From then on the token opens
    /// nothing. The same again by the same user changes nothing.
    ///
    /// # Errors
    /// The token opens no guest's cart, or together they are more than a cart may hold: then nothing changes.
    #[tracing::instrument(name = "carts.merge", skip_all)]
    pub async fn cart_merge(&self, user_id: UserId, token: &str) -> Result<Contents> {
        let hash = random::secret_hash(token);
        let hash = hash.as_str();
        for _ in 0..RACES {
            let merged = self
                .db
                .write("carts.merge", async |tx| {
                    self.merge_in(&tx, user_id, hash).await
                })
                .await?;
            if matches!(merged, Merged::Done) {
                let own = self.cart_by(&Owner::User(user_id)).await?;
                // A repeated merge after the cart was ordered finds none.
                return Ok(own.ok_or(Error::CartNotFound)?);
            }
        }
        Err(Fault::Broken("a user's cart is made and removed again and again".to_owned()).into())
    }

    async fn merge_in(&self, tx: &Tx, user_id: UserId, hash: &str) -> Result<Merged> {
        let now = self.clock.now();
        let guest = store::cart_lock_by_token(&**tx, hash).await?;
        let guest = match guest {
            Some(cart) if cart.user_id == Some(user_id) => return Ok(Merged::Done),
            Some(cart) if cart.user_id.is_none() && cart.status == CartStatus::Open => cart,
            _ => return Err(Error::CartNotFound.into()),
        };
        match store::cart_lock(&**tx, &Owner::User(user_id)).await? {
            Some(own) => self.merge_into_in(tx, guest, own, user_id, now).await,
            None => self.adopt_in(tx, guest, user_id, now).await,
        }
    }

    async fn merge_into_in(
        &self,
        tx: &Tx,
        mut guest: cart::Model,
        own: cart::Model,
        user_id: UserId,
        now: DateTime<Utc>,
    ) -> Result<Merged> {
        let mine = store::lines_of_cart(&**tx, own.id).await?;
        let theirs = store::lines_of_cart(&**tx, guest.id).await?;
        let rows =
            model::merge(own.id, &mine, &theirs, self.limits, now).map_err(Failure::Refused)?;
        // The guest's lines go first: those that are new to the user's cart keep their ids.
        store::lines_clear(&**tx, guest.id).await?;
        store::lines_write(&**tx, own.id, rows).await?;
        guest.user_id = Some(user_id);
        guest.status = CartStatus::Merged;
        self.cart_raise_in(tx, guest, now).await?;
        self.cart_raise_in(tx, own, now).await?;
        Ok(Merged::Done)
    }

    /// Makes a guest's cart the user's own.
    async fn adopt_in(
        &self,
        tx: &Tx,
        mut guest: cart::Model,
        user_id: UserId,
        now: DateTime<Utc>,
    ) -> Result<Merged> {
        guest.user_id = Some(user_id);
        guest.open_user_id = Some(user_id);
        guest.version += 1;
        guest.updated_at = now;
        match store::cart_update(&**tx, &guest).await {
            Ok(()) => Ok(Merged::Done),
            Err(source)
                if error::is_duplicate(&source, "uq_carts_open_user", "carts.open_user_id") =>
            {
                Ok(Merged::Raced)
            }
            Err(source) => Err(source.into()),
        }
    }
}
