//! Batches of one request: users by id.

use super::model::User;
use super::service::Service;
use crate::app::App;
use crate::error::Fault;
use crate::graphql::loading;
use async_graphql::Request;
use async_graphql::dataloader::Loader;
use entity::ids::UserId;
use std::collections::HashMap;
use std::sync::Arc;

/// Users by id, batched within a request.
#[derive(Clone, Debug)]
pub struct UserLoader {
    accounts: Service,
}

impl Loader<UserId> for UserLoader {
    type Value = User;
    type Error = Arc<Fault>;

    async fn load(&self, keys: &[UserId]) -> Result<HashMap<UserId, User>, Arc<Fault>> {
        let users = self.accounts.users_by_ids(keys).await.map_err(Arc::new)?;
        Ok(users.into_iter().map(|user| (user.id, user)).collect())
    }
}

/// Gives a request its own loader.
#[must_use]
pub fn attach(request: Request, app: &App) -> Request {
    let accounts = app.accounts().clone();
    let loader = UserLoader { accounts };
    request.data(loading::loader(loader))
}
