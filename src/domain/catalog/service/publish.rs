//! What transactions of the catalogue publish: the one place where its events are written.

use super::Service;
use crate::db::Tx;
use crate::domain::catalog::events::{self, Change};
use crate::domain::catalog::store;
use crate::error::Fault;
use entity::catalog::{product, variant};
use entity::ids::{CategoryId, ProductId};
use std::collections::HashMap;

/// A product that a transaction has written, for its events. What is `None` is read.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) product: product::Model,
    /// Its variants that are not archived, in their order.
    pub(super) variants: Option<Vec<variant::Model>>,
    pub(super) category_ids: Option<Vec<CategoryId>>,
    pub(super) change: Change,
}

impl Service {
    /// Writes the events of products, once the transaction has written everything else of them: one statement, and at
    /// most two to read what the caller does not know, however many products.
    pub(super) async fn products_publish_in(&self, tx: &Tx, told: Vec<Told>) -> Result<(), Fault> {
        let unread = |is: fn(&Told) -> bool| -> Vec<ProductId> {
            let open = told.iter().filter(|one| is(one));
            open.map(|one| one.product.id).collect()
        };
        let (of_variants, of_categories) = (
            unread(|one| one.variants.is_none()),
            unread(|one| one.category_ids.is_none()),
        );
        let mut variants: HashMap<ProductId, Vec<variant::Model>> = HashMap::new();
        if !of_variants.is_empty() {
            for row in store::variants_by_products(&**tx, &of_variants).await? {
                if row.archived_at.is_none() {
                    variants.entry(row.product_id).or_default().push(row);
                }
            }
        }
        let mut categories: HashMap<ProductId, Vec<CategoryId>> = HashMap::new();
        if !of_categories.is_empty() {
            for (id, category) in store::category_ids_by_products(&**tx, &of_categories).await? {
                categories.entry(id).or_default().push(category);
            }
        }
        let mut all = Vec::with_capacity(told.len());
        for one in told {
            let id = one.product.id;
            let read = || variants.remove(&id).unwrap_or_default();
            let variants = one.variants.unwrap_or_else(read);
            let read = || categories.remove(&id).unwrap_or_default();
            let ids = one.category_ids.unwrap_or_else(read);
            all.extend(events::product_events(
                &one.product,
                &variants,
                &ids,
                &one.change,
            ));
        }
        self.events.publish_in(tx, all).await
    }
}
