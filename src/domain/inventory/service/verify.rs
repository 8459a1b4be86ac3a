//! Recomputing stock from what it is made of: on hand from movements, reserved from active reservations.
//!
//! The pass reads without locks, a few variants at a time, so it needs little memory and stops nobody. What looks wrong
//! may only have changed between two reads; it is looked at again with its stock row locked, and only what is wrong
//! then is reported.

use super::Service;
use crate::domain::inventory::model::{Drift, Place};
use crate::domain::inventory::store;
use crate::error::Fault;
use entity::ids::VariantId;

/// Variants of one step.
const VARIANTS: u64 = 200;

/// What a pass looked at and found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Places (a variant in a warehouse) that were recomputed.
    pub places: u64,
    /// Places that were wrong.
    pub drifts: u64,
}

impl Service {
    /// Recomputes every place and tells `report` of those that are wrong.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(name = "inventory.stock_verify", skip_all)]
    pub async fn stock_verify(&self, mut report: impl FnMut(&Drift)) -> Result<Verified, Fault> {
        let mut verified = Verified::default();
        let mut after: Option<VariantId> = None;
        loop {
            let engine = self.db.engine();
            let (counted, last) = self
                .db
                .read("inventory.verify", async |c| {
                    let variants = store::variants_with_stock(&*c, after, VARIANTS).await?;
                    let counted = store::places_of_variants(&*c, engine, &variants).await?;
                    Ok::<_, Fault>((counted, variants.last().copied()))
                })
                .await?;
            after = last;
            verified.places += u64::try_from(counted.len()).unwrap_or(u64::MAX);
            let suspects = counted.iter().filter(|drift| drift.is_wrong());
            let suspects: Vec<Place> = suspects.map(|drift| drift.place).collect();
            for place in suspects {
                if let Some(drift) = self.place_verify(place).await? {
                    verified.drifts += 1;
                    report(&drift);
                }
            }
            if after.is_none() {
                return Ok(verified);
            }
        }
    }

    /// A place again, with its stock row locked; nothing when it is right.
    async fn place_verify(&self, place: Place) -> Result<Option<Drift>, Fault> {
        let engine = self.db.engine();
        self.db
            .write("inventory.verify_place", async |tx| {
                store::stock_lock(&*tx, place).await?;
                let counted = store::places_of_variants(&*tx, engine, &[place.variant_id]).await?;
                let drift = counted.into_iter().find(|drift| drift.place == place);
                Ok::<_, Fault>(drift.filter(Drift::is_wrong))
            })
            .await
    }
}
