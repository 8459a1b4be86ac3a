//! Following stock: each time the numbers of a warehouse have changed, the numbers as they are then.

use super::super::events::STOCK;
use super::super::store;
use super::Service;
use crate::error::Fault;
use crate::events::hub::{Ended, Inbox, Interest, Mode};
use entity::ids::{VariantId, WarehouseId};
use entity::inventory::stock;
use futures::stream::{BoxStream, StreamExt as _, try_unfold};
use std::collections::{HashMap, VecDeque};

/// Variants that are read at a time.
const BATCH: usize = 64;
/// Rows whose numbers are remembered for a subscriber; past that, it begins anew.
const SHOWN_MAX: usize = 100_000;

/// Stock that changed; it ends with its first error.
pub type StockChanges = BoxStream<'static, Result<stock::Model, Ended>>;

impl Service {
    /// Follows the stock of one variant or of all, from now on: a row each time its numbers are not those that were shown
    /// last. Several changes in quick succession may be one.
    ///
    /// # Errors
    /// The database fails.
    pub async fn stock_follow(&self, variant_id: Option<VariantId>) -> Result<StockChanges, Ended> {
        let interest = Interest {
            kind: STOCK,
            id: variant_id.map(|id| id.0),
        };
        let mut following = Following {
            service: self.clone(),
            inbox: self.hub.subscribe(interest, Mode::Latest).await?,
            shown: HashMap::new(),
            ready: VecDeque::new(),
        };
        if let Some(id) = variant_id {
            // What is there now is known, not news.
            following.look(&[id]).await?;
            following.ready.clear();
        }
        let changes = try_unfold(following, async |mut following| {
            let change = following.next().await?;
            Ok(Some((change, following)))
        });
        Ok(changes.boxed())
    }
}

/// One subscriber of stock.
struct Following {
    service: Service,
    inbox: Inbox,
    /// On hand and reserved of the rows that were shown.
    shown: HashMap<(VariantId, WarehouseId), (i64, i64)>,
    ready: VecDeque<stock::Model>,
}

impl Following {
    async fn next(&mut self) -> Result<stock::Model, Ended> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Ok(change);
            }
            let notices = self.inbox.next(BATCH).await?;
            let ids: Vec<VariantId> = notices.iter().map(|notice| VariantId(notice.id)).collect();
            self.look(&ids).await?;
        }
    }

    /// Makes ready what is not as it was shown.
    async fn look(&mut self, variants: &[VariantId]) -> Result<(), Fault> {
        let rows = self.service.db.read("inventory.follow", async |c| {
            Ok::<_, Fault>(store::stock_of_variants(&*c, variants).await?)
        });
        for row in rows.await? {
            if self.shown.len() >= SHOWN_MAX {
                self.shown.clear();
            }
            let numbers = (row.on_hand, row.reserved);
            let key = (row.variant_id, row.warehouse_id);
            if self.shown.insert(key, numbers) != Some(numbers) {
                self.ready.push_back(row);
            }
        }
        Ok(())
    }
}
