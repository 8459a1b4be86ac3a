//! The types of the wallet.

use super::super::loaders::{AssetKey, BalancesOf, WalletLoader};
use super::super::service::{OpeningClosing, Period, UserBalance};
use crate::app::App;
use crate::domain::accounts::graphql::User;
use crate::domain::accounts::loaders::UserLoader;
use crate::domain::orders::graphql::{Order, OrderLine, lines_of_order, order_by_id};
use crate::error::Fault;
use crate::graphql::connection::{Connection, PageArgs, list_cost};
use crate::graphql::error::ApiError;
use crate::graphql::loading;
use crate::graphql::scalars::{CurrencyCode, Money, Time, id};
use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use entity::ids::UserId;
use entity::wallet::{AccountKind, EntryKind, asset, journal_entry, transaction};
use std::collections::BTreeMap;

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

/// What a transaction is. New values may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, serde::Serialize)]
#[graphql(remote = "entity::wallet::TransactionKind")]
pub enum TransactionKind {
    /// Something was bought and paid in one call.
    Purchase,
    /// An order was paid.
    Payment,
    /// A payment was paid back.
    Refund,
    /// Money came into the wallet.
    Deposit,
    /// Money left the wallet.
    Withdrawal,
    /// One asset was exchanged for another.
    Trade,
    /// The shop took a fee.
    Fee,
}

/// Where a transaction stands. New values may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, serde::Serialize)]
#[graphql(remote = "entity::wallet::TransactionStatus")]
pub enum TransactionStatus {
    /// Its outcome is not known yet; ask again.
    Pending,
    /// It was done.
    Completed,
    /// It was not done, and nothing was taken.
    Failed,
}

/// How money came into a wallet or left it. New values may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::wallet::TransferMethod")]
pub enum TransferMethod {
    /// Through a payment provider.
    Card,
    /// The shop gave it.
    Grant,
}

/// Why a transaction failed. New values may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::wallet::TransactionFailure")]
pub enum TransactionFailure {
    /// The provider declined it.
    Declined,
    /// The card or wallet has too little.
    InsufficientFunds,
    /// It never reached the provider, or was called off.
    Abandoned,
}

/// Something that happened to a user's money. It is seen by that user and by staff.
#[derive(Clone, Debug)]
pub struct Transaction(transaction::Model);

impl From<transaction::Model> for Transaction {
    fn from(row: transaction::Model) -> Self {
        Self(row)
    }
}

/// Something that happened to a user's money. It is seen by that user and by staff.
#[Object]
impl Transaction {
    /// Id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// What it is.
    async fn kind(&self) -> TransactionKind {
        self.0.kind.into()
    }

    /// Where it stands.
    async fn status(&self) -> TransactionStatus {
        self.0.status.into()
    }

    /// How much: positive what came to the user, negative what went from the user, as `"-12.50"`.
    async fn amount(&self) -> Money {
        Money::new(self.0.amount_minor, &self.0.asset)
    }

    /// What the amount is counted in.
    async fn asset(&self, ctx: &Context<'_>) -> Result<Option<Asset>, ApiError> {
        asset_by_code(ctx, &self.0.asset).await
    }

    /// A sentence about it.
    async fn description(&self) -> &str {
        &self.0.description
    }

