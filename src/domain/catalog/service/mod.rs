//! The use cases of the catalogue: one public function each, which opens the transaction it needs.

mod cached;
mod categories;
pub mod export;
mod follow;
pub mod import;
mod named;
mod product_create;
mod products;
mod products_change;
mod publish;
mod search;
mod sellable;
mod values;
mod variants;

pub use super::error::ResolveError;
use super::error::{Error, Kind, Unique};
pub use super::model::{SellableVariant, VariantReference};
use super::store;
use crate::cache::Cache;
use crate::clock::Clock;
use crate::db::Db;
use crate::db::idempotency::Idempotency;
use crate::error::{Failure, Fault};
use crate::events::Events;
use crate::events::hub::Hub;
pub use follow::{PRODUCT, ProductChanges, subjects};
pub use products_change::Outcome;
use std::collections::HashSet;
pub use values::ProductDetail;

/// How often a write that lost a race for a unique value looks anew before it is refused. Of n products of one name made
/// at once the last may lose n - 1 times, for each picks the next free slug.
const RACES: u32 = 20;
/// Candidates for a slug that are looked up at once.
const SLUG_WINDOW: usize = 32;

/// The use cases of the catalogue; cheap to clone.
#[derive(Clone, Debug)]
pub struct Service {
    db: Db,
    clock: Clock,
    idempotency: Idempotency,
    cache: Cache,
    events: Events,
    hub: Hub,
    heard: follow::Heard,
    names: cached::Names,
    currency: String,
}

impl Service {
    /// The catalogue of a shop that sells in `currency`.
    #[must_use]
    pub fn new(
        db: Db,
        clock: Clock,
        idempotency: Idempotency,
        cache: Cache,
        events: Events,
        hub: Hub,
        currency: &str,
    ) -> Self {
        Self {
            db,
            clock,
            idempotency,
            cache,
            events,
            hub,
            heard: follow::heard(),
            names: cached::names(),
            currency: currency.to_owned(),
        }
    }

    /// The currency of all prices.
    #[must_use]
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// The database, for the loaders of this domain.
    pub(super) fn db(&self) -> &Db {
        &self.db
    }
}

/// Runs a write that checks what it refers to and what must be unique before it writes. A request that got in between
/// makes a statement fail; then the whole runs again, its checks see what the other did, and it says what is wrong or
/// picks another slug.
async fn settle<T, F, Fut>(mut write: F) -> Result<T, Failure<Error>>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, Failure<Error>>>,
{
    let mut race = 1;
    loop {
        let error = match write().await {
            Err(Failure::Fault(Fault::Db(error))) if store::lost_race(&error) => error,
            done => return done,
        };
        if race < RACES {
            race += 1;
            continue;
        }
        return Err(match store::taken(&error) {
            Some(unique) => Error::at(Kind::Taken(unique), path_of(unique)).into(),
            None => Fault::Db(error).into(),
        });
    }
}

/// Where a unique value stands in the input of its own object.
const fn path_of(unique: Unique) -> &'static [&'static str] {
    match unique {
        Unique::ProductSlug | Unique::CategorySlug => &["input", "slug"],
        Unique::ExternalReference => &["input", "externalReference"],
        Unique::Sku => &["input", "sku"],
    }
}

/// Picks the first free candidate for each base, in order. `find` tells which of some slugs are taken; what is picked
/// here is taken for the bases after it.
async fn slugs_pick<F, Fut>(bases: &[String], mut find: F) -> Result<Vec<String>, Fault>
where
    F: FnMut(Vec<String>) -> Fut,
    Fut: Future<Output = Result<HashSet<String>, Fault>>,
{
    let mut picked: Vec<Option<String>> = vec![None; bases.len()];
    let mut used = HashSet::new();
    let mut window = 0;
    while picked.iter().any(Option::is_none) {
        let numbers = window * SLUG_WINDOW + 1..=(window + 1) * SLUG_WINDOW;
        let candidates = |base: &String| {
            let base = base.clone();
            numbers
                .clone()
                .map(move |number| super::model::slug_candidate(&base, number))
        };
        let open = bases.iter().zip(&picked).filter(|(_, slug)| slug.is_none());
        let asked = open.flat_map(|(base, _)| candidates(base)).collect();
        let taken = find(asked).await?;
        for (base, slug) in bases.iter().zip(&mut picked) {
            if slug.is_none() {
                *slug = candidates(base).find(|c| !taken.contains(c) && !used.contains(c));
                used.extend(slug.clone());
            }
        }
        window += 1;
    }
    Ok(picked.into_iter().flatten().collect())
}
