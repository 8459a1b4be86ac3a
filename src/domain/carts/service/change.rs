//! Filling and emptying carts.

use super::{RACES, Result, Service};
use crate::db::{Tx, error, idempotency};
use crate::domain::carts::error::{Error, line_path};
use crate::domain::carts::model::{self, Adding, Contents, Owner};
use crate::domain::carts::store;
use crate::domain::catalog::error::ResolveError;
use crate::domain::catalog::model::VariantReference;
use crate::error::{Failure, Fault};
use crate::random;
use chrono::{DateTime, Utc};
use entity::carts::{CartStatus, cart, cart_line};
use entity::ids::{CartId, CartLineId, UserId};
use serde::Serialize;
use std::collections::HashSet;
use uuid::Uuid;

/// Something that a customer puts into a cart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewLine {
    /// What.
    pub reference: VariantReference,
    /// Units, 1 or more.
    pub quantity: i64,
}

impl Service {
    /// Puts things into the owner's cart; the same variant adds up. A user's cart is made when there is none. Without an
    /// owner a guest's cart is made, and its token is answered: this once. Tells also whether an earlier request with
    /// the same key did it.
    ///
    /// # Errors
    /// Lines that are not for sale or need a variant, limits; a token that opens no cart.
    #[tracing::instrument(name = "carts.lines_add", skip_all)]
    pub async fn lines_add(
        &self,
        owner: Option<&Owner>,
        lines: &[NewLine],
        key: Option<idempotency::Request>,
    ) -> Result<(Contents, Option<String>, bool)> {
        let token = owner.is_none().then(random::secret);
        let new = self.cart_new(owner, token.as_deref());
        let new = &new;
        let effect = async |key: Option<idempotency::Request>| {
            let adding = self.lines_resolve(lines).await?;
            for _ in 0..RACES {
                let id = self.lines_add_once(owner, new, &adding, key.as_ref());
                if let Some(id) = id.await? {
                    return Ok(id.0);
                }
            }
            Err(
                Fault::Broken("a user's cart is made and removed again and again".to_owned())
                    .into(),
            )
        };
        let (id, replayed) = self.idempotency.once(key, effect).await?;
        Ok((self.cart_again(CartId(id)).await?, token, replayed))
    }

