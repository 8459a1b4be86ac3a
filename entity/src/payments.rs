//! Payments, what was asked of providers, refunds, and the memory of the simulated provider.

use crate::text_enum;

text_enum!(
    /// How an order is paid.
    PaymentMethod {
        /// By card, through a provider.
        Card = "CARD",
        /// From the user's wallet.
        Wallet = "WALLET",
    }
);

text_enum!(
    /// Where a payment stands.
    PaymentState {
        /// The provider has not answered yet.
        Pending = "PENDING",
        /// The provider may or may not have done what it was asked for; it will be asked again.
        Unknown = "UNKNOWN",
        /// The amount is promised, not taken yet.
        Authorized = "AUTHORIZED",
        /// The amount was taken.
        Captured = "CAPTURED",
        /// It was refused, or never reached the provider; nothing was taken.
        Declined = "DECLINED",
        /// It was called off before the amount was taken.
        Voided = "VOIDED",
    }
);

text_enum!(
    /// What a payment is driven towards.
    PaymentGoal {
        /// The amount is to be taken.
        Capture = "CAPTURE",
        /// Whatever was promised or taken is to go back.
        Return = "RETURN",
    }
);

text_enum!(
    /// Why a payment was refused.
    DeclineReason {
        /// The bank said no.
        CardDeclined = "CARD_DECLINED",
        /// Too little money.
        InsufficientFunds = "INSUFFICIENT_FUNDS",
        /// It was interrupted before the provider had it; nothing was taken.
        Abandoned = "ABANDONED",
    }
);

text_enum!(
    /// What a provider is asked for.
    ProviderOperation {
        /// To promise the amount.
        Authorize = "AUTHORIZE",
        /// To take the amount.
        Capture = "CAPTURE",
        /// To call the payment off.
        Void = "VOID",
        /// To pay back.
        Refund = "REFUND",
        /// What became of it.
        Status = "STATUS",
    }
);

text_enum!(
    /// What came back.
    AttemptResult {
        /// It was done, or has been done before.
        Done = "DONE",
        /// It was refused for good.
        Refused = "REFUSED",
        /// The provider has not decided yet.
        Processing = "PROCESSING",
        /// It was certainly not done.
        NotDone = "NOT_DONE",
        /// No answer, or one that does not tell.
        Unknown = "UNKNOWN",
        /// The provider has never heard of it.
        NotFound = "NOT_FOUND",
    }
);

text_enum!(
    /// Where a refund stands.
    RefundState {
        /// The provider has not answered yet.
        Pending = "PENDING",
        /// The provider may or may not have done it; it will be asked again.
        Unknown = "UNKNOWN",
        /// The money went back.
        Succeeded = "SUCCEEDED",
        /// The provider refused it.
        Failed = "FAILED",
    }
);

/// A payment of an order: one try of a customer to pay it.
pub mod payment {
    use super::{DeclineReason, PaymentGoal, PaymentMethod, PaymentState};
    use crate::ids::{OrderId, PaymentId, TransactionId, UserId};
    use sea_orm::entity::prelude::*;

    /// One row of `payments`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "payments")]
    pub struct Model {
        /// Id; with the operation it is the idempotency key towards the provider.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: PaymentId,
        /// The order.
        pub order_id: OrderId,
        /// Who pays.
        pub user_id: UserId,
        /// The provider's name.
        pub provider: String,
        /// How it is paid.
        pub method: PaymentMethod,
        /// The token with its middle masked; the token itself is never stored. Of a wallet, the asset.
        pub masked_token: String,
        /// Minor units to be paid, more than 0.
        pub amount_minor: i64,
        /// Currency of all its amounts.
        pub currency: String,
        /// Where it stands.
        pub state: PaymentState,
        /// What it is driven towards.
        pub goal: PaymentGoal,
        /// Why it is to go back, up to 200 characters.
        pub return_reason: Option<String>,
        /// Why it was refused.
        pub decline_reason: Option<DeclineReason>,
        /// Minor units that were taken.
        pub captured_minor: i64,
        /// Minor units of all refunds that did not fail, at most what was taken.
        pub refund_claimed_minor: i64,
        /// Minor units that went back.
        pub refunded_minor: i64,
        /// Questions since the last change of state that brought nothing.
        pub tries: i32,
        /// When the worker looks at it next; nothing when there is nothing to do.
        pub next_run_at: Option<DateTimeUtc>,
        /// Raised by one by each change; changes state it, so that one of two parallel ones wins.
        pub version: i32,
        /// When it was made.
        pub created_at: DateTimeUtc,
        /// When it changed last.
        pub updated_at: DateTimeUtc,
        /// When the amount was taken.
        pub captured_at: Option<DateTimeUtc>,
        /// The user's transaction that tells of it from its beginning: of what is bought and paid in one call.
        pub transaction_id: Option<TransactionId>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// One question to a provider, with its answer.
pub mod payment_attempt {
    use super::{AttemptResult, ProviderOperation};
    use crate::ids::{PaymentAttemptId, PaymentId, RefundId};
    use sea_orm::entity::prelude::*;

