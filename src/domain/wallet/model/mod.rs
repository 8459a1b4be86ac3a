//! Rules of the ledger: what an entry must be, which account an id names, and in which order balances change.

pub mod transactions;

use crate::money::Money;
use entity::ids::{JournalEntryId, LedgerAccountId, OrderId, PaymentId, RefundId, UserId};
use entity::wallet::{AccountKind, EntryKind};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Rows of the balance of an account that many post to at once.
pub const SHARDS: i32 = 16;
/// Minor units that a transfer may have at most: 10 billion of an asset with 8 decimals.
pub const AMOUNT_MAX: i64 = 1_000_000_000_000_000_000;

/// Names an account; it is made when something is posted to it for the first time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    /// What it is for.
    pub kind: AccountKind,
    /// The asset's code.
    pub asset: String,
    /// Whose it is; nobody's for the shop's own.
    pub user_id: Option<UserId>,
}

impl Account {
    /// An account of the shop.
    #[must_use]
    pub fn of_shop(kind: AccountKind, asset: &str) -> Self {
        Self {
            kind,
            asset: asset.to_owned(),
            user_id: None,
        }
    }

    /// An account of a user.
    #[must_use]
    pub fn of_user(kind: AccountKind, asset: &str, user_id: UserId) -> Self {
        Self {
            kind,
            asset: asset.to_owned(),
            user_id: Some(user_id),
        }
    }

    /// The account's id: the first 16 bytes of SHA-256 over kind, asset and user, in the form of UUID version 8
    /// (RFC 9562, section 5.8). Who posts need not look it up, and two who make it at once make the same.
    #[must_use]
    pub fn id(&self) -> LedgerAccountId {
        let user = self.user_id.map_or(Uuid::nil(), |id| id.0);
        let name = format!("{}:{}:{user}", self.kind.as_str(), self.asset);
        let digest = Sha256::digest(name.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        LedgerAccountId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// What its balance may never be below.
    #[must_use]
    pub fn least_minor(&self) -> Option<i64> {
        self.user_id.map(|_| 0)
    }

    /// Rows of its balance.
    #[must_use]
    pub fn shards(&self) -> i32 {
        if self.user_id.is_some() { 1 } else { SHARDS }
    }
}

/// An amount that an entry adds to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPosting {
    /// The account.
    pub account: Account,
    /// Minor units, positive into the account, not 0.
    pub amount_minor: i64,
}

/// An entry that is to be posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// Id, made before the transaction.
    pub id: JournalEntryId,
    /// What is done, as `payment:<id>:capture`, up to 96 characters: it can be posted once.
    pub operation_key: String,
    /// Why.
    pub kind: EntryKind,
    /// Whose business it is.
    pub user_id: Option<UserId>,
    /// The order it belongs to.
    pub order_id: Option<OrderId>,
    /// The payment it belongs to.
    pub payment_id: Option<PaymentId>,
    /// The refund it belongs to.
    pub refund_id: Option<RefundId>,
    /// A sentence for people, up to 200 characters.
    pub description: String,
    /// Two or more that sum to zero for each asset.
    pub postings: Vec<NewPosting>,
}

/// What a user's account lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Short {
    /// What is to leave it.
    pub required: Money,
    /// What it has.
    pub available: Money,
}

/// A change of one balance row; the order of locking is the order of its fields.
pub type Changes = BTreeMap<(LedgerAccountId, i32), (Account, i64)>;

/// Why an entry cannot be posted: a mistake of the program, not of a user.
#[must_use]
pub fn problem_of(entry: &NewEntry) -> Option<String> {
    if entry.postings.len() < 2 {
        return Some("an entry has two postings or more".to_owned());
    }
    if entry
        .postings
        .iter()
        .any(|posting| posting.amount_minor == 0)
    {
        return Some("a posting is not zero".to_owned());
    }
    let sums = sums(
        entry
            .postings
            .iter()
            .map(|posting| (posting.account.asset.as_str(), posting.amount_minor)),
    );
    sums.into_iter()
        .find(|(_, sum)| *sum != 0)
        .map(|(asset, sum)| format!("the postings of {asset} sum to {sum} instead of 0"))
}

