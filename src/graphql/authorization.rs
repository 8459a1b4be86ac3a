//! Who may use which root field: one table, and a guard that reads it.
//!
//! A root field that is not in the table is refused for everybody, and `tests/it/authorization.rs` fails for it.
//! [`viewer`] is the only function that tells a resolver who asks.

use super::error::ApiError;
use crate::cache::trace;
use crate::domain::accounts::model::Viewer;
use async_graphql::{Context, Guard};
use entity::accounts::Role;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The least role for a root field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody, and the answer may be kept and shared unless something in it asked who wants it.
    Public,
    /// Everybody, but the answer depends on who asks.
    Guest,
    /// Users with at least this role.
    Least(Role),
}

use Access::{Guest, Least, Public};
use Role::{Admin, Customer, Staff};

/// Every root field with the least role that may use it, as `Query.orders`.
pub const TABLE: &[(&str, Access)] = &[
    ("Query.shop", Public),
    ("Query.me", Guest),
    ("Query.user", Least(Customer)),
    ("Query.users", Least(Staff)),
    ("Query.warehouse", Least(Staff)),
    ("Query.stockMovements", Least(Staff)),
    ("Query.product", Public),
    ("Query.products", Public),
    ("Query.category", Public),
    ("Query.categories", Public),
    ("Query.warehouses", Least(Staff)),
    ("Query.cart", Guest),
    ("Query.order", Least(Customer)),
    ("Query.orders", Least(Customer)),
    ("Query.orderSummary", Least(Customer)),
    ("Query.salesStatistics", Least(Staff)),
    ("Query.assets", Public),
    ("Query.wallet", Least(Customer)),
    ("Query.walletStatement", Least(Customer)),
    ("Query.transaction", Least(Customer)),
    ("Query.transactions", Least(Customer)),
    ("Mutation.userRegister", Guest),
    ("Mutation.sessionCreate", Guest),
    ("Mutation.sessionRefresh", Guest),
    ("Mutation.sessionRevoke", Least(Customer)),
    ("Mutation.profileUpdate", Least(Customer)),
    ("Mutation.userSetRole", Least(Admin)),
    ("Mutation.userSetStatus", Least(Staff)),
    ("Mutation.categoryCreate", Least(Staff)),
    ("Mutation.categoryUpdate", Least(Staff)),
    ("Mutation.categoryMove", Least(Staff)),
    ("Mutation.categoryDelete", Least(Staff)),
    ("Mutation.productCreate", Least(Staff)),
    ("Mutation.productUpdate", Least(Staff)),
    ("Mutation.productsUpdate", Least(Staff)),
    ("Mutation.productDelete", Least(Staff)),
    ("Mutation.variantCreate", Least(Staff)),
    ("Mutation.variantUpdate", Least(Staff)),
    ("Mutation.variantDelete", Least(Staff)),
    ("Mutation.warehouseCreate", Least(Staff)),
    ("Mutation.warehouseUpdate", Least(Staff)),
    ("Mutation.warehouseSetStatus", Least(Staff)),
    ("Mutation.stockTransfer", Least(Staff)),
    ("Mutation.stockAdjust", Least(Staff)),
    ("Mutation.variantSetStocked", Least(Staff)),
    ("Mutation.addressCreate", Least(Customer)),
    ("Mutation.addressUpdate", Least(Customer)),
    ("Mutation.addressDelete", Least(Customer)),
    ("Mutation.addressSetDefault", Least(Customer)),
    ("Mutation.cartLinesAdd", Guest),
    ("Mutation.cartLinesUpdate", Guest),
    ("Mutation.cartLinesRemove", Guest),
    ("Mutation.cartClear", Guest),
    ("Mutation.cartDelete", Guest),
    ("Mutation.cartMerge", Least(Customer)),
    ("Mutation.orderCreate", Least(Customer)),
    ("Mutation.cartCheckout", Least(Customer)),
    ("Mutation.transactionCreate", Least(Customer)),
    ("Mutation.orderPay", Least(Customer)),
    ("Mutation.orderCancel", Least(Customer)),
    ("Mutation.reservationExtend", Least(Customer)),
    ("Mutation.orderFulfill", Least(Staff)),
    ("Mutation.orderRefund", Least(Staff)),
    ("Mutation.orderNoteAdd", Least(Staff)),
    ("Mutation.orderMarkPaid", Least(Staff)),
    ("Mutation.walletDeposit", Least(Customer)),
    ("Mutation.walletWithdraw", Least(Customer)),
    ("Subscription.orderUpdated", Least(Customer)),
    ("Subscription.ordersUpdated", Least(Staff)),
    ("Subscription.productUpdated", Public),
    ("Subscription.stockUpdated", Least(Staff)),
];

/// The access that the table states for a root field. The roots share no names, which the test of the table checks.
#[must_use]
pub fn access(field: &str) -> Option<Access> {
    static BY_FIELD: LazyLock<HashMap<&str, Access>> = LazyLock::new(|| {
        let fields = TABLE.iter().rev();
        fields
            .filter_map(|(name, access)| Some((name.split('.').nth(1)?, *access)))
            .collect()
    });
    BY_FIELD.get(field).copied()
}

/// Refuses a root field to those whom the table does not allow it: `#[graphql(guard = "Authorized")]`.
#[derive(Clone, Copy, Debug)]
pub struct Authorized;

impl Guard for Authorized {
    async fn check(&self, ctx: &Context<'_>) -> async_graphql::Result<()> {
        match access(ctx.field().name()) {
            Some(Access::Public | Access::Guest) => Ok(()),
            Some(Access::Least(least)) => Ok(require(ctx, least)?),
            None => Err(ApiError::Forbidden.into()),
        }
    }
}

/// Whether the answer to these root fields may be kept and shared if nothing in it is private.
#[must_use]
pub fn may_be_shared(root_fields: &[String]) -> bool {
    root_fields
        .iter()
        .all(|field| access(field) == Some(Access::Public))
}

/// Who asks. Answers that use it are private to that viewer: they are not kept.
#[must_use]
pub fn viewer<'a>(ctx: &Context<'a>) -> &'a Viewer {
    trace::forbid();
    ctx.data_unchecked::<Viewer>()
}

/// Refuses viewers below a role; for fields below the root that only some may see.
///
/// # Errors
/// `UNAUTHENTICATED` for guests, `FORBIDDEN` for users with a lesser role.
pub fn require(ctx: &Context<'_>, least: Role) -> Result<(), ApiError> {
    match viewer(ctx) {
        Viewer::Guest => Err(ApiError::Unauthenticated),
        Viewer::User(user) if user.role >= least => Ok(()),
        Viewer::User(_) => Err(ApiError::Forbidden),
    }
}

/// Whether the viewer has at least this role.
#[must_use]
pub fn is(ctx: &Context<'_>, least: Role) -> bool {
    matches!(viewer(ctx), Viewer::User(user) if user.role >= least)
}
