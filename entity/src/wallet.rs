//! Assets, and the ledger: accounts, their balances, journal entries and postings.

pub mod hold;
pub mod transaction;

use crate::text_enum;

text_enum!(
    /// What an asset is.
    AssetKind {
        /// Money of a state.
        Fiat = "FIAT",
        /// A crypto asset.
        Crypto = "CRYPTO",
    }
);

text_enum!(
    /// What an account of the ledger is for.
    AccountKind {
        /// What a user can spend.
        UserAvailable = "USER_AVAILABLE",
        /// What is set aside for something that a user has begun.
        UserHeld = "USER_HELD",
        /// What the shop earned by fees.
        Fees = "FEES",
        /// The world outside: its balance is what went out less what came in.
        External = "EXTERNAL",
        /// What the shop earned by selling.
        MerchantRevenue = "MERCHANT_REVENUE",
        /// What payment providers owe the shop, negative while they owe.
        Clearing = "CLEARING",
    }
);

text_enum!(
    /// Why a journal entry was made.
    EntryKind {
        /// An order was paid.
        Payment = "PAYMENT",
        /// A payment was paid back.
        Refund = "REFUND",
        /// Money came into a user's account.
        Deposit = "DEPOSIT",
        /// Money left a user's account.
        Withdrawal = "WITHDRAWAL",
        /// One asset was exchanged for another.
        Trade = "TRADE",
        /// The shop took a fee.
        Fee = "FEE",
        /// An amount was set aside.
        Hold = "HOLD",
        /// What was set aside is available again.
        Release = "RELEASE",
        /// A wallet gave to clearing what a payment takes from it, or got back what a refund gives.
        Settlement = "SETTLEMENT",
    }
);

text_enum!(
    /// What a transaction is, as users see it.
    TransactionKind {
        /// Something was bought and paid in one call.
        Purchase = "PURCHASE",
        /// An order was paid.
        Payment = "PAYMENT",
        /// A payment was paid back.
        Refund = "REFUND",
        /// Money came into the wallet.
        Deposit = "DEPOSIT",
        /// Money left the wallet.
        Withdrawal = "WITHDRAWAL",
        /// One asset was exchanged for another.
        Trade = "TRADE",
        /// The shop took a fee.
        Fee = "FEE",
    }
);

text_enum!(
    /// Where a transaction stands.
    TransactionStatus {
        /// Its outcome is not known yet.
        Pending = "PENDING",
        /// It was done.
        Completed = "COMPLETED",
        /// It was not done, and nothing was taken.
        Failed = "FAILED",
    }
);

text_enum!(
    /// How money came into a wallet or left it.
    TransferMethod {
        /// Through a payment provider.
        Card = "CARD",
        /// The shop gave it.
        Grant = "GRANT",
    }
);

text_enum!(
    /// Why a transaction failed.
    TransactionFailure {
        /// The provider declined it.
        Declined = "DECLINED",
        /// The card or wallet has too little.
        InsufficientFunds = "INSUFFICIENT_FUNDS",
        /// It never reached the provider, or was called off.
        Abandoned = "ABANDONED",
    }
);

text_enum!(
    /// What became of an amount that was set aside.
    HoldStatus {
        /// Some of it is still set aside.
        Active = "ACTIVE",
        /// It was used, all or a part, and nothing is set aside any more.
        Captured = "CAPTURED",
        /// All of it was given back.
        Released = "RELEASED",
        /// All of it, or what was not used, was given back because its time was over.
        Expired = "EXPIRED",
    }
);

/// An asset: something that amounts are counted in.
pub mod asset {
    use super::AssetKind;
    use sea_orm::entity::prelude::*;

    /// One row of `assets`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "assets")]
    pub struct Model {
        /// Code: ISO 4217, or what the crypto asset is known by.
        #[sea_orm(primary_key, auto_increment = false)]
        pub code: String,
        /// What it is.
        pub kind: AssetKind,
        /// Decimals of its amounts, 0 to 8: amounts are integers of its smallest unit.
        pub scale: i32,
        /// Sign for people, the code when it has none of its own.
        pub symbol: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// An account of the ledger. Its id is computed from kind, asset and user, so that it need not be looked up.
pub mod ledger_account {
    use super::AccountKind;
    use crate::ids::{LedgerAccountId, UserId};
    use sea_orm::entity::prelude::*;

    /// One row of `ledger_accounts`, never changed.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "ledger_accounts")]
    pub struct Model {
        /// Id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: LedgerAccountId,
        /// What it is for.
        pub kind: AccountKind,
        /// The asset's code.
        pub asset: String,
        /// Whose it is; nobody's for the shop's own accounts.
        pub user_id: Option<UserId>,
        /// When it was made.
        pub created_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// The balance of an account: one row of a user's account, several shards of the shop's own.
pub mod ledger_balance {
    use crate::ids::LedgerAccountId;
    use sea_orm::entity::prelude::*;

    /// One row of `ledger_balances`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "ledger_balances")]
    pub struct Model {
        /// The account.
        #[sea_orm(primary_key, auto_increment = false)]
        pub account_id: LedgerAccountId,
        /// Which shard, from 0.
        #[sea_orm(primary_key, auto_increment = false)]
        pub shard: i32,
        /// Sum of the postings of this account and shard, in minor units.
        pub amount_minor: i64,
        /// What the amount may never be below: 0 for users, nothing for the shop's own accounts.
        pub least_minor: Option<i64>,
        /// When it changed last.
        pub updated_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// An entry of the journal: postings that belong together and sum to zero.
pub mod journal_entry {
    use super::EntryKind;
    use crate::ids::{JournalEntryId, OrderId, PaymentId, RefundId, UserId};
    use sea_orm::entity::prelude::*;

    /// One row of `journal_entries`, never changed.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "journal_entries")]
    pub struct Model {
        /// Id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: JournalEntryId,
        /// What was done, unique: the same thing cannot be posted twice (`payment:<id>:capture`).
        pub operation_key: String,
        /// Why.
        pub kind: EntryKind,
        /// Whose business it was.
        pub user_id: Option<UserId>,
        /// The order it belongs to.
        pub order_id: Option<OrderId>,
        /// The payment it belongs to.
        pub payment_id: Option<PaymentId>,
        /// The refund it belongs to.
        pub refund_id: Option<RefundId>,
        /// A sentence for people, up to 200 characters.
        pub description: String,
        /// When.
        pub created_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A posting: an amount that an entry adds to an account.
pub mod posting {
    use crate::ids::{JournalEntryId, LedgerAccountId};
    use sea_orm::entity::prelude::*;

    /// One row of `postings`, never changed.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "postings")]
    pub struct Model {
        /// The entry.
        #[sea_orm(primary_key, auto_increment = false)]
        pub entry_id: JournalEntryId,
        /// Place in the entry, from 0.
        #[sea_orm(primary_key, auto_increment = false)]
        pub position: i32,
        /// The account.
        pub account_id: LedgerAccountId,
        /// The shard of the account's balance that it went to.
        pub shard: i32,
        /// The asset's code, the same as the account's.
        pub asset: String,
        /// Minor units, positive into the account, not 0.
        pub amount_minor: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}
}
