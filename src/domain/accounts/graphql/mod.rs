//! Accounts in the schema.

mod addresses;
mod inputs;
mod types;

use super::error::Error;
use super::model::{SessionTokens, UsersSort, Viewer};
use super::service::{ProfileChange, Registration};
use crate::app::App;
use crate::error::{Failure, Problem};
use crate::graphql::authorization::{Authorized, viewer};
use crate::graphql::connection::{Connection, PageArgs, list_cost};
use crate::graphql::error::ApiError;
use crate::graphql::loading;
use crate::graphql::payload::{Payload, answer, payload};
use crate::graphql::scalars::{Time, mutation_id, query_id};
use crate::graphql::{idempotency, validate};
use async_graphql::{Context, ID, Object};
use entity::ids::UserId;
use uuid::Uuid;

pub use addresses::*;
pub use inputs::{
    EmailFilter, ProfileUpdateInput, Role, RoleFilter, SessionCreateInput, UserFilter, UserOrder,
    UserOrderField, UserRegisterInput, UserStatus, UserStatusFilter,
};
use types::may_see;
pub use types::{Session, User};

payload!(
    /// The answer to `userRegister`: the newcomer is logged in at once.
    UserRegisterPayload {
        /// The new user.
        user: User,
        /// The session that was opened.
        session: Session,
        /// Goes into the header `Authorization: Bearer …` of further requests.
        access_token: String,
        /// Until when the access token is good.
        access_token_expires_at: Time,
        /// Gets the next pair of tokens by `sessionRefresh`, once. Keep it secret.
        refresh_token: String,
        /// Until when the refresh token is good.
        refresh_token_expires_at: Time,
    }
);

payload!(
    /// The answer to `sessionCreate`.
    SessionCreatePayload {
        /// Goes into the header `Authorization: Bearer …` of further requests.
        access_token: String,
        /// Until when the access token is good.
        access_token_expires_at: Time,
        /// Gets the next pair of tokens by `sessionRefresh`, once. Keep it secret.
        refresh_token: String,
        /// Until when the refresh token is good.
        refresh_token_expires_at: Time,
        /// The session that was opened.
        session: Session,
        /// Who logged in.
        user: User,
    }
);

payload!(
    /// The answer to `sessionRefresh`.
    SessionRefreshPayload {
        /// Goes into the header `Authorization: Bearer …` of further requests.
        access_token: String,
        /// Until when the access token is good.
        access_token_expires_at: Time,
        /// Takes the place of the one that was used. Keep it secret.
        refresh_token: String,
        /// Until when the refresh token is good.
        refresh_token_expires_at: Time,
        /// The session that goes on.
        session: Session,
        /// Whose session it is.
        user: User,
    }
);

payload!(
    /// The answer to `sessionRevoke`.
    SessionRevokePayload {
        /// The session that has ended.
        session: Session,
    }
);

payload!(
    /// The answer to `profileUpdate`.
    ProfileUpdatePayload {
        /// The user after the change.
        user: User,
    }
);

payload!(
    /// The answer to `userSetRole`.
    UserSetRolePayload {
        /// The user after the change.
        user: User,
    }
);

payload!(
    /// The answer to `userSetStatus`.
    UserSetStatusPayload {
        /// The user after the change.
        user: User,
    }
);

/// What a payload with tokens carries, in the order of its fields.
type TokenParts = (String, Time, String, Time, Session, User);

fn token_parts(tokens: SessionTokens) -> TokenParts {
    (
        tokens.access_token,
        tokens.access_token_expires_at.into(),
        tokens.refresh_token,
        tokens.refresh_token_expires_at.into(),
        tokens.session.into(),
        User {
            row: tokens.user,
            is_logging_in: true,
        },
    )
}

/// The answer of a mutation whose input breaks rules.
fn refused<P: Payload>(problems: Vec<Problem>) -> Result<Option<P>, ApiError> {
    answer::<P, Problem>(Err(Failure::Refused(problems)), &["input"])
}

/// Reads about users.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountsQuery;

