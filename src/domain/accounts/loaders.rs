//! Batches of one request: users by id, and their addresses.

use super::model::User;
use super::service::Service;
use crate::app::App;
use crate::error::Fault;
use crate::graphql::batch::grouped;
use crate::graphql::loading::{Loaders, OfRequest, Place};
use async_graphql::dataloader::Loader;
use entity::accounts::address;
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

/// Addresses of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressesOfUser(pub UserId);

impl Loader<AddressesOfUser> for UserLoader {
    type Value = Vec<address::Model>;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[AddressesOfUser],
    ) -> Result<HashMap<AddressesOfUser, Self::Value>, Arc<Fault>> {
        let ids: Vec<UserId> = keys.iter().map(|key| key.0).collect();
        let rows = self.accounts.addresses_of_users(&ids).await;
        let rows = rows.map_err(Arc::new)?.into_iter();
        Ok(grouped(rows.map(|row| (AddressesOfUser(row.user_id), row))))
    }
}

impl OfRequest for UserLoader {
    fn new(app: &App) -> Self {
        Self {
            accounts: app.accounts().clone(),
        }
    }

    fn place(loaders: &Loaders) -> &Place<Self> {
        &loaders.accounts
    }
}