/// The sum of amounts for each asset.
#[must_use]
pub fn sums<'a>(amounts: impl IntoIterator<Item = (&'a str, i64)>) -> BTreeMap<&'a str, i128> {
    let mut sums = BTreeMap::new();
    for (asset, amount) in amounts {
        *sums.entry(asset).or_default() += i128::from(amount);
    }
    sums
}

/// The shard of an account that a transaction with this number posts to.
#[must_use]
pub fn shard(account: &Account, number: i32) -> i32 {
    number.rem_euclid(account.shards())
}

/// What entries change in the balances, one change a row, in the order in which rows are locked. Nothing when a sum
/// does not fit into 64 bits.
#[must_use]
pub fn changes(entries: &[NewEntry], number: i32) -> Option<Changes> {
    let mut changes = Changes::new();
    for posting in entries.iter().flat_map(|entry| &entry.postings) {
        let account = &posting.account;
        let key = (account.id(), shard(account, number));
        let (_, sum) = changes
            .entry(key)
            .or_insert_with(|| (account.clone(), 0_i64));
        *sum = sum.checked_add(posting.amount_minor)?;
    }
    changes.retain(|_, (_, sum)| *sum != 0);
    Some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(amounts: &[(&str, i64)]) -> NewEntry {
        let postings = amounts
            .iter()
            .map(|(asset, amount_minor)| NewPosting {
                account: Account::of_shop(AccountKind::Clearing, asset),
                amount_minor: *amount_minor,
            })
            .collect();
        NewEntry {
            id: JournalEntryId(Uuid::nil()),
            operation_key: "test".to_owned(),
            kind: EntryKind::Payment,
            user_id: None,
            order_id: None,
            payment_id: None,
            refund_id: None,
            description: String::new(),
            postings,
        }
    }

    #[test]
    fn an_entry_sums_to_zero_for_each_asset() {
        assert_eq!(problem_of(&entry(&[("GBP", 5), ("GBP", -5)])), None);
        let largest = entry(&[("GBP", i64::MAX), ("GBP", i64::MAX), ("GBP", 1), ("GBP", 1)]);
        assert!(
            problem_of(&largest).is_some(),
            "the sum does not wrap to zero"
        );
        for wrong in [
            &[("GBP", 5), ("GBP", -4)][..],
            &[("GBP", 5), ("USD", -5)],
            &[("GBP", 0), ("GBP", 0)],
            &[("GBP", 1)],
            &[],
        ] {
            assert!(problem_of(&entry(wrong)).is_some(), "{wrong:?}");
        }
    }

    #[test]
    fn ids_of_accounts_differ_by_kind_asset_and_user() {
        let user = UserId(Uuid::from_u128(1));
        let accounts = [
            Account::of_shop(AccountKind::Clearing, "GBP"),
            Account::of_shop(AccountKind::External, "GBP"),
            Account::of_shop(AccountKind::Clearing, "USD"),
            Account::of_user(AccountKind::UserAvailable, "GBP", user),
            Account::of_user(AccountKind::UserHeld, "GBP", user),
            Account::of_user(AccountKind::UserHeld, "GBP", UserId(Uuid::from_u128(2))),
        ];
        let ids: std::collections::BTreeSet<_> = accounts.iter().map(Account::id).collect();
        assert_eq!(ids.len(), accounts.len());
        assert_eq!(accounts[0].id(), accounts[0].clone().id());
        assert_eq!(accounts[0].id().0.get_version_num(), 8);
    }

    #[test]
    fn postings_to_one_row_are_one_change_and_users_have_one_row() {
        let user = Account::of_user(AccountKind::UserAvailable, "GBP", UserId(Uuid::nil()));
        assert_eq!((shard(&user, 7), user.least_minor()), (0, Some(0)));
        let shop = Account::of_shop(AccountKind::Clearing, "GBP");
        assert_eq!((shard(&shop, 17), shop.least_minor()), (1, None));
        let entries = [
            entry(&[("GBP", 5), ("GBP", 6)]),
            entry(&[("USD", 1), ("USD", -1)]),
        ];
        let changes = changes(&entries, 3).unwrap();
        let sums: Vec<_> = changes.into_values().map(|(_, sum)| sum).collect();
        assert_eq!(sums, [11], "what sums to nothing is not touched");
        let huge = entry(&[("GBP", i64::MAX), ("GBP", 1)]);
        assert_eq!(super::changes(&[huge], 0), None);
    }
}