#[Object]
impl AccountsQuery {
    /// Who you are; null without an access token.
    #[graphql(guard = "Authorized")]
    async fn me(&self, ctx: &Context<'_>) -> Result<Option<User>, ApiError> {
        match viewer(ctx) {
            Viewer::Guest => Ok(None),
            Viewer::User(user) => user_by_id(ctx, user.user_id).await,
        }
    }

    /// A user: yourself, or anybody for staff; else null. Requires the role CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id: `\"01918f2c-7a3b-7c1d-9e2f-5a6b7c8d9e0f\"`.")] id: ID,
    ) -> Result<Option<User>, ApiError> {
        let id = query_id(&id)?;
        if may_see(viewer(ctx), id) {
            user_by_id(ctx, id).await
        } else {
            Ok(None)
        }
    }

    /// Users, newest first unless `orderBy` says else. Requires the role STAFF.
    #[graphql(
        guard = "Authorized",
        complexity = "list_cost(first, last, child_complexity)"
    )]
    #[expect(
        clippy::too_many_arguments,
        reason = "every list takes these arguments"
    )]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items from the start, 1 to 100; 20 if left out.")] first: Option<i32>,
        #[graphql(desc = "Begin after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
        #[graphql(desc = "A page by number from 1, with `first` items each, instead of cursors.")]
        page: Option<i32>,
        #[graphql(desc = "Which users: `{role: {in: [STAFF, ADMIN]}}`.")] filter: Option<
            UserFilter,
        >,
        #[graphql(desc = "In which order: `{field: NAME, direction: ASC}`.")] order_by: Option<
            UserOrder,
        >,
    ) -> Result<Option<Connection<User>>, ApiError> {
        let args = PageArgs {
            first,
            after,
            last,
            before,
            page,
        };
        let request = args.request(ctx)?;
        if let Some(filter) = &filter {
            validate::check_query(filter)?;
        }
        let filter = filter.map(Into::into).unwrap_or_default();
        let (sort, descending) = order_by.map_or((UsersSort::CreatedAt, true), |order| {
            (order.field.into(), order.direction.is_descending())
        });
        let accounts = ctx.data_unchecked::<App>().accounts();
        let page = accounts
            .users_page(&filter, sort, descending, &request)
            .await?;
        Ok(Some(Connection::new(&request, page.map(User::from))))
    }
}

async fn user_by_id(ctx: &Context<'_>, id: UserId) -> Result<Option<User>, ApiError> {
    let loader = loading::of::<super::loaders::UserLoader>(ctx);
    Ok(loader.load_one(id).await?.map(User::from))
}

/// Changes of users and sessions.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountsMutation;

#[Object]
impl AccountsMutation {
    /// Registers a customer and logs them in. An idempotency key is good for this e-mail address; whoever repeats the
    /// request gets a session of their own.
    #[graphql(guard = "Authorized")]
    async fn user_register(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The newcomer.")] input: UserRegisterInput,
        #[graphql(
            desc = "A text of your choice, 1 to 255 characters: the same request with the same key registers once."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<UserRegisterPayload>, ApiError> {
        let mut problems = validate::check(&input).err().unwrap_or_default();
        let registration = Registration {
            name: input.name,
            email: input.email,
            phone: input.phone,
            password: input.password,
        };
        let operation = registration.operation();
        let request =
            idempotency::key(ctx, Uuid::nil(), &operation, idempotency_key, &registration);
        let request = match request {
            Ok(request) => request,
            Err(Failure::Refused(found)) => {
                problems.extend::<Vec<Problem>>(found);
                None
            }
            Err(Failure::Fault(fault)) => return Err(fault.into()),
        };
        if !problems.is_empty() {
            return refused(problems);
        }
        let accounts = ctx.data_unchecked::<App>().accounts();
        let outcome = accounts.user_register(&registration, request).await;
        let outcome = outcome.map(|tokens| {
            let tokens = token_parts(idempotency::told(ctx, tokens));
            let (access, access_until, refresh, refresh_until, session, user) = tokens;
            (user, session, access, access_until, refresh, refresh_until)
        });
        answer(outcome, &["input"])
    }

    /// Logs in with e-mail address or phone number, and password. Nobody is told whether the e-mail address is known.
    #[graphql(guard = "Authorized")]
    async fn session_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What you log in with.")] input: SessionCreateInput,
    ) -> Result<Option<SessionCreatePayload>, ApiError> {
        if let Err(problems) = validate::check(&input) {
            return refused(problems);
        }
        let accounts = ctx.data_unchecked::<App>().accounts();
        let outcome = accounts
            .session_create(&input.identifier, &input.password)
            .await;
        answer(outcome.map(token_parts), &["input"])
    }

