//! Ids: each table's id is a type of its own over a UUID of version 7.
//!
//! They are made in one place, `Clock::id` of the main crate, before the transaction that writes them.

use sea_orm::{DbErr, DeriveValueType, TryFromU64};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id_type {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, DeriveValueType, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, DbErr> {
                Err(DbErr::ConvertFromU64(stringify!($name)))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

id_type!(
    /// A user.
    UserId,
    /// A session: one log-in of a user, kept alive by rotating refresh tokens.
    SessionId,
    /// One refresh token of a session.
    RefreshTokenId,
    /// A category of the catalogue.
    CategoryId,
    /// A product.
    ProductId,
    /// An image of a product.
    ProductImageId,
    /// A variant of a product: what is sold.
    VariantId,
    /// A warehouse.
    WarehouseId,
    /// One change of stock.
    StockMovementId,
    /// A reservation of stock for an order line.
    ReservationId,
    /// A cart.
    CartId,
    /// A line of a cart.
    CartLineId,
    /// An address of a user's address book.
    AddressId,
    /// An order.
    OrderId,
    /// A line of an order.
    OrderLineId,
    /// An entry of an order's history.
    OrderHistoryId,
    /// A note of staff about an order.
    OrderNoteId,
    /// A parcel of an order.
    OrderFulfillmentId,
    /// An event: the same on every resend.
    EventId,
    /// A payment of an order.
    PaymentId,
    /// One question to a payment provider, with its answer.
    PaymentAttemptId,
    /// A refund of a payment.
    RefundId,
    /// An account of the ledger.
    LedgerAccountId,
    /// An entry of the ledger's journal.
    JournalEntryId,
    /// An amount that is set aside.
    HoldId,
    /// A transaction, as users see it.
    TransactionId,
    /// An order to trade.
    TradeOrderId,
);
