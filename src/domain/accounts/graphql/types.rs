//! Users and sessions in the schema.

use super::super::model::{self, Viewer};
use super::{Address, Role, UserStatus, addresses};
use crate::domain::wallet::graphql::{
    Transaction, TransactionFilter, TransactionOrder, transactions_below,
};
use crate::graphql::authorization::viewer;
use crate::graphql::connection::{Connection, PageArgs, list_cost};
use crate::graphql::error::ApiError;
use crate::graphql::scalars::{Time, id};
use async_graphql::{Context, ID, Object, SimpleObject};
use entity::accounts as values;
use entity::ids::UserId;

/// A person who buys or runs the shop.
#[derive(Clone, Debug)]
pub struct User {
    pub(super) row: model::User,
    /// The user is the one who asks, though the request came without a token: it is being logged in.
    pub(super) is_logging_in: bool,
}

impl From<model::User> for User {
    fn from(row: model::User) -> Self {
        Self {
            row,
            is_logging_in: false,
        }
    }
}

/// A person who buys or runs the shop.
#[Object]
impl User {
    /// Id.
    async fn id(&self) -> ID {
        id(self.row.id)
    }

    /// Name as the user writes it.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// E-mail address, in lower case. Only the user and staff see it.
    async fn email(&self, ctx: &Context<'_>) -> Option<&str> {
        self.shown(ctx).then_some(self.row.email.as_str())
    }

    /// Phone number in the form of E.164: `"+442071838750"`. Only the user and staff see it.
    async fn phone(&self, ctx: &Context<'_>) -> Option<&str> {
        let phone = self.row.phone.as_deref();
        phone.filter(|_| self.shown(ctx))
    }

    /// What the user may do.
    async fn role(&self) -> Role {
        self.row.role.into()
    }

    /// Whether the user may log in.
    async fn status(&self) -> UserStatus {
        self.row.status.into()
    }

    /// The address book, oldest first. Only the user and staff see it; for others it is empty.
    async fn addresses(&self, ctx: &Context<'_>) -> Result<Vec<Address>, ApiError> {
        addresses::of_user(ctx, self.row.id, self.shown(ctx)).await
    }

    /// Raised by each change; give it as `expectedVersion` to change only what you have seen.
    async fn version(&self) -> i32 {
        self.row.version
    }

    /// The user's transactions, newest first. Only the user and staff see them; else null.
    #[graphql(complexity = "list_cost(first, last, child_complexity)")]
    #[expect(
        clippy::too_many_arguments,
        reason = "every list takes these arguments"
    )]
    async fn transactions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items from the start, 1 to 100; 20 if left out.")] first: Option<i32>,
        #[graphql(desc = "Begin after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
        #[graphql(desc = "A page by number from 1, with `first` items each, instead of cursors.")]
        page: Option<i32>,
        #[graphql(desc = "Which transactions: `{kind: {eq: DEPOSIT}}`.")] filter: Option<
            TransactionFilter,
        >,
        #[graphql(desc = "In which order: `{field: AMOUNT, direction: DESC}`.")] order_by: Option<
            TransactionOrder,
        >,
    ) -> Result<Option<Connection<Transaction>>, ApiError> {
        if !may_see(viewer(ctx), self.row.id) {
            return Ok(None);
        }
        let args = PageArgs {
            first,
            after,
            last,
            before,
            page,
        };
        let found = transactions_below(ctx, self.row.id, args, filter, order_by).await?;
        Ok(Some(found))
    }

    /// When the user registered.
    async fn created_at(&self) -> Time {
        self.row.created_at.into()
    }

    /// When the user changed last.
    async fn updated_at(&self) -> Time {
        self.row.updated_at.into()
    }
}

impl User {
    /// Whether the viewer may see how to reach the user.
    fn shown(&self, ctx: &Context<'_>) -> bool {
        self.is_logging_in || may_see(viewer(ctx), self.row.id)
    }
}

/// Whether a viewer may see all of a user.
pub(super) fn may_see(viewer: &Viewer, id: UserId) -> bool {
    viewer.is(values::Role::Staff) || viewer.user().is_some_and(|user| user.user_id == id)
}

/// A log-in of a user. It goes on as long as it is refreshed.
#[derive(Clone, Debug, SimpleObject)]
pub struct Session {
    /// Id; `sessionRevoke` takes it.
    pub id: ID,
    /// When it began.
    pub created_at: Time,
    /// When it ends if it is not refreshed.
    pub expires_at: Time,
    /// When it was ended, if it was.
    pub revoked_at: Option<Time>,
}

impl From<model::Session> for Session {
    fn from(session: model::Session) -> Self {
        Self {
            id: id(session.id),
            created_at: session.created_at.into(),
            expires_at: session.expires_at.into(),
            revoked_at: session.revoked_at.map(Time::from),
        }
    }
}