    /// Whose it is.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>, ApiError> {
        user_by_id(ctx, Some(self.0.user_id)).await
    }

    /// Who did it, when it was not the user.
    async fn actor(&self, ctx: &Context<'_>) -> Result<Option<User>, ApiError> {
        user_by_id(ctx, self.0.actor_id).await
    }

    /// The order it belongs to.
    async fn order(&self, ctx: &Context<'_>) -> Result<Option<Order>, ApiError> {
        match self.0.order_id {
            Some(order_id) => order_by_id(ctx, order_id).await,
            None => Ok(None),
        }
    }

    /// What was bought, for purchases and payments of orders.
    #[graphql(complexity = "5 * child_complexity")]
    async fn lines(&self, ctx: &Context<'_>) -> Result<Vec<OrderLine>, ApiError> {
        let is_bought = matches!(
            self.0.kind,
            entity::wallet::TransactionKind::Purchase | entity::wallet::TransactionKind::Payment
        );
        match self.0.order_id {
            Some(order_id) if is_bought => lines_of_order(ctx, order_id, &self.0.asset).await,
            _ => Ok(Vec::new()),
        }
    }

    /// How money came in or went out; of deposits and withdrawals.
    async fn method(&self) -> Option<TransferMethod> {
        self.0.method.map(TransferMethod::from)
    }

    /// The last characters of the card's token, as `***2f6a`.
    async fn masked_token(&self) -> Option<&str> {
        self.0.masked_token.as_deref()
    }

    /// Why it failed.
    async fn failure(&self) -> Option<TransactionFailure> {
        self.0.failure.map(TransactionFailure::from)
    }

    /// When it was made.
    async fn created_at(&self) -> Time {
        self.0.created_at.into()
    }

    /// When it changed last.
    async fn updated_at(&self) -> Time {
        self.0.updated_at.into()
    }

    /// When it was completed or failed.
    async fn completed_at(&self) -> Option<Time> {
        self.0.completed_at.map(Time::from)
    }
}

async fn user_by_id(ctx: &Context<'_>, user_id: Option<UserId>) -> Result<Option<User>, ApiError> {
    let Some(user_id) = user_id else {
        return Ok(None);
    };
    let loader = loading::of::<UserLoader>(ctx);
    Ok(loader.load_one(user_id).await?.map(User::from))
}

async fn asset_by_code(ctx: &Context<'_>, code: &str) -> Result<Option<Asset>, ApiError> {
    let loader = loading::of::<WalletLoader>(ctx);
    let row = loader.load_one(AssetKey(code.to_owned())).await?;
    Ok(row.map(Asset::from))
}

/// What a user has.
#[derive(Clone, Copy, Debug)]
pub struct Wallet(UserId);

impl From<UserId> for Wallet {
    fn from(user_id: UserId) -> Self {
        Self(user_id)
    }
}

/// What a user has.
#[Object]
impl Wallet {
    /// Whose it is.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>, ApiError> {
        user_by_id(ctx, Some(self.0)).await
    }

    /// What the user has of each asset, in the order of their codes; assets that never came in are left out.
    #[graphql(complexity = "5 * child_complexity")]
    async fn balances(&self, ctx: &Context<'_>) -> Result<Vec<WalletBalance>, ApiError> {
        let loader = loading::of::<WalletLoader>(ctx);
        let rows = loader.load_one(BalancesOf(self.0)).await?;
        Ok(balances(rows.unwrap_or_default()))
    }
}

/// Balances of accounts as balances of assets.
fn balances(rows: Vec<UserBalance>) -> Vec<WalletBalance> {
    let mut of: BTreeMap<String, WalletBalance> = BTreeMap::new();
    for row in rows {
        let balance = of.entry(row.asset.clone()).or_insert(WalletBalance {
            asset: row.asset,
            available_minor: 0,
            held_minor: 0,
        });
        match row.kind {
            AccountKind::UserHeld => balance.held_minor += row.amount_minor,
            _ => balance.available_minor += row.amount_minor,
        }
    }
    of.into_values().collect()
}

/// What a user has of an asset.
#[derive(Clone, Debug)]
pub struct WalletBalance {
    asset: String,
    available_minor: i64,
    held_minor: i64,
}

/// What a user has of an asset.
#[Object]
impl WalletBalance {
    /// The asset.
    async fn asset(&self, ctx: &Context<'_>) -> Result<Option<Asset>, ApiError> {
        asset_by_code(ctx, &self.asset).await
    }

