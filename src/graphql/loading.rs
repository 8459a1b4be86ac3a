//! Batch loaders of one request.

use crate::app::App;
use crate::cache::trace;
use crate::domain::accounts::loaders::UserLoader;
use crate::domain::catalog::loaders::CatalogLoader;
use crate::domain::inventory::loaders::InventoryLoader;
use crate::domain::orders::loaders::OrdersLoader;
use crate::domain::payments::loaders::PaymentsLoader;
use crate::domain::wallet::loaders::WalletLoader;
use async_graphql::Context;
use async_graphql::dataloader::DataLoader;
use async_graphql::runtime::{TokioSpawner, TokioTimer};
use futures::task::{FutureObj, Spawn, SpawnError};
use std::sync::OnceLock;
use std::time::Duration;

/// Where a loader stands once it is made.
pub type Place<L> = OnceLock<DataLoader<L>>;

/// The loaders of one request, one line a domain. Each is made when it is first asked for: most requests need none or
/// one. They live as long as the request, so nothing of one viewer reaches another, and what they read is part of what
/// the request's answer is made of.
#[derive(Default)]
pub struct Loaders {
    pub(crate) accounts: Place<UserLoader>,
    pub(crate) catalog: Place<CatalogLoader>,
    pub(crate) inventory: Place<InventoryLoader>,
    pub(crate) orders: Place<OrdersLoader>,
    pub(crate) payments: Place<PaymentsLoader>,
    pub(crate) wallet: Place<WalletLoader>,
}

impl std::fmt::Debug for Loaders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaders").finish_non_exhaustive()
    }
}

/// A domain's loader.
pub trait OfRequest: Sized + Send + Sync + 'static {
    /// Makes the loader of a request.
    fn new(app: &App) -> Self;

    /// Its place among the loaders.
    fn place(loaders: &Loaders) -> &Place<Self>;
}

/// The loader of the request that is answered.
#[must_use]
pub fn of<'a, L: OfRequest>(ctx: &Context<'a>) -> &'a DataLoader<L> {
    let (loaders, app) = (ctx.data_unchecked::<Loaders>(), ctx.data_unchecked::<App>());
    L::place(loaders).get_or_init(|| {
        // Without delay a batch is still all that the resolvers of one level ask for; waiting would only cost time.
        DataLoader::new(
            L::new(app),
            Traced(TokioSpawner::current()),
            TokioTimer::default(),
        )
        .delay(Duration::ZERO)
    })
}

/// Spawns batches as parts of the answer that they are for.
struct Traced(TokioSpawner);

impl Spawn for Traced {
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        let future = Box::new(trace::carried(future));
        self.0.spawn_obj(FutureObj::new(future))
    }
}
