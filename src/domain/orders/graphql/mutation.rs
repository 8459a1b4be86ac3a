//! Changes of orders.

use super::query::scope;
use super::{
    CartCheckoutInput, Order, OrderCreateInput, OrderFulfillInput, OrderRefundInput, PaymentInput,
    TransactionCreateInput,
};
use crate::app::App;
use crate::domain::orders::error::Error;
use crate::domain::orders::service::{Origin, Paid};
use crate::domain::payments::graphql::{Payment, Refund};
use crate::domain::wallet::graphql::Transaction;
use crate::error::{Failure, Problem, Refusal as _};
use crate::graphql::authorization::{Authorized, viewer};
use crate::graphql::error::{ApiError, UserError};
use crate::graphql::idempotency::{self, told};
use crate::graphql::payload::{answer, payload};
use crate::graphql::request::RequestInfo;
use crate::graphql::scalars::mutation_id;
use crate::graphql::validate::{self, not_blank};
use async_graphql::{Context, ID, Object};
use entity::ids::OrderId;
use validator::Validate;

payload!(
    /// The answer of `orderCreate`.
    OrderCreatePayload {
        /// The order, with its stock reserved. When its payment was refused it is here too, waiting for `orderPay`.
        order: Order,
    }
);

payload!(
    /// The answer of `transactionCreate`.
    TransactionCreatePayload {
        /// The purchase; FAILED when its payment was refused, PENDING while that is not known, none when there was
        /// nothing to pay.
        transaction: Option<Transaction>,
        /// The order. When its payment was refused it is here too, waiting for `orderPay`.
        order: Order,
    }
);

payload!(
    /// The answer of `orderCancel`.
    OrderCancelPayload {
        /// The cancelled order.
        order: Order,
    }
);

payload!(
    /// The answer of `cartCheckout`.
    CartCheckoutPayload {
        /// The order. When its payment was refused it is here too, waiting for `orderPay`.
        order: Order,
    }
);

payload!(
    /// The answer of `orderPay`.
    OrderPayPayload {
        /// The order; PENDING while it is not known what became of the payment, which goes on by itself.
        order: Order,
        /// The payment; none when there was nothing to pay.
        payment: Option<Payment>,
    }
);

payload!(
    /// The answer of `orderFulfill`.
    OrderFulfillPayload {
        /// The order after it.
        order: Order,
    }
);

payload!(
    /// The answer of `orderRefund`.
    OrderRefundPayload {
        /// The order; it tells the refund when the money has gone back.
        order: Order,
        /// The refund.
        refund: Refund,
    }
);

payload!(
    /// The answer of `orderNoteAdd`.
    OrderNoteAddPayload {
        /// The order with the note.
        order: Order,
    }
);

payload!(
    /// The answer of `reservationExtend`.
    ReservationExtendPayload {
        /// The order with its new time.
        order: Order,
    }
);

payload!(
    /// The answer of `orderMarkPaid`.
    OrderMarkPaidPayload {
        /// The paid order.
        order: Order,
    }
);

/// Changes of orders.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrdersMutation;

#[Object]
impl OrdersMutation {
    /// Orders something: computes its price, reserves its stock for a while and publishes `order.created`. All or
    /// nothing: when a line is short, every short line is named and nothing is reserved. With `payment` it is paid in the
    /// same call; when that is refused, the order is there and waits for `orderPay`. Requires CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn order_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to buy.")] input: OrderCreateInput,
        #[graphql(
            desc = "1 to 255 characters of your choice: the same key again makes no second order."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<OrderCreatePayload>, ApiError> {
        let (user_id, _) = scope(ctx)?;
        let app = ctx.data_unchecked::<App>();
        let outcome = async {
            let mut new = input.read(&app.config().limits).map_err(Error::inputs)?;
            new.details.origin = origin(ctx);
            let key = idempotency::key(ctx, user_id, "orderCreate", idempotency_key, &new)?;
            let done = app.orders().order_create(user_id, &new, key).await?;
            Ok::<_, Failure<Error>>(told(ctx, done))
        };
        let paid = outcome.await;
        let declined = declined(&paid, &["input", "payment"]);
        let outcome = paid.map(|paid| paid.order.into());
        let mut payload: Option<OrderCreatePayload> = answer(outcome, &["input"])?;
        if let Some(payload) = &mut payload {
            payload.user_errors.extend(declined);
        }
        Ok(payload)
    }