    /// The cart that is made when there is none.
    fn cart_new(&self, owner: Option<&Owner>, token: Option<&str>) -> cart::Model {
        let now = self.clock.now();
        let user_id: Option<UserId> = match owner {
            Some(Owner::User(id)) => Some(*id),
            _ => None,
        };
        cart::Model {
            id: self.clock.id(),
            user_id,
            open_user_id: user_id,
            token_hash: token.map(random::secret_hash),
            status: CartStatus::Open,
            order_id: None,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    /// Nothing when another request made the user's cart meanwhile.
    async fn lines_add_once(
        &self,
        owner: Option<&Owner>,
        new: &cart::Model,
        adding: &[Adding],
        key: Option<&idempotency::Request>,
    ) -> Result<Option<CartId>> {
        self.db
            .write("carts.lines_add", async |tx| {
                let found = match owner {
                    Some(owner) => store::cart_lock(&*tx, owner).await?,
                    None => None,
                };
                let is_new = found.is_none();
                let cart = match (found, owner) {
                    (Some(cart), _) => cart,
                    (None, Some(Owner::Guest(_))) => return Err(Error::CartNotFound.into()),
                    (None, _) => {
                        if !self.cart_insert_in(&tx, new).await? {
                            return Ok(None);
                        }
                        new.clone()
                    }
                };
                idempotency::record(&tx, &self.clock, key, cart.id.0).await?;
                let (id, now) = (cart.id, self.clock.now());
                let present = store::lines_of_cart(&*tx, id).await?;
                let next = || self.clock.id::<CartLineId>();
                let rows = model::add(id, &present, adding, self.limits, now, next)
                    .map_err(Failure::Refused)?;
                store::lines_write(&*tx, id, rows).await?;
                if !is_new {
                    self.cart_raise_in(&tx, cart, now).await?;
                }
                Ok::<_, Failure<Error>>(Some(id))
            })
            .await
    }

    /// Writes a new cart; `false` when the user has one by now.
    async fn cart_insert_in(
        &self,
        tx: &Tx,
        cart: &cart::Model,
    ) -> std::result::Result<bool, Fault> {
        match store::cart_insert(&**tx, cart.clone()).await {
            Ok(()) => Ok(true),
            Err(source)
                if error::is_duplicate(&source, "uq_carts_open_user", "carts.open_user_id") =>
            {
                Ok(false)
            }
            Err(source) => Err(source.into()),
        }
    }

    async fn lines_resolve(&self, lines: &[NewLine]) -> Result<Vec<Adding>> {
        let references: Vec<_> = lines.iter().map(|line| line.reference.clone()).collect();
        let resolved = self.catalog.variants_resolve(&references).await?;
        let (mut adding, mut errors) = (Vec::with_capacity(lines.len()), Vec::new());
        for (place, (found, wanted)) in resolved.into_iter().zip(lines).enumerate() {
            match found {
                Ok(variant) => adding.push(Adding {
                    place,
                    variant,
                    quantity: wanted.quantity,
                }),
                Err(ResolveError::VariantRequired) => {
                    errors.push(Error::VariantRequired { line: place });
                }
                Err(ResolveError::NotFound) => {
                    let field = match wanted.reference {
                        VariantReference::Product(_) => "productId",
                        VariantReference::Variant(_) => "variantId",
                        VariantReference::Sku(_) => "sku",
                    };
                    errors.push(Error::NothingSold { line: place, field });
                }
            }
        }
        if errors.is_empty() {
            Ok(adding)
        } else {
            Err(errors.into())
        }
    }

    /// Sets the quantities of lines; 0 takes a line out. The customer has then seen the lines' prices of now.
    ///
    /// # Errors
    /// No cart; lines that are not there, named twice, or with too many units.
    #[tracing::instrument(name = "carts.lines_update", skip_all)]
    pub async fn lines_update(
        &self,
        owner: &Owner,
        quantities: &[(CartLineId, i64)],
    ) -> Result<Contents> {
        // Prices are asked for before the transaction; a line that is added meanwhile is not among those changed.
        let seen = self.cart_by(owner).await?.ok_or(Error::CartNotFound)?;
        let prices = seen
            .lines
            .iter()
            .filter_map(|line| Some((line.line.variant_id, line.price_minor?)))
            .collect();
        let prices = &prices;
        self.change(owner, "carts.lines_update", |lines, now| {
            let changed = model::update(lines, quantities, prices, self.limits, now)?;
            Ok(Change {
                write: changed.lines,
                delete: changed.gone,
            })
        })
        .await
    }

    /// Takes lines out of the owner's cart.
    ///
    /// # Errors
    /// No cart, or lines that are not there.
    #[tracing::instrument(name = "carts.lines_remove", skip_all)]
    pub async fn lines_remove(&self, owner: &Owner, ids: &[CartLineId]) -> Result<Contents> {
        self.change(owner, "carts.lines_remove", |lines, _| {
            let there: HashSet<CartLineId> = lines.iter().map(|line| line.id).collect();
            let missing: Vec<Error> = ids
                .iter()
                .enumerate()
                .filter(|(_, id)| !there.contains(id))
                .map(|(place, _)| Error::LineNotFound {
                    path: line_path("lineIds", place, ""),
                })
                .collect();
            if !missing.is_empty() {
                return Err(missing);
            }
            Ok(Change {
                write: Vec::new(),
                delete: ids.to_vec(),
            })
        })
        .await
    }

    /// Takes everything out of the owner's cart.
    ///
    /// # Errors
    /// No cart.
    #[tracing::instrument(name = "carts.clear", skip_all)]
    pub async fn cart_clear(&self, owner: &Owner) -> Result<Contents> {
        self.change(owner, "carts.clear", |lines, _| {
            Ok(Change {
                write: Vec::new(),
                delete: lines.iter().map(|line| line.id).collect(),
            })
        })
        .await
    }

    /// Deletes the owner's cart.
    ///
    /// # Errors
    /// No cart.
    #[tracing::instrument(name = "carts.delete", skip_all)]
    pub async fn cart_delete(&self, owner: &Owner) -> Result<CartId> {
        self.db
            .write("carts.delete", async |tx| {
                let cart = store::cart_lock(&*tx, owner).await?;
                let id = cart.ok_or(Error::CartNotFound)?.id;
                store::cart_delete(&*tx, id).await?;
                Ok::<_, Failure<Error>>(id)
            })
            .await
    }

    /// Changes the lines of the owner's cart under its lock.
    async fn change(
        &self,
        owner: &Owner,
        name: &'static str,
        plan: impl Fn(&[cart_line::Model], DateTime<Utc>) -> std::result::Result<Change, Vec<Error>>
        + Send
        + Sync,
    ) -> Result<Contents> {
        let plan = &plan;
        let id: Uuid = self
            .db
            .write(name, async |tx| {
                let cart = store::cart_lock(&*tx, owner).await?;
                let cart = cart.ok_or(Error::CartNotFound)?;
                let (id, now) = (cart.id, self.clock.now());
                let present = store::lines_of_cart(&*tx, id).await?;
                let Change { write, delete } = plan(&present, now).map_err(Failure::Refused)?;
                if !(write.is_empty() && delete.is_empty()) {
                    store::lines_delete(&*tx, id, &delete).await?;
                    store::lines_write(&*tx, id, write).await?;
                    self.cart_raise_in(&tx, cart, now).await?;
                }
                Ok::<_, Failure<Error>>(id.0)
            })
            .await?;
        self.cart_again(CartId(id)).await
    }
}

/// What becomes of a cart's lines.
struct Change {
    write: Vec<cart_line::Model>,
    delete: Vec<CartLineId>,
}
