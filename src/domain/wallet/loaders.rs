//! Batches of one request: assets, what users have, and the lists of transactions below users.

use super::model::transactions::{Filter, Scope, Sorting};
use super::store;
use super::store::transactions::UserBalance;
use crate::app::App;
use crate::db::Db;
use crate::db::page;
use crate::error::Fault;
use crate::graphql::loading::{Loaders, OfRequest, Place};
use crate::page::{BadCursor, Page, PageRequest};
use async_graphql::dataloader::Loader;
use entity::ids::UserId;
use entity::wallet::{asset, transaction};
use std::collections::HashMap;
use std::sync::Arc;

/// Reads of wallets, batched within a request.
#[derive(Clone, Debug)]
pub struct WalletLoader {
    db: Db,
}

/// An asset by its code.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AssetKey(pub String);

/// What a user has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BalancesOf(pub UserId);

/// A page of the transactions below a user. Equal pages of several users are one statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TransactionsBelow {
    /// The user.
    pub user_id: UserId,
    /// Further conditions.
    pub filter: Filter,
    /// Order of the list.
    pub sorting: Sorting,
    /// Which part.
    pub request: PageRequest,
}

/// Why a batch failed: shared by all that waited for it.
#[derive(Clone, Debug)]
pub enum BatchError {
    /// The client's cursor is not one of this list.
    Cursor(BadCursor),
    /// Ours.
    Fault(Arc<Fault>),
}

impl From<Fault> for BatchError {
    fn from(fault: Fault) -> Self {
        Self::Fault(Arc::new(fault))
    }
}

impl From<page::Error> for BatchError {
    fn from(error: page::Error) -> Self {
        match error {
            page::Error::Cursor(error) => Self::Cursor(error),
            page::Error::Fault(fault) => fault.into(),
        }
    }
}

impl Loader<AssetKey> for WalletLoader {
    type Value = asset::Model;
    type Error = Arc<Fault>;

    async fn load(&self, keys: &[AssetKey]) -> Result<HashMap<AssetKey, Self::Value>, Self::Error> {
        let rows = self
            .db
            .read("wallet.load_assets", async |c| {
                // There are some 170, which is less than it costs to ask for few.
                Ok::<_, Fault>(store::assets(&*c).await?)
            })
            .await?;
        let found = rows
            .into_iter()
            .map(|row| (AssetKey(row.code.clone()), row));
        Ok(found.filter(|(key, _)| keys.contains(key)).collect())
    }
}

impl Loader<BalancesOf> for WalletLoader {
    type Value = Vec<UserBalance>;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[BalancesOf],
    ) -> Result<HashMap<BalancesOf, Self::Value>, Self::Error> {
        let users: Vec<_> = keys.iter().map(|key| key.0).collect();
        let rows = self
            .db
            .read("wallet.load_balances", async |c| {
                Ok::<_, Fault>(store::transactions::user_balances(&*c, &users).await?)
            })
            .await?;
        let mut found: HashMap<_, Vec<_>> = keys.iter().map(|key| (*key, Vec::new())).collect();
        for row in rows {
            found.entry(BalancesOf(row.user_id)).or_default().push(row);
        }
        Ok(found)
    }
}

impl Loader<TransactionsBelow> for WalletLoader {
    type Value = Page<transaction::Model>;
    type Error = BatchError;

    async fn load(
        &self,
        keys: &[TransactionsBelow],
    ) -> Result<HashMap<TransactionsBelow, Self::Value>, Self::Error> {
        let mut lists: HashMap<(Filter, Sorting, PageRequest), Vec<&TransactionsBelow>> =
            HashMap::new();
        for key in keys {
            lists
                .entry((key.filter.clone(), key.sorting, key.request.clone()))
                .or_default()
                .push(key);
        }
        let mut found = HashMap::with_capacity(keys.len());
        for ((filter, sorting, request), keys) in lists {
            let selects = keys
                .iter()
                .map(|key| store::transactions::transactions(Scope::Own(key.user_id), &filter))
                .collect();
            let keyset = store::transactions::keyset(sorting);
            let pages = self
                .db
                .read("wallet.load_below", async |c| {
                    page::fetch_many(&*c, selects, &keyset, &request).await
                })
                .await?;
            found.extend(keys.into_iter().cloned().zip(pages));
        }
        Ok(found)
    }
}

impl OfRequest for WalletLoader {
    fn new(app: &App) -> Self {
        Self {
            db: app.db().clone(),
        }
    }

    fn place(loaders: &Loaders) -> &Place<Self> {
        &loaders.wallet
    }
}
