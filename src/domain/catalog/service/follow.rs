//! Following products: each time one has changed, the product as it is then.

use super::{ProductDetail, Service};
use crate::cache::Tag;
use crate::events::hub::{Ended, Event, Inbox, Interest, Mode, Notice, Subject};
use entity::ids::ProductId;
use futures::stream::{BoxStream, StreamExt as _, try_unfold};
use std::collections::VecDeque;
use std::sync::Arc;

/// What those subscribe to who follow products, and the name of a product in the outbox.
pub const PRODUCT: &str = "product";
/// Products that are read at a time.
const BATCH: usize = 64;
/// Events of which it is remembered that the cache was told.
const HEARD_MAX: u64 = 10_000;

/// Events of which the cache of this process was told.
pub(super) type Heard = moka::future::Cache<i64, ()>;

pub(super) fn heard() -> Heard {
    Heard::new(HEARD_MAX)
}

/// What an event of the catalogue is about.
#[must_use]
pub fn subjects(event: &Event) -> Vec<Subject> {
    if event.aggregate_type != PRODUCT {
        return Vec::new();
    }
    vec![Subject {
        kind: PRODUCT,
        id: event.aggregate_id,
    }]
}

/// Products that changed; it ends with its first error.
pub type ProductChanges = BoxStream<'static, Result<Arc<ProductDetail>, Ended>>;

impl Service {
    /// Follows one product or all of them, whatever their status, from now on. Several changes in quick succession may
    /// be one.
    ///
    /// # Errors
    /// The database fails.
    pub async fn products_follow(&self, id: Option<ProductId>) -> Result<ProductChanges, Ended> {
        let interest = Interest {
            kind: PRODUCT,
            id: id.map(|id| id.0),
        };
        let following = Following {
            service: self.clone(),
            inbox: self.hub.subscribe(interest, Mode::Latest).await?,
            ready: VecDeque::new(),
        };
        let changes = try_unfold(following, async |mut following| {
            let change = following.next().await?;
            Ok(Some((change, following)))
        });
        Ok(changes.boxed())
    }
}

/// One subscriber of products.
struct Following {
    service: Service,
    inbox: Inbox,
    ready: VecDeque<Arc<ProductDetail>>,
}

impl Following {
    async fn next(&mut self) -> Result<Arc<ProductDetail>, Ended> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Ok(change);
            }
            let notices = self.inbox.next(BATCH).await?;
            let service = &self.service;
            // The event may be here before its writer has told the cache: told again, no subscriber is shown what was
            // before. One of them tells for all.
            for Notice { id, event } in &notices {
                let tags = [Tag::Product(ProductId(*id))];
                let telling = service.cache.heard(&tags);
                service.heard.get_with(event.id, telling).await;
            }
            let ids: Vec<ProductId> = notices.iter().map(|notice| ProductId(notice.id)).collect();
            let found = service.products_by_ids(&ids).await?;
            self.ready.extend(found.into_iter().flatten());
        }
    }
}
