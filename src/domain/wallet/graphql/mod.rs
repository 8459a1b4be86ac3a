//! The wallet in the schema: assets, what users have, and their transactions.

mod inputs;
mod mutation;
mod query;
mod types;

pub use inputs::{
    TransactionFilter, TransactionOrder, TransactionOrderField, WalletDepositInput,
    WalletWithdrawInput,
};
pub use mutation::{WalletDepositPayload, WalletMutation, WalletWithdrawPayload};
pub use query::{WalletQuery, transactions_below};
pub use types::{
    Asset, AssetKind, Transaction, TransactionFailure, TransactionKind, TransactionStatus,
    TransferMethod, Wallet, WalletBalance, WalletStatement, WalletStatementEntry,
};
