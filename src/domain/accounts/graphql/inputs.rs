//! Inputs of accounts; their rules are those of `model.rs`.

use crate::domain::accounts::model::{self, Flaw, UsersFilter, UsersSort};
use crate::error::ErrorCode;
use crate::graphql::connection::OrderDirection;
use crate::graphql::filter::one_of;
use async_graphql::{Enum, InputObject, MaybeUndefined};
use entity::accounts as values;
use validator::{Validate, ValidationError};

/// What a user may do; each role may do all that the ones before it may. New values may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, serde::Serialize)]
#[graphql(remote = "entity::accounts::Role")]
pub enum Role {
    /// Buys.
    Customer,
    /// Runs the shop: catalogue, stock, everybody's orders.
    Staff,
    /// Gives roles.
    Admin,
}

/// Whether a user may log in. New values may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, serde::Serialize)]
#[graphql(remote = "entity::accounts::UserStatus")]
pub enum UserStatus {
    /// May log in.
    Active,
    /// Was switched off by staff; all sessions have ended.
    Disabled,
}

/// What a list of users is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum UserOrderField {
    /// When they registered.
    CreatedAt,
    /// Their names; capital letters come before small ones.
    Name,
}

impl From<UserOrderField> for UsersSort {
    fn from(field: UserOrderField) -> Self {
        match field {
            UserOrderField::CreatedAt => Self::CreatedAt,
            UserOrderField::Name => Self::Name,
        }
    }
}

/// How a list of users is sorted. Equal ones follow the order of their ids.
#[derive(Clone, Copy, Debug, InputObject, Validate)]
pub struct UserOrder {
    /// What it is sorted by.
    pub field: UserOrderField,
    /// In which direction.
    #[graphql(default_with = "OrderDirection::Asc")]
    pub direction: OrderDirection,
}

/// Chooses by role. All that is given must hold.
#[derive(Clone, Debug, InputObject, Validate)]
pub struct RoleFilter {
    /// Is this one: `STAFF`.
    pub eq: Option<Role>,
    /// Is one of these: `[STAFF, ADMIN]`. An empty list matches nobody.
    #[graphql(name = "in")]
    #[validate(length(max = 100))]
    pub is_in: Option<Vec<Role>>,
}

/// Chooses by status. All that is given must hold.
#[derive(Clone, Debug, InputObject, Validate)]
pub struct UserStatusFilter {
    /// Is this one: `DISABLED`.
    pub eq: Option<UserStatus>,
    /// Is one of these: `[ACTIVE, DISABLED]`. An empty list matches nobody.
    #[graphql(name = "in")]
    #[validate(length(max = 100))]
    pub is_in: Option<Vec<UserStatus>>,
}

/// Chooses by e-mail address, without regard to case. All that is given must hold.
#[derive(Clone, Debug, InputObject, Validate)]
pub struct EmailFilter {
    /// Is this one: `"ada@example.com"`.
    #[validate(length(max = 254))]
    pub eq: Option<String>,
    /// Is one of these. An empty list matches nobody.
    #[graphql(name = "in")]
    #[validate(length(max = 100))]
    pub is_in: Option<Vec<String>>,
}

/// Chooses users. All that is given must hold.
#[derive(Clone, Debug, InputObject, Validate)]
pub struct UserFilter {
    /// By role.
    #[validate(nested)]
    pub role: Option<RoleFilter>,
    /// By status.
    #[validate(nested)]
    pub status: Option<UserStatusFilter>,
    /// By e-mail address.
    #[validate(nested)]
    pub email: Option<EmailFilter>,
}

