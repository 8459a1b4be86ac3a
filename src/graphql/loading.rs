//! Batch loaders of one request.

use crate::cache::trace;
use async_graphql::dataloader::DataLoader;
use async_graphql::runtime::{TokioSpawner, TokioTimer};
use futures::task::{FutureObj, Spawn, SpawnError};
use std::time::Duration;

/// A loader for one request, made while it is prepared. It lives as long as the request, so nothing of one viewer
/// reaches another, and what it reads is part of what the request's answer is made of.
#[must_use]
pub fn loader<L>(loader: L) -> DataLoader<L> {
    // Without delay a batch is still all that the resolvers of one level ask for; waiting would only cost time.
    DataLoader::new(
        loader,
        Traced(TokioSpawner::current()),
        TokioTimer::default(),
    )
    .delay(Duration::ZERO)
}

/// Spawns batches as parts of the answer that they are for.
struct Traced(TokioSpawner);

impl Spawn for Traced {
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        let future = Box::new(trace::carried(future));
        self.0.spawn_obj(FutureObj::new(future))
    }
}
