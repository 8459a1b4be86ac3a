//! Every query of accounts.

mod addresses;

pub use addresses::*;

use super::error::Error;
use super::model::{Identifier, Session, User, UsersFilter, UsersSort};
use super::viewer_cache::SessionState;
use crate::db::error::is_duplicate;
use crate::db::page::{self, Keyset};
use crate::error::{Failure, Fault};
use crate::page::{Page, PageRequest};
use chrono::{DateTime, Utc};
use entity::accounts::{Role, UserStatus, refresh_token, session, user};
use entity::ids::{RefreshTokenId, SessionId, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, JoinType, QueryFilter,
    QuerySelect, Select, SelectExt as _,
};

/// What of a user may change by its own hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Name.
    pub name: String,
    /// Phone.
    pub phone: Option<String>,
}

/// Turns the unique indexes of `users` into errors of the caller.
fn taken(error: DbErr) -> Failure<Error> {
    if is_duplicate(&error, "uq_users_email", "users.email") {
        Error::EmailTaken.into()
    } else if is_duplicate(&error, "uq_users_phone", "users.phone") {
        Error::PhoneTaken.into()
    } else {
        error.into()
    }
}

/// Makes sure that an update touched the one row it was for.
fn one_row(rows: u64, what: &str) -> Result<(), Fault> {
    if rows == 1 {
        Ok(())
    } else {
        Err(Fault::Broken(format!("{what}: {rows} rows instead of 1")))
    }
}

/// Writes a user.
///
/// # Errors
/// [`Error::EmailTaken`], [`Error::PhoneTaken`].
pub async fn user_insert(c: &impl ConnectionTrait, row: user::Model) -> Result<(), Failure<Error>> {
    user::Entity::insert(row.into_active_model())
        .exec_without_returning(c)
        .await
        .map_err(taken)?;
    Ok(())
}

/// Whether there is no user.
pub async fn users_none(c: &impl ConnectionTrait) -> Result<bool, DbErr> {
    Ok(!user::Entity::find().exists(c).await?)
}

/// Which of an e-mail and a phone somebody has already: a look before the password is hashed; the unique indexes
/// decide.
pub async fn user_taken(
    c: &impl ConnectionTrait,
    email: &str,
    phone: Option<&str>,
) -> Result<Vec<Error>, DbErr> {
    let mut errors = Vec::new();
    let email = Identifier::Email(email.to_owned());
    if user_by_identifier(c, &email).await?.is_some() {
        errors.push(Error::EmailTaken);
    }
    if let Some(phone) = phone {
        let phone = Identifier::Phone(phone.to_owned());
        if user_by_identifier(c, &phone).await?.is_some() {
            errors.push(Error::PhoneTaken);
        }
    }
    Ok(errors)
}

/// A user.
pub async fn user_by_id(
    c: &impl ConnectionTrait,
    id: UserId,
) -> Result<Option<user::Model>, DbErr> {
    user::Entity::find_by_id(id).one(c).await
}

/// A user whose row nobody changes until the transaction ends.
pub async fn user_lock(c: &impl ConnectionTrait, id: UserId) -> Result<Option<user::Model>, DbErr> {
    user::Entity::find_by_id(id).lock_exclusive().one(c).await
}

/// The user who logs in with an identifier.
pub async fn user_by_identifier(
    c: &impl ConnectionTrait,
    identifier: &Identifier,
) -> Result<Option<user::Model>, DbErr> {
    let found = match identifier {
        Identifier::Email(email) => user::COLUMN.email.eq(email.as_str()),
        Identifier::Phone(phone) => user::COLUMN.phone.eq(phone.as_str()),
        Identifier::Unknown => return Ok(None),
    };
    user::Entity::find().filter(found).one(c).await
}

/// Users by id.
pub async fn users_by_ids(c: &impl ConnectionTrait, ids: &[UserId]) -> Result<Vec<User>, DbErr> {
    let rows = user::Entity::find()
        .filter(user::COLUMN.id.is_in(ids.to_vec()))
        .all(c)
        .await?;
    Ok(rows.into_iter().map(User::from).collect())
}

