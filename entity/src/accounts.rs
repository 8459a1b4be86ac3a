//! Users, sessions and refresh tokens.

use crate::text_enum;
use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};

text_enum!(
    /// What a user may do; each role may do all that the ones before it may.
    Role {
        /// Buys.
        Customer = "CUSTOMER",
        /// Runs the shop.
        Staff = "STAFF",
        /// Gives roles.
        Admin = "ADMIN",
    }
);

text_enum!(
    /// Whether a user may log in.
    UserStatus {
        /// May log in.
        Active = "ACTIVE",
        /// Was switched off by staff.
        Disabled = "DISABLED",
    }
);

/// A person who buys or runs the shop.
pub mod user {
    use super::{Role, UserStatus};
    use crate::ids::UserId;
    use sea_orm::entity::prelude::*;

    /// One row of `users`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "users")]
    pub struct Model {
        /// Id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: UserId,
        /// Name as the user writes it, 1 to 120 characters.
        pub name: String,
        /// E-mail, trimmed and in lower case, unique.
        pub email: String,
        /// Phone in E.164 form (`+442071838750`), unique where given.
        pub phone: Option<String>,
        /// Hash of the password, in bcrypt's own text form.
        pub password_hash: String,
        /// Role.
        pub role: Role,
        /// Status.
        pub status: UserStatus,
        /// Raised by each change.
        pub version: i32,
        /// When the user registered.
        pub created_at: DateTimeUtc,
        /// When the row changed last.
        pub updated_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A log-in.
pub mod session {
    use crate::ids::{SessionId, UserId};
    use sea_orm::entity::prelude::*;

    /// One row of `sessions`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sessions")]
    pub struct Model {
        /// Id; stands in access tokens as `sid`.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: SessionId,
        /// Whose session it is.
        pub user_id: UserId,
        /// When it began.
        pub created_at: DateTimeUtc,
        /// When it was refreshed last.
        pub refreshed_at: DateTimeUtc,
        /// When it ends if it is not refreshed.
        pub expires_at: DateTimeUtc,
        /// When it was ended by its user, by staff or because an old refresh token was used again.
        pub revoked_at: Option<DateTimeUtc>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Refresh tokens: each is used once, its use makes the next one.
pub mod refresh_token {
    use crate::ids::{RefreshTokenId, SessionId};
    use sea_orm::entity::prelude::*;

    /// One row of `refresh_tokens`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "refresh_tokens")]
    pub struct Model {
        /// Id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: RefreshTokenId,
        /// The session it keeps alive.
        pub session_id: SessionId,
        /// SHA-256 of the token in hexadecimal, unique; the token itself is never stored.
        pub token_hash: String,
        /// When it was made.
        pub created_at: DateTimeUtc,
        /// Until when it can be used.
        pub expires_at: DateTimeUtc,
        /// When it was used; a second use ends the session.
        pub used_at: Option<DateTimeUtc>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Where something is sent or billed: the fields of an address without whose it is. Orders keep copies of it as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// Who receives it, 1 to 120 characters.
    pub name: String,
    /// Company, up to 120 characters.
    pub company: Option<String>,
    /// Street and number, 1 to 200 characters.
    pub line1: String,
    /// What else helps to find it, up to 200 characters.
    pub line2: Option<String>,
    /// Town, 1 to 120 characters.
    pub city: String,
    /// State, county or the like, up to 120 characters.
    pub region: Option<String>,
    /// Postal code, up to 20 characters; some countries have none.
    pub postal_code: Option<String>,
    /// Country, two capital letters of ISO 3166-1.
    pub country_code: String,
    /// Phone for the carrier, in E.164 form.
    pub phone: Option<String>,
}

/// An entry of a user's address book.
pub mod address {
    use super::Address;
    use crate::ids::{AddressId, UserId};
    use sea_orm::entity::prelude::*;

    /// One row of `addresses`; the fields are those of [`Address`].
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "addresses")]
    pub struct Model {
        /// Id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: AddressId,
        /// Whose it is.
        pub user_id: UserId,
        /// The user again where this is the default to send to: unique, so that a user has one.
        pub shipping_of: Option<UserId>,
        /// The user again where this is the default to bill to: unique, so that a user has one.
        pub billing_of: Option<UserId>,
        /// Who receives.
        pub name: String,
        /// Company.
        pub company: Option<String>,
        /// Street and number.
        pub line1: String,
        /// What else helps to find it.
        pub line2: Option<String>,
        /// Town.
        pub city: String,
        /// State or county.
        pub region: Option<String>,
        /// Postal code.
        pub postal_code: Option<String>,
        /// Country, ISO 3166-1 alpha-2.
        pub country_code: String,
        /// Phone in E.164 form.
        pub phone: Option<String>,
        /// Raised by each change.
        pub version: i32,
        /// When it was made.
        pub created_at: DateTimeUtc,
        /// When it changed last.
        pub updated_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}

    impl Model {
        /// The address without whose it is, as orders copy it.
        #[must_use]
        pub fn value(&self) -> Address {
            Address {
                name: self.name.clone(),
                company: self.company.clone(),
                line1: self.line1.clone(),
                line2: self.line2.clone(),
                city: self.city.clone(),
                region: self.region.clone(),
                postal_code: self.postal_code.clone(),
                country_code: self.country_code.clone(),
                phone: self.phone.clone(),
            }
        }
    }
}