impl From<UserFilter> for UsersFilter {
    fn from(filter: UserFilter) -> Self {
        let fold = |text: String| text.trim().to_lowercase();
        let roles = filter.role.and_then(|role| one_of(role.eq, role.is_in));
        let statuses = filter.status.and_then(|by| one_of(by.eq, by.is_in));
        let emails = filter.email.and_then(|by| {
            let is_in = by.is_in.map(|all| all.into_iter().map(fold).collect());
            one_of(by.eq.map(fold), is_in)
        });
        Self {
            roles: roles.map(|all| all.into_iter().map(values::Role::from).collect()),
            statuses: statuses.map(|all| all.into_iter().map(values::UserStatus::from).collect()),
            emails,
        }
    }
}

/// A flaw of the model as `validator` reports it.
pub(super) fn rule<T>(result: Result<T, Flaw>) -> Result<(), ValidationError> {
    result.map(|_| ()).map_err(|flaw| {
        let code = match flaw.code {
            ErrorCode::Required => "required",
            ErrorCode::TooLong => "too_long",
            ErrorCode::WeakPassword => "weak_password",
            _ => "invalid",
        };
        ValidationError::new(code).with_message(flaw.message.into())
    })
}

fn name_rule(text: &str) -> Result<(), ValidationError> {
    rule(model::name(text))
}

fn email_rule(text: &str) -> Result<(), ValidationError> {
    rule(model::email(text))
}

fn phone_rule(text: &str) -> Result<(), ValidationError> {
    rule(model::phone(text))
}

fn password_rule(text: &str) -> Result<(), ValidationError> {
    rule(model::password(text))
}

fn password_is_not_email(input: &UserRegisterInput) -> Result<(), ValidationError> {
    rule(model::password_for(&input.password, &input.email)).map_err(|mut error| {
        error.add_param("field".into(), &"password");
        error
    })
}

/// A newcomer.
#[derive(Clone, InputObject, Validate)]
#[validate(schema(function = "password_is_not_email", skip_on_field_errors = false))]
pub struct UserRegisterInput {
    /// Name, 1 to 120 characters: `"Ada Lovelace"`.
    #[validate(custom(function = "name_rule"))]
    pub name: String,
    /// E-mail address, at most 254 characters: `"ada@example.com"`. It is kept in lower case and must be nobody
    /// else's.
    #[validate(custom(function = "email_rule"))]
    pub email: String,
    /// Phone number in the form of E.164, `+` and 7 to 15 digits: `"+442071838750"`. Spaces, dots, dashes and brackets
    /// are left out. It must be nobody else's.
    #[validate(custom(function = "phone_rule"))]
    pub phone: Option<String>,
    /// Password, 8 to 72 bytes of UTF-8; neither the e-mail address nor one of the most common.
    #[validate(custom(function = "password_rule"))]
    pub password: String,
}

/// What somebody logs in with.
#[derive(Clone, InputObject, Validate)]
pub struct SessionCreateInput {
    /// E-mail address or phone number: `"customer@example.com"` or `"+442071838750"`.
    #[validate(length(min = 1, max = 254))]
    pub identifier: String,
    /// Password.
    #[validate(length(min = 1, max = 1_024))]
    pub password: String,
}

/// Changes of one's own profile; what is left out stays.
#[derive(Clone, Debug, InputObject, Validate)]
pub struct ProfileUpdateInput {
    /// Name, 1 to 120 characters.
    #[validate(custom(function = "name_rule"))]
    pub name: Option<String>,
    /// Phone number in the form of E.164: `"+442071838750"`; `null` removes it.
    #[validate(custom(function = "maybe_phone_rule"))]
    pub phone: MaybeUndefined<String>,
    /// The `User.version` that was seen before: if the user has changed since, nothing is done and the error is
    /// `VERSION_STALE`.
    #[validate(range(min = 1))]
    pub expected_version: Option<i32>,
}

fn maybe_phone_rule(value: &MaybeUndefined<String>) -> Result<(), ValidationError> {
    match value {
        MaybeUndefined::Value(text) => phone_rule(text),
        MaybeUndefined::Null | MaybeUndefined::Undefined => Ok(()),
    }
}
