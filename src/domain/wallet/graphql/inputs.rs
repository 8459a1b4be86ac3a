//! The inputs of the wallet.

use super::super::error::Error;
use super::super::model::transactions::{Filter, Sort, Sorting};
use super::super::service::{NewTransfer, Source};
use super::types::{TransactionKind, TransactionStatus};
use crate::error::{ErrorCode, Problem};
use crate::graphql::connection::OrderDirection;
use crate::graphql::error::ApiError;
use crate::graphql::filter::one_of;
use crate::graphql::scalars::{CurrencyCode, Decimal, Time, mutation_id, query_id};
use crate::graphql::validate;
use crate::money;
use async_graphql::{Enum, ID, InputObject, OneofObject};
use entity::ids::UserId;
use validator::Validate;

/// Kinds to match; all that is given must hold.
#[derive(Clone, Debug, Default, InputObject, Validate)]
pub struct TransactionKindFilter {
    /// Exactly this kind.
    pub eq: Option<TransactionKind>,
    /// One of these; an empty list matches nothing.
    #[validate(length(max = 100))]
    pub r#in: Option<Vec<TransactionKind>>,
}

/// States to match; all that is given must hold.
#[derive(Clone, Debug, Default, InputObject, Validate)]
pub struct TransactionStatusFilter {
    /// Exactly this state.
    pub eq: Option<TransactionStatus>,
    /// One of these; an empty list matches nothing.
    #[validate(length(max = 100))]
    pub r#in: Option<Vec<TransactionStatus>>,
}

/// Assets to match; all that is given must hold.
#[derive(Clone, Debug, Default, InputObject, Validate)]
pub struct TransactionAssetFilter {
    /// Exactly this asset.
    pub eq: Option<CurrencyCode>,
    /// One of these; an empty list matches nothing.
    #[validate(length(max = 100))]
    pub r#in: Option<Vec<CurrencyCode>>,
}

/// A period; both ends are included.
#[derive(Clone, Debug, Default, InputObject, Validate)]
pub struct TransactionTimeFilter {
    /// At or after.
    pub gte: Option<Time>,
    /// At or before.
    pub lte: Option<Time>,
}

/// Narrows a list of transactions; all that is given must hold.
#[derive(Clone, Debug, Default, InputObject, Validate)]
pub struct TransactionFilter {
    /// By kind.
    #[validate(nested)]
    pub kind: Option<TransactionKindFilter>,
    /// By state.
    #[validate(nested)]
    pub status: Option<TransactionStatusFilter>,
    /// By asset.
    #[validate(nested)]
    pub asset: Option<TransactionAssetFilter>,
    /// Transactions of this order.
    pub order_id: Option<ID>,
    /// Transactions of this user; for staff, who see all transactions.
    pub user_id: Option<ID>,
    /// By when they were made.
    pub created_at: Option<TransactionTimeFilter>,
}

impl TransactionFilter {
    /// The filter in the terms of the store.
    ///
    /// # Errors
    /// An id that is none, or a list that is too long.
    pub fn read(self) -> Result<Filter, ApiError> {
        validate::check_query(&self)?;
        let kind = self.kind.unwrap_or_default();
        let status = self.status.unwrap_or_default();
        let asset = self.asset.unwrap_or_default();
        let created_at = self.created_at.unwrap_or_default();
        let kinds = one_of(kind.eq, kind.r#in);
        let statuses = one_of(status.eq, status.r#in);
        let assets = one_of(asset.eq, asset.r#in);
        Ok(Filter {
            kinds: kinds.map(|list| list.into_iter().map(Into::into).collect()),
            statuses: statuses.map(|list| list.into_iter().map(Into::into).collect()),
            assets: assets.map(|list| list.into_iter().map(|code| code.0).collect()),
            order_id: self.order_id.as_ref().map(query_id).transpose()?,
            user_id: self.user_id.as_ref().map(query_id).transpose()?,
            created_from: created_at.gte.map(|time| time.0),
            created_to: created_at.lte.map(|time| time.0),
        })
    }
}

/// What a list of transactions is sorted by; equal values are sorted by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum TransactionOrderField {
    /// When they were made.
    CreatedAt,
    /// How much, in the smallest units of each asset: filter by one asset to compare.
    Amount,
}

/// The order of a list of transactions.
#[derive(Clone, Copy, Debug, InputObject, Validate)]
pub struct TransactionOrder {
    /// The value.
    pub field: TransactionOrderField,
    /// Smallest or greatest first.
    pub direction: OrderDirection,
}

impl From<TransactionOrder> for Sorting {
    fn from(order: TransactionOrder) -> Self {
        let sort = match order.field {
            TransactionOrderField::CreatedAt => Sort::CreatedAt,
            TransactionOrderField::Amount => Sort::Amount,
        };
        Self {
            sort,
            descending: order.direction.is_descending(),
        }
    }
}

/// A card or bank account, as the payment provider knows it.
#[derive(Clone, InputObject, Validate)]
pub struct WalletCardInput {
    /// The provider's token of it, up to 255 characters; `tok_ok` in a demo shop.
    #[validate(length(min = 1, max = 255))]
    pub token: String,
}

/// A gift of the shop.
#[derive(Clone, Debug, InputObject, Validate)]
pub struct WalletGrantInput {
    /// Why, up to 150 characters; the user reads it.
    #[validate(length(min = 1, max = 150), custom(function = "validate::not_blank"))]
    pub reason: String,
}

/// Where the money of a deposit comes from; exactly one field.
#[derive(Clone, OneofObject)]
pub enum WalletSourceInput {
    /// A card or bank account.
    Card(WalletCardInput),
    /// The shop gives it. Requires STAFF.
    Grant(WalletGrantInput),
}

/// Where the money of a withdrawal goes; exactly one field.
#[derive(Clone, OneofObject)]
pub enum WalletDestinationInput {
    /// A card or bank account.
    Card(WalletCardInput),
}

/// Money that is to come into a wallet.
#[derive(Clone, InputObject)]
pub struct WalletDepositInput {
    /// The asset: `"GBP"`.
    pub asset: CurrencyCode,
    /// How much, above 0: `"25.00"`.
    pub amount: Decimal,
    /// Where it comes from.
    pub source: WalletSourceInput,
    /// Whose wallet; yours if nothing is said. Only staff name somebody else.
    pub user_id: Option<ID>,
}

/// Money that is to leave a wallet.
#[derive(Clone, InputObject)]
pub struct WalletWithdrawInput {
    /// The asset: `"GBP"`.
    pub asset: CurrencyCode,
    /// How much, above 0: `"25.00"`.
    pub amount: Decimal,
    /// Where it goes.
    pub destination: WalletDestinationInput,
    /// Whose wallet; yours if nothing is said. Only staff name somebody else.
    pub user_id: Option<ID>,
}

/// Who asks for a transfer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    /// The user.
    pub(super) user_id: UserId,
    /// Whether they may name other users.
    pub(super) is_staff: bool,
}

impl WalletDepositInput {
    /// Whether the shop is to give the money.
    #[must_use]
    pub fn is_grant(&self) -> bool {
        matches!(self.source, WalletSourceInput::Grant(_))
    }

