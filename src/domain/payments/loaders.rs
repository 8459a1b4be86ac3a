//! Batches of one request: payments and refunds of orders, refunds of payments.

use super::store;
use crate::app::App;
use crate::db::Db;
use crate::error::Fault;
use crate::graphql::batch::grouped;
use crate::graphql::loading::{Loaders, OfRequest, Place};
use async_graphql::dataloader::Loader;
use entity::ids::{OrderId, PaymentId};
use entity::payments::{payment, refund};
use std::collections::HashMap;
use std::sync::Arc;

/// Reads of payments, batched within a request.
#[derive(Clone, Debug)]
pub struct PaymentsLoader {
    db: Db,
}

/// Payments of an order, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PaymentsOfOrder(pub OrderId);

/// Refunds of an order, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RefundsOfOrder(pub OrderId);

/// Refunds of a payment, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RefundsOfPayment(pub PaymentId);

impl Loader<PaymentsOfOrder> for PaymentsLoader {
    type Value = Vec<payment::Model>;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[PaymentsOfOrder],
    ) -> Result<HashMap<PaymentsOfOrder, Self::Value>, Self::Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let rows = self
            .db
            .read("payments.load_payments", async |c| {
                Ok::<_, Fault>(store::payments_of_orders(&*c, &ids).await?)
            })
            .await?;
        Ok(grouped(
            rows.into_iter()
                .map(|row| (PaymentsOfOrder(row.order_id), row)),
        ))
    }
}

impl Loader<RefundsOfOrder> for PaymentsLoader {
    type Value = Vec<refund::Model>;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[RefundsOfOrder],
    ) -> Result<HashMap<RefundsOfOrder, Self::Value>, Self::Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let rows = self
            .db
            .read("payments.load_refunds", async |c| {
                Ok::<_, Fault>(store::refunds_of_orders(&*c, &ids).await?)
            })
            .await?;
        Ok(grouped(
            rows.into_iter()
                .map(|row| (RefundsOfOrder(row.order_id), row)),
        ))
    }
}

impl Loader<RefundsOfPayment> for PaymentsLoader {
    type Value = Vec<refund::Model>;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[RefundsOfPayment],
    ) -> Result<HashMap<RefundsOfPayment, Self::Value>, Self::Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let rows = self
            .db
            .read("payments.load_refunds_of_payments", async |c| {
                Ok::<_, Fault>(store::refunds_of_payments(&*c, &ids).await?)
            })
            .await?;
        Ok(grouped(
            rows.into_iter()
                .map(|row| (RefundsOfPayment(row.payment_id), row)),
        ))
    }
}

impl OfRequest for PaymentsLoader {
    fn new(app: &App) -> Self {
        Self {
            db: app.db().clone(),
        }
    }

    fn place(loaders: &Loaders) -> &Place<Self> {
        &loaders.payments
    }
}
