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
    use crate::accounts::Address;
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
        /// Where it is sent, as it was said when it was made.
        pub shipping_address: Option<Address>,
        /// Who is billed, as it was said when it was made.
        pub billing_address: Option<Address>,
        /// Why it was cancelled, up to 200 characters.
        pub cancel_reason: Option<String>,
        /// Sum of its lines in minor units.
        pub subtotal_minor: i64,
        /// What is to be paid in minor units.
        pub total_minor: i64,
        /// What was paid back in minor units, at most the total.
        pub refunded_minor: i64,
        /// Currency of all its amounts.
        pub currency: String,
        /// Until when its stock is held while it is not paid.
        pub reservation_expires_at: Option<DateTimeUtc>,
        /// When that time was extended, which is done once.
        pub reservation_extended_at: Option<DateTimeUtc>,
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
        /// When the last of it was sent.
        pub fulfilled_at: Option<DateTimeUtc>,
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
        /// Units that were sent.
        pub fulfilled: i64,
        /// Units that were paid back.
        pub refunded: i64,
        /// Of those, units that were not sent before and never will be; sent and dropped are at most the quantity.
        pub dropped: i64,
        /// Units that came back into the stock.
        pub restocked: i64,
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

/// What a request told about where an order came from, apart from the order because it is personal data: it is erased
/// after 90 days, and no event carries it.
pub mod order_request {
    use crate::ids::{OrderId, SessionId};
    use sea_orm::entity::prelude::*;

    /// One row of `order_requests`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "order_requests")]
    pub struct Model {
        /// The order.
        #[sea_orm(primary_key, auto_increment = false)]
        pub order_id: OrderId,
        /// The address of the client's end of the connection.
        pub ip: Option<String>,
        /// What the client calls itself, up to 255 characters.
        pub user_agent: Option<String>,
        /// What kind of program asked: `web`, `mobile` or `api`.
        pub platform: String,
        /// The version of the API that it used (`v1`).
        pub api_version: String,
        /// The session it was made in.
        pub session_id: Option<SessionId>,
        /// When.
        pub created_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// What staff wrote about an order.
pub mod order_note {
    use crate::ids::{OrderId, OrderNoteId, UserId};
    use sea_orm::entity::prelude::*;

    /// One row of `order_notes`, never changed.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "order_notes")]
    pub struct Model {
        /// Id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: OrderNoteId,
        /// The order.
        pub order_id: OrderId,
        /// Who wrote it.
        pub author_id: UserId,
        /// Text, 1 to 2,000 characters.
        pub text: String,
        /// When.
        pub created_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A parcel: lines of an order that were sent together.
pub mod order_fulfillment {
    use crate::ids::{OrderFulfillmentId, OrderId, UserId};
    use sea_orm::entity::prelude::*;

    /// One row of `order_fulfillments`, never changed.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "order_fulfillments")]
    pub struct Model {
        /// Id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: OrderFulfillmentId,
        /// The order.
        pub order_id: OrderId,
        /// Who carries it, up to 64 characters.
        pub carrier: Option<String>,
        /// The carrier's number of it, up to 128 characters.
        pub tracking_number: Option<String>,
        /// Where it can be followed, up to 500 characters.
        pub tracking_url: Option<String>,
        /// Who sent it.
        pub actor_id: Option<UserId>,
        /// When.
        pub created_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Units of a line in a parcel.
pub mod order_fulfillment_line {
    use crate::ids::{OrderFulfillmentId, OrderLineId};
    use sea_orm::entity::prelude::*;

    /// One row of `order_fulfillment_lines`, never changed.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "order_fulfillment_lines")]
    pub struct Model {
        /// The parcel.
        #[sea_orm(primary_key, auto_increment = false)]
        pub fulfillment_id: OrderFulfillmentId,
        /// The line.
        #[sea_orm(primary_key, auto_increment = false)]
        pub order_line_id: OrderLineId,
        /// Units, 1 or more.
        pub quantity: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

text_enum!(
    /// Where a refund of lines stands.
    OrderRefundStatus {
        /// Asked for; its units and money are claimed.
        Pending = "PENDING",
        /// The money went back, and the order says so.
        Done = "DONE",
        /// The provider refused it; its units can be refunded again.
        Failed = "FAILED",
    }
);

/// A refund as the order sees it: which units, and whether they come back. The money is the payments domain's.
pub mod order_refund {
    use super::OrderRefundStatus;
    use crate::ids::{OrderId, RefundId, UserId};
    use sea_orm::entity::prelude::*;

    /// One row of `order_refunds`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "order_refunds")]
    pub struct Model {
        /// Id, also of the refund of the money.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: RefundId,
        /// The order.
        pub order_id: OrderId,
        /// Minor units that go back.
        pub amount_minor: i64,
        /// 1: the units go back into the stock when the money has gone back; 0: they do not.
        pub restock: i32,
        /// Why, up to 200 characters.
        pub reason: Option<String>,
        /// Status.
        pub status: OrderRefundStatus,
        /// Who asked for it.
        pub actor_id: Option<UserId>,
        /// When it is looked at next while it is PENDING.
        pub next_run_at: Option<DateTimeUtc>,
        /// When it was made.
        pub created_at: DateTimeUtc,
        /// When it changed last.
        pub updated_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Units of a line in a refund.
pub mod order_refund_line {
    use crate::ids::{OrderLineId, RefundId};
    use sea_orm::entity::prelude::*;

    /// One row of `order_refund_lines`, never changed.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "order_refund_lines")]
    pub struct Model {
        /// The refund.
        #[sea_orm(primary_key, auto_increment = false)]
        pub refund_id: RefundId,
        /// The line.
        #[sea_orm(primary_key, auto_increment = false)]
        pub order_line_id: OrderLineId,
        /// Units, 1 or more.
        pub quantity: i64,
        /// Minor units that go back for them.
        pub amount_minor: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

text_enum!(
    /// What a checkout does next.
    SagaStep {
        /// Have the payment authorized and captured.
        Pay = "PAY",
        /// Let the stock of the paid order go out.
        Commit = "COMMIT",
        /// Make the money go back, then end the order.
        Compensate = "COMPENSATE",
        /// Nothing: it is at its end, well or not.
        Done = "DONE",
    }
);

/// The checkout of an order, from the start of its payment to its end: what a crash leaves to be finished.
pub mod order_saga {
    use super::{OrderStatus, SagaStep};
    use crate::ids::{OrderId, PaymentId};
    use sea_orm::entity::prelude::*;

    /// One row of `order_sagas`: the latest payment of an order.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "order_sagas")]
    pub struct Model {
        /// The order.
        #[sea_orm(primary_key, auto_increment = false)]
        pub order_id: OrderId,
        /// Its payment.
        pub payment_id: PaymentId,
        /// What is done next.
        pub step: SagaStep,
        /// What the order becomes when it has been compensated.
        pub end_status: Option<OrderStatus>,
        /// Why it is compensated, or what failed last, up to 200 characters.
        pub reason: Option<String>,
        /// Tries of the step that brought nothing.
        pub attempts: i32,
        /// When the worker looks at it next; nothing when there is nothing to do.
        pub next_run_at: Option<DateTimeUtc>,
        /// Who is at work on it.
        pub lease_holder: Option<Uuid>,
        /// Until when others leave it alone.
        pub lease_until: Option<DateTimeUtc>,
        /// When the payment started.
        pub started_at: DateTimeUtc,
        /// When it changed last.
        pub updated_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}
