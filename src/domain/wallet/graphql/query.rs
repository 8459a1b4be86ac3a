//! Reads of the wallet.

use super::super::loaders::{BatchError, TransactionsBelow, WalletLoader};
use super::super::model::transactions::{Scope, Sorting};
use super::super::service::Period;
use super::{Asset, Transaction, TransactionFilter, TransactionOrder, Wallet, WalletStatement};
use crate::app::App;
use crate::graphql::authorization::{Authorized, viewer};
use crate::graphql::connection::{Connection, PageArgs, list_cost};
use crate::graphql::error::ApiError;
use crate::graphql::loading;
use crate::graphql::scalars::{CurrencyCode, Time, query_id};
use crate::money;
use async_graphql::{Context, ID, Object};
use entity::accounts::Role;
use entity::ids::UserId;

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

    /// What you have; staff ask for anybody. Null for somebody else's, and for users who do not exist. Requires
    /// CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn wallet(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose; yours if nothing is said.")] user_id: Option<ID>,
    ) -> Result<Option<Wallet>, ApiError> {
        Ok(owner(ctx, user_id).await?.map(Wallet::from))
    }

    /// What happened to an asset of your wallet in a period, with what you had before and after; staff ask for
    /// anybody's. Requires CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn wallet_statement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The asset: `\"GBP\"`.")] asset: CurrencyCode,
        #[graphql(desc = "The first moment: `\"2026-11-01T00:00:00Z\"`.")] from: Time,
        #[graphql(desc = "The last moment, which belongs to the period.")] to: Time,
        #[graphql(desc = "Whose; yours if nothing is said.")] user_id: Option<ID>,
    ) -> Result<Option<WalletStatement>, ApiError> {
        let bad = |message: &str| ApiError::BadUserInput(message.to_owned());
        if money::exponent(&asset.0).is_none() {
            return Err(bad("There is no such asset; `assets` lists all."));
        }
        if from.0 > to.0 {
            return Err(bad("from is not after to."));
        }
        let Some(user_id) = owner(ctx, user_id).await? else {
            return Ok(None);
        };
        let period = Period {
            user_id,
            asset: asset.0,
            from: from.0,
            to: to.0,
        };
        let wallet = ctx.data_unchecked::<App>().wallet();
        let sums = wallet.statement_sums(&period).await?;
        Ok(Some(WalletStatement { period, sums }))
    }

    /// A transaction of yours; staff find everybody's. Requires CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn transaction(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The transaction's id.")] id: ID,
    ) -> Result<Option<Transaction>, ApiError> {
        let (_, scope) = scope(ctx)?;
        let wallet = ctx.data_unchecked::<App>().wallet();
        let found = wallet.transaction_by_id(scope, query_id(&id)?).await?;
        Ok(found.map(Transaction::from))
    }

    /// Your transactions, newest first; staff see everybody's. Requires CUSTOMER.
    #[graphql(
        guard = "Authorized",
        complexity = "list_cost(first, last, child_complexity)"
    )]
    #[expect(
        clippy::too_many_arguments,
        reason = "every list takes these arguments"
    )]
    async fn transactions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items from the start, 1 to 100; 20 if nothing is said.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Begin after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
        #[graphql(desc = "A page by number, from 1, with `first` items each.")] page: Option<i32>,
        #[graphql(desc = "Narrows the list; all that is given must hold.")] filter: Option<
            TransactionFilter,
        >,
        #[graphql(desc = "The order of the list; newest first if nothing is said.")]
        order_by: Option<TransactionOrder>,
    ) -> Result<Option<Connection<Transaction>>, ApiError> {
        let (_, scope) = scope(ctx)?;
        let args = PageArgs {
            first,
            after,
            last,
            before,
            page,
        };
        let request = args.request(ctx)?;
        let filter = filter.unwrap_or_default().read()?;
        let sorting = order_by.map(Sorting::from).unwrap_or_default();
        let found = ctx
            .data_unchecked::<App>()
            .wallet()
            .transactions_page(scope, &filter, sorting, &request)
            .await?;
        Ok(Some(Connection::new(
            &request,
            found.map(Transaction::from),
        )))
    }
}

/// The viewer and whose transactions the viewer may see.
pub(super) fn scope(ctx: &Context<'_>) -> Result<(UserId, Scope), ApiError> {
    let user = viewer(ctx).user().ok_or(ApiError::Unauthenticated)?;
    let scope = if user.role >= Role::Staff {
        Scope::All
    } else {
        Scope::Own(user.user_id)
    };
    Ok((user.user_id, scope))
}

/// The user whose wallet is asked for, if the viewer may see it and there is one.
async fn owner(ctx: &Context<'_>, user_id: Option<ID>) -> Result<Option<UserId>, ApiError> {
    let (own, scope) = scope(ctx)?;
    let Some(user_id) = user_id else {
        return Ok(Some(own));
    };
    let user_id: UserId = query_id(&user_id)?;
    if user_id == own {
        return Ok(Some(own));
    }
    if !scope.has(user_id) {
        return Ok(None);
    }
    let accounts = ctx.data_unchecked::<App>().accounts();
    Ok(accounts.user_by_id(user_id).await?.map(|_| user_id))
}

/// The transactions below a user, batched over all users of the request.
///
/// # Errors
/// Bad arguments, or a fault.
pub async fn transactions_below(
    ctx: &Context<'_>,
    user_id: UserId,
    args: PageArgs,
    filter: Option<TransactionFilter>,
    order_by: Option<TransactionOrder>,
) -> Result<Connection<Transaction>, ApiError> {
    let request = args.request(ctx)?;
    let key = TransactionsBelow {
        user_id,
        filter: filter.unwrap_or_default().read()?,
        sorting: order_by.map(Sorting::from).unwrap_or_default(),
        request: request.clone(),
    };
    let loader = loading::of::<WalletLoader>(ctx);
    let found = loader.load_one(key).await?;
    let found = found.unwrap_or_else(|| crate::page::Page::empty(request.with_total));
    Ok(Connection::new(&request, found.map(Transaction::from)))
}

impl From<BatchError> for ApiError {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Cursor(error) => error.into(),
            BatchError::Fault(fault) => fault.into(),
        }
    }
}
