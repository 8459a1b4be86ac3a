//! Orders, their lines, their history and the blocks their numbers come from.

use crate::text_enum;

text_enum!(
    /// Where an order stands.
    OrderStatus {
        /// Its stock is reserved; no payment is under way.
        AwaitingPayment = "AWAITING_PAYMENT",
        /// A payment is under way or its outcome is not known yet.
        Pending = "PENDING",
        /// It is paid.
        Paid = "PAID",
        /// A part of it was sent.
        PartlyFulfilled = "PARTLY_FULFILLED",
        /// All of it was sent.
        Fulfilled = "FULFILLED",
        /// It was cancelled; its stock was given back.
        Cancelled = "CANCELLED",
        /// It was not paid in time; its stock was given back.
        Expired = "EXPIRED",
        /// It could not be completed and was undone.
        Failed = "FAILED",
    }
);

text_enum!(
    /// Where the payment of an order stands.
    PaymentStatus {
        /// Nothing was paid.
        Unpaid = "UNPAID",
        /// A payment is under way.
        Pending = "PENDING",
        /// The amount is promised by the provider, not taken yet.
        Authorized = "AUTHORIZED",
        /// Paid in full.
        Paid = "PAID",
        /// A part was paid back.
        PartlyRefunded = "PARTLY_REFUNDED",
        /// All was paid back.
        Refunded = "REFUNDED",
    }
);

text_enum!(
    /// How an order came to be.
    OrderOrigin {
        /// Made through this program.
        Live = "LIVE",
        /// Imported with its history.
        Import = "IMPORT",
    }
);

/// An order.
pub mod order {
    use super::{OrderOrigin, OrderStatus, PaymentStatus};
    use crate::ids::{OrderId, UserId};
    use sea_orm::entity::prelude::*;

    /// One row of `orders`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "orders")]
    pub struct Model {
        /// Id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: OrderId,
        /// Number for people, unique (`ORD-2026-000001`).
        pub number: String,
        /// Who ordered; only imported orders have nobody.
        pub user_id: Option<UserId>,
        /// Status.
        pub status: OrderStatus,
        /// Status of the payment.
        pub payment_status: PaymentStatus,
        /// Origin.
        pub origin: OrderOrigin,
        /// The system it was imported from, unique with `external_reference`; nothing for live orders.
        pub source: Option<String>,
        /// Its id in that system.
        pub external_reference: Option<String>,
        /// The customer's id in that system.
        pub customer_reference: Option<String>,
        /// The client's own name for the order, unique for a user, up to 48 characters.
        pub client_reference: Option<String>,
        /// A note of the customer, up to 1,000 characters.
        pub note: Option<String>,
        /// Why it was cancelled, up to 200 characters.
        pub cancel_reason: Option<String>,
        /// Sum of its lines in minor units.
        pub subtotal_minor: i64,
        /// What is to be paid in minor units.
        pub total_minor: i64,
        /// Currency of all its amounts.
        pub currency: String,
        /// Until when its stock is held while it is not paid.
        pub reservation_expires_at: Option<DateTimeUtc>,
        /// Raised by one by each commit that changes the order, and each such commit writes one event.
        pub version: i32,
        /// When it was made.
        pub created_at: DateTimeUtc,
        /// When it changed last.
        pub updated_at: DateTimeUtc,
        /// When it was paid.
        pub paid_at: Option<DateTimeUtc>,
        /// When it was cancelled.
        pub cancelled_at: Option<DateTimeUtc>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A line of an order: a copy of what was sold, so that later changes of the catalogue do not touch it.
pub mod order_line {
    use crate::ids::{OrderId, OrderLineId, ProductId, VariantId};
    use sea_orm::entity::prelude::*;

    /// One row of `order_lines`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "order_lines")]
    pub struct Model {
        /// Id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: OrderLineId,
        /// The order.
        pub order_id: OrderId,
        /// Place in the order, from 0.
        pub position: i32,
        /// The product.
        pub product_id: ProductId,
        /// The variant.
        pub variant_id: VariantId,
        /// The variant's SKU at that time.
        pub sku: String,
        /// The product's name at that time.
        pub name: String,
        /// Units, 1 or more.
        pub quantity: i64,
        /// Price of one unit in minor units of the order's currency.
        pub unit_price_minor: i64,
        /// Quantity × unit price in minor units.
        pub total_minor: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// What happened to an order: one row for each version.
pub mod order_history {
    use super::OrderStatus;
    use crate::ids::{OrderHistoryId, OrderId, UserId};
    use sea_orm::entity::prelude::*;

    /// One row of `order_history`, never changed.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "order_history")]
    pub struct Model {
        /// Id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: OrderHistoryId,
        /// The order.
        pub order_id: OrderId,
        /// The version that this change made.
        pub version: i32,
        /// Status before, none for the first.
        pub from_status: Option<OrderStatus>,
        /// Status after.
        pub to_status: OrderStatus,
        /// Who did it, if a person did.
        pub actor_id: Option<UserId>,
        /// Why, if it was said.
        pub reason: Option<String>,
        /// When.
        pub created_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Where the next block of numbers for people begins.
pub mod number_block {
    use sea_orm::entity::prelude::*;

    /// One row of `number_blocks`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "number_blocks")]
    pub struct Model {
        /// Which numbers and which UTC year (`ORD-2026`).
        #[sea_orm(primary_key, auto_increment = false)]
        pub series: String,
        /// The first number that no block has.
        pub next: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}
}
