//! Following orders: every change of them, in order, as it is committed by whichever process.

use super::super::events::{AGGREGATE, ORDERS_OF_USER};
use super::super::model::{Filter, Scope};
use super::super::snapshot::Snapshot;
use super::super::store;
use super::Service;
use crate::error::Fault;
use crate::events::hub::{Ended, Event, Inbox, Interest, Mode, Notice};
use entity::ids::{OrderId, UserId};
use futures::stream::{BoxStream, StreamExt as _, try_unfold};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use uuid::Uuid;

/// Changes that are shown by one read of the orders.
const BATCH: usize = 64;
/// Orders of a user whose versions are remembered; past that, it begins anew.
const VERSIONS_MAX: usize = 10_000;

/// Which orders are followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// One order.
    One {
        /// Which one.
        id: OrderId,
        /// First everything that came after this version; without it, what comes from now on.
        after_version: Option<i32>,
    },
    /// Those of a user, from now on.
    OfUser(UserId),
    /// Those under a filter, from now on.
    All(Box<Filter>),
}

/// Why orders are not followed, or not any more.
#[derive(Debug)]
pub enum Unfollowed {
    /// There is no such order in the scope.
    NotFound,
    /// The order has not come to the version yet.
    Ahead {
        /// Where it is.
        version: i32,
    },
    /// Changes after the version are not kept any more.
    TooOld {
        /// The version.
        after: i32,
    },
    /// The subscription ended.
    Ended(Ended),
}

impl From<Ended> for Unfollowed {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl From<Fault> for Unfollowed {
    fn from(fault: Fault) -> Self {
        Self::Ended(fault.into())
    }
}

/// The changes of orders, each version once and in order; it ends with its first error.
pub type Changes = BoxStream<'static, Result<Snapshot, Unfollowed>>;

impl Service {
    /// Follows orders of the scope.
    ///
    /// # Errors
    /// Why they cannot be followed.
    pub async fn orders_follow(
        &self,
        scope: Scope,
        followed: Followed,
    ) -> Result<Changes, Unfollowed> {
        let (kind, id) = match &followed {
            Followed::One { id, .. } => (AGGREGATE, Some(id.0)),
            Followed::OfUser(user_id) => (ORDERS_OF_USER, Some(user_id.0)),
            Followed::All(_) => (AGGREGATE, None),
        };
        // First subscribe, then read: what is committed in between comes twice rather than never.
        let inbox = self
            .hub
            .subscribe(Interest { kind, id }, Mode::Each)
            .await?;
        let mut following = Following {
            service: self.clone(),
            scope,
            inbox,
            filter: None,
            versions: None,
            ready: VecDeque::new(),
        };
        match followed {
            Followed::One { id, after_version } => following.begin(id, after_version).await?,
            Followed::OfUser(_) => following.versions = Some(HashMap::new()),
            Followed::All(filter) => following.filter = Some(filter),
        }
        let changes = try_unfold(following, async |mut following| {
            let change = following.next().await?;
            Ok(Some((change, following)))
        });
        Ok(changes.boxed())
    }
}

/// One subscriber of orders.
struct Following {
    service: Service,
    scope: Scope,
    inbox: Inbox,
    filter: Option<Box<Filter>>,
    /// The last version that was shown of each order; nothing for those who follow all orders, who would need many.
    versions: Option<HashMap<Uuid, i32>>,
    ready: VecDeque<Snapshot>,
}

impl Following {
    /// Makes ready what came after a version of an order.
    async fn begin(&mut self, id: OrderId, after_version: Option<i32>) -> Result<(), Unfollowed> {
        let service = &self.service;
        let order = service
            .db
            .read("orders.follow", async |c| {
                Ok::<_, Fault>(store::order_by_id(&*c, self.scope, id).await?)
            })
            .await?
            .ok_or(Unfollowed::NotFound)?;
        let version = order.version;
        if let Some(after) = after_version {
            if after > version {
                return Err(Unfollowed::Ahead { version });
            }
            for event in self.between(id.0, after, version).await? {
                self.ready.push_back(Snapshot::new(order.clone(), &event)?);
            }
        }
        self.versions = Some(HashMap::from([(id.0, version)]));
        Ok(())
    }

    /// The events that make version `last` of what came `after`.
    async fn between(
        &self,
        id: Uuid,
        after: i32,
        last: i32,
    ) -> Result<Vec<Arc<Event>>, Unfollowed> {
        if after >= last {
            return Ok(Vec::new());
        }
        let events = self.service.hub.versions(id, after + 1, last).await?;
        let is_whole = i32::try_from(events.len()).is_ok_and(|count| count == last - after);
        if is_whole {
            Ok(events)
        } else {
            Err(Unfollowed::TooOld { after })
        }
    }

    /// The next change; waits for it.
    async fn next(&mut self) -> Result<Snapshot, Unfollowed> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Ok(change);
            }
            let notices = self.inbox.next(BATCH).await?;
            let events = self.in_order(notices).await?;
            self.show(&events).await?;
        }
    }

    /// Leaves out what was shown before, and reads back what is missing.
    async fn in_order(&mut self, notices: Vec<Notice>) -> Result<Vec<Arc<Event>>, Unfollowed> {
        let mut events = Vec::with_capacity(notices.len());
        for Notice { id, event } in notices {
            let known = self.versions.as_ref();
            // Those who follow a user's orders are told of the user.
            let id = event.version.map_or(id, |_| event.aggregate_id);
            let last = known.and_then(|versions| versions.get(&id).copied());
            match (event.version, last) {
                (Some(version), Some(last)) if version <= last => continue,
                (Some(version), Some(last)) => {
                    events.extend(self.between(id, last, version - 1).await?);
                }
                _ => {}
            }
            if let (Some(versions), Some(version)) = (&mut self.versions, event.version) {
                if versions.len() >= VERSIONS_MAX {
                    versions.clear();
                }
                versions.insert(id, version);
            }
            events.push(event);
        }
        Ok(events)
    }

    /// Makes the orders of these events ready, those that the subscriber may see and asked for.
    async fn show(&mut self, events: &[Arc<Event>]) -> Result<(), Unfollowed> {
        let mut ids: Vec<OrderId> = events
            .iter()
            .map(|event| OrderId(event.aggregate_id))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(());
        }
        let scope = self.scope;
        let orders = self.service.db.read("orders.follow_many", async |c| {
            Ok::<_, Fault>(store::orders_of_scope(&*c, scope, &ids).await?)
        });
        let orders: HashMap<OrderId, _> = orders
            .await?
            .into_iter()
            .map(|order| (order.id, order))
            .collect();
        for event in events {
            let Some(order) = orders.get(&OrderId(event.aggregate_id)) else {
                continue;
            };
            let change = Snapshot::new(order.clone(), event)?;
            if self
                .filter
                .as_ref()
                .is_none_or(|filter| change.matches(filter))
            {
                self.ready.push_back(change);
            }
        }
        Ok(())
    }
}
