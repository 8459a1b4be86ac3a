//! Assets as everybody sees them.

use crate::app::App;
use crate::graphql::authorization::Authorized;
use crate::graphql::error::ApiError;
use crate::graphql::scalars::CurrencyCode;
use async_graphql::{Context, Enum, Object, SimpleObject};
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
}