    /// Buys and pays in one call: computes the price, reserves the stock, takes the payment, publishes `order.created`, and
    /// answers the order with the transaction that tells of it. Nothing is ordered when a line cannot be bought; when the
    /// payment is refused, the transaction is FAILED and the order waits for `orderPay` until its reservation ends.
    /// Requires CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn transaction_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to buy and how to pay.")] input: TransactionCreateInput,
        #[graphql(
            desc = "1 to 255 characters of your choice: the same key again buys nothing again."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<TransactionCreatePayload>, ApiError> {
        let (user_id, _) = scope(ctx)?;
        let app = ctx.data_unchecked::<App>();
        let outcome = async {
            let mut new = input.read(&app.config().limits).map_err(Error::inputs)?;
            new.details.origin = origin(ctx);
            let operation = "transactionCreate";
            let key = idempotency::key(ctx, user_id, operation, idempotency_key, &new)?;
            let done = app.orders().transaction_create(user_id, &new, key).await?;
            Ok::<_, Failure<Error>>(told(ctx, done))
        };
        let (paid, transaction) = match outcome.await {
            Ok(bought) => (Ok(bought.paid), bought.transaction),
            Err(failure) => (Err(failure), None),
        };
        let declined = declined(&paid, &["input", "payment"]);
        let outcome = paid.map(|paid| (transaction.map(Transaction::from), paid.order.into()));
        let mut payload: Option<TransactionCreatePayload> = answer(outcome, &["input"])?;
        if let Some(payload) = &mut payload {
            payload.user_errors.extend(declined);
        }
        Ok(payload)
    }

    /// Makes your cart an order, as `orderCreate` does, and empties it: exactly one order comes of a cart. Requires
    /// CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn cart_checkout(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How to pay, where to send it.")] input: CartCheckoutInput,
        #[graphql(
            desc = "1 to 255 characters of your choice: the same key again makes no second order."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<CartCheckoutPayload>, ApiError> {
        let (user_id, _) = scope(ctx)?;
        let app = ctx.data_unchecked::<App>();
        let outcome = async {
            let currency = &app.config().shop.currency;
            let mut new = input.read(currency).map_err(Error::inputs)?;
            new.details.origin = origin(ctx);
            let key = idempotency::key(ctx, user_id, "cartCheckout", idempotency_key, &new)?;
            let done = app.orders().cart_checkout(user_id, &new, key).await?;
            Ok::<_, Failure<Error>>(told(ctx, done))
        };
        let paid = outcome.await;
        let declined = declined(&paid, &["input", "payment"]);
        let outcome = paid.map(|paid| paid.order.into());
        let mut payload: Option<CartCheckoutPayload> = answer(outcome, &["input"])?;
        if let Some(payload) = &mut payload {
            payload.user_errors.extend(declined);
        }
        Ok(payload)
    }

