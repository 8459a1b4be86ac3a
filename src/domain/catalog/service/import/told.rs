//! What a batch changes, for the cache and for those who read events.

use super::Plan;
use crate::db::Tx;
use crate::domain::catalog::events;
use crate::domain::catalog::service::Service;
use crate::error::Fault;

impl Service {
    pub(super) async fn import_told_in(&self, tx: &Tx, plan: &Plan) -> Result<(), Fault> {
        let products = plan.products_new.iter().chain(&plan.products_changed);
        let variants = plan.variants_new.iter().chain(&plan.variants_changed);
        let changed = products
            .map(|row| row.id)
            .chain(variants.map(|row| row.product_id))
            .chain(plan.links.iter().map(|(product, _)| *product))
            .chain(plan.unlinked.iter().copied());
        self.products_changed_in(tx, changed).await?;
        self.categories_changed_in(tx, plan.categories.iter().map(|row| row.id))
            .await?;
        let made = plan.categories.iter().map(events::category_created);
        self.events.publish_in(tx, made.collect()).await?;
        self.products_publish_in(tx, plan.told.clone()).await
    }
}