    /// The deposit that is asked for.
    pub(super) fn read(self, asker: Asker) -> Result<NewTransfer, Vec<Error>> {
        let (source, problems) = match self.source {
            WalletSourceInput::Card(card) => {
                let problems = below(&["source", "card"], &card);
                (Source::Card(card.token), problems)
            }
            WalletSourceInput::Grant(grant) => {
                let problems = below(&["source", "grant"], &grant);
                let reason = grant.reason;
                (Source::Grant { reason }, problems)
            }
        };
        transfer(
            asker,
            &self.asset,
            self.amount,
            self.user_id,
            source,
            problems,
        )
    }
}

impl WalletWithdrawInput {
    /// The withdrawal that is asked for.
    pub(super) fn read(self, asker: Asker) -> Result<NewTransfer, Vec<Error>> {
        let WalletDestinationInput::Card(card) = self.destination;
        let problems = below(&["destination", "card"], &card);
        let source = Source::Card(card.token);
        transfer(
            asker,
            &self.asset,
            self.amount,
            self.user_id,
            source,
            problems,
        )
    }
}

/// Mistakes in a part of the input.
fn below(place: &[&str], part: &impl Validate) -> Vec<Problem> {
    let mut problems = validate::check(part).err().unwrap_or_default();
    for problem in &mut problems {
        let path = place.iter().map(|&part| part.to_owned());
        problem.path = path.chain(problem.path.drain(..)).collect();
    }
    problems
}

fn transfer(
    asker: Asker,
    asset: &CurrencyCode,
    amount: Decimal,
    user_id: Option<ID>,
    source: Source,
    problems: Vec<Problem>,
) -> Result<NewTransfer, Vec<Error>> {
    let mut errors: Vec<Error> = problems.into_iter().map(Error::Input).collect();
    let amount_minor = match money::to_minor(amount.0, &asset.0) {
        Ok(minor) if minor > 0 => minor,
        Ok(_) | Err(money::Error::TooLarge) => {
            errors.push(Error::AmountOutOfRange);
            0
        }
        Err(money::Error::UnknownCurrency) => {
            errors.push(Error::AssetUnknown);
            0
        }
        Err(error @ money::Error::Precision(_)) => {
            let message = error.to_string();
            let problem = Problem::new(ErrorCode::Precision, message, &["amount"]);
            errors.push(Error::Input(problem));
            0
        }
    };
    let user_id = match user_id.map(|id| mutation_id::<UserId>(&id, &["userId"])) {
        None => asker.user_id,
        Some(Ok(id)) if asker.is_staff || id == asker.user_id => id,
        Some(Ok(_)) => {
            errors.push(Error::UserNotFound);
            asker.user_id
        }
        Some(Err(problem)) => {
            errors.push(Error::Input(problem));
            asker.user_id
        }
    };
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(NewTransfer {
        user_id,
        asset: asset.0.clone(),
        amount_minor,
        source,
    })
}