    /// One row of `payment_attempts`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "payment_attempts")]
    pub struct Model {
        /// Id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: PaymentAttemptId,
        /// The payment.
        pub payment_id: PaymentId,
        /// The refund, when it was one.
        pub refund_id: Option<RefundId>,
        /// What was asked for.
        pub operation: ProviderOperation,
        /// Our idempotency key of the question.
        pub provider_key: String,
        /// Minor units that were asked for.
        pub amount_minor: i64,
        /// When it was to be asked.
        pub asked_at: DateTimeUtc,
        /// When the answer was written down; nothing while it is open, or for ever when the process was killed.
        pub answered_at: Option<DateTimeUtc>,
        /// What came back.
        pub result: Option<AttemptResult>,
        /// What the provider said, up to 200 characters.
        pub detail: Option<String>,
        /// When it was to be tried again.
        pub next_run_at: Option<DateTimeUtc>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A refund of a part or the whole of a payment.
pub mod refund {
    use super::RefundState;
    use crate::ids::{OrderId, PaymentId, RefundId};
    use sea_orm::entity::prelude::*;

    /// One row of `refunds`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "refunds")]
    pub struct Model {
        /// Id; with the operation it is the idempotency key towards the provider.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: RefundId,
        /// The payment.
        pub payment_id: PaymentId,
        /// The order.
        pub order_id: OrderId,
        /// Minor units, more than 0.
        pub amount_minor: i64,
        /// The payment's currency.
        pub currency: String,
        /// Why, up to 200 characters.
        pub reason: Option<String>,
        /// Where it stands.
        pub state: RefundState,
        /// Why the provider refused it, up to 200 characters.
        pub failure: Option<String>,
        /// Questions that brought nothing.
        pub tries: i32,
        /// When the worker looks at it next; nothing when there is nothing to do.
        pub next_run_at: Option<DateTimeUtc>,
        /// Raised by one by each change.
        pub version: i32,
        /// When it was made.
        pub created_at: DateTimeUtc,
        /// When it changed last.
        pub updated_at: DateTimeUtc,
        /// When the money went back.
        pub refunded_at: Option<DateTimeUtc>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

text_enum!(
    /// How the simulated provider treats a payment: chosen by the token.
    Behaviour {
        /// Does everything at once.
        Ok = "OK",
        /// Refuses.
        Declined = "DECLINED",
        /// Refuses for want of money.
        Insufficient = "INSUFFICIENT",
        /// Does everything, and answers slowly.
        Slow = "SLOW",
        /// Fails the first question without doing anything.
        FailsOnce = "FAILS_ONCE",
        /// Does what it is asked for, but the answer is lost, and it does not know better for a while.
        Unknown = "UNKNOWN",
        /// Decides late, and then tells by webhook.
        WebhookLate = "WEBHOOK_LATE",
        /// Decides a moment later, and tells twice by webhook.
        WebhookTwice = "WEBHOOK_TWICE",
    }
);

text_enum!(
    /// What the simulated provider knows of a payment.
    GatewayState {
        /// It has seen a question and refused it without doing anything.
        Seen = "SEEN",
        /// The amount is promised.
        Authorized = "AUTHORIZED",
        /// The amount was taken.
        Captured = "CAPTURED",
        /// It was refused.
        Declined = "DECLINED",
        /// It was called off.
        Voided = "VOIDED",
    }
);

/// A payment as the simulated provider knows it. The program reads it only through the provider.
pub mod simulated_gateway_payment {
    use super::{Behaviour, GatewayState};
    use sea_orm::entity::prelude::*;

    /// One row of `simulated_gateway_payments`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "simulated_gateway_payments")]
    pub struct Model {
        /// The merchant's name for the payment.
        #[sea_orm(primary_key, auto_increment = false)]
        pub reference: String,
        /// How it is treated.
        pub behaviour: Behaviour,
        /// Minor units.
        pub amount_minor: i64,
        /// Currency.
        pub currency: String,
        /// What is known of it.
        pub state: GatewayState,
        /// From when on the provider tells its state; before, it says that it is processing.
        pub settles_at: Option<DateTimeUtc>,
        /// Minor units taken.
        pub captured_minor: i64,
        /// Minor units paid back, at most what was taken.
        pub refunded_minor: i64,
        /// When it was made.
        pub created_at: DateTimeUtc,
        /// When it changed last.
        pub updated_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// What the simulated provider did, once for each idempotency key.
pub mod simulated_gateway_operation {
    use super::ProviderOperation;
    use sea_orm::entity::prelude::*;

    /// One row of `simulated_gateway_operations`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "simulated_gateway_operations")]
    pub struct Model {
        /// The merchant's idempotency key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub idempotency_key: String,
        /// The payment.
        pub reference: String,
        /// What was done.
        pub operation: ProviderOperation,
        /// Minor units.
        pub amount_minor: i64,
        /// When.
        pub created_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A webhook that the simulated provider has to send.
pub mod simulated_gateway_webhook {
    use sea_orm::entity::prelude::*;

    /// One row of `simulated_gateway_webhooks`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "simulated_gateway_webhooks")]
    pub struct Model {
        /// Id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        /// The payment.
        pub reference: String,
        /// What happened, as `payment.authorized`.
        pub event: String,
        /// When it is sent; nothing once it was.
        pub due_at: Option<DateTimeUtc>,
        /// When it was made.
        pub created_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}
