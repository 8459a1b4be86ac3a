//! Use cases of carts: this file reads them, `change.rs` fills and empties them, `merge.rs` is what happens after the
//! log-in, `checkout.rs` what orders need.

mod change;
mod checkout;
mod merge;

use super::error::Error;
use super::model::{Contents, Limits, LineNow, Owner};
use super::store;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::idempotency::Idempotency;
use crate::db::{Db, Tx};
use crate::domain::catalog::model::VariantReference;
use crate::domain::{catalog, inventory};
use crate::error::{Failure, Fault};
use crate::workers::Progress;
use chrono::{DateTime, TimeDelta, Utc};
use entity::carts::{cart, cart_line};
use entity::ids::{CartId, VariantId};
use std::collections::HashMap;

pub use change::NewLine;
pub use checkout::CartChanged;

/// The result of a use case.
pub type Result<T> = std::result::Result<T, Failure<Error>>;

/// Carts that one pass removes.
const REMOVE_BATCH: u64 = 500;
/// How often a request begins anew when another one makes the user's cart at the same time.
const RACES: usize = 3;

/// Carts.
#[derive(Clone, Debug)]
pub struct Service {
    db: Db,
    clock: Clock,
    idempotency: Idempotency,
    catalog: catalog::service::Service,
    inventory: inventory::service::Service,
    limits: Limits,
    keep: TimeDelta,
}

impl Service {
    /// Made once by the app.
    #[must_use]
    pub fn new(
        db: Db,
        clock: Clock,
        idempotency: Idempotency,
        catalog: catalog::service::Service,
        inventory: inventory::service::Service,
        config: &Config,
    ) -> Self {
        Self {
            db,
            clock,
            idempotency,
            catalog,
            inventory,
            limits: Limits {
                // What is in a cart can be ordered.
                lines: config.limits.order_lines,
                quantity: config.limits.quantity_max,
            },
            keep: TimeDelta::days(config.shop.cart_days),
        }
    }

    /// The owner's open cart with the prices and the stock of now, if there is one.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(name = "carts.cart_by", skip_all)]
    pub async fn cart_by(&self, owner: &Owner) -> std::result::Result<Option<Contents>, Fault> {
        let rows = self
            .db
            .read("carts.cart_by", async |c| {
                let Some(cart) = store::cart_find(&*c, owner).await? else {
                    return Ok(None);
                };
                let lines = store::lines_of_cart(&*c, cart.id).await?;
                Ok::<_, Fault>(Some((cart, lines)))
            })
            .await?;
        match rows {
            Some((cart, lines)) => self.contents(cart, lines).await.map(Some),
            None => Ok(None),
        }
    }

    /// A cart that this request has changed or found.
    async fn cart_again(&self, id: CartId) -> Result<Contents> {
        let rows = self
            .db
            .read("carts.cart_again", async |c| {
                let Some(cart) = store::cart_by_id(&*c, id).await? else {
                    return Ok(None);
                };
                let lines = store::lines_of_cart(&*c, cart.id).await?;
                Ok::<_, Fault>(Some((cart, lines)))
            })
            .await?;
        // Only when it was removed since.
        let (cart, lines) = rows.ok_or(Error::CartNotFound)?;
        Ok(self.contents(cart, lines).await?)
    }

    /// Adds what the shop says now: at most three statements however many lines.
    async fn contents(
        &self,
        cart: cart::Model,
        lines: Vec<cart_line::Model>,
    ) -> std::result::Result<Contents, Fault> {
        let variants: Vec<VariantId> = lines.iter().map(|line| line.variant_id).collect();
        let prices = self.prices(&variants).await?;
        let mut available: HashMap<VariantId, i64> = HashMap::new();
        if !variants.is_empty() {
            for row in self.inventory.stock_available(&variants).await? {
                *available.entry(row.variant_id).or_default() += row.units;
            }
        }
        let lines = lines
            .into_iter()
            .map(|line| LineNow {
                price_minor: prices.get(&line.variant_id).copied(),
                available: available.get(&line.variant_id).copied().unwrap_or(0),
                line,
            })
            .collect();
        Ok(Contents {
            expires_at: cart.updated_at + self.keep,
            cart,
            lines,
        })
    }

    /// Prices of those variants that are for sale now.
    async fn prices(
        &self,
        variants: &[VariantId],
    ) -> std::result::Result<HashMap<VariantId, i64>, Fault> {
        let references: Vec<_> = variants
            .iter()
            .map(|id| VariantReference::Variant(*id))
            .collect();
        let found = self.catalog.variants_resolve(&references).await?;
        Ok(found
            .into_iter()
            .flatten()
            .map(|variant| (variant.variant_id, variant.unit_price_minor))
            .collect())
    }

    /// Writes a locked cart as its next version.
    async fn cart_raise_in(
        &self,
        tx: &Tx,
        mut cart: cart::Model,
        now: DateTime<Utc>,
    ) -> std::result::Result<(), Fault> {
        cart.version += 1;
        cart.updated_at = now;
        Ok(store::cart_update(&**tx, &cart).await?)
    }

    /// Removes carts that nobody changed for long.
    pub(in crate::domain::carts) async fn carts_remove_abandoned(
        &self,
    ) -> std::result::Result<Progress, Fault> {
        let since = self.clock.now() - self.keep;
        let old = self
            .db
            .read("carts.untouched", async |c| {
                Ok::<_, Fault>(store::carts_untouched(&*c, since, REMOVE_BATCH).await?)
            })
            .await?;
        if old.is_empty() {
            return Ok(Progress::Idle);
        }
        let ids = &old;
        self.db
            .write("carts.remove", async |tx| {
                Ok::<_, Fault>(store::carts_delete(&*tx, ids, since).await?)
            })
            .await?;
        let more = u64::try_from(old.len()) == Ok(REMOVE_BATCH);
        Ok(if more { Progress::More } else { Progress::Idle })
    }
}
