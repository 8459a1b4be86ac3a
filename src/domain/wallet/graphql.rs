//! Assets as everybody sees them, and wallets as their owners and staff do.

use super::service::UserBalance;
use crate::app::App;
use crate::domain::accounts::model::Viewer;
use crate::graphql::authorization::{Authorized, viewer};
use crate::graphql::error::ApiError;
use crate::graphql::scalars::{CurrencyCode, Money, query_id};
use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use entity::accounts::Role;
use entity::ids::UserId;
use entity::wallet::asset;

/// What an asset is. New values may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::wallet::AssetKind")]
pub enum AssetKind {
    /// Money of a state.
    Fiat,
    /// A crypto asset.
    Crypto,
}

/// Something that amounts are counted in.
#[derive(Clone, Debug, SimpleObject)]
pub struct Asset {
    /// Its code, as `GBP` (ISO 4217) or `BTC`.
    pub code: CurrencyCode,
    /// What it is.
    pub kind: AssetKind,
    /// Decimals of its amounts, 0 to 8: `2` for GBP, `0` for JPY.
    pub scale: i32,
    /// Its sign, as `£`; the code when it has none of its own.
    pub symbol: String,
}

impl From<asset::Model> for Asset {
    fn from(row: asset::Model) -> Self {
        Self {
            code: CurrencyCode(row.code),
            kind: row.kind.into(),
            scale: row.scale,
            symbol: row.symbol,
        }
    }
}

/// What a user has of an asset.
#[derive(Clone, Debug, SimpleObject)]
pub struct WalletBalance {
    /// The asset.
    pub asset: Asset,
    /// What can be spent.
    pub available: Money,
    /// What is set aside for something that was begun.
    pub held: Money,
}

impl From<UserBalance> for WalletBalance {
    fn from(row: UserBalance) -> Self {
        Self {
            available: Money::new(row.available_minor, &row.asset.code),
            held: Money::new(row.held_minor, &row.asset.code),
            asset: row.asset.into(),
        }
    }
}

/// The money of a user.
#[derive(Clone, Debug, SimpleObject)]
pub struct Wallet {
    /// One balance for each asset that the user ever had, in the order of the assets' codes.
    pub balances: Vec<WalletBalance>,
}

/// Reads of the wallet.
#[derive(Clone, Copy, Debug, Default)]
pub struct WalletQuery;

#[Object]
impl WalletQuery {
    /// All assets that the program can count in, with their decimals, in the order of their codes.
    #[graphql(guard = "Authorized", complexity = "20 * child_complexity")]
    async fn assets(&self, ctx: &Context<'_>) -> Result<Vec<Asset>, ApiError> {
        let assets = ctx.data_unchecked::<App>().wallet().assets().await?;
        Ok(assets.into_iter().map(Asset::from).collect())
    }

    /// Your wallet; staff see everybody's. Null when there is no such user, or it is not yours. Requires the role
    /// CUSTOMER.
    #[graphql(guard = "Authorized", complexity = "10 * child_complexity")]
    async fn wallet(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose; your own if left out.")] user_id: Option<ID>,
    ) -> Result<Option<Wallet>, ApiError> {
        let Viewer::User(asks) = viewer(ctx) else {
            return Err(ApiError::Unauthenticated);
        };
        let user_id: UserId = match &user_id {
            Some(id) => query_id(id)?,
            None => asks.user_id,
        };
        let app = ctx.data_unchecked::<App>();
        let is_own = user_id == asks.user_id;
        if !is_own && asks.role < Role::Staff {
            return Ok(None);
        }
        if !is_own && app.accounts().user_by_id(user_id).await?.is_none() {
            return Ok(None);
        }
        let balances = app.wallet().balances_of(user_id).await?;
        Ok(Some(Wallet {
            balances: balances.into_iter().map(WalletBalance::from).collect(),
        }))
    }
}