    /// Pays an order that waits for it. A payment that is refused leaves the order waiting, so that it can be paid again
    /// in another way; one of which it is not known what became of it leaves it PENDING, and goes on by itself. Customers
    /// pay their own, staff everybody's. Requires CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn order_pay(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order.")] id: ID,
        #[graphql(desc = "How to pay.")] input: PaymentInput,
        #[graphql(
            desc = "1 to 255 characters of your choice: the same key again makes no second payment."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<OrderPayPayload>, ApiError> {
        let (user_id, scope) = scope(ctx)?;
        let app = ctx.data_unchecked::<App>();
        let outcome = async {
            let id: OrderId = mutation_id(&id, &["id"]).map_err(Error::Input)?;
            let method = input.read().map_err(Error::inputs)?;
            let arguments = (id, &method);
            let key = idempotency::key(ctx, user_id, "orderPay", idempotency_key, &arguments)?;
            let orders = app.orders();
            let done = orders.order_pay(scope, user_id, id, &method, key).await?;
            Ok::<_, Failure<Error>>(told(ctx, done))
        };
        let paid = outcome.await;
        let declined = declined(&paid, &["input"]);
        let outcome = paid.map(|paid| (paid.order.into(), paid.payment.map(Payment::from)));
        let mut payload: Option<OrderPayPayload> = answer(outcome, &["input"])?;
        if let Some(payload) = &mut payload {
            payload.user_errors.extend(declined);
        }
        Ok(payload)
    }