    /// What can be spent.
    async fn available(&self) -> Money {
        Money::new(self.available_minor, &self.asset)
    }

    /// What is set aside for something that has begun.
    async fn held(&self) -> Money {
        Money::new(self.held_minor, &self.asset)
    }

    /// Both together.
    async fn total(&self) -> Money {
        let total = self.available_minor.saturating_add(self.held_minor);
        Money::new(total, &self.asset)
    }
}

/// What happened to an asset of a wallet in a period. What is set aside still belongs to the wallet.
#[derive(Clone, Debug)]
pub struct WalletStatement {
    pub(super) period: Period,
    pub(super) sums: OpeningClosing,
}

/// What happened to an asset of a wallet in a period. What is set aside still belongs to the wallet.
#[Object]
impl WalletStatement {
    /// The asset.
    async fn asset(&self, ctx: &Context<'_>) -> Result<Option<Asset>, ApiError> {
        asset_by_code(ctx, &self.period.asset).await
    }

    /// The first moment of the period.
    async fn from(&self) -> Time {
        self.period.from.into()
    }

    /// The last moment of the period, which belongs to it.
    async fn to(&self) -> Time {
        self.period.to.into()
    }

    /// What the wallet had before the period.
    async fn opening_balance(&self) -> Money {
        Money::new(self.sums.opening_minor, &self.period.asset)
    }

    /// What it had at its end: the opening balance and all entries together.
    async fn closing_balance(&self) -> Money {
        Money::new(self.sums.closing_minor, &self.period.asset)
    }

    /// What changed it, first change first.
    #[graphql(complexity = "list_cost(first, last, child_complexity)")]
    async fn entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items from the start, 1 to 100; 20 if nothing is said.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Begin after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
        #[graphql(desc = "A page by number, from 1, with `first` items each.")] page: Option<i32>,
    ) -> Result<Connection<WalletStatementEntry>, ApiError> {
        let args = PageArgs {
            first,
            after,
            last,
            before,
            page,
        };
        let request = args.request(ctx)?;
        let wallet = ctx.data_unchecked::<App>().wallet();
        let found = wallet.statement_entries(&self.period, &request).await?;
        let found = found.map(|(entry, changed_minor)| WalletStatementEntry {
            entry,
            asset: self.period.asset.clone(),
            changed_minor,
        });
        Ok(Connection::new(&request, found))
    }
}

/// A change of what a wallet has.
#[derive(Clone, Debug)]
pub struct WalletStatementEntry {
    entry: journal_entry::Model,
    asset: String,
    changed_minor: i64,
}

/// A change of what a wallet has.
#[Object]
impl WalletStatementEntry {
    /// Id of the entry in the journal.
    async fn id(&self) -> ID {
        id(self.entry.id)
    }

    /// What it was.
    fn kind(&self) -> Result<TransactionKind, ApiError> {
        Ok(match self.entry.kind {
            EntryKind::Payment => TransactionKind::Payment,
            EntryKind::Refund => TransactionKind::Refund,
            EntryKind::Deposit => TransactionKind::Deposit,
            EntryKind::Withdrawal => TransactionKind::Withdrawal,
            EntryKind::Trade => TransactionKind::Trade,
            EntryKind::Fee => TransactionKind::Fee,
            EntryKind::Settlement if self.changed_minor < 0 => TransactionKind::Payment,
            EntryKind::Settlement => TransactionKind::Refund,
            EntryKind::Hold | EntryKind::Release => {
                let id = self.entry.id;
                return Err(Fault::Broken(format!("entry {id} changes no wallet")).into());
            }
        })
    }

    /// How much: positive what came in, negative what went out.
    async fn amount(&self) -> Money {
        Money::new(self.changed_minor, &self.asset)
    }

    /// A sentence about it.
    async fn description(&self) -> &str {
        &self.entry.description
    }

    /// When.
    async fn created_at(&self) -> Time {
        self.entry.created_at.into()
    }
}