/// The active admins, whose rows nobody changes until the transaction ends.
pub async fn admins_lock(c: &impl ConnectionTrait) -> Result<Vec<UserId>, DbErr> {
    let rows = user::Entity::find()
        .filter(user::COLUMN.role.eq(Role::Admin))
        .filter(user::COLUMN.status.eq(UserStatus::Active))
        .lock_exclusive()
        .all(c)
        .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// A page of users.
pub async fn users_page(
    c: &impl ConnectionTrait,
    filter: &UsersFilter,
    sort: UsersSort,
    descending: bool,
    request: &PageRequest,
) -> Result<Page<User>, page::Error> {
    let (name, column) = match sort {
        UsersSort::CreatedAt => ("CREATED_AT", user::Column::CreatedAt),
        UsersSort::Name => ("NAME", user::Column::Name),
    };
    let keyset = Keyset {
        name,
        column,
        id: user::Column::Id,
        descending,
    };
    let page = page::fetch(c, users(filter), &keyset, request).await?;
    Ok(page.map(User::from))
}

fn users(filter: &UsersFilter) -> Select<user::Entity> {
    let mut select = user::Entity::find();
    if let Some(roles) = &filter.roles {
        select = select.filter(user::COLUMN.role.is_in(roles.clone()));
    }
    if let Some(statuses) = &filter.statuses {
        select = select.filter(user::COLUMN.status.is_in(statuses.clone()));
    }
    if let Some(emails) = &filter.emails {
        select = select.filter(user::COLUMN.email.is_in(emails.clone()));
    }
    select
}

/// Changes a user's profile, whose row is locked.
///
/// # Errors
/// [`Error::PhoneTaken`].
pub async fn user_profile_set(
    c: &impl ConnectionTrait,
    row: &user::Model,
    profile: &Profile,
    now: DateTime<Utc>,
) -> Result<(), Failure<Error>> {
    let done = user::Entity::update_many()
        .col_expr(user::Column::Name, Expr::value(profile.name.clone()))
        .col_expr(user::Column::Phone, Expr::value(profile.phone.clone()))
        .col_expr(user::Column::Version, Expr::value(row.version + 1))
        .col_expr(user::Column::UpdatedAt, Expr::value(now))
        .filter(user::COLUMN.id.eq(row.id))
        .filter(user::COLUMN.version.eq(row.version))
        .exec(c)
        .await
        .map_err(taken)?;
    Ok(one_row(done.rows_affected, "changing a profile")?)
}

/// Gives a user, whose row is locked, a role and a status.
pub async fn user_standing_set(
    c: &impl ConnectionTrait,
    row: &user::Model,
    role: Role,
    status: UserStatus,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let done = user::Entity::update_many()
        .col_expr(user::Column::Role, Expr::value(role))
        .col_expr(user::Column::Status, Expr::value(status))
        .col_expr(user::Column::Version, Expr::value(row.version + 1))
        .col_expr(user::Column::UpdatedAt, Expr::value(now))
        .filter(user::COLUMN.id.eq(row.id))
        .filter(user::COLUMN.version.eq(row.version))
        .exec(c)
        .await?;
    one_row(done.rows_affected, "changing a user's role or status")
}

/// Writes a session.
pub async fn session_insert(c: &impl ConnectionTrait, row: session::Model) -> Result<(), DbErr> {
    session::Entity::insert(row.into_active_model())
        .exec_without_returning(c)
        .await?;
    Ok(())
}

/// A session.
pub async fn session_by_id(
    c: &impl ConnectionTrait,
    id: SessionId,
) -> Result<Option<session::Model>, DbErr> {
    session::Entity::find_by_id(id).one(c).await
}

/// A user's own session.
pub async fn session_of_user(
    c: &impl ConnectionTrait,
    user_id: UserId,
    id: SessionId,
) -> Result<Option<Session>, DbErr> {
    let row = session::Entity::find_by_id(id)
        .filter(session::COLUMN.user_id.eq(user_id))
        .one(c)
        .await?;
    Ok(row.map(Session::from))
}

/// What a request with a token of this session needs to know, in one query.
pub async fn session_state(
    c: &impl ConnectionTrait,
    id: SessionId,
) -> Result<Option<SessionState>, DbErr> {
    let user = session::Entity::belongs_to(user::Entity)
        .from(session::Column::UserId)
        .to(user::Column::Id)
        .into();
    let row = session::Entity::find_by_id(id)
        .join(JoinType::InnerJoin, user)
        .select_only()
        .column(session::Column::UserId)
        .column(session::Column::ExpiresAt)
        .column(session::Column::RevokedAt)
        .column(user::Column::Role)
        .column(user::Column::Status)
        .into_tuple::<(
            UserId,
            DateTime<Utc>,
            Option<DateTime<Utc>>,
            Role,
            UserStatus,
        )>()
        .one(c)
        .await?;
    Ok(row.map(
        |(user_id, expires_at, revoked_at, role, status)| SessionState {
            user_id,
            role,
            status,
            expires_at,
            revoked_at,
        },
    ))
}

/// Lengthens a session; `false` when it was ended meanwhile.
pub async fn session_refreshed(
    c: &impl ConnectionTrait,
    id: SessionId,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let done = session::Entity::update_many()
        .col_expr(session::Column::RefreshedAt, Expr::value(now))
        .col_expr(session::Column::ExpiresAt, Expr::value(expires_at))
        .filter(session::COLUMN.id.eq(id))
        .filter(session::COLUMN.revoked_at.is_null())
        .exec(c)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Ends a user's session; `false` when it has ended already or is not theirs.
pub async fn session_revoke(
    c: &impl ConnectionTrait,
    user_id: UserId,
    id: SessionId,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let done = session::Entity::update_many()
        .col_expr(session::Column::RevokedAt, Expr::value(now))
        .filter(session::COLUMN.id.eq(id))
        .filter(session::COLUMN.user_id.eq(user_id))
        .filter(session::COLUMN.revoked_at.is_null())
        .exec(c)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Ends all sessions of a user; how many there were.
pub async fn sessions_revoke(
    c: &impl ConnectionTrait,
    user_id: UserId,
    now: DateTime<Utc>,
) -> Result<u64, DbErr> {
    let done = session::Entity::update_many()
        .col_expr(session::Column::RevokedAt, Expr::value(now))
        .filter(session::COLUMN.user_id.eq(user_id))
        .filter(session::COLUMN.revoked_at.is_null())
        .exec(c)
        .await?;
    Ok(done.rows_affected)
}

/// Writes a refresh token. Two of the same hash would be two equal draws of 256 random bits: a fault.
pub async fn refresh_token_insert(
    c: &impl ConnectionTrait,
    row: refresh_token::Model,
) -> Result<(), Fault> {
    let done = refresh_token::Entity::insert(row.into_active_model())
        .exec_without_returning(c)
        .await;
    match done {
        Err(error)
            if is_duplicate(
                &error,
                "uq_refresh_tokens_hash",
                "refresh_tokens.token_hash",
            ) =>
        {
            Err(Fault::doing("drawing a refresh token twice")(error))
        }
        done => Ok(done.map(|_| ())?),
    }
}

/// A refresh token by what is stored of it.
pub async fn refresh_token_by_hash(
    c: &impl ConnectionTrait,
    hash: &str,
) -> Result<Option<refresh_token::Model>, DbErr> {
    refresh_token::Entity::find()
        .filter(refresh_token::COLUMN.token_hash.eq(hash))
        .one(c)
        .await
}

/// Uses a refresh token; `false` when somebody was quicker.
pub async fn refresh_token_use(
    c: &impl ConnectionTrait,
    id: RefreshTokenId,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let done = refresh_token::Entity::update_many()
        .col_expr(refresh_token::Column::UsedAt, Expr::value(now))
        .filter(refresh_token::COLUMN.id.eq(id))
        .filter(refresh_token::COLUMN.used_at.is_null())
        .exec(c)
        .await?;
    Ok(done.rows_affected == 1)
}