    /// Exchanges a refresh token for the next pair of tokens. Each refresh token is good once: when a used one comes
    /// again, its session ends.
    #[graphql(guard = "Authorized")]
    async fn session_refresh(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The refresh token that came last.")] refresh_token: String,
    ) -> Result<Option<SessionRefreshPayload>, ApiError> {
        let accounts = ctx.data_unchecked::<App>().accounts();
        let outcome = accounts.session_refresh(&refresh_token).await;
        answer(outcome.map(token_parts), &[])
    }

    /// Ends one of your sessions; its tokens are refused from then on. Requires the role CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn session_revoke(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which of your sessions; left out or null, the one that asks.")]
        id: Option<ID>,
    ) -> Result<Option<SessionRevokePayload>, ApiError> {
        let Viewer::User(user) = viewer(ctx) else {
            return Err(ApiError::Unauthenticated);
        };
        let id = match id.map(|id| mutation_id(&id, &["id"])).transpose() {
            Ok(id) => id,
            Err(problem) => return answer::<_, Problem>(Err(problem.into()), &[]),
        };
        let accounts = ctx.data_unchecked::<App>().accounts();
        let outcome = accounts.session_revoke(user, id).await;
        answer(outcome.map(Session::from), &[])
    }

    /// Changes your own profile. Requires the role CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn profile_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes; what is left out stays.")] input: ProfileUpdateInput,
    ) -> Result<Option<ProfileUpdatePayload>, ApiError> {
        let Viewer::User(user) = viewer(ctx) else {
            return Err(ApiError::Unauthenticated);
        };
        if let Err(problems) = validate::check(&input) {
            return refused(problems);
        }
        let change = ProfileChange {
            name: input.name,
            phone: input
                .phone
                .as_opt_deref()
                .map(|phone| phone.map(str::to_owned)),
            expected_version: input.expected_version,
        };
        let accounts = ctx.data_unchecked::<App>().accounts();
        let outcome = accounts.profile_update(user.user_id, &change).await;
        answer(outcome.map(User::from), &["input"])
    }

    /// Gives a user a role. It holds for the user's next request, without a new token. The last active admin stays one.
    /// Requires the role ADMIN.
    #[graphql(guard = "Authorized")]
    async fn user_set_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
        #[graphql(desc = "The new role: `STAFF`.")] role: Role,
    ) -> Result<Option<UserSetRolePayload>, ApiError> {
        let id = match mutation_id(&id, &["id"]) {
            Ok(id) => id,
            Err(problem) => return answer::<_, Problem>(Err(problem.into()), &[]),
        };
        let accounts = ctx.data_unchecked::<App>().accounts();
        let outcome = accounts.user_set_role(id, role.into()).await;
        answer(outcome.map(User::from), &[])
    }

    /// Enables or disables a user. Disabling ends all sessions of the user at once. Only admins may do this to an
    /// admin, and the last active admin stays active. Requires the role STAFF.
    #[graphql(guard = "Authorized")]
    async fn user_set_status(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
        #[graphql(desc = "The new status: `DISABLED`.")] status: UserStatus,
    ) -> Result<Option<UserSetStatusPayload>, ApiError> {
        let id = match mutation_id(&id, &["id"]) {
            Ok(id) => id,
            Err(problem) => return answer::<_, Problem>(Err(problem.into()), &[]),
        };
        let accounts = ctx.data_unchecked::<App>().accounts();
        let outcome = accounts
            .user_set_status(viewer(ctx), id, status.into())
            .await;
        match outcome {
            Err(Failure::Refused(errors)) if errors == [Error::AdminOnly] => {
                Err(ApiError::Forbidden)
            }
            outcome => answer(outcome.map(User::from), &[]),
        }
    }
}
