//! An order to pay, and what became of paying it.

use super::TestApp;
use entity::accounts::Role;
use entity::ids::{OrderId, PaymentId, RefundId, UserId};
use entity::payments::{
    AttemptResult, ProviderOperation, payment, payment_attempt, refund,
    simulated_gateway_operation, simulated_gateway_payment,
};
use entity::wallet::AccountKind;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use tradepost::domain::catalog::model::VariantReference;
use tradepost::domain::orders::service::{Details, NewLine, NewOrder};
use tradepost::domain::payments::service::hook::Hook;
use tradepost::domain::payments::service::{
    Method, NewPayment, NewRefund, RefundExceedsCapture, Service,
};
use tradepost::domain::wallet::model::Account;
use tradepost::error::Fault;

/// What an order costs in pence.
pub(crate) const PRICE: i64 = 1_485;

/// A shop with an order that waits for its payment.
pub(crate) struct Till {
    pub(crate) test: TestApp,
    pub(crate) user: UserId,
    pub(crate) order: OrderId,
}

impl Till {
    pub(crate) async fn open() -> Self {
        Self::with(&[]).await
    }

    /// The same with other settings.
    pub(crate) async fn with(changes: &[(&'static str, serde_json::Value)]) -> Self {
        let test = TestApp::with(changes).await;
        let warehouse = test.warehouse("MAIN", 0).await;
        test.product("TEA", PRICE, warehouse, 100).await;
        let user = test.user("buyer@example.com", Role::Customer).await;
        let new = NewOrder {
            lines: vec![NewLine {
                reference: VariantReference::Sku("tea".to_owned()),
                quantity: 1,
            }],
            details: Details::default(),
        };
        let (order, _) = test
            .app
            .orders()
            .order_create(user, &new, None)
            .await
            .unwrap();
        Self {
            user,
            order: order.order.id,
            test,
        }
    }

    /// Another process on the same database: it knows no tokens.
    pub(crate) fn process(&self, hook: Hook) -> Service {
        let app = &self.test.app;
        Service::new(
            app.db().clone(),
            app.clock().clone(),
            app.wallet().clone(),
            &app.config().payments,
            hook,
        )
    }

    /// A payment of the order, written and not driven.
    pub(crate) async fn insert(&self, payments: &Service, token: &str) -> PaymentId {
        let new = NewPayment {
            id: self.test.app.clock().id(),
            order_id: self.order,
            user_id: self.user,
            amount_minor: PRICE,
            currency: "GBP".to_owned(),
            method: Method::Card {
                token: token.to_owned(),
            },
            purchase: None,
        };
        let (row, db) = (&new, self.test.app.db());
        db.write("test.payment", async |tx| {
            payments.payment_insert_in(&tx, row).await
        })
        .await
        .unwrap();
        new.id
    }

    /// A refund of a payment, written and not driven.
    pub(crate) async fn refund(
        &self,
        payments: &Service,
        payment_id: PaymentId,
        amount_minor: i64,
    ) -> Result<RefundId, RefundExceedsCapture> {
        let new = NewRefund {
            id: self.test.app.clock().id(),
            payment_id,
            order_id: self.order,
            amount_minor,
            reason: Some("broken".to_owned()),
        };
        let (row, db) = (&new, self.test.app.db());
        let claimed = db
            .write("test.refund", async |tx| {
                payments.refund_insert_in(&tx, row).await
            })
            .await;
        claimed.unwrap().map(|()| new.id)
    }

    /// Lets `ms` milliseconds pass.
    pub(crate) fn wait(&self, ms: i64) {
        let by = chrono::TimeDelta::milliseconds(ms);
        self.test.app.clock().advance(by);
    }

    pub(crate) async fn payment(&self, id: PaymentId) -> payment::Model {
        self.test
            .app
            .payments()
            .payment_by_id(id)
            .await
            .unwrap()
            .unwrap()
    }

    /// What was asked for a payment, in order, with what came back.
    pub(crate) async fn attempts(
        &self,
        id: PaymentId,
    ) -> Vec<(ProviderOperation, Option<AttemptResult>)> {
        let query = payment_attempt::Entity::find()
            .filter(payment_attempt::COLUMN.payment_id.eq(id))
            .order_by_asc(payment_attempt::COLUMN.id);
        let rows = self
            .test
            .app
            .db()
            .read("test.attempts", async |c| {
                Ok::<_, Fault>(query.all(&*c).await?)
            })
            .await
            .unwrap();
        rows.iter().map(|row| (row.operation, row.result)).collect()
    }

    pub(crate) async fn refunds(&self) -> Vec<refund::Model> {
        self.test
            .app
            .payments()
            .refunds_of(&[self.order])
            .await
            .unwrap()
    }

    /// What the provider did for a payment, in order.
    pub(crate) async fn done(&self, id: PaymentId) -> Vec<ProviderOperation> {
        let query = simulated_gateway_operation::Entity::find()
            .filter(
                simulated_gateway_operation::COLUMN
                    .reference
                    .eq(id.to_string()),
            )
            .order_by_asc(simulated_gateway_operation::COLUMN.created_at);
        let rows = self
            .test
            .app
            .db()
            .read("test.operations", async |c| {
                Ok::<_, Fault>(query.all(&*c).await?)
            })
            .await
            .unwrap();
        rows.iter().map(|row| row.operation).collect()
    }

    /// What the provider has of a payment, taken less paid back; nothing when it never heard of it.
    pub(crate) async fn at_provider(&self, id: PaymentId) -> Option<i64> {
        let query = simulated_gateway_payment::Entity::find_by_id(id.to_string());
        let row = self
            .test
            .app
            .db()
            .read("test.gateway", async |c| {
                Ok::<_, Fault>(query.one(&*c).await?)
            })
            .await
            .unwrap();
        row.map(|row| row.captured_minor - row.refunded_minor)
    }

    /// What the shop earned, by the ledger's balances.
    pub(crate) async fn earned(&self) -> i64 {
        let account = Account::of_shop(AccountKind::MerchantRevenue, "GBP");
        self.test.app.wallet().balance(&account).await.unwrap()
    }

    /// Everything that does not add up.
    pub(crate) async fn drift(&self) -> Vec<String> {
        let mut drifts = Vec::new();
        let mut report = |drift: tradepost::domain::wallet::service::Drift| drifts.push(drift.0);
        let app = &self.test.app;
        app.wallet().verify(&mut report).await.unwrap();
        app.payments().ledger_verify(&mut report).await.unwrap();
        drifts
    }
}