    /// Holds the stock of an order that waits for its payment for as long again, once. Customers extend their own, staff
    /// everybody's. Requires CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn reservation_extend(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order.")] order_id: ID,
    ) -> Result<Option<ReservationExtendPayload>, ApiError> {
        let (user_id, scope) = scope(ctx)?;
        let app = ctx.data_unchecked::<App>();
        let outcome = async {
            let id: OrderId = mutation_id(&order_id, &["id"]).map_err(Error::Input)?;
            app.orders().reservation_extend(scope, user_id, id).await
        };
        let of_order = |mut problem: Problem| {
            if problem.path == ["id"] {
                problem.path = vec!["orderId".to_owned()];
            }
            Error::Input(problem)
        };
        let outcome = outcome
            .await
            .map_err(|failure| failure.map(|error| of_order(error.problem())));
        answer(outcome.map(Order::from), &[])
    }

    /// Notes that a paid order, or units of its lines, were sent. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn order_fulfill(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order.")] id: ID,
        #[graphql(desc = "What was sent, and how it can be followed.")] input: OrderFulfillInput,
        #[graphql(
            desc = "1 to 255 characters of your choice: the same key again makes no second parcel."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<OrderFulfillPayload>, ApiError> {
        let (user_id, _) = scope(ctx)?;
        let app = ctx.data_unchecked::<App>();
        let outcome = async {
            let id: OrderId = mutation_id(&id, &["id"]).map_err(Error::Input)?;
            let new = input.read().map_err(Error::inputs)?;
            let arguments = (id, &new);
            let key = idempotency::key(ctx, user_id, "orderFulfill", idempotency_key, &arguments)?;
            app.orders().order_fulfil(user_id, id, &new, key).await
        };
        answer(outcome.await.map(|done| told(ctx, done).into()), &["input"])
    }

    /// Pays back what was paid for an order, whole or by line and quantity, never more than was paid. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn order_refund(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order.")] id: ID,
        #[graphql(desc = "What is paid back, and whether it comes back into the stock.")]
        input: OrderRefundInput,
        #[graphql(
            desc = "1 to 255 characters of your choice: the same key again makes no second refund."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<OrderRefundPayload>, ApiError> {
        let (user_id, _) = scope(ctx)?;
        let app = ctx.data_unchecked::<App>();
        let outcome = async {
            let id: OrderId = mutation_id(&id, &["id"]).map_err(Error::Input)?;
            let new = input.read().map_err(Error::inputs)?;
            let arguments = (id, &new);
            let key = idempotency::key(ctx, user_id, "orderRefund", idempotency_key, &arguments)?;
            let done = app.orders().order_refund(user_id, id, &new, key).await?;
            let (order, refund, replayed) = done;
            let (order, refund) = told(ctx, ((order, refund), replayed));
            Ok::<_, Failure<Error>>((Order::from(order), Refund::from(refund)))
        };
        answer(outcome.await, &["input"])
    }

    /// Adds a note that only staff see. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn order_note_add(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order.")] id: ID,
        #[graphql(desc = "Text, 1 to 2,000 characters.")] text: String,
        #[graphql(
            desc = "1 to 255 characters of your choice: the same key again makes no second note."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<OrderNoteAddPayload>, ApiError> {
        let (user_id, _) = scope(ctx)?;
        let app = ctx.data_unchecked::<App>();
        let outcome = async {
            let input = OrderNoteInput { text };
            validate::check(&input).map_err(Error::inputs)?;
            let id: OrderId = mutation_id(&id, &["id"]).map_err(Error::Input)?;
            let arguments = (id, &input.text);
            let key = idempotency::key(ctx, user_id, "orderNoteAdd", idempotency_key, &arguments)?;
            let orders = app.orders();
            orders.order_note_add(user_id, id, &input.text, key).await
        };
        answer(outcome.await.map(|done| told(ctx, done).into()), &[])
    }

    /// Cancels an order of which nothing was sent and gives its stock back; what was paid goes back in full. Customers
    /// cancel their own, staff everybody's. Requires CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn order_cancel(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order.")] id: ID,
        #[graphql(desc = "Why, up to 200 characters.")] reason: Option<String>,
        #[graphql(
            desc = "1 to 255 characters of your choice: the same key again answers the same."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<OrderCancelPayload>, ApiError> {
        let (user_id, scope) = scope(ctx)?;
        let app = ctx.data_unchecked::<App>();
        let outcome = async {
            let input = OrderCancelInput { reason };
            validate::check(&input).map_err(Error::inputs)?;
            let id: OrderId = mutation_id(&id, &["id"]).map_err(Error::Input)?;
            let key = idempotency::key(
                ctx,
                user_id,
                "orderCancel",
                idempotency_key,
                &(id, &input.reason),
            )?;
            app.orders()
                .order_cancel(scope, user_id, id, input.reason.as_deref(), key)
                .await
        };
        answer(outcome.await.map(|done| told(ctx, done).into()), &[])
    }

    /// Marks an order as paid outside of the shop, as by bank transfer: its units leave the stock. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn order_mark_paid(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order.")] id: ID,
        #[graphql(
            desc = "1 to 255 characters of your choice: the same key again answers the same."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<OrderMarkPaidPayload>, ApiError> {
        let (user_id, _) = scope(ctx)?;
        let app = ctx.data_unchecked::<App>();
        let outcome = async {
            let id: OrderId = mutation_id(&id, &["id"]).map_err(Error::Input)?;
            let key = idempotency::key(ctx, user_id, "orderMarkPaid", idempotency_key, &id)?;
            app.orders().order_mark_paid(user_id, id, key).await
        };
        answer(outcome.await.map(|done| told(ctx, done).into()), &[])
    }
}

/// Where the request comes from, for the order to keep.
fn origin(ctx: &Context<'_>) -> Origin {
    let info = ctx.data_unchecked::<RequestInfo>();
    Origin {
        ip: info.ip.map(|ip| ip.to_string()),
        user_agent: info.user_agent.clone(),
        session_id: viewer(ctx).user().map(|user| user.session_id),
    }
}

/// A refused payment, which is told beside the order that waits for another one, where the payment stands in the input.
fn declined(paid: &Result<Paid, Failure<Error>>, path: &[&str]) -> Option<UserError> {
    let refused = paid.as_ref().ok()?.refused()?;
    Some(UserError::new(refused.problem(), path))
}

/// The rules of `orderNoteAdd`'s arguments.
#[derive(Debug, Validate)]
struct OrderNoteInput {
    #[validate(length(max = 2000), custom(function = "not_blank"))]
    text: String,
}

/// The rules of `orderCancel`'s arguments.
#[derive(Debug, Validate)]
struct OrderCancelInput {
    #[validate(length(max = 200))]
    reason: Option<String>,
}
