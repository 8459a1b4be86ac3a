//! Changes of the wallet.

use super::super::error::Error;
use super::inputs::Asker;
use super::query::scope;
use super::{Transaction, WalletDepositInput, WalletWithdrawInput};
use crate::app::App;
use crate::domain::wallet::model::transactions::Scope;
use crate::error::Failure;
use crate::graphql::authorization::{Authorized, require};
use crate::graphql::error::ApiError;
use crate::graphql::idempotency::{self, told};
use crate::graphql::payload::{answer, payload};
use async_graphql::{Context, Object};
use entity::accounts::Role;

payload!(
    /// The answer of `walletDeposit`.
    WalletDepositPayload {
        /// The deposit; FAILED when the provider declined it, PENDING while it has not decided.
        transaction: Transaction,
    }
);

payload!(
    /// The answer of `walletWithdraw`.
    WalletWithdrawPayload {
        /// The withdrawal; FAILED when the provider declined it, PENDING while it has not decided.
        transaction: Transaction,
    }
);

/// Changes of the wallet.
#[derive(Clone, Copy, Debug, Default)]
pub struct WalletMutation;

#[Object]
impl WalletMutation {
    /// Puts money into a wallet, from a card; staff may give it, and name another user. What the provider declines is a
    /// FAILED transaction, not an error. Requires CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn wallet_deposit(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How much, from where.")] input: WalletDepositInput,
        #[graphql(
            desc = "1 to 255 characters of your choice: the same key again moves no money again."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<WalletDepositPayload>, ApiError> {
        if input.is_grant() {
            require(ctx, Role::Staff)?;
        }
        let asker = asker(ctx)?;
        let outcome = async {
            let new = input.read(asker).map_err(Failure::Refused)?;
            let operation = "walletDeposit";
            let key = idempotency::key(ctx, asker.user_id, operation, idempotency_key, &new)?;
            let wallet = ctx.data_unchecked::<App>().wallet();
            wallet.deposit(asker.user_id, &new, key).await
        };
        let outcome: Result<_, Failure<Error>> = outcome.await;
        answer(outcome.map(|done| told(ctx, done).into()), &["input"])
    }

    /// Takes money out of a wallet, to a card; staff may name another user. It is set aside at once, and available again
    /// when the provider declines it: that is a FAILED transaction, not an error. Requires CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn wallet_withdraw(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How much, to where.")] input: WalletWithdrawInput,
        #[graphql(
            desc = "1 to 255 characters of your choice: the same key again moves no money again."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<WalletWithdrawPayload>, ApiError> {
        let asker = asker(ctx)?;
        let outcome = async {
            let new = input.read(asker).map_err(Failure::Refused)?;
            let operation = "walletWithdraw";
            let key = idempotency::key(ctx, asker.user_id, operation, idempotency_key, &new)?;
            let wallet = ctx.data_unchecked::<App>().wallet();
            wallet.withdraw(asker.user_id, &new, key).await
        };
        let outcome: Result<_, Failure<Error>> = outcome.await;
        answer(outcome.map(|done| told(ctx, done).into()), &["input"])
    }
}

fn asker(ctx: &Context<'_>) -> Result<Asker, ApiError> {
    let (user_id, scope) = scope(ctx)?;
    Ok(Asker {
        user_id,
        is_staff: scope == Scope::All,
    })
}
